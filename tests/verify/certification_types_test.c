/*
 * Certification data of types 1 to 4: the quote names its PCK certificate, the caller supplies the
 * chain. That part of a quote is covered by no signature, so a genuine quote can be given any type.
 */
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "collateral/chain.h"
#include "corpus.h"
#include "evidence/quote.h"
#include "vouch/verifier.h"

enum { PLAIN = 1, RSA2048 = 2, RSA3072 = 3, LEAF = 4, CHAIN = 5 };

typedef struct scene {
    vouch_verifier *verifier;
    vouch_collateral_parts parts; /* with the quote's own chain beside it */
    vouch_span quote;
    int64_t now_unix_s;
    vouch_cache *cache;
    vch_quote parsed;
    vch_pck_ext ext;
} scene;

static scene make_scene(bool tdx)
{
    scene s = { .parts = tdx ? corpus_tdx_parts() : corpus_sgx_parts(),
                .quote = corpus_read(tdx ? CORPUS_TDX_QUOTE : CORPUS_SGX_QUOTE),
                .now_unix_s = tdx ? CORPUS_TDX_TIME : CORPUS_SGX_TIME };
    vouch_error err = { 0 };
    vouch_claims c;
    vch_chain chain = { 0 };
    CHECK_OK(vouch_verifier_new(NULL, &s.verifier, &err), &err);
    CHECK_OK(vouch_cache_new(8, &s.cache, &err), &err);
    CHECK_OK(vch_quote_parse(s.quote, &s.parsed, &c, &err), &err);
    s.parts.pck_chain = corpus_copy(s.parsed.sig.cert_data, s.parsed.sig.cert_data.size);
    CHECK_OK(vch_chain_parse(s.parts.pck_chain, VCH_CHAIN_PCK, &chain, &err), &err);
    CHECK_OK(vch_pck_ext_parse(chain.leaf.sgx_extension, chain.ca, &s.ext, &err), &err);
    vch_chain_drop(&chain);
    return s;
}

static void scene_drop(scene *s)
{
    vouch_verifier_free(s->verifier);
    vouch_cache_free(s->cache);
    corpus_parts_free(&s->parts);
    corpus_free(s->quote);
}

static void put_u32le(uint8_t *at, size_t value)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* The scene's quote with other certification data, all lengths right, without padding. */
static vouch_span with_cert_data(const scene *s, uint8_t type, vouch_span data)
{
    size_t prefix = (size_t)(s->parsed.sig.cert_data.data - s->quote.data);
    size_t section = s->parsed.signed_bytes.size + 4;
    vch_buffer b = vch_buffer_with_cap(1 << 16);
    vch_buffer_append(&b, (vouch_span) { s->quote.data, prefix });
    vch_buffer_append(&b, data);
    put_u32le(b.data + section - 4, b.size - section);
    if (s->parsed.header.version > 3) /* the outer certification data, type 6 */
        put_u32le(b.data + section + 130, b.size - section - 134);
    put_u32le(b.data + prefix - 4, data.size);
    b.data[prefix - 6] = type;
    vouch_span out = corpus_copy(vch_buffer_span(&b), b.size);
    vch_buffer_drop(&b);
    return out;
}

/* What types 1 to 3 hold; the encrypted PPID of 2 and 3 can be read by Intel alone. */
static size_t put_name(const scene *s, uint8_t type, uint8_t out[static 404])
{
    size_t ppid = type == PLAIN ? 16U : type == RSA2048 ? 256U : 384U;
    memset(out, 0x5a, ppid);
    if (type == PLAIN)
        memcpy(out, s->ext.ppid, 16);
    memcpy(out + ppid, s->ext.cpu_svn, 16);
    out[ppid + 16] = (uint8_t)s->ext.pce_svn;
    out[ppid + 17] = (uint8_t)(s->ext.pce_svn >> 8);
    memcpy(out + ppid + 18, s->ext.pceid, 2);
    return ppid + 20;
}

/* NULL: genuine, otherwise the code of the only reason. */
static void expect(const scene *s, vouch_span quote, vouch_cache *cache, const char *code)
{
    vouch_collateral *collateral = NULL;
    vouch_appraisal *a = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vouch_collateral_parse(&s->parts, &collateral, &err), &err);
    const vouch_request r = {
        .quote = quote, .collateral = collateral, .now_unix_s = s->now_unix_s, .cache = cache
    };
    CHECK_OK(vouch_verifier_appraise(s->verifier, &r, &a, &err), &err);
    if (vouch_appraisal_is_genuine(a) != (code == NULL))
        fail_msg("expected %s, found %s", code == NULL ? "ok" : code,
                 vouch_appraisal_reason(a, 0).message);
    if (code != NULL)
        assert_string_equal(vouch_appraisal_reason(a, 0).code, code);
    vouch_appraisal_free(a);
    vouch_collateral_free(collateral);
}

