/* Token payloads of both versions: read or refused with a reason; nothing unsigned is admitted. */
#include "result/token_content.h"

static void read_payload(vouch_span payload)
{
    vch_token_content content = { 0 };
    vouch_error err = { 0 };
    vouch_code rc = vch_token_content_parse(payload, &content, &err);
    if (rc != VOUCH_OK && err.depth == 0)
        __builtin_trap();
    if (rc == VOUCH_OK
        && (content.view.issuer == NULL || content.view.tcb_status == NULL
            || content.claims.tee == VOUCH_TEE_NONE || content.view.debug != content.claims.debug
            || (content.has_held_data && content.has_runtime_json)))
        __builtin_trap();
    vch_token_content_drop(&content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const vouch_span input = { data, size };
    const vouch_token_expectation nothing = { .accept_debug = true, .accept_simulated = true };
    vouch_token_verdict *verdict = NULL;
    read_payload(input);
    if (vouch_token_verify(input, &nothing, &verdict, NULL) == VOUCH_OK
        && (vouch_token_verdict_admits(verdict) || vouch_token_verdict_claims(verdict) != NULL))
        __builtin_trap();
    vouch_token_verdict_free(verdict);
    return 0;
}
