#include "cli/demo_play.h"

#include <stdlib.h>
#include <string.h>

#include "cli/demo_intruders.h"
#include "host/clock.h"

#define JOIN_MS INT64_C(60000)
#define INTRUDER_MS INT64_C(30000)
#define END_MS INT64_C(300000)

/* What the play carries along. */
typedef struct stage {
    const vch_demo_scene *scene;
    vch_demo_federation *f;
    const vch_demo_watcher *watcher;
    vch_demo_play *play;
    vch_demo_actor aggregator;
    vch_demo_actor collaborators[VCH_DEMO_COLLABORATORS_MAX];
    vch_demo_intruder *knocking; /* the intruder at the door, or NULL */
    vch_demo_actor *knocker;     /* its process */
    int silent_turns;            /* since that ended without a verdict */
    vch_demo_intrusion intrusions[VCH_DEMO_INTRUDERS_MAX];
} stage;

static void copy_text(const vch_json *event, const char *member, char *out, size_t size)
{
    (void)snprintf(out, size, "%s", vch_demo_event_text(event, member));
}

static bool truth(const vch_json *event, const char *member)
{
    bool value = false;
    const vch_json *found = vch_json_member(event, member);
    return found != NULL && vch_json_to_bool(found, &value) && value;
}

static int64_t number(const vch_json *event, const char *member)
{
    int64_t value = 0;
    const vch_json *found = vch_json_member(event, member);
    return found != NULL && vch_json_to_int(found, &value) ? value : 0;
}

static void note_round(stage *s, const vch_json *event)
{
    if (s->play->round_count == VCH_DEMO_ROUNDS_MAX)
        return;
    vch_demo_round *r = &s->play->rounds[s->play->round_count++];
    *r = (vch_demo_round) { .number = number(event, "round"),
                            .accuracy = strtod(vch_demo_event_text(event, "accuracy"), NULL),
                            .seconds = (double)number(event, "milliseconds") / 1000.0,
                            .reported = number(event, "reported") };
    if (s->watcher->round != NULL)
        s->watcher->round(s->watcher->context, r);
}

static void note_participant(stage *s, const vch_json *event)
{
    if (s->play->participant_count > VCH_DEMO_COLLABORATORS_MAX)
        return;
    vch_demo_participant *p = &s->play->participants[s->play->participant_count++];
    *p = (vch_demo_participant) { .simulated = truth(event, "simulated"),
                                  .token = truth(event, "token"),
                                  .came_in_round = (int64_t)s->play->round_count };
    copy_text(event, "name", p->name, sizeof p->name);
    copy_text(event, "role", p->role, sizeof p->role);
    copy_text(event, "measurement", p->measurement, sizeof p->measurement);
    copy_text(event, "tcb_status", p->tcb_status, sizeof p->tcb_status);
    copy_text(event, "code", p->code, sizeof p->code);
    if (s->watcher->admitted != NULL)
        s->watcher->admitted(s->watcher->context, p);
}

/* A verdict while an intruder knocks is the intruder's: the others are in, or not yet started. */
static void note_intruder(stage *s, const vch_json *event, bool admitted, const char *by)
{
    vch_demo_intruder *i = s->knocking;
    i->admitted = admitted;
    copy_text(event, "code", i->code, sizeof i->code);
    copy_text(event, "message", i->message, sizeof i->message);
    i->refused_by = by;
    if (s->watcher->intruder != NULL)
        s->watcher->intruder(s->watcher->context, i);
    s->knocking = NULL;
}

static void note(stage *s, const vch_json *event)
{
    bool admitted = vch_demo_event_is(event, "admission.admitted");
    bool refused = vch_demo_event_is(event, "admission.refused");
    if (vch_demo_event_is(event, "round.finished"))
        note_round(s, event);
    else if (vch_demo_event_is(event, "federation.finished"))
        s->play->finished = true;
    else if ((admitted || refused) && s->knocking != NULL)
        note_intruder(s, event, admitted, VCH_DEMO_AGGREGATOR);
    else if (admitted)
        note_participant(s, event);
}

/*
 * The genuine program judges the aggregator before it shows itself: an intruder that runs it may be
 * turned away by its own side, with the same codes.
 */
static vouch_code note_own_refusal(stage *s, vouch_error *err)
{
    vouch_code rc = VOUCH_OK;
    while (rc == VOUCH_OK && s->knocking != NULL && s->knocker != NULL) {
        VCH_SCOPED(vch_json_drop) vch_json *event = NULL;
        rc = vch_demo_event_next(s->knocker, 0, &event, err);
        if (event == NULL)
            break;
        if (vch_demo_event_is(event, "admission.refused"))
            note_intruder(s, event, false, "its own program");
    }
    if (rc == VOUCH_OK && s->knocking != NULL && s->knocker != NULL && s->knocker->child.ended
        && ++s->silent_turns > 20)
        return vouch_fail(err, VOUCH_E_INTERNAL, "it ended before it came to the door (see %s)",
                          s->knocker->log);
    return rc;
}

/* Take events until `done` says so, the aggregator ends, or time is up. */
static vouch_code pump(stage *s, bool (*done)(const stage *s, size_t wanted), size_t wanted,
                       int64_t timeout_ms, vouch_error *err)
{
    int64_t until = vch_clock_monotonic_ms() + timeout_ms;
    while (!done(s, wanted)) {
        VCH_SCOPED(vch_json_drop) vch_json *event = NULL;
        vouch_code rc = vch_demo_event_next(&s->aggregator, 100, &event, err);
        if (rc == VOUCH_OK && event == NULL)
            rc = note_own_refusal(s, err);
        if (rc != VOUCH_OK)
            return rc;
        if (event != NULL)
            note(s, event);
        else if (s->aggregator.child.ended)
            return vouch_fail(err, VOUCH_E_REFUSED, "the aggregator ended too early (see %s)",
                              s->aggregator.log);
        else if (vch_clock_monotonic_ms() >= until)
            return vouch_fail(err, VOUCH_E_TIMEOUT, "nothing happened for %lld s (see %s)",
                              (long long)(timeout_ms / 1000), s->aggregator.log);
    }
    return VOUCH_OK;
}