static void a_named_certificate_must_be_the_supplied_one(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        scene s = make_scene(i >= 3);
        uint8_t type = (uint8_t)(i % 3 + PLAIN);
        uint8_t name[404];
        size_t size = put_name(&s, type, name);
        size_t fixed = size - 20; /* of the PPID */
        for (size_t at = type == PLAIN ? 0 : fixed; at <= size; at++) {
            if (at < size)
                name[at] ^= 1;
            vouch_span quote = with_cert_data(&s, type, (vouch_span) { name, size });
            expect(&s, quote, s.cache, at == size ? NULL : "pck_certificate_mismatch");
            expect(&s, quote, s.cache, at == size ? NULL : "pck_certificate_mismatch");
            corpus_free(quote);
            if (at < size)
                name[at] ^= 1;
        }
        scene_drop(&s);
    }
}

static void without_a_supplied_chain_there_is_no_verdict(void **state)
{
    (void)state;
    for (uint8_t type = PLAIN; type <= LEAF; type++) {
        scene s = make_scene(false);
        uint8_t name[404];
        size_t size = type == LEAF ? 0 : put_name(&s, type, name);
        vouch_span quote = with_cert_data(
            &s, type, type == LEAF ? s.parts.pck_chain : (vouch_span) { name, size });
        vouch_span chain = s.parts.pck_chain;
        s.parts.pck_chain = (vouch_span) { 0 };
        expect(&s, quote, s.cache, "pck_chain_missing");
        s.parts.pck_chain = chain;
        corpus_free(quote);
        scene_drop(&s);
    }
}

static void a_leaf_in_the_quote_needs_its_own_chain_beside_it(void **state)
{
    (void)state;
    scene s = make_scene(false);
    const uint8_t *end =
        memmem(s.parts.pck_chain.data, s.parts.pck_chain.size, "-----END CERTIFICATE-----", 25);
    CHECK(end != NULL);
    vouch_span leaf = { s.parts.pck_chain.data, (size_t)(end - s.parts.pck_chain.data) + 25 };
    vouch_span quote = with_cert_data(&s, LEAF, leaf);
    expect(&s, quote, s.cache, NULL);
    expect(&s, quote, s.cache, NULL); /* from the cache */
    corpus_bytes(quote)[quote.size - 40] ^= 1;
    expect(&s, quote, s.cache, "pck_certificate_mismatch");
    corpus_free(quote);
    quote = with_cert_data(&s, LEAF, s.parts.pck_chain); /* three, where one belongs */
    expect(&s, quote, s.cache, "pck_certificate_mismatch");
    corpus_free(quote);
    scene_drop(&s);
}

/* Another platform's chain, as genuine as the right one. */
static void a_chain_of_another_platform_does_not_serve(void **state)
{
    (void)state;
    scene s = make_scene(false);
    vch_quote other;
    vouch_claims c;
    vouch_error err = { 0 };
    vouch_span other_quote = corpus_read("quote/b202abe0df7f4707.bin");
    CHECK_OK(vch_quote_parse(other_quote, &other, &c, &err), &err);
    CHECK(!vch_span_equal(other.sig.cert_data, s.parts.pck_chain));
    uint8_t name[404];
    vouch_span right = s.parts.pck_chain;
    for (uint8_t type = PLAIN; type <= RSA3072; type++) {
        vouch_span quote =
            with_cert_data(&s, type, (vouch_span) { name, put_name(&s, type, name) });
        s.parts.pck_chain = right;
        expect(&s, quote, s.cache, NULL);
        s.parts.pck_chain = other.sig.cert_data;
        expect(&s, quote, s.cache, "pck_certificate_mismatch"); /* the cache knows the right one */
        corpus_free(quote);
    }
    /* A name that fits it does not help: its key did not sign the quoting enclave's report. */
    vch_chain chain = { 0 };
    CHECK_OK(vch_chain_parse(other.sig.cert_data, VCH_CHAIN_PCK, &chain, &err), &err);
    CHECK_OK(vch_pck_ext_parse(chain.leaf.sgx_extension, chain.ca, &s.ext, &err), &err);
    vouch_span quote =
        with_cert_data(&s, RSA3072, (vouch_span) { name, put_name(&s, RSA3072, name) });
    expect(&s, quote, NULL, "qe_report_signature_invalid");
    corpus_free(quote);
    vch_chain_drop(&chain);
    s.parts.pck_chain = right;
    corpus_free(other_quote);
    scene_drop(&s);
}

static void a_chain_in_the_quote_is_taken_before_a_supplied_one(void **state)
{
    (void)state;
    scene s = make_scene(false);
    corpus_bytes(s.parts.pck_chain)[100] ^= 1; /* nobody looks at it */
    expect(&s, s.quote, s.cache, NULL);
    scene_drop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_named_certificate_must_be_the_supplied_one),
        TEST(without_a_supplied_chain_there_is_no_verdict),
        TEST(a_leaf_in_the_quote_needs_its_own_chain_beside_it),
        TEST(a_chain_of_another_platform_does_not_serve),
        TEST(a_chain_in_the_quote_is_taken_before_a_supplied_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
