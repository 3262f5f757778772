/*
 * Other rules: what is kept goes along with them. Nothing that comes after the change is stored
 * before the state is sealed for the new rules, so the genuine program started with the old ones
 * opens nothing of it. docs/protocol.md section 6, "Policy change".
 */
#include <string.h>

#include "fed/aggregator/state.h"

/* Files that are open are those of the directory that is gone. */
static vouch_code move_files(const vch_aggregator *a, vouch_error *err)
{
    vouch_code rc = vch_ledger_move(a->ledger, a->current, err);
    if (rc == VOUCH_OK)
        rc = vch_ledger_move(a->ledger, a->past, err);
    for (size_t m = 0; rc == VOUCH_OK && m < a->view->member_count; m++) {
        for (size_t task = 0; rc == VOUCH_OK && task < a->view->task_count; task++) {
            const vch_result *result = vch_results_look(a->results, m, task);
            if (result != NULL)
                rc = vch_ledger_move(a->ledger, result->update, err);
        }
    }
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "going on with what was sealed anew");
}

static void try_later(vch_aggregator *a, const vouch_error *why)
{
    char text[512];
    a->rules.stage = VCH_FOLLOWING_NOT;
    vch_log(a->options.log, VCH_LOG_ERROR, "state.not_resealed",
            VCH_STR("reason", vouch_error_text(why, text, sizeof text)),
            VCH_INT("retry_ms", VCH_AGGREGATOR_RETRY_MS));
    vch_timer_start(a->rules.retry, VCH_AGGREGATOR_RETRY_MS);
}

static void on_resealed(void *context, vouch_code rc, const vouch_error *why)
{
    vch_aggregator *a = context;
    vouch_error err = why == NULL ? (vouch_error) { 0 } : *why;
    bool may_pass = (rc == VOUCH_E_IO || rc == VOUCH_E_MEMORY) && !vch_ledger_is_spoilt(a->ledger);
    bool is_outdated = a->rules.stage == VCH_FOLLOWING_OUTDATED;
    if (rc != VOUCH_OK && may_pass) {
        try_later(a, &err);
        return;
    }
    if (rc == VOUCH_OK)
        rc = move_files(a, &err);
    if (rc != VOUCH_OK) {
        vch_aggregator_finish(a, rc, &err);
        return;
    }
    a->rules.stage = VCH_FOLLOWING_NOT;
    if (is_outdated)
        vch_aggregator_reseal(a);
    else
        vch_aggregator_poke(a);
}

void vch_aggregator_reseal(void *context)
{
    vch_aggregator *a = context;
    if (a->ended || a->rules.stage != VCH_FOLLOWING_NOT)
        return;
    const vch_ledger_rules rules = {
        .root = a->rules.root, .digest = a->rules.digest, .done = on_resealed, .context = a
    };
    a->rules.stage = VCH_FOLLOWING_RUNS;
    vch_ledger_reseal(a->ledger, &rules);
}

void vch_aggregator_follow(vch_aggregator *a, const vch_seal_root *root,
                           const uint8_t policy_digest[static 32])
{
    a->rules.root = root;
    memcpy(a->rules.digest, policy_digest, sizeof a->rules.digest);
    if (a->rules.stage != VCH_FOLLOWING_NOT)
        a->rules.stage = VCH_FOLLOWING_OUTDATED;
    vch_aggregator_reseal(a);
}
