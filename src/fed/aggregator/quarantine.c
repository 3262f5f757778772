/* One member that is not to be believed any more: the round goes on without it. */
#include "base/bytes.h"
#include "fed/aggregator/state.h"

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
    vch_log(a->options.log, VCH_LOG_INFO, "collaborator.readmitted", VCH_STR("name", name),
            VCH_INT("round", vch_round_number(a->round)));
    vch_aggregator_poke(a);
}
