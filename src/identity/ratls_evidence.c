#include "identity/ratls_evidence.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/scope.h"
#include "codec/cbor.h"
#include "crypto/hash.h"
#include "crypto/key.h"
#include "vouch/evidence.h"

#define DICE_QUOTE_TAG 60000
#define OE_VERSION 1
#define OE_EVIDENCE_VERSION 3
#define OE_UUID_SIZE 16
#define OE_PADDING_SIZE 4   /* C's, before the 64-bit size; nobody sets it */
#define QUOTE_HEAD_SIZE 432 /* header and body of an SGX quote, before its signature's length */
#define CLAIMS_MAX 64
#define CLAIMS_MAX_SIZE ((size_t)16 << 10)

VOUCH_PRINTF(2, 3) static void unbound(vch_ratls_evidence *e, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(e->why, sizeof e->why, fmt, args);
    va_end(args);
}

static bool is_ours_to_answer(vouch_code rc)
{
    return rc == VOUCH_E_MEMORY || rc == VOUCH_E_CRYPTO || rc == VOUCH_E_INTERNAL;
}

/* REPORTDATA is the digest and zeros to its end. */
static bool holds(const uint8_t report_data[static 64], const uint8_t *digest, size_t size)
{
    return memcmp(report_data, digest, size) == 0
           && vch_span_is_zero((vouch_span) { report_data + size, 64 - size });
}

/* IANA named-information: 1 sha-256, 7 sha-384, 8 sha-512. The digest's size; 0: another one. */
static vouch_code hash_spki(uint64_t alg, vouch_span spki, uint8_t out[static 64], size_t *size,
                            vouch_error *err)
{
    *size = alg == 1 ? 32 : alg == 7 ? 48 : alg == 8 ? 64 : 0;
    switch (*size) {
    case 32:
        return vch_sha256(spki, out, err);
    case 48:
        return vch_sha384(spki, out, err);
    case 64:
        return vch_sha512(spki, out, err);
    default:
        return VOUCH_OK;
    }
}

/* The value of the one pubkey-hash; keys in any order, none twice, all values byte strings. */
static bool find_key_hash(vouch_span claims, vouch_span *out)
{
    vouch_span seen[CLAIMS_MAX];
    size_t count = 0;
    bool found = false;
    vouch_span key;
    vch_cbor c = vch_cbor_over_unsorted(claims);
    vch_cbor_map map = vch_cbor_map_enter(&c);
    while (vch_cbor_map_text(&c, &map, &key)) {
        vouch_span value = vch_cbor_bytes(&c);
        for (size_t i = 0; i < count; i++) {
            if (vch_span_equal(seen[i], key))
                vch_cbor_refuse(&c, "a claim stands there twice");
        }
        if (count == CLAIMS_MAX)
            vch_cbor_refuse(&c, "too many claims");
        if (c.failed != VOUCH_OK)
            break;
        seen[count++] = key;
        if (vch_span_is(key, "pubkey-hash")) {
            *out = value;
            found = true;
        }
    }
    return vch_cbor_finish(&c, "claims", NULL) == VOUCH_OK && found;
}

static vouch_code check_key_hash(const vch_ratls_cert *cert, vch_ratls_evidence *e, bool *good,
                                 vouch_error *err)
{
    vouch_span value = { 0 };
    uint8_t digest[64];
    size_t size = 0;
    *good = false;
    if (e->claims.size > CLAIMS_MAX_SIZE || !find_key_hash(e->claims, &value)) {
        unbound(e, "the claims are malformed, or hold no pubkey-hash");
        return VOUCH_OK;
    }
    vch_cbor c = vch_cbor_over(value);
    size_t count = vch_cbor_array_enter(&c);
    uint64_t alg = vch_cbor_uint(&c);
    vouch_span hash = vch_cbor_bytes(&c);
    if (vch_cbor_finish(&c, "pubkey-hash", NULL) != VOUCH_OK || count != 2) {
        unbound(e, "pubkey-hash is not [algorithm, hash]");
        return VOUCH_OK;
    }
    vouch_code rc = hash_spki(alg, cert->spki, digest, &size, err);
    *good = rc == VOUCH_OK && size > 0 && vch_span_equal(hash, (vouch_span) { digest, size });
    if (rc == VOUCH_OK && !*good)
        unbound(e, "pubkey-hash is not the hash of the certificate's key");
    return rc;
}

static vouch_code bind_dice(const vch_ratls_cert *cert, const vouch_claims *quote,
                            vch_ratls_evidence *e, vouch_error *err)
{
    uint8_t digest[64];
    bool good = false;
    vouch_code rc = check_key_hash(cert, e, &good, err);
    if (rc != VOUCH_OK || !good)
        return rc;
    rc = vch_sha256(e->claims, digest, err);
    if (rc != VOUCH_OK)
        return rc;
    e->bound = holds(quote->report_data, digest, 32);
    if (!e->bound && quote->tee == VOUCH_TEE_TDX) { /* Intel's ttls on TDX writes SHA-384 */
        rc = vch_sha384(e->claims, digest, err);
        e->bound = rc == VOUCH_OK && holds(quote->report_data, digest, 48);
    }
    if (!e->bound)
        unbound(e, "the quote is not over these claims");
    return rc;
}

