/* Certificates: what is read points into the input; the other dialects' evidence reads without harm. */
#include <stddef.h>
#include <stdint.h>

#include "identity/ratls_cert.h"
#include "identity/ratls_evidence.h"

static int is_inside(vouch_span whole, vouch_span part)
{
    return part.size == 0
           || (part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const vouch_span der = { data, size };
    vch_ratls_cert cert = { 0 };
    vch_ratls_evidence evidence = { 0 };
    vouch_error err = { 0 };
    if (vch_ratls_cert_parse(der, &cert, &err) != VOUCH_OK) {
        if (cert.der.data != NULL || err.depth == 0)
            __builtin_trap(); /* failed, yet wrote its output or gave no reason */
        return 0;
    }
    if (!is_inside(der, cert.tbs) || !is_inside(der, cert.spki) || !is_inside(der, cert.signature)
        || !is_inside(der, cert.common_name))
        __builtin_trap();
    for (size_t d = 0; d < VCH_RATLS_DIALECT_COUNT; d++) {
        if (!is_inside(der, cert.evidence[d]))
            __builtin_trap();
    }
    (void)vch_ratls_cert_has_alt_name(&cert, "10.0.0.1");
    if (vch_ratls_cert_check_self_signature(&cert, &err) == VOUCH_OK && cert.signature.size == 0)
        __builtin_trap();
    if (vch_ratls_evidence_read(&cert, &evidence, &err) == VOUCH_OK && evidence.bound
        && evidence.quote.size == 0)
        __builtin_trap(); /* bound to a key, and no quote */
    if (!is_inside(der, evidence.quote) || !is_inside(der, evidence.claims))
        __builtin_trap();
    return 0;
}
