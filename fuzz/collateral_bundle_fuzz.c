/* Collateral bundles: what is read is whole, and a refusal says why and gives nothing. */
#include <stddef.h>
#include <stdint.h>

#include "identity/collateral_bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_collateral_bundle bundle = { 0 };
    vouch_error err = { 0 };
    if (vch_collateral_bundle_parse((vouch_span) { data, size }, &bundle, &err) != VOUCH_OK) {
        if (bundle.count != 0 || bundle.sets != NULL || err.depth == 0)
            __builtin_trap();
        return 0;
    }
    for (size_t i = 0; i < bundle.count; i++) {
        const vouch_collateral_parts *parts =
            vch_collateral_bundle_find(&bundle, bundle.sets[i].family);
        if (parts == NULL || !vch_family_is_name(bundle.sets[i].family)
            || vch_collateral_part(parts, 0).size == 0)
            __builtin_trap();
    }
    vch_collateral_bundle_drop(&bundle);
    return 0;
}
