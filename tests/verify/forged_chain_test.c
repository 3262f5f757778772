/*
 * PCK chains that anybody can make: Intel's genuine root, and below it certificates that Intel never
 * signed. They are read before any signature is verified, so nothing in them may do harm, and no
 * cache may ever learn from them.
 */
#include <string.h>

#include "base/scope.h"
#include "collateral/chain.h"
#include "corpus.h"
#include "crypto/cert_builder.h"
#include "crypto/pem.h"
#include "evidence/quote.h"
#include "vouch/verifier.h"

typedef struct scene {
    vouch_verifier *verifier;
    vouch_collateral *collateral;
    vouch_cache *cache;
    vouch_span quote;
    vch_quote parsed;
    vch_chain chain;
} scene;

static scene make_scene(void)
{
    scene s = { .quote = corpus_read(CORPUS_SGX_QUOTE) };
    vouch_error err = { 0 };
    vouch_claims c;
    vouch_collateral_parts parts = corpus_sgx_parts();
    CHECK_OK(vouch_verifier_new(NULL, &s.verifier, &err), &err);
    CHECK_OK(vouch_collateral_parse(&parts, &s.collateral, &err), &err);
    CHECK_OK(vouch_cache_new(8, &s.cache, &err), &err);
    CHECK_OK(vch_quote_parse(s.quote, &s.parsed, &c, &err), &err);
    CHECK_OK(vch_chain_parse(s.parsed.sig.cert_data, VCH_CHAIN_PCK, &s.chain, &err), &err);
    corpus_parts_free(&parts);
    return s;
}

static void scene_drop(scene *s)
{
    vouch_verifier_free(s->verifier);
    vouch_collateral_free(s->collateral);
    vouch_cache_free(s->cache);
    vch_chain_drop(&s->chain);
    corpus_free(s->quote);
}

/* The genuine quote (version 3) with another chain. */
static vouch_span with_chain(const scene *s, const vch_buffer *pem)
{
    size_t prefix = (size_t)(s->parsed.sig.cert_data.data - s->quote.data);
    vouch_span out = corpus_copy((vouch_span) { s->quote.data, prefix }, prefix + pem->size);
    memcpy(corpus_bytes(out) + prefix, pem->data, pem->size);
    for (size_t i = 0; i < 4; i++) {
        corpus_bytes(out)[prefix - 4 + i] = (uint8_t)(pem->size >> (8 * i));
        corpus_bytes(out)[432 + i] = (uint8_t)((out.size - 436) >> (8 * i));
    }
    return out;
}

/* Refused with this code, each time, and the genuine quote after it is still genuine. */
static void expect(const scene *s, const vch_buffer *pem, const char *code)
{
    vouch_span forged = with_chain(s, pem);
    for (int i = 0; i < 4; i++) {
        vouch_appraisal *a = NULL;
        vouch_error err = { 0 };
        const vouch_request r = { .quote = i < 3 ? forged : s->quote,
                                  .collateral = s->collateral,
                                  .now_unix_s = CORPUS_SGX_TIME,
                                  .cache = i == 0 ? NULL : s->cache };
        CHECK_OK(vouch_verifier_appraise(s->verifier, &r, &a, &err), &err);
        CHECK(vouch_appraisal_is_genuine(a) == (i == 3));
        if (i < 3)
            assert_string_equal(vouch_appraisal_reason(a, 0).code, code);
        CHECK(vouch_appraisal_claims(a)->has_platform == (i == 3));
        vouch_appraisal_free(a);
    }
    corpus_free(forged);
}

/* One byte of one certificate of the chain changed, `from_end` from its end. */
static void expect_changed(const scene *s, int which, size_t from_end, const char *code)
{
    const vch_cert *certs[] = { &s->chain.leaf, &s->chain.intermediate, &s->chain.root };
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(1 << 16);
    for (int i = 0; i < 3; i++) {
        vouch_span der = corpus_copy(certs[i]->der, certs[i]->der.size);
        corpus_bytes(der)[der.size - from_end] ^= i == which ? 1 : 0;
        vch_pem_encode(VCH_PEM_CERTIFICATE, der, &pem);
        corpus_free(der);
    }
    expect(s, &pem, code);
}

