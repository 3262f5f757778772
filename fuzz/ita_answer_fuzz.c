/* What a service answers to our client: nonce, token, sentence of a refusal. */
#include <string.h>

#include "identity/ita_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const vouch_span answer = { data, size };
    vch_ita_nonce nonce = { 0 };
    vouch_error err = { 0 };
    char text[VCH_ITA_FAULT_TEXT_SIZE];
    if (vch_ita_nonce_parse(answer, &nonce, &err) != VOUCH_OK
        && (nonce.val.data != NULL || err.depth == 0))
        __builtin_trap();
    vch_ita_nonce_drop(&nonce);
    vch_buffer token = vch_buffer_with_cap(VCH_ITA_TOKEN_MAX_SIZE);
    err = (vouch_error) { 0 };
    if (vch_ita_token_parse(answer, &token, &err) != VOUCH_OK && err.depth == 0)
        __builtin_trap();
    vch_buffer_drop(&token);
    vch_ita_fault_text(answer, text);
    for (size_t i = 0; i < strlen(text); i++) {
        if (text[i] < 0x20 || text[i] > 0x7e)
            __builtin_trap();
    }
    return 0;
}
