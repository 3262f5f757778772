/* Policy Builder policies: whatever is read, evidence of no TEE matches nothing. */
#include <stddef.h>
#include <stdint.h>

#include "policy/builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const vouch_span text = { data, size };
    vch_builder_policy *policy = NULL;
    vouch_error err = { 0 };
    vouch_code rc = vch_builder_parse("p", text, &policy, &err);
    if (rc != VOUCH_OK && (policy != NULL || err.depth == 0))
        __builtin_trap(); /* failed, yet wrote its output or gave no reason */
    if (rc == VOUCH_OK && vch_policy_form_of(text) != VCH_POLICY_BUILDER)
        __builtin_trap();
    for (int tee = VOUCH_TEE_NONE; rc == VOUCH_OK && tee <= VOUCH_TEE_TDX; tee++) {
        const vch_builder_export *list = NULL;
        vch_reasons reasons = { 0 };
        const vouch_claims claims = { .tee = (vouch_tee)tee };
        bool match = vch_builder_judge(policy, &claims, 0, &reasons);
        if (match == vch_reasons_any(&reasons) || (tee == VOUCH_TEE_NONE && match))
            __builtin_trap();
        if (vch_builder_exports(policy, (vouch_tee)tee, &list) > VCH_BUILDER_EXPORTS_MAX)
            __builtin_trap();
        vch_reasons_drop(&reasons);
    }
    vch_builder_free(policy);
    return 0;
}
