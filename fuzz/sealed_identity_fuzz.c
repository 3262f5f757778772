/* A sealed identity: whatever the host's disk says is parsed, and nothing but what was sealed opens. */
#include <stddef.h>
#include <stdint.h>

#include "identity/sealed_identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[16] = { 9 }, digest[32] = { 9 };
    const vch_seal_context context = { digest, digest, "aggregator", "agg" };
    vch_sealed_identity *s = NULL;
    vch_seal_root *root = NULL;
    vch_identity_parts parts = { 0 };
    vouch_error err = { 0 };
    if (vch_sealed_identity_parse((vouch_span) { data, size }, &s, &err) != VOUCH_OK) {
        if (s != NULL || err.depth == 0)
            __builtin_trap();
        return 0;
    }
    if (vch_seal_root_new((vouch_span) { key, sizeof key }, &context, &root, NULL) == VOUCH_OK
        && vch_sealed_identity_open(s, root, "agg", &parts, NULL) == VOUCH_OK)
        __builtin_trap(); /* nothing was ever sealed under this root */
    vch_seal_root_free(root);
    vch_sealed_identity_free(s);
    return 0;
}
