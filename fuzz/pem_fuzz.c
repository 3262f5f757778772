/* PEM text: whatever is accepted survives being written and read again. */
#include "crypto/pem.h"

#include "base/bytes.h"
#include "base/scope.h"

static void read_one(vouch_span input, vch_pem_text text)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    vouch_code rc = vch_pem_decode_one(input, VCH_PEM_CERTIFICATE, text, &der, &err);
    if (rc != VOUCH_OK) {
        if (der.size != 0 || err.depth == 0)
            __builtin_trap(); /* failed, yet left output or gave no reason */
        return;
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(2 * VCH_PEM_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer again = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&der), &pem);
    if (pem.size > VCH_PEM_MAX_SIZE)
        return;
    rc = vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_NO_TEXT, &again,
                            &err);
    if (rc != VOUCH_OK || !vch_span_equal(vch_buffer_span(&der), vch_buffer_span(&again)))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vouch_span input = { data, size };
    read_one(input, VCH_PEM_NO_TEXT);
    read_one(input, VCH_PEM_TEXT_BEFORE);
    vch_pem_reader reader = { .rest = input };
    vch_pem_block block;
    bool found = true;
    size_t before = size + 1;
    while (found && vch_pem_next(&reader, &block, &found, NULL) == VOUCH_OK) {
        if (found && reader.rest.size >= before)
            __builtin_trap(); /* no progress */
        before = reader.rest.size;
    }
    return 0;
}
