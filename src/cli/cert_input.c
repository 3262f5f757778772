#include "cli/cert_input.h"

#include "base/scope.h"
#include "crypto/pem.h"
#include "host/file.h"
#include "identity/ratls_cert.h"

#define DER_SEQUENCE 0x30

vouch_code vch_cert_file_read(const char *path, vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    vouch_code rc = vch_file_read(path, VCH_PEM_MAX_SIZE, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_drop(out);
    *out = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    if (text.size > 0 && text.data[0] == DER_SEQUENCE) {
        vch_buffer_append(out, vch_buffer_span(&text));
        return vch_buffer_finish(out, path, err);
    }
    vch_pem_reader reader = { .rest = vch_buffer_span(&text), .text = VCH_PEM_TEXT_BEFORE };
    rc = vch_pem_next_der(&reader, VCH_PEM_CERTIFICATE, out, err);
    if (rc == VOUCH_E_NOT_FOUND)
        rc = VOUCH_E_FORMAT;
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "'%s' holds no certificate", path);
}
