/*
 * Steps 2 to 4, 10 and 11 of the specification: the PCK chain under a trusted root, its CRLs, and
 * the quoting enclave's report that binds the attestation key to it.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "codec/hex.h"
#include "crypto/hash.h"
#include "verify/appraisal.h"
#include "verify/cache.h"

#define STEP "chain"

static void refuse(vch_work *w, const char *code, const char *expected, const char *actual,
                   const char *message)
{
    vch_reasons_add_values(vch_work_reasons(w), STEP, code, expected, actual, "%s", message);
}

/* The same with bytes found; at most a digest. */
static void refuse_bytes(vch_work *w, const char *code, const char *expected, vouch_span actual,
                         const char *message)
{
    char hex[2 * VCH_SHA256_SIZE + 1] = "";
    if (actual.size <= VCH_SHA256_SIZE)
        (void)vch_hex_encode(actual, hex);
    refuse(w, code, expected, hex, message);
}

/* Where the chain stands: in the quote (type 5), otherwise in the collateral. Empty: nowhere. */
static vouch_span chain_text(const vch_work *w)
{
    const vouch_collateral *c = w->request->collateral;
    if (w->quote.sig.cert_type == VCH_CERT_DATA_PCK_CHAIN)
        return w->quote.sig.cert_data;
    return c != NULL ? c->pck_chain : (vouch_span) { 0 };
}

static vouch_code read_chain(vch_work *w, vch_chain *out, bool *out_good, vouch_error *err)
{
    vouch_span pem = chain_text(w);
    if (pem.size == 0) {
        refuse(w, "pck_chain_missing", "a PCK certificate chain", "none",
               "the quote carries no PCK certificate chain and none was supplied");
        return VOUCH_OK;
    }
    vouch_error why = { 0 };
    vouch_code rc = vch_chain_parse(pem, VCH_CHAIN_PCK, out, &why);
    *out_good = rc == VOUCH_OK;
    if (rc == VOUCH_E_MEMORY)
        return vouch_fail(err, rc, "PCK certificate chain");
    char text[VCH_REASON_MESSAGE_SIZE];
    if (rc != VOUCH_OK)
        vch_reasons_add_values(vch_work_reasons(w), STEP, "pck_chain_malformed", "well-formed",
                               rc == VOUCH_E_TRUNCATED ? "truncated" : "malformed", "PCK %s",
                               vouch_error_text(&why, text, sizeof text));
    return VOUCH_OK;
}

static bool read_extension(vch_work *w, const vch_chain *chain, vch_pck_ext *out)
{
    if (chain->leaf.sgx_extension.size == 0) {
        refuse(w, "pck_extension_missing", "an SGX extension", "none",
               "the PCK certificate has no SGX extension");
        return false;
    }
    vouch_error why = { 0 };
    if (vch_pck_ext_parse(chain->leaf.sgx_extension, chain->ca, out, &why) == VOUCH_OK)
        return true;
    char text[VCH_REASON_MESSAGE_SIZE];
    vch_reasons_add_values(vch_work_reasons(w), STEP, "pck_extension_malformed", "well-formed",
                           "malformed", "PCK certificate: %s",
                           vouch_error_text(&why, text, sizeof text));
    return false;
}

/* What the quote says of its PCK certificate, beside what the supplied one says. */
static bool names(vch_work *w, const char *what, const uint8_t *quote, const uint8_t *certificate,
                  size_t size)
{
    if (memcmp(quote, certificate, size) == 0)
        return true;
    vch_reasons_add_bytes(vch_work_reasons(w), STEP, "pck_certificate_mismatch",
                          (vouch_span) { quote, size }, (vouch_span) { certificate, size },
                          "the supplied PCK certificate's %s is not the one that the quote names",
                          what);
    return false;
}

/*
 * Types 1 to 4 name the certificate: the supplied one must be it (spec section 1.3). Of types 2 and 3
 * the PPID is encrypted for Intel alone; that the certificate's key signed the quoting enclave's report
 * is what binds it to the platform.
 */
static bool is_named_by_quote(vch_work *w, const vch_chain *chain, const vch_pck_ext *ext)
{
    const vch_quote_sig *s = &w->quote.sig;
    if (s->cert_type == VCH_CERT_DATA_PCK_CHAIN)
        return true;
    if (s->cert_type == VCH_CERT_DATA_PCK_LEAF) {
        bool same = vch_chain_leaf_is(chain, s->cert_data);
        if (!same)
            refuse(w, "pck_certificate_mismatch", "the certificate in the quote", "another",
                   "the supplied PCK certificate is not the one that the quote names");
        return same;
    }
    const uint8_t quote_svn[] = { (uint8_t)(s->pce_svn >> 8), (uint8_t)s->pce_svn };
    const uint8_t certificate_svn[] = { (uint8_t)(ext->pce_svn >> 8), (uint8_t)ext->pce_svn };
    bool good = names(w, "CPUSVN", s->cpu_svn, ext->cpu_svn, sizeof s->cpu_svn);
    good = names(w, "PCESVN", quote_svn, certificate_svn, sizeof quote_svn) && good;
    if (s->has_pceid)
        good = names(w, "PCEID", s->pceid, ext->pceid, sizeof s->pceid) && good;
    if (s->cert_type == VCH_CERT_DATA_PPID_PLAIN)
        good = names(w, "PPID", s->ppid, ext->ppid, sizeof s->ppid) && good;
    return good;
}

