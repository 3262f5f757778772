/* SIGSTRUCT files. */
#include "evidence/sigstruct.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vouch_error err = { 0 };
    vch_sigstruct s = { 0 };
    bool valid = false;
    vouch_code rc = vch_sigstruct_parse((vouch_span) { data, size }, &s, &err);
    if (rc != VOUCH_OK && (s.date_bcd != 0 || err.depth == 0))
        __builtin_trap();
    if (rc == VOUCH_OK && vch_sigstruct_verify(&s, &valid, &err) != VOUCH_OK)
        __builtin_trap(); /* wrong numbers are the answer no */
    return 0;
}
