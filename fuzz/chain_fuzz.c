/* Certificate chains in PEM: outputs only on success, and then every certificate of the kind. */
#include "collateral/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int kind = VCH_CHAIN_PCK; kind <= VCH_CHAIN_SIGNING; kind++) {
        vch_chain chain = { 0 };
        vouch_error err = { 0 };
        vouch_code rc =
            vch_chain_parse((vouch_span) { data, size }, (vch_chain_kind)kind, &chain, &err);
        if (rc != VOUCH_OK && (chain.der != NULL || err.depth == 0))
            __builtin_trap();
        if (rc == VOUCH_OK
            && (chain.root.der.size == 0 || chain.leaf.der.size == 0
                || (chain.intermediate.der.size > 0) != (kind == VCH_CHAIN_PCK)))
            __builtin_trap();
        vch_chain_drop(&chain);
    }
    return 0;
}
