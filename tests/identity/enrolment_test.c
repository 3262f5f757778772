#include "identity/enrolment.h"

#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "codec/cbor.h"
#include "crypto/hash.h"

typedef struct site {
    vch_key *key;
    uint8_t pinned[32];
} site;

static site make_site(vch_key_kind kind)
{
    vouch_error err = { 0 };
    site s = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    CHECK_OK(vch_key_generate(kind, &s.key, &err), &err);
    CHECK_OK(vch_key_spki(s.key, &spki, &err), &err);
    CHECK_OK(vch_sha256(vch_buffer_span(&spki), s.pinned, &err), &err);
    return s;
}

static void every_kind_of_site_key_enrols(void **state)
{
    (void)state;
    static const vch_key_kind kinds[] = { VCH_KEY_P256, VCH_KEY_P384, VCH_KEY_RSA3072 };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        vouch_error err = { 0 };
        site s = make_site(kinds[i]);
        VCH_SCOPED(vch_buffer_drop) vch_buffer e = vch_buffer_with_cap(4096);
        CHECK_OK(vch_enrolment_build(s.key, vch_span_str("claims"), &e, &err), &err);
        CHECK_OK(vch_enrolment_check(vch_buffer_span(&e), vch_span_str("claims"), s.pinned, &err),
                 &err);
        vch_key_free(s.key);
    }
}

static void other_claims_another_key_and_another_pin_are_refused(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    site s = make_site(VCH_KEY_P256);
    site other = make_site(VCH_KEY_P256);
    VCH_SCOPED(vch_buffer_drop) vch_buffer e = vch_buffer_with_cap(4096);
    CHECK_OK(vch_enrolment_build(s.key, vch_span_str("claims"), &e, &err), &err);
    CHECK(vch_enrolment_check(vch_buffer_span(&e), vch_span_str("Claims"), s.pinned, NULL)
          == VOUCH_E_REFUSED);
    CHECK(vch_enrolment_check(vch_buffer_span(&e), vch_span_str("claims"), other.pinned, NULL)
          == VOUCH_E_REFUSED);
    /* The pinned key named, another one signing. */
    VCH_SCOPED(vch_buffer_drop) vch_buffer spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer signature = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer forged = vch_buffer_with_cap(4096);
    uint8_t message[13 + 32] = "vouch-enrol-1";
    CHECK_OK(vch_sha256(vch_span_str("claims"), message + 13, &err), &err);
    CHECK_OK(vch_key_spki(s.key, &spki, &err), &err);
    CHECK_OK(vch_key_sign(other.key, VCH_SIG_ECDSA_SHA384, (vouch_span) { message, sizeof message },
                          &signature, &err),
             &err);
    vch_cbor_put_array(&forged, 3);
    vch_cbor_put_uint(&forged, 1);
    vch_cbor_put_bytes(&forged, vch_buffer_span(&spki));
    vch_cbor_put_bytes(&forged, vch_buffer_span(&signature));
    CHECK(vch_enrolment_check(vch_buffer_span(&forged), vch_span_str("claims"), s.pinned, NULL)
          == VOUCH_E_REFUSED);
    vch_key_free(s.key);
    vch_key_free(other.key);
}

/* The same key also signs certificate requests: without the domain those would be enrolments. */
static void a_signature_without_the_domain_is_no_enrolment(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    site s = make_site(VCH_KEY_P256);
    VCH_SCOPED(vch_buffer_drop) vch_buffer spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer signature = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer e = vch_buffer_with_cap(4096);
    CHECK_OK(vch_key_spki(s.key, &spki, &err), &err);
    CHECK_OK(vch_key_sign(s.key, VCH_SIG_ECDSA_SHA384, vch_span_str("claims"), &signature, &err),
             &err);
    vch_cbor_put_array(&e, 3);
    vch_cbor_put_uint(&e, 1);
    vch_cbor_put_bytes(&e, vch_buffer_span(&spki));
    vch_cbor_put_bytes(&e, vch_buffer_span(&signature));
    CHECK(vch_enrolment_check(vch_buffer_span(&e), vch_span_str("claims"), s.pinned, NULL)
          == VOUCH_E_REFUSED);
    vch_key_free(s.key);
}

static void an_enrolment_above_the_limit_is_refused_before_it_is_read(void **state)
{
    (void)state;
    static const uint8_t big[4097];
    static const uint8_t pinned[32];
    CHECK(
        vch_enrolment_check((vouch_span) { big, sizeof big }, vch_span_str("claims"), pinned, NULL)
        == VOUCH_E_LIMIT);
}

static void a_flipped_bit_anywhere_is_refused(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    site s = make_site(VCH_KEY_P256);
    VCH_SCOPED(vch_buffer_drop) vch_buffer e = vch_buffer_with_cap(4096);
    CHECK_OK(vch_enrolment_build(s.key, vch_span_str("claims"), &e, &err), &err);
    for (size_t i = 0; i < e.size; i++) {
        e.data[i] ^= 1U;
        CHECK(vch_enrolment_check(vch_buffer_span(&e), vch_span_str("claims"), s.pinned, NULL)
              != VOUCH_OK);
        e.data[i] ^= 1U;
        CHECK(
            vch_enrolment_check((vouch_span) { e.data, i }, vch_span_str("claims"), s.pinned, NULL)
            != VOUCH_OK);
    }
    vch_key_free(s.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kind_of_site_key_enrols),
        TEST(other_claims_another_key_and_another_pin_are_refused),
        TEST(a_signature_without_the_domain_is_no_enrolment),
        TEST(an_enrolment_above_the_limit_is_refused_before_it_is_read),
        TEST(a_flipped_bit_anywhere_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
