#include "identity/token_quote.h"

#include <string.h>

#include "base/scope.h"
#include "crypto/hash.h"

static bool is_base64_character(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+'
           || c == '/' || c == '-' || c == '_' || c == '=';
}

/*
 * A certificate quote is over SHA-256(claims), and claims begin with a CBOR map's first byte, 0xA0
 * to 0xBF. A nonce of ASCII cannot begin with it, so no token quote is also a certificate quote.
 */
vouch_code vch_nonce_check(vouch_span value, vouch_span time, vouch_error *err)
{
    if (value.size == 0 || value.size > VCH_NONCE_VALUE_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "the verifier's nonce has %zu characters; 1 to %d are quoted", value.size,
                          VCH_NONCE_VALUE_MAX_SIZE);
    for (size_t i = 0; i < value.size; i++) {
        if (!is_base64_character(value.data[i]))
            return vouch_fail(err, VOUCH_E_REFUSED,
                              "the verifier's nonce is not base64 text: it will not be quoted");
    }
    if (time.size == 0 || time.size > VCH_NONCE_TIME_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "the verifier's nonce has a time of %zu characters; 1 to %d are quoted",
                          time.size, VCH_NONCE_TIME_MAX_SIZE);
    for (size_t i = 0; i < time.size; i++) {
        if (time.data[i] < 0x20 || time.data[i] > 0x7e)
            return vouch_fail(
                err, VOUCH_E_REFUSED,
                "the time in the verifier's nonce is not text: it will not be quoted");
    }
    return VOUCH_OK;
}

vouch_code vch_token_quote_report_data(bool tdx, vouch_span value, vouch_span time, vouch_span data,
                                       uint8_t out[static 64], vouch_error *err)
{
    vouch_code rc = vch_nonce_check(value, time, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_hash_drop) vch_hash *hash = NULL;
    uint8_t report_data[64] = { 0 };
    rc = vch_hash_new(tdx ? VCH_HASH_SHA512 : VCH_HASH_SHA256, &hash, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_update(hash, value, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_update(hash, time, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_update(hash, data, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_finish(hash, report_data, tdx ? 64 : 32, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "report data of the token quote");
    memcpy(out, report_data, sizeof report_data);
    return VOUCH_OK;
}
