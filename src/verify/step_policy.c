/* Step 19 of the specification: what the relying party accepts of all that is genuine. */
#include "policy/policy.h"
#include "verify/appraisal.h"

#define STEP "policy"

void vch_step_policy(vouch_appraisal *a, const vouch_policy *policy, int64_t now_unix_s)
{
    a->admitted = false;
    if (policy == NULL || !a->genuine)
        return;
    bool good = vch_policy_judge(policy, &a->claims, now_unix_s, &a->reasons);
    /* Spec section 6, item 20: whatever the policy says; of now as well as of the TD's launch. */
    if (good
        && (a->claims.tcb_status == VOUCH_TCB_REVOKED
            || a->claims.current_tcb_status == VOUCH_TCB_REVOKED))
        vch_reasons_add_values(&a->reasons, STEP, "tcb_revoked", "any other", "Revoked",
                               "the platform's TCB is revoked");
    a->admitted = good && !vch_reasons_any(&a->reasons);
}