static bool rounds_done(const stage *s, size_t wanted)
{
    return s->play->round_count >= wanted;
}

static bool participants_in(const stage *s, size_t wanted)
{
    return s->play->participant_count >= wanted;
}

static bool intruder_answered(const stage *s, size_t wanted)
{
    (void)wanted;
    return s->knocking == NULL;
}

static bool finished(const stage *s, size_t wanted)
{
    (void)wanted;
    return s->play->finished;
}

/* The aggregator's own line in the table comes from its start. */
static vouch_code open_house(stage *s, vouch_error *err)
{
    VCH_SCOPED(vch_json_drop) vch_json *self = NULL;
    vouch_code rc = vch_demo_start_aggregator(s->scene, s->f, &s->aggregator, &self, err);
    if (rc == VOUCH_OK)
        note_participant(s, self);
    return rc;
}

static vouch_code bring(stage *s, size_t index, vouch_error *err)
{
    char name[32];
    (void)vch_demo_collaborator_name(index, name);
    return vch_demo_start_collaborator(s->scene, s->f, name, name, &(vch_demo_disguise) { 0 },
                                       &s->collaborators[index], err);
}

static vouch_code prepare_intruders(stage *s, vouch_error *err)
{
    for (size_t i = 0; i < vch_demo_intruder_kind_count; i++) {
        const vch_demo_intruder_kind *kind = &vch_demo_intruder_kinds[i];
        vouch_code rc = VOUCH_OK;
        if (kind->prepare != NULL)
            rc = kind->prepare(s->scene, s->f, &s->intrusions[i], err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "preparing the intruder '%s'", kind->name);
    }
    return VOUCH_OK;
}

static vouch_code try_intruder(stage *s, size_t index, vouch_error *err)
{
    const vch_demo_intruder_kind *kind = &vch_demo_intruder_kinds[index];
    vch_demo_intruder *i = &s->play->intruders[s->play->intruder_count++];
    *i = (vch_demo_intruder) { .name = kind->name, .title = kind->title, .tried = true };
    s->knocking = i;
    s->silent_turns = 0;
    vch_demo_intrusion *intrusion = &s->intrusions[index];
    vouch_code rc = kind->start(s->scene, s->f, intrusion, err);
    s->knocker = intrusion->count > 0 ? &intrusion->actor[intrusion->count - 1] : NULL;
    if (rc == VOUCH_OK)
        rc = pump(s, intruder_answered, 0, INTRUDER_MS, err);
    vch_demo_intrusion_drop(&s->intrusions[index]);
    s->knocking = NULL;
    s->knocker = NULL;
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "intruder '%s'", kind->name);
}

/* All but the last are there from the start; the last one comes after round 1 and the intruders. */
static vouch_code acts(stage *s, vouch_error *err)
{
    size_t last = s->f->collaborator_count - 1;
    vouch_code rc = open_house(s, err);
    for (size_t i = 0; rc == VOUCH_OK && i < last; i++)
        rc = bring(s, i, err);
    if (rc == VOUCH_OK)
        rc = pump(s, participants_in, last + 1, JOIN_MS, err);
    if (rc == VOUCH_OK)
        rc = pump(s, rounds_done, 1, JOIN_MS, err);
    if (rc == VOUCH_OK)
        rc = prepare_intruders(s, err);
    for (size_t i = 0; rc == VOUCH_OK && i < vch_demo_intruder_kind_count; i++)
        rc = try_intruder(s, i, err);
    if (rc == VOUCH_OK)
        rc = bring(s, last, err);
    if (rc == VOUCH_OK)
        rc = pump(s, participants_in, last + 2, JOIN_MS, err);
    if (rc == VOUCH_OK)
        rc = pump(s, finished, 0, END_MS, err);
    return rc;
}

vouch_code vch_demo_play_run(const vch_demo_scene *scene, vch_demo_federation *f,
                             const vch_demo_watcher *watcher, vch_demo_play *out, vouch_error *err)
{
    stage *s = calloc(1, sizeof *s);
    if (s == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the play");
    *s = (stage) { .scene = scene, .f = f, .watcher = watcher, .play = out };
    vouch_code rc = acts(s, err);
    int status = 0;
    if (rc == VOUCH_OK && vch_child_wait(&s->aggregator.child, 10000, &status, NULL) == VOUCH_OK)
        out->finished = status == 0;
    for (size_t i = 0; i < vch_demo_intruder_kind_count; i++)
        vch_demo_intrusion_drop(&s->intrusions[i]);
    for (size_t i = 0; i < f->collaborator_count; i++)
        vch_demo_actor_drop(&s->collaborators[i]);
    vch_demo_actor_drop(&s->aggregator);
    free(s);
    return rc;
}

bool vch_demo_play_ended_well(const vch_demo_play *play, const vch_demo_federation *f)
{
    bool well = play->finished && play->round_count == (size_t)f->rounds
                && play->participant_count == f->collaborator_count + 1
                && play->intruder_count == vch_demo_intruder_kind_count;
    for (size_t i = 0; i < play->intruder_count; i++)
        well = well && !play->intruders[i].admitted && play->intruders[i].code[0] != '\0';
    return well;
}
