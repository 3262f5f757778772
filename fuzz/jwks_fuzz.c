/* Key sets: read whole or refused with a reason; every key read has a chain. */
#include "result/jwks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vouch_jwks *keys = NULL;
    vouch_error err = { 0 };
    vouch_code rc = vouch_jwks_parse((vouch_span) { data, size }, &keys, &err);
    if (rc != VOUCH_OK && (keys != NULL || err.depth == 0))
        __builtin_trap();
    if (rc == VOUCH_OK && vch_jwks_count(keys) == 0)
        __builtin_trap();
    for (size_t i = 0; rc == VOUCH_OK && i < vch_jwks_count(keys); i++) {
        const vch_jwks_key *key = vch_jwks_at(keys, i);
        if (vch_jwks_find(keys, key->kid) != key || vch_cert_chain_count(key->chain) < 2)
            __builtin_trap();
    }
    vouch_jwks_free(keys);
    return 0;
}
