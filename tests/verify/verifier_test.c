#include "verify/verifier.h"

#include <string.h>

#include "base/bytes.h"
#include "corpus.h"

static void the_default_root_is_intels_alone(void **state)
{
    (void)state;
    vouch_verifier *v = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vouch_verifier_new(NULL, &v, &err), &err);
    CHECK(v->root_count == 1 && v->roots[0].is_intel);
    CHECK(vch_verifier_root(v, vouch_intel_root()) == &v->roots[0]);
    vouch_verifier_free(v);
}

static void a_root_may_be_pem_or_der_and_is_pinned_by_its_bytes(void **state)
{
    (void)state;
    vouch_span pem = corpus_read("collateral/intel_sgx_root_ca.pem");
    const vouch_span both[] = { pem, vouch_intel_root() };
    for (size_t i = 0; i < 2; i++) {
        vouch_verifier *v = NULL;
        vouch_error err = { 0 };
        vouch_verifier_options o = { .roots = &both[i], .root_count = 1 };
        CHECK_OK(vouch_verifier_new(&o, &v, &err), &err);
        CHECK(v->roots[0].is_intel);
        vouch_span other = corpus_copy(vouch_intel_root(), vouch_intel_root().size);
        corpus_bytes(other)[other.size - 1] ^= 1;
        CHECK(vch_verifier_root(v, other) == NULL);
        corpus_free(other);
        vouch_verifier_free(v);
    }
    corpus_free(pem);
}

/* The root of 2018 to 2033 has the same name and key; it is another certificate. */
static void another_certificate_of_the_same_key_is_another_root(void **state)
{
    (void)state;
    vouch_span der = corpus_copy(vouch_intel_root(), vouch_intel_root().size);
    uint8_t *date = memmem(der.data, der.size, "491231235959Z", 13);
    CHECK(date != NULL);
    memcpy(date, "330521235959Z", 13);
    vouch_verifier *v = NULL;
    vouch_error err = { 0 };
    vouch_verifier_options o = { .roots = &der, .root_count = 1 };
    CHECK_OK(vouch_verifier_new(&o, &v, &err), &err);
    CHECK(!v->roots[0].is_intel && vch_verifier_root(v, vouch_intel_root()) == NULL);
    vouch_verifier_free(v);
    corpus_free(der);
}

static void given_roots_replace_intels(void **state)
{
    (void)state;
    vouch_span der = corpus_copy(vouch_intel_root(), vouch_intel_root().size);
    corpus_bytes(der)[der.size - 1] ^= 1; /* another signature: another certificate */
    vouch_verifier *v = NULL;
    vouch_error err = { 0 };
    vouch_verifier_options o = { .roots = &der, .root_count = 1 };
    CHECK_OK(vouch_verifier_new(&o, &v, &err), &err);
    CHECK(v->root_count == 1 && vch_verifier_root(v, vouch_intel_root()) == NULL);
    vouch_verifier_free(v);
    corpus_free(der);
}

static void options_that_cannot_be_used_are_refused(void **state)
{
    (void)state;
    static const uint8_t junk[] = "no certificate";
    vouch_span roots[VCH_ROOTS_MAX + 1];
    for (size_t i = 0; i <= VCH_ROOTS_MAX; i++)
        roots[i] = vouch_intel_root();
    vouch_verifier *v = NULL;
    vouch_verifier_options o = { .roots = roots, .root_count = VCH_ROOTS_MAX + 1 };
    CHECK(vouch_verifier_new(&o, &v, NULL) == VOUCH_E_LIMIT);
    roots[1] = (vouch_span) { junk, sizeof junk };
    o.root_count = 2;
    CHECK(vouch_verifier_new(&o, &v, NULL) == VOUCH_E_FORMAT);
    roots[1] = (vouch_span) { 0 };
    CHECK(vouch_verifier_new(&o, &v, NULL) != VOUCH_OK);
    static const uint8_t point[] = { 0x04, 0x0b, 0xa9, 0xc4, 0xc0, 0xc0, 0xc8, 0x61 };
    uint8_t off_curve[1024];
    CHECK(roots[0].size <= sizeof off_curve);
    memcpy(off_curve, roots[0].data, roots[0].size);
    uint8_t *key = memmem(off_curve, roots[0].size, point, sizeof point);
    CHECK(key != NULL);
    key[20] ^= 1;
    roots[1] = (vouch_span) { off_curve, roots[0].size };
    CHECK(vouch_verifier_new(&o, &v, NULL) == VOUCH_E_FORMAT);
    o.root_count = 0;
    o.expired_grace_s = -1;
    CHECK(vouch_verifier_new(&o, &v, NULL) == VOUCH_E_LIMIT);
    o.expired_grace_s = VCH_GRACE_MAX_S + 1;
    CHECK(vouch_verifier_new(&o, &v, NULL) == VOUCH_E_LIMIT);
    CHECK(v == NULL);
    o.expired_grace_s = VCH_GRACE_MAX_S;
    CHECK(vouch_verifier_new(&o, &v, NULL) == VOUCH_OK);
    vouch_verifier_free(v);
    vouch_verifier_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_default_root_is_intels_alone),
        TEST(a_root_may_be_pem_or_der_and_is_pinned_by_its_bytes),
        TEST(another_certificate_of_the_same_key_is_another_root),
        TEST(given_roots_replace_intels),
        TEST(options_that_cannot_be_used_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
