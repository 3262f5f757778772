/* One member that is not to be believed any more: the round goes on without it. */
#include "base/bytes.h"
#include "fed/aggregator/state.h"

static void on_noted(void *context, vouch_code rc, const vouch_error *why)
{
    vch_aggregator_stored(context, rc, why);
}

/* The round does not end before it is on disk: a restart must not believe it again. */
static void note_down(vch_aggregator *a, size_t member, bool out)
{
    vouch_error err = { 0 };
    char text[512];
    const vch_ledger_note note = { .done = on_noted, .context = a };
    if (vch_ledger_quarantine(a->ledger, &note, vch_round_number(a->round), member, out, &err)
        != VOUCH_OK)
        vch_log(a->options.log, VCH_LOG_ERROR, "state.not_written",
                VCH_STR("reason", vouch_error_text(&err, text, sizeof text)));
}

void vch_aggregator_quarantine(vch_aggregator *a, const char *name, const char *reason)
{
    ptrdiff_t member = vch_plan_member(a->options.plan, vch_span_str(name));
    if (member < 0 || vch_round_is_excluded(a->round, (size_t)member))
        return;
    bool dropped = false;
    if (a->closing.stage
        == VCH_CLOSING_NOT) /* else the round is over already, with it or without */
        dropped = vch_results_drop_member(a->results, (size_t)member);
    vch_round_exclude(a->round, (size_t)member);
    note_down(a, (size_t)member, true);
    vch_log(a->options.log, VCH_LOG_WARN, "collaborator.quarantined", VCH_STR("name", name),
            VCH_INT("round", vch_round_number(a->round)), VCH_BOOL("update_dropped", dropped),
            VCH_STR("reason", reason));
    vch_aggregator_poke(a);
}

void vch_aggregator_readmit(vch_aggregator *a, const char *name)
{
    ptrdiff_t member = vch_plan_member(a->options.plan, vch_span_str(name));
    if (member < 0 || !vch_round_is_excluded(a->round, (size_t)member))
        return;
    vch_round_readmit(a->round, (size_t)member);
    note_down(a, (size_t)member, false);
    vch_log(a->options.log, VCH_LOG_INFO, "collaborator.readmitted", VCH_STR("name", name),
            VCH_INT("round", vch_round_number(a->round)));
    vch_aggregator_poke(a);
}
