/* attestation.yaml: either a whole federation, or a reason. */
#include <stddef.h>
#include <stdint.h>

#include "identity/attestation_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_attestation_file *file = NULL;
    vch_faults faults = { 0 };
    vouch_error err = { 0 };
    vouch_code rc = vch_attestation_file_parse((vouch_span) { data, size }, "a.yaml", NULL, &faults,
                                               &file, &err);
    if (rc != VOUCH_OK) {
        if (file != NULL || err.depth == 0)
            __builtin_trap();
    } else {
        const vch_federation *f = vch_attestation_file_federation(file);
        if (f->member_count < 2
            || (f->aggregator_attested
                && vch_attestation_file_policy(file, VCH_ROLE_AGGREGATOR) == NULL)
            || (f->token_required && f->issuer_count == 0))
            __builtin_trap(); /* attested, and nothing says what may run */
    }
    vch_attestation_file_free(file);
    vch_faults_done(&faults);
    return 0;
}
