/*
 * What a collaborator must not forget: the results that it made in the present round, each until the
 * aggregator has it and the round is over, and the newest round that it finished. A result is on
 * disk before it is sent, so a task whose work is done is never done twice. One thread at a time.
 * docs/durability.md; docs/protocol.md section 9.
 */
#ifndef VCH_FED_COLLABORATOR_KEEP_H
#define VCH_FED_COLLABORATOR_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/scope.h"
#include "fed/plan/plan.h"
#include "fed/runner/runner.h"
#include "fed/tensor/tensor.h"
#include "store/seal.h"
#include "store/state_rules.h"
#include "vouch/error.h"

#define VCH_KEEP_NO_ROUND (-1)

typedef struct vch_keep vch_keep;

typedef struct vch_keep_options {
    const char *parent;            /* where directories of state lie; NULL: nothing is kept */
    const vch_seal_root *root;     /* kept; NULL: in clear */
    bool fleeting;                 /* the root dies with this process */
    const vch_plan *plan;          /* kept */
    const char *name;              /* of the collaborator */
    const uint8_t *policy_digest;  /* SHA-256 of the federation's rules; NULL: there are none */
    const vch_state_rules *before; /* what these follow, newest first; only for the call */
    size_t before_count;
    const vch_log *log; /* kept; may be NULL */
} vch_keep_options;

/* Fails as vch_state_open; VOUCH_E_FORMAT for records that this plan does not explain. */
VOUCH_MUST_CHECK vouch_code vch_keep_open(const vch_keep_options *options, vch_keep **out,
                                          vouch_error *err);
void vch_keep_close(vch_keep *k);
VCH_DEFINE_DROP(vch_keep_drop, vch_keep, vch_keep_close)

/*
 * The rules have changed: what is kept goes along, sealed anew with `root` (kept; store/reseal.h).
 * policy_digest: 32 bytes, copied. Where it fails nothing more is written under the rules before:
 * whatever is to be kept tries this again first, and fails as it does.
 */
VOUCH_MUST_CHECK vouch_code vch_keep_follow(vch_keep *k, const vch_seal_root *root,
                                            const uint8_t policy_digest[static 32],
                                            vouch_error *err);

/* Something failed so that nobody knows what is on disk: the process must end (vch_journal_is_spoilt,
 * vch_state_reseal); the next start goes on. */
bool vch_keep_is_spoilt(const vch_keep *k);

/* The newest round of which a result was acknowledged, or VCH_KEEP_NO_ROUND. */
int32_t vch_keep_finished(const vch_keep *k);

/* Where it lies, for messages; "" if nothing is kept. */
const char *vch_keep_directory(const vch_keep *k);

/*
 * A result is made: on disk when this returns. `model` is what was trained, or NULL. Results of
 * other rounds are removed.
 */
VOUCH_MUST_CHECK vouch_code vch_keep_result(vch_keep *k, int32_t round, const vch_plan_task *task,
                                            const vch_task_outcome *outcome, const vch_model *model,
                                            vouch_error *err);

/*
 * The result of a task that was made before, if there is one (*out_found). A trained model is read
 * over `model`, which has its names and shapes, and outcome->trained says so.
 */
VOUCH_MUST_CHECK vouch_code vch_keep_find(vch_keep *k, int32_t round, const vch_plan_task *task,
                                          vch_task_outcome *outcome, vch_model *model,
                                          bool *out_found, vouch_error *err);

/* The aggregator has a result of this round, or does not want it. */
VOUCH_MUST_CHECK vouch_code vch_keep_acknowledged(vch_keep *k, int32_t round, vouch_error *err);

/* The aggregator said that the federation is over: the next start is another run. */
VOUCH_MUST_CHECK vouch_code vch_keep_over(vch_keep *k, vouch_error *err);

#endif
