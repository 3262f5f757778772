#include "issuer.h"

#include <string.h>

#include "base/bytes.h"
#include "crypto/cert_builder.h"
#include "crypto/crl_builder.h"
#include "crypto/hash.h"
#include "crypto/jws.h"
#include "result/jwks.h"

#include "check.h"

#define DAY INT64_C(86400)

static const uint8_t root_serial[] = { 1 };
static const uint8_t ca_serial[] = { 2 };
static const uint8_t leaf_serial[] = { 3 };

static void build(const vch_cert_options *base, const char *name, vch_buffer *out)
{
    vch_name_part cn = { "CN", name };
    vch_cert_options o = *base;
    vouch_error err = { 0 };
    o.subject = &cn;
    o.subject_count = 1;
    o.alg = VCH_SIG_RSA_PKCS1_SHA384;
    o.subject_key_id = true;
    o.authority_key_id = o.issuer_cert.size > 0;
    if (o.not_before_unix_s == 0)
        o.not_before_unix_s = ISSUER_NOW - DAY;
    if (o.not_after_unix_s == 0)
        o.not_after_unix_s = ISSUER_NOW + 30 * DAY;
    *out = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    CHECK_OK(vch_cert_build(&o, out, &err), &err);
}

static void build_crl(const issuer *i, bool root, vouch_span revoked, bool stale, vch_buffer *out)
{
    vouch_error err = { 0 };
    const vch_crl_entry entry = { revoked, ISSUER_NOW - 60 };
    const vch_crl_options o = { .issuer_cert = vch_buffer_span(root ? &i->root : &i->ca),
                                .signer = root ? i->root_key : i->ca_key,
                                .alg = VCH_SIG_RSA_PKCS1_SHA384,
                                .number = 1,
                                .this_update_unix_s = ISSUER_NOW - DAY,
                                .next_update_unix_s = stale ? ISSUER_NOW - 1 : ISSUER_NOW + DAY,
                                .entries = &entry,
                                .entry_count = revoked.size > 0 ? 1 : 0 };
    *out = vch_buffer_with_cap(1 << 16);
    CHECK_OK(vch_crl_build(&o, out, &err), &err);
}

static void make_keys(issuer *i, const issuer *from)
{
    vouch_error err = { 0 };
    if (from != NULL) {
        i->root_key = from->root_key;
        i->ca_key = from->ca_key;
        i->key = from->key;
        return;
    }
    CHECK_OK(vch_key_generate(VCH_KEY_RSA3072, &i->root_key, &err), &err);
    CHECK_OK(vch_key_generate(VCH_KEY_RSA3072, &i->ca_key, &err), &err);
    CHECK_OK(vch_key_generate(VCH_KEY_RSA3072, &i->key, &err), &err);
}

static void make_certificates(issuer *i, const issuer_spoil *s)
{
    build(&(vch_cert_options) { .signer = i->root_key,
                                .serial = { root_serial, 1 },
                                .kind = VCH_CERT_CA,
                                .pathlen = VCH_PATHLEN_NONE,
                                .kind_critical = true,
                                .key_usage = VCH_USE_CERT_SIGN | VCH_USE_CRL_SIGN },
          "Test Root CA", &i->root);
    build(&(vch_cert_options) { .public_key = i->ca_key,
                                .signer = i->root_key,
                                .issuer_cert = vch_buffer_span(&i->root),
                                .serial = { ca_serial, 1 },
                                .not_after_unix_s = s->ca_expired ? ISSUER_NOW - 1 : 0,
                                .kind = s->ca_no_constraints ? VCH_CERT_NO_BASIC_CONSTRAINTS
                                        : s->ca_is_leaf      ? VCH_CERT_LEAF
                                                             : VCH_CERT_CA,
                                .pathlen =
                                    s->ca_is_leaf || s->ca_no_constraints ? VCH_PATHLEN_NONE : 0,
                                .kind_critical = true,
                                .crl_url = "http://127.0.0.1/crl/root.der",
                                .key_usage = s->ca_no_sign ? VCH_USE_CRL_SIGN
                                                           : VCH_USE_CERT_SIGN | VCH_USE_CRL_SIGN },
          "Test Signing CA", &i->ca);
    build(&(vch_cert_options) { .public_key = i->key,
                                .signer = s->leaf_by_root_key ? i->root_key : i->ca_key,
                                .issuer_cert = vch_buffer_span(&i->ca),
                                .serial = { leaf_serial, 1 },
                                .not_before_unix_s = s->leaf_future ? ISSUER_NOW + 1 : 0,
                                .not_after_unix_s = s->leaf_expired ? ISSUER_NOW - 1 : 0,
                                .kind = s->leaf_is_ca ? VCH_CERT_CA : VCH_CERT_LEAF,
                                .pathlen = VCH_PATHLEN_NONE,
                                .kind_critical = true,
                                .crl_url = "http://127.0.0.1/crl/ca.der",
                                .key_usage = s->leaf_no_sign ? VCH_USE_KEY_ENCIPHERMENT
                                                             : VCH_USE_DIGITAL_SIGNATURE },
          "Test Attestation Token Signing", &i->leaf);
}

static void make_key_set(issuer *i)
{
    vouch_error err = { 0 };
    const vouch_span chain[] = { vch_buffer_span(&i->leaf), vch_buffer_span(&i->ca),
                                 vch_buffer_span(&i->root) };
    const vch_jwks_entry entry = { ISSUER_KID, chain, 3 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer json = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
    CHECK_OK(vch_jwks_build(&entry, 1, &json, &err), &err);
    CHECK_OK(vouch_jwks_parse(vch_buffer_span(&json), &i->keys, &err), &err);
}

void issuer_make(issuer *out, const issuer_spoil *spoil, const issuer *from)
{
    static const issuer_spoil nothing;
    const issuer_spoil *s = spoil != NULL ? spoil : &nothing;
    const vouch_span none = { 0 };
    vouch_error err = { 0 };
    *out = (issuer) { 0 };
    make_keys(out, from);
    make_certificates(out, s);
    build_crl(out, true, s->ca_revoked ? (vouch_span) { ca_serial, 1 } : none, s->crl_stale,
              &out->root_crl);
    build_crl(out, false, s->leaf_revoked ? (vouch_span) { leaf_serial, 1 } : none, false,
              &out->ca_crl);
    out->crls[0] = vch_buffer_span(&out->root_crl);
    out->crls[1] = vch_buffer_span(&out->ca_crl);
    CHECK_OK(vch_sha256(vch_buffer_span(&out->root), out->root_sha256, &err), &err);
    make_key_set(out);
    if (from != NULL) /* not ours to free */
        out->root_key = NULL;
}

void issuer_drop(issuer *i)
{
    if (i->root_key != NULL) {
        vch_key_free(i->root_key);
        vch_key_free(i->ca_key);
        vch_key_free(i->key);
    }
    vch_buffer_drop(&i->root);
    vch_buffer_drop(&i->ca);
    vch_buffer_drop(&i->leaf);
    vch_buffer_drop(&i->root_crl);
    vch_buffer_drop(&i->ca_crl);
    vouch_jwks_free(i->keys);
    *i = (issuer) { 0 };
}

void issuer_sign(const issuer *i, const char *kid, vouch_span payload, vch_buffer *out)
{
    vouch_error err = { 0 };
    *out = vch_buffer_with_cap(VCH_JWS_MAX_SIZE);
    CHECK_OK(
        vch_jws_sign(VCH_JWS_PS384, i->key, kid, "https://avs.example/certs", payload, out, &err),
        &err);
}