/* SHA-256 over the key as DER, which Gramine's legacy form and EGo write. */
static vouch_code bind_spki(const vch_ratls_cert *cert, const vouch_claims *quote,
                            vch_ratls_evidence *e, vouch_error *err)
{
    uint8_t digest[32];
    vouch_code rc = vch_sha256(cert->spki, digest, err);
    e->bound = rc == VOUCH_OK && holds(quote->report_data, digest, 32);
    if (!e->bound)
        unbound(e, "the quote is not over the certificate's key");
    return rc;
}

/* The key as Open Enclave writes it: PEM, its NUL included. */
static vouch_code put_pem_and_nul(const vch_ratls_cert *cert, vch_buffer *out)
{
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    vouch_code rc = vch_key_from_spki(cert->spki, &key, NULL);
    if (rc == VOUCH_OK)
        rc = vch_key_public_pem(key, out, NULL);
    vch_buffer_u8(out, 0);
    return rc == VOUCH_OK ? vch_buffer_finish(out, "key", NULL) : rc;
}

/* Evidence: SHA-256 over the custom claims, and they are the key. */
static vouch_code bind_oe_evidence(const vch_ratls_cert *cert, const vouch_claims *quote,
                                   vch_ratls_evidence *e, vouch_error *err)
{
    uint8_t digest[32];
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(4096);
    vouch_code rc = put_pem_and_nul(cert, &pem);
    if (is_ours_to_answer(rc))
        return vouch_fail(err, rc, "the certificate's key");
    if (rc != VOUCH_OK || !vch_span_equal(vch_buffer_span(&pem), e->claims)) {
        unbound(e, "the custom claims are not the certificate's key");
        return VOUCH_OK;
    }
    rc = vch_sha256(e->claims, digest, err);
    e->bound = rc == VOUCH_OK && holds(quote->report_data, digest, 32);
    if (!e->bound)
        unbound(e, "the quote is not over these custom claims");
    return rc;
}

/* Open Enclave: SHA-256 over the key as PEM, its NUL included; EGo: over the DER. */
static vouch_code bind_open_enclave(const vch_ratls_cert *cert, const vouch_claims *quote,
                                    vch_ratls_evidence *e, vouch_error *err)
{
    uint8_t digest[32];
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(4096);
    vouch_code rc = put_pem_and_nul(cert, &pem);
    if (rc == VOUCH_OK) {
        rc = vch_sha256(vch_buffer_span(&pem), digest, err);
        e->bound = rc == VOUCH_OK && holds(quote->report_data, digest, 32);
    }
    if (e->bound || is_ours_to_answer(rc))
        return rc;
    return bind_spki(cert, quote, e, err);
}

