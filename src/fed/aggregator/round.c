#include "fed/aggregator/round.h"

#include <stdlib.h>

typedef struct seat {
    uint64_t owed;     /* tasks of this round */
    uint64_t reported; /* of those */
    int32_t asked;     /* the round in which it last asked for work, or NEVER */
    bool connected;    /* since it last asked, not all its connections have gone */
    bool told;         /* to quit */
    bool excluded;
} seat;

struct vch_round {
    vch_round_options options;
    int32_t number;
    int64_t handed_out_ms; /* first hand-out of this round, or UNSET */
    int64_t finished_ms;   /* when the last round ended, or UNSET */
    seat seats[];
};

#define UNSET INT64_MIN
#define NEVER (-1)

static vouch_code check_options(const vch_round_options *o, vouch_error *err)
{
    if (o->member_count < 1 || o->member_count > VCH_ROUND_MEMBER_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu collaborators; 1 to %d are possible",
                          o->member_count, VCH_ROUND_MEMBER_MAX);
    if (o->task_count < 1 || o->task_count > VCH_ROUND_TASK_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu tasks; 1 to %d are possible", o->task_count,
                          VCH_ROUND_TASK_MAX);
    if (o->minimum_reporting > o->member_count)
        return vouch_fail(err, VOUCH_E_LIMIT,
                          "minimum_reporting is %zu, but there are %zu collaborators: no round "
                          "could ever end",
                          o->minimum_reporting, o->member_count);
    if (o->policy == VCH_ROUND_PERCENTAGE && !(o->percentage >= 0.0 && o->percentage <= 1.0))
        return vouch_fail(err, VOUCH_E_LIMIT,
                          "percent_collaborators_needed is %g; it must be from 0 to 1",
                          o->percentage);
    if (o->first_round < 0 || o->end_round < 0)
        return vouch_fail(err, VOUCH_E_LIMIT, "rounds cannot be negative");
    return VOUCH_OK;
}

