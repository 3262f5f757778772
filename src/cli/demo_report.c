#include "cli/demo_report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "cli/claims_view.h"
#include "codec/json_writer.h"

void vch_demo_say(const vch_demo_reporter *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vfprintf(r->to, fmt, args);
    va_end(args);
    (void)fputc('\n', r->to);
    (void)fflush(r->to);
}

static void show_round(void *context, const vch_demo_round *round)
{
    const vch_demo_reporter *r = context;
    vch_demo_say(r, "round %2" PRId64 "/%" PRId64 "  accuracy %.4f  %5.2f s  %" PRId64 " updates",
                 round->number + 1, r->rounds, round->accuracy, round->seconds, round->reported);
}

static void show_admitted(void *context, const vch_demo_participant *p)
{
    vch_demo_say(context, "admitted  %s %s, %s%s", p->role, p->name, p->tcb_status,
                 p->simulated ? ", simulated" : "");
}

static void show_intruder(void *context, const vch_demo_intruder *i)
{
    vch_demo_say(context, "%s  %s: [%s] %s", i->admitted ? "ADMITTED" : "refused ", i->title,
                 i->code, i->message);
}

vch_demo_watcher vch_demo_reporter_watcher(vch_demo_reporter *r)
{
    return (vch_demo_watcher) { r, show_round, show_admitted, show_intruder };
}

static void participants(FILE *to, const vch_demo_play *play)
{
    (void)fprintf(to, "\nParticipants\n  %-12s %-13s %-18s %-10s %-10s %s\n", "name", "role",
                  "measurement", "TCB", "platform", "verified how");
    for (size_t i = 0; i < play->participant_count; i++) {
        const vch_demo_participant *p = &play->participants[i];
        (void)fprintf(to, "  %-12s %-13s %.16s.. %-10s %-10s %s\n", p->name, p->role,
                      p->measurement, p->tcb_status, p->simulated ? "simulated" : "genuine",
                      p->token ? "quote, locally; and token" : "quote, locally");
    }
}

static void intruders(FILE *to, const vch_demo_play *play)
{
    (void)fprintf(to, "\nIntruders\n");
    for (size_t i = 0; i < play->intruder_count; i++) {
        const vch_demo_intruder *in = &play->intruders[i];
        (void)fprintf(to, "  %-9s %-16s %s\n", in->admitted ? "ADMITTED" : "refused", in->code,
                      in->title);
    }
}

void vch_demo_report_tables(const vch_demo_reporter *r, const vch_demo_scene *scene,
                            const vch_demo_federation *f, const vch_demo_play *play)
{
    char name[32];
    participants(r->to, play);
    if (strcmp(f->tee, "tdx") == 0)
        vch_demo_say(r, "  A TD's measurement is of %s.", vch_measured_caution(VOUCH_TEE_TDX));
    intruders(r->to, play);
    if (!scene->keep) {
        vch_demo_say(r,
                     "\nModel and passports were in a temporary directory; --keep DIR keeps them.");
        return;
    }
    vch_demo_say(r, "\nModel       %s/%s/save/final.pbuf", scene->dir, VCH_DEMO_AGGREGATOR);
    vch_demo_say(r, "Passports   %s/%s/reports/%s_passport.json", scene->dir, VCH_DEMO_AGGREGATOR,
                 VCH_DEMO_AGGREGATOR);
    for (size_t i = 0; i < f->collaborator_count; i++) {
        (void)vch_demo_collaborator_name(i, name);
        vch_demo_say(r, "            %s/%s/reports/%s_passport.json", scene->dir, name, name);
    }
    vch_demo_say(r,
                 "Verify one, with no network:\n"
                 "  %s/vouch passport verify %s/%s/reports/%s_passport.json --policy "
                 "%s/hospital1/plan/attestation.yaml",
                 scene->programs, scene->dir, VCH_DEMO_AGGREGATOR, VCH_DEMO_AGGREGATOR, scene->dir);
}

