/* Certificate requests of strangers. */
#include <string.h>

#include <openssl/err.h>

#include "base/bytes.h"
#include "crypto/csr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_csr_drop) vch_csr *csr = NULL;
    vouch_code rc = vch_csr_parse((vouch_span) { data, size }, &csr, &err);
    if ((rc == VOUCH_OK) != (csr != NULL) || (rc != VOUCH_OK && err.depth == 0))
        __builtin_trap();
    if (ERR_peek_error() != 0)
        __builtin_trap(); /* the next caller would find our error */
    if (csr == NULL)
        return 0;
    vch_alt_names alt = vch_csr_alt_names(csr);
    if (strlen(vch_csr_common_name(csr)) == 0 || vch_csr_key(csr) == NULL
        || alt.dns_count + alt.ip_count > VCH_CSR_MAX_NAMES
        || !vch_span_equal(vch_csr_der(csr), (vouch_span) { data, size }))
        __builtin_trap();
    return 0;
}
