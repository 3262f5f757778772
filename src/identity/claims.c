#include "identity/claims.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/scope.h"
#include "codec/cbor.h"
#include "crypto/hash.h"

#define SHA384_ALG 7 /* IANA named-information: sha-384 */
#define KEY_HASH_SIZE 64
#define VOUCH_VERSION 1

static void put_time(int64_t unix_s, uint8_t out[static 8])
{
    for (size_t i = 0; i < 8; i++)
        out[i] = (uint8_t)((uint64_t)unix_s >> (56 - 8 * i));
}

vouch_code vch_claims_build(const vch_claims *claims, vch_buffer *out, vouch_error *err)
{
    if (claims->nbf_unix_s < 0 || claims->exp_unix_s < claims->nbf_unix_s)
        return vouch_fail(err, VOUCH_E_LIMIT, "claims: the end lies before the beginning");
    VCH_SCOPED(vch_buffer_drop) vch_buffer key = vch_buffer_with_cap(KEY_HASH_SIZE);
    vch_cbor_put_array(&key, 2);
    vch_cbor_put_uint(&key, SHA384_ALG);
    vch_cbor_put_bytes(&key, (vouch_span) { claims->key_digest, sizeof claims->key_digest });
    vouch_code rc = vch_buffer_finish(&key, "pubkey-hash", err);
    if (rc != VOUCH_OK)
        return rc;

    static const uint8_t version[] = { VOUCH_VERSION };
    uint8_t nbf[8];
    uint8_t exp[8];
    put_time(claims->nbf_unix_s, nbf);
    put_time(claims->exp_unix_s, exp);
    const vch_cbor_entry entries[] = {
        { "pubkey-hash", vch_buffer_span(&key) },
        { "vouch-v", { version, sizeof version } },
        { "vouch-federation", { claims->federation, sizeof claims->federation } },
        { "vouch-name", vch_span_str(claims->name) },
        { "vouch-role", vch_span_str(vch_role_name(claims->role)) },
        { "vouch-plan", { claims->plan, sizeof claims->plan } },
        { "vouch-policy", { claims->policy, sizeof claims->policy } },
        { "vouch-nbf", { nbf, sizeof nbf } },
        { "vouch-exp", { exp, sizeof exp } },
        { "vouch-ca", { claims->ca, sizeof claims->ca } }, /* last: left out without a CA */
    };
    size_t count = sizeof entries / sizeof *entries - (claims->has_ca ? 0 : 1);
    vch_cbor_put_entries(out, entries, count);
    return vch_buffer_finish(out, "claims", err);
}

static void copy_exactly(vch_cbor *c, vouch_span value, void *out, size_t size)
{
    if (value.size != size) {
        vch_cbor_refuse(c, "a claim has another size than its kind demands");
        return;
    }
    vch_cursor in = vch_cursor_over(value);
    vch_cursor_copy(&in, out, size);
}

static void read_key(vch_cbor *c, vouch_span value, vch_claims *out)
{
    vch_cbor in = vch_cbor_over(value);
    size_t count = vch_cbor_array_enter(&in);
    uint64_t alg = vch_cbor_uint(&in);
    vouch_span digest = vch_cbor_bytes(&in);
    if (vch_cbor_finish(&in, "pubkey-hash", NULL) != VOUCH_OK || count != 2 || alg != SHA384_ALG)
        vch_cbor_refuse(c, "pubkey-hash is not [7, SHA-384]");
    else
        copy_exactly(c, digest, out->key_digest, sizeof out->key_digest);
}

static void read_version(vch_cbor *c, vouch_span value, vch_claims *out)
{
    (void)out;
    if (value.size != 1 || value.data[0] != VOUCH_VERSION)
        vch_cbor_refuse(c, "vouch-v is not 1");
}

static void read_federation(vch_cbor *c, vouch_span value, vch_claims *out)
{
    copy_exactly(c, value, out->federation, sizeof out->federation);
}

/* Names are UTF-8 without control characters, so that they can be shown. */
static void read_name(vch_cbor *c, vouch_span value, vch_claims *out)
{
    bool plain = value.size > 0 && value.size < sizeof out->name;
    for (size_t i = 0; plain && i < value.size; i++)
        plain = value.data[i] >= 0x20 && value.data[i] != 0x7f;
    if (!plain) {
        vch_cbor_refuse(c, "vouch-name is empty, too long, or no plain text");
        return;
    }
    copy_exactly(c, value, out->name, value.size);
    out->name[value.size] = 0;
}

static void read_role(vch_cbor *c, vouch_span value, vch_claims *out)
{
    if (vch_span_is(value, "aggregator"))
        out->role = VCH_ROLE_AGGREGATOR;
    else if (vch_span_is(value, "collaborator"))
        out->role = VCH_ROLE_COLLABORATOR;
    else
        vch_cbor_refuse(c, "vouch-role is neither aggregator nor collaborator");
}

static void read_plan(vch_cbor *c, vouch_span value, vch_claims *out)
{
    copy_exactly(c, value, out->plan, sizeof out->plan);
}

static void read_policy(vch_cbor *c, vouch_span value, vch_claims *out)
{
    copy_exactly(c, value, out->policy, sizeof out->policy);
}

static int64_t read_time(vch_cbor *c, vouch_span value)
{
    vch_cursor in = vch_cursor_over(value);
    uint64_t v = vch_cursor_u64be(&in);
    if (value.size == 8 && v <= INT64_MAX)
        return (int64_t)v;
    vch_cbor_refuse(c, "a time is not 8 bytes of Unix seconds");
    return 0;
}

static void read_nbf(vch_cbor *c, vouch_span value, vch_claims *out)
{
    out->nbf_unix_s = read_time(c, value);
}