static void json_rounds(vch_json_writer *w, const vch_demo_play *play)
{
    vch_json_key(w, "rounds");
    vch_json_begin_array(w);
    for (size_t i = 0; i < play->round_count; i++) {
        const vch_demo_round *r = &play->rounds[i];
        vch_json_begin_object(w);
        vch_json_put_int(w, "round", r->number);
        vch_json_key(w, "accuracy");
        vch_json_real(w, r->accuracy);
        vch_json_key(w, "seconds");
        vch_json_real(w, r->seconds);
        vch_json_put_int(w, "updates", r->reported);
        vch_json_end(w);
    }
    vch_json_end(w);
}

static void json_participants(vch_json_writer *w, const vch_demo_play *play)
{
    vch_json_key(w, "participants");
    vch_json_begin_array(w);
    for (size_t i = 0; i < play->participant_count; i++) {
        const vch_demo_participant *p = &play->participants[i];
        vch_json_begin_object(w);
        vch_json_put_string(w, "name", p->name);
        vch_json_put_string(w, "role", p->role);
        vch_json_put_string(w, "measurement", p->measurement);
        vch_json_put_string(w, "tcb_status", p->tcb_status);
        vch_json_put_bool(w, "simulated", p->simulated);
        vch_json_put_bool(w, "token", p->token);
        vch_json_put_int(w, "after_rounds", p->came_in_round);
        vch_json_end(w);
    }
    vch_json_end(w);
}

static void json_intruders(vch_json_writer *w, const vch_demo_play *play)
{
    vch_json_key(w, "intruders");
    vch_json_begin_array(w);
    for (size_t i = 0; i < play->intruder_count; i++) {
        const vch_demo_intruder *in = &play->intruders[i];
        vch_json_begin_object(w);
        vch_json_put_string(w, "name", in->name);
        vch_json_put_string(w, "title", in->title);
        vch_json_put_bool(w, "admitted", in->admitted);
        vch_json_put_string(w, "by", in->refused_by);
        vch_json_put_string(w, "code", in->code);
        vch_json_put_string(w, "message", in->message);
        vch_json_end(w);
    }
    vch_json_end(w);
}

static vouch_code json_path(vch_json_writer *w, const vch_demo_scene *scene, const char *site,
                            const char *inside, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    vouch_code rc = vch_demo_path(scene, path, "%s/%s", err, site, inside);
    if (rc == VOUCH_OK)
        vch_json_string(w, path);
    return rc;
}

static vouch_code json_passports(vch_json_writer *w, const vch_demo_scene *scene,
                                 const vch_demo_federation *f, vouch_error *err)
{
    char name[32];
    char inside[64];
    vch_json_key(w, "passports");
    vch_json_begin_array(w);
    vouch_code rc = json_path(w, scene, VCH_DEMO_AGGREGATOR,
                              "reports/" VCH_DEMO_AGGREGATOR "_passport.json", err);
    for (size_t i = 0; rc == VOUCH_OK && i < f->collaborator_count; i++) {
        (void)vch_demo_collaborator_name(i, name);
        (void)snprintf(inside, sizeof inside, "reports/%s_passport.json", name);
        rc = json_path(w, scene, name, inside, err);
    }
    vch_json_end(w);
    return rc;
}

vouch_code vch_demo_report_json(const vch_demo_scene *scene, const vch_demo_federation *f,
                                const vch_demo_play *play, vch_buffer *out, vouch_error *err)
{
    vch_json_writer w = vch_json_writer_over(out, false);
    vch_json_begin_object(&w);
    vch_json_put_bool(&w, "ok", vch_demo_play_ended_well(play, f));
    json_rounds(&w, play);
    json_participants(&w, play);
    json_intruders(&w, play);
    vch_json_key(&w, "model");
    vouch_code rc = json_path(&w, scene, VCH_DEMO_AGGREGATOR, "save/final.pbuf", err);
    if (rc == VOUCH_OK)
        rc = json_passports(&w, scene, f, err);
    vch_json_end(&w);
    return rc == VOUCH_OK ? vch_buffer_finish(out, "the demo's JSON", err) : rc;
}
