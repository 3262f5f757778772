/* TCB info: outputs only on success; levels sorted, distinct, and their advisories inside the list. */
#include <string.h>

#include "collateral/tcb_info.h"

static void require(int good)
{
    if (!good)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_tcb_info t = { 0 };
    vouch_error err = { 0 };
    vouch_code rc = vch_tcb_info_parse((vouch_span) { data, size }, &t, &err);
    if (rc != VOUCH_OK) {
        require(t.levels == NULL && err.depth > 0);
        return 0;
    }
    require(t.level_count > 0 && t.tee != VOUCH_TEE_NONE);
    require(t.signed_bytes.data[0] == '{' && t.signed_bytes.data[t.signed_bytes.size - 1] == '}');
    for (size_t i = 0; i < t.level_count; i++) {
        const vch_level_facts *f = &t.levels[i].facts;
        require(f->first_advisory + f->advisory_count <= t.advisories.count);
        require(i == 0 || memcmp(t.levels[i - 1].sgx, t.levels[i].sgx, 16) >= 0);
    }
    for (size_t i = 0; i < t.module_count; i++)
        require(t.modules[i].first_level + t.modules[i].level_count <= t.module_levels.count);
    (void)vch_tcb_info_module(&t, 3);
    vch_tcb_info_drop(&t);
    return 0;
}