/* SHA256(attestation key || authentication data), then zeros: all 64 bytes (MUST, ours). */
static vouch_code check_binding(vch_work *w, bool *out_good, vouch_error *err)
{
    const vch_quote_sig *s = &w->quote.sig;
    uint8_t expected[VCH_REPORT_DATA_SIZE] = { 0 };
    VCH_SCOPED(vch_hash_drop) vch_hash *hash = NULL;
    vouch_code rc = vch_hash_new(VCH_HASH_SHA256, &hash, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_update(hash, (vouch_span) { s->attestation_key, sizeof s->attestation_key },
                             err);
    if (rc == VOUCH_OK)
        rc = vch_hash_update(hash, s->qe_auth, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_finish(hash, expected, VCH_SHA256_SIZE, err);
    if (rc != VOUCH_OK)
        return rc;
    *out_good = memcmp(expected, s->qe_report_data, sizeof expected) == 0;
    if (!*out_good)
        vch_reasons_add_bytes(vch_work_reasons(w), "qe", "qe_report_data_mismatch",
                              (vouch_span) { expected, sizeof expected },
                              (vouch_span) { s->qe_report_data, sizeof s->qe_report_data },
                              "the quoting enclave's report does not bind the attestation key");
    return VOUCH_OK;
}

static vouch_code verify_certificate(vch_work *w, const vch_cert *child, const vch_p256_key *issuer,
                                     const char *code, const char *what, bool *out_good,
                                     vouch_error *err)
{
    vouch_code rc = vch_cert_signed_by(child, issuer, out_good, err);
    if (rc == VOUCH_OK && !*out_good)
        vch_reasons_add_values(vch_work_reasons(w), STEP, code, "a valid signature",
                               "an invalid one", "the signature of the %s does not verify", what);
    return rc;
}

/* A key of a certificate or quote; *out stays NULL, with a reason, if it is no point of the curve. */
static vouch_code make_key(vch_work *w, const uint8_t point[static VCH_P256_POINT_SIZE],
                           const vch_p256_key *like, const char *step, const char *code,
                           vch_p256_key **out, vouch_error *err)
{
    vouch_error why = { 0 };
    vouch_code rc = vch_p256_key_new(point, like, out, &why);
    if (rc == VOUCH_E_FORMAT) {
        vch_reasons_add_values(vch_work_reasons(w), step, code, "a point of P-256",
                               "no point of the curve", "the key is not a point of P-256");
        return VOUCH_OK;
    }
    return rc == VOUCH_OK ? rc : vouch_fail(err, rc, "making a P-256 key");
}

/* The quoting enclave's report by the PCK key, then the attestation key that it binds. */
static vouch_code verify_qe(vch_work *w, const vch_p256_key *pck, vch_platform *p, vouch_error *err)
{
    const vch_quote_sig *s = &w->quote.sig;
    bool good = false;
    vouch_code rc = vch_p256_verify(pck, s->qe_report, s->qe_signature, &good, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!good) {
        vch_reasons_add_values(vch_work_reasons(w), "qe", "qe_report_signature_invalid",
                               "a valid signature", "an invalid one",
                               "the quoting enclave's report is not signed by the PCK key");
        return VOUCH_OK;
    }
    return make_key(w, s->attestation_key, pck, "signature", "attestation_key_not_on_curve",
                    &p->attestation_key, err);
}

static vouch_code verify_signatures(vch_work *w, const vch_chain *chain,
                                    const vch_trusted_root *root, vch_platform *p, vouch_error *err)
{
    VCH_SCOPED(vch_p256_key_drop) vch_p256_key *intermediate = NULL;
    VCH_SCOPED(vch_p256_key_drop) vch_p256_key *pck = NULL;
    vouch_code rc = make_key(w, chain->intermediate.point, root->key, STEP,
                             "intermediate_key_invalid", &intermediate, err);
    if (rc != VOUCH_OK || intermediate == NULL)
        return rc;
    rc = make_key(w, chain->leaf.point, root->key, STEP, "pck_key_invalid", &pck, err);
    if (rc != VOUCH_OK || pck == NULL)
        return rc;
    bool good = vch_cache_knows_link(w->request->cache, root->digest, p->intermediate_digest);
    if (!good)
        rc = verify_certificate(w, &chain->intermediate, root->key,
                                "intermediate_signature_invalid", "PCK CA certificate", &good, err);
    if (rc != VOUCH_OK || !good)
        return rc;
    vch_cache_keep_link(w->request->cache, root->digest, p->intermediate_digest);
    rc = verify_certificate(w, &chain->leaf, intermediate, "pck_signature_invalid",
                            "PCK certificate", &good, err);
    if (rc != VOUCH_OK || !good)
        return rc;
    return verify_qe(w, pck, p, err);
}

static bool keep_facts(vch_work *w, const vch_chain *chain, const vch_trusted_root *root,
                       vch_platform *p)
{
    const vch_cert *certs[] = { &chain->root, &chain->intermediate, &chain->leaf };
    p->not_before_unix_s = INT64_MIN;
    p->not_after_unix_s = INT64_MAX;
    for (size_t i = 0; i < 3; i++) {
        if (certs[i]->not_before_unix_s > p->not_before_unix_s)
            p->not_before_unix_s = certs[i]->not_before_unix_s;
        if (certs[i]->not_after_unix_s < p->not_after_unix_s)
            p->not_after_unix_s = certs[i]->not_after_unix_s;
    }
    memcpy(p->root_digest, root->digest, sizeof p->root_digest);
    memcpy(p->leaf_serial, chain->leaf.serial, sizeof p->leaf_serial);
    memcpy(p->intermediate_serial, chain->intermediate.serial, sizeof p->intermediate_serial);
    memcpy(p->intermediate_point, chain->intermediate.point, sizeof p->intermediate_point);
    p->ca = chain->ca;
    p->intermediate_name_size = chain->intermediate.subject.size;
    if (p->intermediate_name_size > sizeof p->intermediate_name) {
        refuse(w, "pck_chain_malformed", "a name of at most 256 bytes", "a longer one",
               "the PCK CA's name is too long");
        return false;
    }
    memcpy(p->intermediate_name, chain->intermediate.subject.data, p->intermediate_name_size);
    return true;
}

static vouch_code refuse_root(vch_work *w, const vch_chain *chain, vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE];
    vouch_code rc = vch_sha256(chain->root.der, digest, err);
    if (rc == VOUCH_OK)
        refuse_bytes(w, "root_not_trusted", "a trusted root certificate",
                     (vouch_span) { digest, sizeof digest },
                     "the PCK chain does not end in a trusted root certificate");
    return rc;
}

/* Establish the platform from the quote's bytes; w->platform stays NULL if it cannot be trusted. */
static vouch_code establish(vch_work *w, vouch_error *err)
{
    VCH_SCOPED(vch_chain_drop) vch_chain chain = { 0 };
    VCH_SCOPED(vch_platform_drop) vch_platform p = { 0 };
    bool bound = false;
    bool readable = false;
    vouch_code rc = read_chain(w, &chain, &readable, err);
    if (rc != VOUCH_OK || !readable)
        return rc;
    const vch_trusted_root *root = vch_verifier_root(w->verifier, chain.root.der);
    if (root == NULL)
        return refuse_root(w, &chain, err);
    if (!read_extension(w, &chain, &p.pck) || !is_named_by_quote(w, &chain, &p.pck)
        || !keep_facts(w, &chain, root, &p))
        return VOUCH_OK;
    rc = vch_sha256(chain.intermediate.der, p.intermediate_digest, err);
    if (rc == VOUCH_OK)
        rc = check_binding(w, &bound, err);
    if (rc == VOUCH_OK && bound)
        rc = verify_signatures(w, &chain, root, &p, err);
    if (rc != VOUCH_OK || p.attestation_key == NULL)
        return rc;
    w->own_platform = p;
    p = (vch_platform) { 0 };
    w->platform = &w->own_platform;
    return VOUCH_OK;
}

/* The PCK CRL by the CA that signed the PCK certificate. */
static vouch_code verify_crl(vch_work *w, vouch_error *err)
{
    const vch_platform *p = w->platform;
    const vouch_collateral *c = w->request->collateral;
    if (vch_cache_knows_link(w->request->cache, p->intermediate_digest, c->pck_crl_digest))
        return VOUCH_OK;
    if (!vch_span_equal(c->pck_crl.issuer,
                        (vouch_span) { p->intermediate_name, p->intermediate_name_size })) {
        refuse(w, "pck_crl_issuer_mismatch", "the CA of the PCK certificate", "another",
               "the PCK CRL is not issued by the CA that signed the PCK certificate");
        return VOUCH_OK;
    }
    VCH_SCOPED(vch_p256_key_drop) vch_p256_key *key = NULL;
    vouch_code rc = vch_p256_key_new(p->intermediate_point, p->attestation_key, &key, err);
    bool good = false;
    if (rc == VOUCH_OK)
        rc = vch_crl_signed_by(&c->pck_crl, key, &good, err);
    if (rc != VOUCH_OK)
        return rc;
    if (good)
        vch_cache_keep_link(w->request->cache, p->intermediate_digest, c->pck_crl_digest);
    else
        refuse(w, "pck_crl_signature_invalid", "a valid signature", "an invalid one",
               "the signature of the PCK CRL does not verify");
    return VOUCH_OK;
}

static vouch_code check_revocation(vch_work *w, vouch_error *err)
{
    const vch_platform *p = w->platform;
    const vouch_collateral *c = w->request->collateral;
    if (c == NULL || !c->has_pck_crl || !c->has_root_crl)
        return VOUCH_OK; /* the collateral step refuses */
    vouch_code rc = verify_crl(w, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_work_dates(
        w, &(vch_dates) { .from_unix_s = c->pck_crl.this_update_unix_s,
                          .to_unix_s = c->pck_crl.next_update_unix_s + w->verifier->expired_grace_s,
                          .step = STEP,
                          .what = "PCK CRL",
                          .early_code = "collateral_not_yet_valid",
                          .late_code = "collateral_expired" });
    if (vch_crl_lists(&c->root_crl, p->intermediate_serial))
        refuse_bytes(w, "intermediate_ca_revoked", "not revoked",
                     (vouch_span) { p->intermediate_serial, sizeof p->intermediate_serial },
                     "the PCK CA certificate is revoked");
    if (vch_crl_lists(&c->pck_crl, p->leaf_serial))
        refuse_bytes(w, "pck_revoked", "not revoked",
                     (vouch_span) { p->leaf_serial, sizeof p->leaf_serial },
                     "the PCK certificate is revoked");
    return VOUCH_OK;
}

static void fill_claims(vch_work *w)
{
    const vch_platform *p = w->platform;
    const vch_trusted_root *root = vch_verifier_root_by_digest(w->verifier, p->root_digest);
    vouch_claims *c = &w->appraisal->claims;
    c->has_platform = true;
    memcpy(c->ppid, p->pck.ppid, sizeof c->ppid);
    memcpy(c->fmspc, p->pck.fmspc, sizeof c->fmspc);
    memcpy(c->pceid, p->pck.pceid, sizeof c->pceid);
    memcpy(c->pck_svn, p->pck.svn, sizeof c->pck_svn);
    c->pce_svn = p->pck.pce_svn;
    c->has_piid = p->pck.has_piid;
    memcpy(c->piid, p->pck.piid, sizeof c->piid);
    c->smt_enabled = p->pck.smt_enabled;
    c->dynamic_platform = p->pck.dynamic_platform;
    c->cached_keys = p->pck.cached_keys;
    c->simulated = root == NULL || !root->is_intel;
    memcpy(c->root_sha256, p->root_digest, sizeof c->root_sha256);
}

/* The platform from the cache, if the same bytes were established before under a root that this
 * verifier trusts; otherwise from scratch. */
static vouch_code find_platform(vch_work *w, vouch_error *err)
{
    vch_cache_key key = { 0 };
    vouch_code rc = VOUCH_OK;
    if (w->request->cache != NULL) {
        memcpy(key.first, w->platform_digest, sizeof key.first);
        if (w->quote.sig.cert_type != VCH_CERT_DATA_PCK_CHAIN && w->request->collateral != NULL)
            memcpy(key.second, w->request->collateral->pck_chain_digest, sizeof key.second);
        w->platform = vch_cache_find_platform(w->request->cache, &key);
        if (w->platform != NULL
            && vch_verifier_root_by_digest(w->verifier, w->platform->root_digest) == NULL)
            w->platform = NULL;
    }
    if (w->platform == NULL)
        rc = establish(w, err);
    if (rc == VOUCH_OK && w->platform == &w->own_platform && w->request->cache != NULL)
        w->platform = vch_cache_keep_platform(w->request->cache, &key, &w->own_platform);
    return rc;
}

vouch_code vch_step_chain(vch_work *w, vouch_error *err)
{
    vouch_code rc = find_platform(w, err);
    if (rc != VOUCH_OK || w->platform == NULL)
        return rc;
    fill_claims(w);
    vch_work_dates(w, &(vch_dates) { .from_unix_s = w->platform->not_before_unix_s,
                                     .to_unix_s = w->platform->not_after_unix_s,
                                     .step = STEP,
                                     .what = "PCK chain",
                                     .early_code = "certificate_not_yet_valid",
                                     .late_code = "certificate_expired" });
    return check_revocation(w, err);
}