static void read_exp(vch_cbor *c, vouch_span value, vch_claims *out)
{
    out->exp_unix_s = read_time(c, value);
}

static void read_ca(vch_cbor *c, vouch_span value, vch_claims *out)
{
    copy_exactly(c, value, out->ca, sizeof out->ca);
    out->has_ca = true;
}

static const struct {
    const char *key;
    void (*read)(vch_cbor *c, vouch_span value, vch_claims *out);
    bool optional;
} readers[] = {
    { "pubkey-hash", read_key, false },
    { "vouch-v", read_version, false },
    { "vouch-federation", read_federation, false },
    { "vouch-name", read_name, false },
    { "vouch-role", read_role, false },
    { "vouch-plan", read_plan, false },
    { "vouch-policy", read_policy, false },
    { "vouch-nbf", read_nbf, false },
    { "vouch-exp", read_exp, false },
    { "vouch-ca", read_ca, true },
};
#define READER_COUNT (sizeof readers / sizeof *readers)

/* One claim; gives the bit of its reader, 0 for a key that is not ours. */
static unsigned read_claim(vch_cbor *c, vouch_span key, vouch_span value, vch_claims *out)
{
    for (size_t i = 0; i < READER_COUNT; i++) {
        if (vch_span_is(key, readers[i].key)) {
            readers[i].read(c, value, out);
            return 1U << i;
        }
    }
    return 0;
}

static vouch_code check_complete(unsigned seen, vouch_error *err)
{
    for (size_t i = 0; i < READER_COUNT; i++) {
        if (!readers[i].optional && (seen & (1U << i)) == 0)
            return vouch_fail(err, VOUCH_E_FORMAT, "claims: %s is absent", readers[i].key);
    }
    return VOUCH_OK;
}

vouch_code vch_claims_parse(vouch_span buffer, vch_claims *out, vouch_error *err)
{
    if (buffer.size > VCH_CLAIMS_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "claims of %zu bytes; at most %d", buffer.size,
                          VCH_CLAIMS_MAX_SIZE);
    vch_claims claims = { 0 };
    unsigned seen = 0;
    vch_cbor c = vch_cbor_over(buffer);
    vch_cbor_map map = vch_cbor_map_enter(&c);
    vouch_span key;
    while (vch_cbor_map_text(&c, &map, &key)) {
        vouch_span value = vch_cbor_bytes(&c);
        if (c.failed != VOUCH_OK)
            break;
        unsigned bit = read_claim(&c, key, value, &claims);
        if (bit == 0 || (seen & bit) != 0)
            vch_cbor_refuse(&c, "a claim that is unknown, or there twice");
        seen |= bit;
    }
    vouch_code rc = vch_cbor_finish(&c, "claims", err);
    if (rc != VOUCH_OK)
        return rc;
    rc = check_complete(seen, err);
    if (rc == VOUCH_OK)
        *out = claims;
    return rc;
}

static vch_admission_code differ(char why[static 256], vch_admission_code code, const char *text)
{
    (void)snprintf(why, 256, "%s", text);
    return code;
}

static bool equal(const uint8_t *expected, const uint8_t *claimed, size_t size)
{
    return expected != NULL && memcmp(expected, claimed, size) == 0;
}

vch_admission_code vch_claims_check(const vch_claims *claims,
                                    const vch_claims_expectation *expected, char why[static 256])
{
    if (!equal(expected->key_digest, claims->key_digest, sizeof claims->key_digest))
        return differ(why, VCH_REFUSED_KEY, "pubkey-hash is not the hash of the certificate's key");
    if (!equal(expected->federation, claims->federation, sizeof claims->federation))
        return differ(why, VCH_REFUSED_FEDERATION, "the claims are for another federation");
    if (expected->name == NULL || strcmp(expected->name, claims->name) != 0) {
        (void)snprintf(why, 256, "the claims name '%.60s', expected '%.60s'", claims->name,
                       expected->name == NULL ? "" : expected->name);
        return VCH_REFUSED_NAME;
    }
    if (expected->role != claims->role) {
        (void)snprintf(why, 256, "'%.60s' claims the role %s and is listed as %s", claims->name,
                       vch_role_name(claims->role), vch_role_name(expected->role));
        return VCH_REFUSED_ROLE;
    }
    if (expected->plan != NULL && !equal(expected->plan, claims->plan, sizeof claims->plan))
        return differ(why, VCH_REFUSED_PLAN, "the claims are for another plan");
    if (!equal(expected->policy, claims->policy, sizeof claims->policy))
        return differ(why, VCH_REFUSED_POLICY, "the claims are for another attestation policy");
    if (claims->nbf_unix_s != expected->nbf_unix_s || claims->exp_unix_s != expected->exp_unix_s)
        return differ(why, VCH_REFUSED_TIMES, "the claimed times are not the certificate's");
    if (claims->exp_unix_s - claims->nbf_unix_s > expected->life_max_s)
        return differ(why, VCH_REFUSED_TIMES,
                      "the certificate lives longer than the policy lets it");
    if (claims->has_ca != (claims->role == VCH_ROLE_AGGREGATOR))
        return differ(why, VCH_REFUSED_CA,
                      claims->has_ca ? "vouch-ca is claimed by a collaborator"
                                     : "vouch-ca is absent from an aggregator's claims");
    return VCH_ADMITTED;
}

vouch_code vch_claims_report_data(vouch_span buffer, uint8_t out[static 64], vouch_error *err)
{
    uint8_t report_data[64] = { 0 };
    vouch_code rc = vch_sha256(buffer, report_data, err);
    if (rc != VOUCH_OK)
        return rc;
    memcpy(out, report_data, sizeof report_data);
    return VOUCH_OK;
}
