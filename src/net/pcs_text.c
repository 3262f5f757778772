#include "net/pcs_text.h"

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "codec/hex.h"
#include "crypto/pem.h"
#include "vouch/collateral.h"

#define PART_CAP VOUCH_COLLATERAL_PART_MAX_SIZE
#define DER_SEQUENCE 0x30

static vouch_code percent_decode(vouch_span in, vch_buffer *out, vouch_error *err)
{
    for (size_t i = 0; i < in.size; i++) {
        uint8_t byte = in.data[i];
        if (byte == '%') {
            if (in.size - i < 3
                || vch_hex_decode((vouch_span) { in.data + i + 1, 2 }, &byte, 1, NULL) != VOUCH_OK)
                return vouch_fail(err, VOUCH_E_FORMAT, "a '%%' without two digits at byte %zu", i);
            i += 2;
        }
        vch_buffer_u8(out, byte);
    }
    return vch_buffer_finish(out, "issuer chain", err);
}

static vouch_code check_certificates(vouch_span pem, vouch_error *err)
{
    vch_pem_reader reader = { .rest = pem };
    size_t count = 0;
    for (;;) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(PART_CAP);
        vouch_error end = { 0 };
        vouch_code rc = vch_pem_next_der(&reader, VCH_PEM_CERTIFICATE, &der, &end);
        if (rc == VOUCH_E_NOT_FOUND)
            break;
        if (rc != VOUCH_OK) {
            if (err != NULL)
                *err = end;
            return rc;
        }
        count++;
    }
    if (count < 2 || count > VCH_PCS_CHAIN_CERTIFICATES_MAX)
        return vouch_fail(err, VOUCH_E_FORMAT, "%zu certificates, expected 2 or %d", count,
                          VCH_PCS_CHAIN_CERTIFICATES_MAX);
    return VOUCH_OK;
}

vouch_code vch_pcs_chain_decode(vouch_span header, vch_buffer *pem, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(PART_CAP);
    if (header.size == 0)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "the answer has no issuer chain");
    vouch_code rc = percent_decode(header, &text, err);
    if (rc == VOUCH_OK)
        rc = check_certificates(vch_buffer_span(&text), err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "issuer chain header");
    *pem = text;
    text = (vch_buffer) { 0 };
    return VOUCH_OK;
}

static vouch_span trimmed(vouch_span in)
{
    while (in.size > 0 && memchr("\r\n\t ", in.data[in.size - 1], 4) != NULL)
        in.size--;
    return in;
}

static vouch_code from_hex(vouch_span text, vch_buffer *out, vouch_error *err)
{
    vouch_span digits = trimmed(text);
    uint8_t *to = vch_buffer_extend(out, digits.size / 2);
    if (to == NULL)
        return vch_buffer_finish(out, "CRL", err);
    return vch_hex_decode(digits, to, digits.size / 2, err);
}

vouch_code vch_pcs_crl_decode(vouch_span body, vch_buffer *der, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(PART_CAP);
    vouch_code rc = VOUCH_OK;
    if (body.size < 2)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "CRL: %zu bytes", body.size);
    if (body.data[0] == '-')
        rc = vch_pem_decode_one(body, VCH_PEM_CRL, VCH_PEM_NO_TEXT, &out, err);
    else if (body.data[0] == DER_SEQUENCE && body.data[1] >= 0x80) /* hex text goes on with ASCII */
        vch_buffer_append(&out, body);
    else
        rc = from_hex(body, &out, err);
    if (rc == VOUCH_OK)
        rc = vch_buffer_finish(&out, "CRL", err);
    if (rc == VOUCH_OK && (out.size == 0 || out.data[0] != DER_SEQUENCE))
        rc = vouch_fail(err, VOUCH_E_FORMAT, "it is no DER");
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "CRL");
    *der = out;
    out = (vch_buffer) { 0 };
    return VOUCH_OK;
}

int64_t vch_pcs_retry_after_s(vouch_span header)
{
    int64_t seconds = 0;
    if (header.size == 0)
        return -1;
    for (size_t i = 0; i < header.size; i++) {
        if (header.data[i] < '0' || header.data[i] > '9')
            return -1;
        seconds = seconds * 10 + (header.data[i] - '0');
        if (seconds > VCH_PCS_RETRY_MAX_S)
            seconds = VCH_PCS_RETRY_MAX_S;
    }
    return seconds;
}
