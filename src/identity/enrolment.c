#include "identity/enrolment.h"

#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "codec/cbor.h"
#include "crypto/hash.h"

#define ENROLMENT_VERSION 1
#define DOMAIN "vouch-enrol-1"
#define MESSAGE_SIZE (sizeof DOMAIN - 1 + VCH_SHA256_SIZE)
#define EXTENSION_MAX_SIZE ((size_t)4 << 10)

static vouch_code message_of(vouch_span claims, uint8_t out[static MESSAGE_SIZE], vouch_error *err)
{
    memcpy(out, DOMAIN, sizeof DOMAIN - 1);
    return vch_sha256(claims, out + sizeof DOMAIN - 1, err);
}

static vch_sig_alg algorithm_for(const vch_key *key)
{
    vch_key_kind kind = vch_key_kind_of(key);
    return kind == VCH_KEY_P256 || kind == VCH_KEY_P384 ? VCH_SIG_ECDSA_SHA384
                                                        : VCH_SIG_RSA_PSS_SHA384;
}

vouch_code vch_enrolment_build(const vch_key *site_key, vouch_span claims, vch_buffer *out,
                               vouch_error *err)
{
    uint8_t message[MESSAGE_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer signature = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
    vouch_code rc = message_of(claims, message, err);
    if (rc == VOUCH_OK)
        rc = vch_key_spki(site_key, &spki, err);
    if (rc == VOUCH_OK)
        rc = vch_key_sign(site_key, algorithm_for(site_key),
                          (vouch_span) { message, sizeof message }, &signature, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "signing the enrolment");
    vch_cbor_put_array(out, 3);
    vch_cbor_put_uint(out, ENROLMENT_VERSION);
    vch_cbor_put_bytes(out, vch_buffer_span(&spki));
    vch_cbor_put_bytes(out, vch_buffer_span(&signature));
    return vch_buffer_finish(out, "enrolment extension", err);
}

typedef struct enrolment_parts {
    vouch_span spki;
    vouch_span signature;
} enrolment_parts;

static vouch_code parse(vouch_span extension, enrolment_parts *out, vouch_error *err)
{
    if (extension.size > EXTENSION_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "an enrolment of %zu bytes; at most %zu",
                          extension.size, EXTENSION_MAX_SIZE);
    vch_cbor c = vch_cbor_over(extension);
    size_t count = vch_cbor_array_enter(&c);
    uint64_t version = vch_cbor_uint(&c);
    enrolment_parts parts = { .spki = vch_cbor_bytes(&c) };
    parts.signature = vch_cbor_bytes(&c);
    vouch_code rc = vch_cbor_finish(&c, "enrolment", err);
    if (rc != VOUCH_OK)
        return rc;
    if (count != 3 || version != ENROLMENT_VERSION)
        return vouch_fail(err, VOUCH_E_FORMAT, "the enrolment is not [1, key, signature]");
    *out = parts;
    return VOUCH_OK;
}

vouch_code vch_enrolment_check(vouch_span extension, vouch_span claims,
                               const uint8_t pinned[static 32], vouch_error *err)
{
    enrolment_parts parts = { 0 };
    uint8_t digest[VCH_SHA256_SIZE];
    vouch_code rc = parse(extension, &parts, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(parts.spki, digest, err);
    if (rc != VOUCH_OK)
        return rc;
    if (memcmp(digest, pinned, sizeof digest) != 0) /* before any costlier look at the key */
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "the enrolment is by another key than the pinned one");

    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    uint8_t message[MESSAGE_SIZE];
    bool valid = false;
    rc = vch_key_from_spki(parts.spki, &key, err);
    if (rc == VOUCH_OK)
        rc = message_of(claims, message, err);
    if (rc == VOUCH_OK)
        rc = vch_key_verify(key, algorithm_for(key), (vouch_span) { message, sizeof message },
                            parts.signature, &valid, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "enrolment");
    return valid ? VOUCH_OK
                 : vouch_fail(err, VOUCH_E_REFUSED,
                              "the enrolment signature does not match these claims");
}