static void a_certificate_with_another_signature_is_refused_each_time(void **state)
{
    (void)state;
    VCH_SCOPED(scene_drop) scene s = make_scene();
    expect_changed(&s, 0, 1, "pck_signature_invalid");
    expect_changed(&s, 1, 1, "intermediate_signature_invalid");
    expect_changed(&s, 2, 1, "root_not_trusted");
}

static void put_certificate(const vch_cert_options *o, vch_buffer *der, vch_buffer *pem)
{
    vouch_error err = { 0 };
    CHECK_OK(vch_cert_build(o, der, &err), &err);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(der), pem);
}

/* A CA of the forger's under the genuine root's name, its own name of this many bytes and more. */
static void put_forged_chain(const scene *s, size_t name_size, vch_buffer *pem)
{
    static const uint8_t serial[] = { 0x41, 1 };
    char units[8][65] = { { 0 } };
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer ca = vch_buffer_with_cap(8192);
    VCH_SCOPED(vch_buffer_drop) vch_buffer leaf = vch_buffer_with_cap(8192);
    vouch_error err = { 0 };
    CHECK_OK(vch_key_generate(VCH_KEY_P256, &key, &err), &err);
    vch_name_part name[9] = { { "CN", "Intel SGX PCK Platform CA" } };
    size_t parts = 1;
    for (size_t left = name_size; left > 0; parts++) {
        size_t size = left < 64 ? left : 64;
        memset(units[parts - 1], 'x', size);
        name[parts] = (vch_name_part) { "OU", units[parts - 1] };
        left -= size;
    }
    const vch_cert_extension sgx = { "1.2.840.113741.1.13.1", false, s->chain.leaf.sgx_extension };
    vch_cert_options o = { .subject = name,
                           .subject_count = parts,
                           .public_key = key,
                           .signer = key,
                           .issuer_cert = s->chain.root.der,
                           .serial = { serial, sizeof serial },
                           .not_before_unix_s = CORPUS_SGX_TIME - 1000,
                           .not_after_unix_s = CORPUS_SGX_TIME + 1000,
                           .kind = VCH_CERT_CA,
                           .kind_critical = true,
                           .pathlen = 0,
                           .key_usage = VCH_USE_CERT_SIGN | VCH_USE_CRL_SIGN,
                           .crl_url = "https://own.invalid/crl",
                           .subject_key_id = true,
                           .authority_key_id = true };
    put_certificate(&o, &ca, pem);
    const vch_name_part pck[] = { { "CN", "Intel SGX PCK Certificate" } };
    o.subject = pck;
    o.subject_count = 1;
    o.issuer_cert = vch_buffer_span(&ca);
    o.kind = VCH_CERT_LEAF;
    o.pathlen = VCH_PATHLEN_NONE;
    o.key_usage = VCH_USE_DIGITAL_SIGNATURE;
    o.extensions = &sgx;
    o.extension_count = 1;
    put_certificate(&o, &leaf, pem);
    vch_pem_encode(VCH_PEM_CERTIFICATE, s->chain.root.der, pem);
}

static void a_forgers_ca_under_the_genuine_root_is_refused_whatever_its_name(void **state)
{
    (void)state;
    VCH_SCOPED(scene_drop) scene s = make_scene();
    for (size_t size = 1; size <= 500; size += 83) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(1 << 16);
        put_forged_chain(&s, size, &pem);
        expect(&s, &pem, size < 200 ? "intermediate_signature_invalid" : "pck_chain_malformed");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_certificate_with_another_signature_is_refused_each_time),
        TEST(a_forgers_ca_under_the_genuine_root_is_refused_whatever_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
