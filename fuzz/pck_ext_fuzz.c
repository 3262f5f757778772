/* The SGX extension: outputs only on success, and no flag without its CA. */
#include "evidence/pck_ext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int ca = VCH_PCK_CA_PROCESSOR; ca <= VCH_PCK_CA_PLATFORM; ca++) {
        vch_pck_ext e = { .pce_svn = 77 };
        vouch_error err = { 0 };
        vouch_code rc = vch_pck_ext_parse((vouch_span) { data, size }, (vch_pck_ca)ca, &e, &err);
        if (rc != VOUCH_OK && (e.pce_svn != 77 || err.depth == 0))
            __builtin_trap();
        if (rc == VOUCH_OK && e.has_piid != (ca == VCH_PCK_CA_PLATFORM))
            __builtin_trap();
    }
    return 0;
}