vouch_code vch_round_new(const vch_round_options *options, vch_round **out, vouch_error *err)
{
    vouch_code rc = check_options(options, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_round *r = calloc(1, sizeof *r + options->member_count * sizeof(seat));
    if (r == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for %zu members", options->member_count);
    r->options = *options;
    if (r->options.minimum_reporting == 0)
        r->options.minimum_reporting = 1;
    for (size_t m = 0; m < options->member_count; m++)
        r->seats[m].asked = NEVER;
    r->number = options->first_round;
    r->handed_out_ms = UNSET;
    r->finished_ms = UNSET;
    *out = r;
    return VOUCH_OK;
}

void vch_round_free(vch_round *r)
{
    free(r);
}

void vch_round_assign(vch_round *r, const uint64_t *tasks)
{
    for (size_t m = 0; m < r->options.member_count; m++)
        r->seats[m].owed = tasks[m];
}

int32_t vch_round_number(const vch_round *r)
{
    return r->number;
}

bool vch_round_finished(const vch_round *r)
{
    return r->number >= r->options.end_round;
}

vch_round_answer vch_round_ask(vch_round *r, size_t member, int64_t now_ms, uint64_t *out_tasks)
{
    seat *m = &r->seats[member];
    m->connected = true;
    m->asked = r->number;
    if (vch_round_finished(r)) {
        m->told = true;
        return VCH_ROUND_QUIT;
    }
    uint64_t left = m->excluded ? 0 : m->owed & ~m->reported;
    if (left == 0)
        return VCH_ROUND_WAIT;
    if (r->handed_out_ms == UNSET)
        r->handed_out_ms = now_ms;
    *out_tasks = left;
    return VCH_ROUND_WORK;
}

vch_round_ruling vch_round_judge(const vch_round *r, size_t member, int32_t round, size_t task)
{
    const seat *m = &r->seats[member];
    if (vch_round_finished(r))
        return VCH_RESULT_OVER;
    if (round != r->number)
        return VCH_RESULT_OTHER_ROUND;
    uint64_t bit = task < r->options.task_count ? UINT64_C(1) << task : 0;
    if ((m->owed & bit) == 0 || m->excluded)
        return VCH_RESULT_NOT_OWED;
    return (m->reported & bit) != 0 ? VCH_RESULT_DUPLICATE : VCH_RESULT_TAKE;
}

const char *vch_round_ruling_text(vch_round_ruling ruling)
{
    switch (ruling) {
    case VCH_RESULT_OVER:
        return "the rounds are done";
    case VCH_RESULT_OTHER_ROUND:
        return "another round";
    case VCH_RESULT_NOT_OWED:
        return "not its task in this round";
    case VCH_RESULT_DUPLICATE:
        return "reported before";
    case VCH_RESULT_TAKE:
        return "taken";
    }
    return "unknown";
}

void vch_round_report(vch_round *r, size_t member, size_t task)
{
    if (task < r->options.task_count && !r->seats[member].excluded)
        r->seats[member].reported |= UINT64_C(1) << task;
}

bool vch_round_is_done(const vch_round *r, size_t member)
{
    const seat *m = &r->seats[member];
    return m->owed != 0 && (m->owed & ~m->reported) == 0;
}

void vch_round_exclude(vch_round *r, size_t member)
{
    r->seats[member].excluded = true;
    r->seats[member].reported = 0;
}

void vch_round_readmit(vch_round *r, size_t member)
{
    r->seats[member].excluded = false;
}

bool vch_round_is_excluded(const vch_round *r, size_t member)
{
    return r->seats[member].excluded;
}

size_t vch_round_done_count(const vch_round *r)
{
    size_t done = 0;
    for (size_t m = 0; m < r->options.member_count; m++)
        done += vch_round_is_done(r, m);
    return done;
}

/* Nobody whose tasks are outstanding. A member without tasks in this round owes nothing. */
static bool all_done(const vch_round *r)
{
    for (size_t m = 0; m < r->options.member_count; m++) {
        if (!r->seats[m].excluded && (r->seats[m].owed & ~r->seats[m].reported) != 0)
            return false;
    }
    return true;
}

static bool cutoff_passed(const vch_round *r, int64_t now_ms)
{
    return r->options.cutoff_ms >= 0 && r->handed_out_ms != UNSET
           && now_ms - r->handed_out_ms >= r->options.cutoff_ms;
}

bool vch_round_is_over(const vch_round *r, int64_t now_ms)
{
    if (vch_round_finished(r))
        return false;
    size_t done = vch_round_done_count(r);
    if (done == 0) /* there would be nothing to aggregate */
        return false;
    if (all_done(r))
        return true;
    bool quorum = done >= r->options.minimum_reporting;
    switch (r->options.policy) {
    case VCH_ROUND_WAIT_FOR_ALL:
        return false;
    case VCH_ROUND_CUTOFF:
        return quorum && cutoff_passed(r, now_ms);
    case VCH_ROUND_PERCENTAGE:
        return quorum && (double)done >= r->options.percentage * (double)r->options.member_count;
    }
    return false;
}

int64_t vch_round_next_deadline_ms(const vch_round *r)
{
    if (r->finished_ms != UNSET)
        return r->finished_ms + r->options.farewell_ms;
    if (r->options.policy != VCH_ROUND_CUTOFF || r->options.cutoff_ms < 0
        || r->handed_out_ms == UNSET || vch_round_finished(r))
        return INT64_MAX;
    return r->handed_out_ms + r->options.cutoff_ms;
}

void vch_round_advance(vch_round *r, int64_t now_ms)
{
    r->number++;
    r->handed_out_ms = UNSET;
    for (size_t m = 0; m < r->options.member_count; m++) {
        r->seats[m].owed = 0;
        r->seats[m].reported = 0;
    }
    if (vch_round_finished(r))
        r->finished_ms = now_ms;
}

void vch_round_resume(vch_round *r, int64_t now_ms)
{
    if (vch_round_finished(r))
        r->finished_ms = now_ms;
    for (size_t m = 0; m < r->options.member_count; m++)
        r->seats[m].asked = r->number;
}

void vch_round_leave(vch_round *r, size_t member)
{
    r->seats[member].connected = false;
}

/* OpenFL until 1.6 opens a connection for each call, so one that took part in the last round is
 * waited for even while it has none. */
static bool is_awaited(const vch_round *r, const seat *m)
{
    bool took_part = m->asked != NEVER && m->asked >= r->options.end_round - 1;
    return !m->told && (m->connected || took_part);
}

bool vch_round_may_exit(const vch_round *r, int64_t now_ms)
{
    if (!vch_round_finished(r))
        return false;
    if (r->finished_ms == UNSET) /* there never was a round to make */
        return true;
    if (now_ms - r->finished_ms >= r->options.farewell_ms)
        return true;
    for (size_t m = 0; m < r->options.member_count; m++) {
        if (is_awaited(r, &r->seats[m]))
            return false;
    }
    return true;
}