static vouch_code bind_dstack(const vch_ratls_cert *cert, const vouch_claims *quote,
                              vch_ratls_evidence *e, vouch_error *err)
{
    VCH_SCOPED(vch_hash_drop) vch_hash *hash = NULL;
    uint8_t digest[64] = { 0 };
    vouch_code rc = vch_hash_new(VCH_HASH_SHA512, &hash, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_update(hash, vch_span_str("ratls-cert:"), err);
    if (rc == VOUCH_OK)
        rc = vch_hash_update(hash, cert->spki, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_finish(hash, digest, sizeof digest, err);
    e->bound = rc == VOUCH_OK && holds(quote->report_data, digest, 64);
    if (!e->bound)
        unbound(e, "the quote is not over the certificate's key");
    return rc;
}

/* 16 bytes {u32 version, u32 type, u64 size}, then the quote. */
static bool strip_report_header(vouch_span value, vouch_span *quote)
{
    vch_cursor c = vch_cursor_over(value);
    uint32_t version = vch_cursor_u32le(&c);
    (void)vch_cursor_u32le(&c);
    uint64_t size = vch_cursor_u64le(&c);
    if (c.failed || version != OE_VERSION || size != c.rest.size)
        return false;
    *quote = c.rest;
    return true;
}

/* 32 bytes {u32 version, UUID of the format, padding, u64 size}, a quote, and the custom claims. */
static bool split_oe_evidence(vouch_span value, vch_ratls_evidence *e)
{
    static const uint8_t sgx_ecdsa[OE_UUID_SIZE] = {
        0xa3, 0xa2, 0x1e, 0x87, 0x1b, 0x4d, 0x40, 0x14,
        0xb7, 0x0a, 0xa1, 0x25, 0xd2, 0xfb, 0xcd, 0x8c
    };
    vch_cursor c = vch_cursor_over(value);
    uint32_t version = vch_cursor_u32le(&c);
    vouch_span format = vch_cursor_take(&c, OE_UUID_SIZE);
    (void)vch_cursor_take(&c, OE_PADDING_SIZE);
    uint64_t size = vch_cursor_u64le(&c);
    if (c.failed || version != OE_EVIDENCE_VERSION || size != c.rest.size)
        return false;
    if (!vch_span_equal(format, (vouch_span) { sgx_ecdsa, sizeof sgx_ecdsa }))
        return false;
    vouch_span whole = c.rest;
    (void)vch_cursor_take(&c, QUOTE_HEAD_SIZE);
    (void)vch_cursor_take(&c, vch_cursor_u32le(&c));
    if (c.failed)
        return false;
    e->quote = (vouch_span) { whole.data, whole.size - c.rest.size };
    e->claims = c.rest;
    return true;
}

/* The quote inside the extension's value; false with the reason if there is none to be read. */
static bool find_quote(vouch_span value, vch_ratls_evidence *e)
{
    vch_dice_evidence dice = { 0 };
    switch (e->dialect) {
    case VCH_RATLS_DICE:
        if (vch_dice_evidence_parse(value, &dice, NULL) != VOUCH_OK || dice.tag != DICE_QUOTE_TAG) {
            unbound(e, "the evidence is not [quote, claims] under tag 60000");
            return false;
        }
        e->quote = dice.quote;
        e->claims = dice.claims;
        return true;
    case VCH_RATLS_GRAMINE_LEGACY:
    case VCH_RATLS_INTEL_LEGACY:
    case VCH_RATLS_DSTACK_QUOTE:
        e->quote = value;
        return true;
    case VCH_RATLS_OE_REPORT_OLD:
    case VCH_RATLS_OE_REPORT_NEW:
        if (strip_report_header(value, &e->quote))
            return true;
        unbound(e, "the report's header is not Open Enclave's");
        return false;
    case VCH_RATLS_OE_EVIDENCE_OLD:
    case VCH_RATLS_OE_EVIDENCE_NEW:
        if (split_oe_evidence(value, e))
            return true;
        unbound(e, "the evidence is not an SGX quote under Open Enclave's header, version 3");
        return false;
    case VCH_RATLS_DIALECT_COUNT:
        break;
    }
    return false;
}

static vouch_code bind(const vch_ratls_cert *cert, const vouch_claims *quote, vch_ratls_evidence *e,
                       vouch_error *err)
{
    switch (e->dialect) {
    case VCH_RATLS_DICE:
        return bind_dice(cert, quote, e, err);
    case VCH_RATLS_GRAMINE_LEGACY:
    case VCH_RATLS_INTEL_LEGACY:
        return bind_spki(cert, quote, e, err);
    case VCH_RATLS_OE_REPORT_OLD:
    case VCH_RATLS_OE_REPORT_NEW:
        return bind_open_enclave(cert, quote, e, err);
    case VCH_RATLS_OE_EVIDENCE_OLD:
    case VCH_RATLS_OE_EVIDENCE_NEW:
        return bind_oe_evidence(cert, quote, e, err);
    case VCH_RATLS_DSTACK_QUOTE:
        return bind_dstack(cert, quote, e, err);
    case VCH_RATLS_DIALECT_COUNT:
        break;
    }
    return VOUCH_OK;
}

vouch_code vch_ratls_evidence_read(const vch_ratls_cert *cert, vch_ratls_evidence *out,
                                   vouch_error *err)
{
    vch_ratls_evidence e = { 0 };
    vouch_claims quote = { 0 };
    vouch_error reason = { 0 };
    for (size_t d = 0; d < VCH_RATLS_DIALECT_COUNT && !e.found; d++) {
        e.found = cert->evidence[d].data != NULL;
        e.dialect = (vch_ratls_dialect)d;
    }
    *out = e;
    if (!e.found) {
        unbound(out, "the certificate carries no evidence");
        return VOUCH_OK;
    }
    if (cert->evidence_twice) {
        unbound(out, "an evidence extension stands there twice");
        return VOUCH_OK;
    }
    if (!find_quote(cert->evidence[e.dialect], &e)) {
        *out = e;
        return VOUCH_OK;
    }
    vouch_code rc = vouch_quote_read(e.quote, &quote, &reason);
    if (rc != VOUCH_OK) {
        vouch_error_text(&reason, e.why, sizeof e.why);
        e.quote = (vouch_span) { 0 };
        *out = e;
        return is_ours_to_answer(rc) ? vouch_fail(err, rc, "%s", e.why) : VOUCH_OK;
    }
    rc = bind(cert, &quote, &e, err);
    if (rc == VOUCH_OK)
        *out = e;
    return rc;
}
