/* QE identity: outputs only on success; levels sorted and distinct. */
#include "collateral/qe_identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_qe_identity q = { 0 };
    vouch_error err = { 0 };
    vouch_code rc = vch_qe_identity_parse((vouch_span) { data, size }, &q, &err);
    if (rc != VOUCH_OK) {
        if (q.levels.list != NULL || err.depth == 0)
            __builtin_trap();
        return 0;
    }
    if (q.levels.count == 0)
        __builtin_trap();
    for (size_t i = 1; i < q.levels.count; i++) {
        if (q.levels.list[i - 1].isv_svn <= q.levels.list[i].isv_svn)
            __builtin_trap();
    }
    vch_qe_identity_drop(&q);
    return 0;
}
