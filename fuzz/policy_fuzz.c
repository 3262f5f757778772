/* Policies: whatever is read, claims that nothing established are refused. */
#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vouch_policy *policy = NULL;
    vch_faults faults = { 0 };
    vouch_error err = { 0 };
    vouch_code rc = vch_policy_parse_all("p", (vouch_span) { data, size }, &faults, &policy, &err);
    if (rc != VOUCH_OK && (policy != NULL || err.depth == 0))
        __builtin_trap(); /* failed, yet wrote its output or gave no reason */
    if (rc == VOUCH_OK && faults.errors != 0)
        __builtin_trap();
    if (rc == VOUCH_OK) {
        vch_reasons reasons = { 0 };
        vouch_claims claims = { .tee = VOUCH_TEE_SGX, .tcb_status = VOUCH_TCB_REVOKED };
        if (vch_policy_judge(policy, &claims, 0, &reasons) || !vch_reasons_any(&reasons))
            __builtin_trap();
        vch_reasons_drop(&reasons);
    }
    vch_faults_done(&faults);
    vouch_policy_free(policy);
    return 0;
}
