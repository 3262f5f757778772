/* Certificates of Intel's profile under keys of our own, any of it changed: for tables of refusals. */
#ifndef VCH_TESTS_COLLATERAL_OWN_PKI_H
#define VCH_TESTS_COLLATERAL_OWN_PKI_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "check.h"
#include "crypto/cert_builder.h"
#include "crypto/key.h"
#include "crypto/pem.h"

#define OWN_PKI_NOW INT64_C(1795000000)

typedef struct own_cert {
    const char *common_name;
    vch_cert_kind kind;
    int pathlen;
    unsigned key_usage;
    const vch_key *key;
    const vch_key *signer;
    vouch_span issuer; /* DER; empty: itself */
} own_cert;

#define OWN_CA_USAGE (VCH_USE_CERT_SIGN | VCH_USE_CRL_SIGN)

static inline own_cert own_root(const vch_key *key)
{
    return (own_cert) { "Intel SGX Root CA", VCH_CERT_CA, 1, OWN_CA_USAGE, key, key, { NULL, 0 } };
}

static inline own_cert own_ca(const vch_key *key, const vch_key *root_key, vouch_span root)
{
    return (own_cert) {
        "Intel SGX PCK Platform CA", VCH_CERT_CA, 0, OWN_CA_USAGE, key, root_key, root
    };
}

static inline own_cert own_leaf(const char *name, const vch_key *key, const vch_key *signer,
                                vouch_span issuer)
{
    return (own_cert) { name,   VCH_CERT_LEAF, VCH_PATHLEN_NONE, VCH_USE_DIGITAL_SIGNATURE, key,
                        signer, issuer };
}

/* The DER of a certificate, appended. */
static inline void own_issue(const own_cert *c, vch_buffer *out)
{
    static const uint8_t serial[] = { 0x41, 1, 2, 3 };
    const vch_name_part subject[] = { { "CN", c->common_name }, { "O", "Intel Corporation" } };
    const vch_cert_options options = { .subject = subject,
                                       .subject_count = 2,
                                       .public_key = c->key,
                                       .signer = c->signer,
                                       .issuer_cert = c->issuer,
                                       .serial = { serial, sizeof serial },
                                       .not_before_unix_s = OWN_PKI_NOW - 1000,
                                       .not_after_unix_s = OWN_PKI_NOW + 1000000,
                                       .kind = c->kind,
                                       .kind_critical = true,
                                       .pathlen = c->pathlen,
                                       .key_usage = c->key_usage,
                                       .crl_url = "https://own.invalid/crl",
                                       .subject_key_id = true,
                                       .authority_key_id = true };
    vouch_error err = { 0 };
    CHECK_OK(vch_cert_build(&options, out, &err), &err);
}

static inline vch_key *own_key(void)
{
    vch_key *key = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_key_generate(VCH_KEY_P256, &key, &err), &err);
    return key;
}

#endif
