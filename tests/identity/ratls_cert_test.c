#include "identity/ratls_cert.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "codec/der.h"
#include "codec/hex.h"
#include "crypto/cert_builder.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "host/file.h"
#include "identity/enrolment.h"
#include "vouch/evidence.h"

#define NBF INT64_C(1764579600)
#define EXP INT64_C(1764666600)

static vch_key *key;

static int make_key(void **state)
{
    (void)state;
    return vch_key_generate(VCH_KEY_P384, &key, NULL) == VOUCH_OK ? 0 : -1;
}

static int drop_key(void **state)
{
    (void)state;
    vch_key_free(key);
    return 0;
}

static void read_vector(const char *name, vch_buffer *out)
{
    vouch_error err = { 0 };
    char path[1024];
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
    (void)snprintf(path, sizeof path, "%s/ratls/%s", VCH_TEST_VECTORS, name);
    CHECK_OK(vch_file_read(path, VCH_PEM_MAX_SIZE, &pem, &err), &err);
    CHECK_OK(vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_TEXT_BEFORE,
                                out, &err),
             &err);
}

static void expect_sha256(vouch_span bytes, const char *hex)
{
    uint8_t digest[32];
    char text[65];
    CHECK(vch_sha256(bytes, digest, NULL) == VOUCH_OK);
    assert_string_equal(vch_hex_encode((vouch_span) { digest, 32 }, text), hex);
}

static void gramines_certificate_has_both_its_extensions(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_ratls_cert c = { 0 };
    vch_dice_evidence e = { 0 };
    vouch_claims q = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_RATLS_CERT_MAX_SIZE);
    read_vector("gramine-cert.pem", &der);
    CHECK_OK(vch_ratls_cert_parse(vch_buffer_span(&der), &c, &err), &err);
    expect_sha256(c.spki, "5a5a5b2d177433048e9d62409d1acc4ec526c06e294d09e69a36cff9369e4851");
    CHECK(vch_span_is(c.common_name, "RATLS"));
    CHECK(c.evidence[VCH_RATLS_GRAMINE_LEGACY].size == 4734 && !c.evidence_twice);
    CHECK_OK(vch_ratls_cert_check_self_signature(&c, &err), &err);
    CHECK_OK(vch_dice_evidence_parse(c.evidence[VCH_RATLS_DICE], &e, &err), &err);
    CHECK(e.tag == 60000 && e.claims.size == 51 && e.quote.size == 4734);
    CHECK_OK(vouch_quote_read(e.quote, &q, &err), &err);
    CHECK(q.debug && q.sgx.mrenclave[0] == 0x08 && q.sgx.mrenclave[1] == 0x66);
}

static void the_rats_tls_certificate_has_the_dice_extension_alone(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_ratls_cert c = { 0 };
    vch_dice_evidence e = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_RATLS_CERT_MAX_SIZE);
    read_vector("rats-tls-cert.pem", &der);
    CHECK_OK(vch_ratls_cert_parse(vch_buffer_span(&der), &c, &err), &err);
    expect_sha256(c.spki, "72c0b70c2092741a4cfda0c2465487faf132998617b0aad53118aa5d6e180006");
    for (size_t d = 0; d < VCH_RATLS_DIALECT_COUNT; d++)
        CHECK((c.evidence[d].data != NULL) == (d == VCH_RATLS_DICE));
    CHECK_OK(vch_ratls_cert_check_self_signature(&c, &err), &err);
    CHECK_OK(vch_dice_evidence_parse(c.evidence[VCH_RATLS_DICE], &e, &err), &err);
    CHECK(e.claims.size == 81);
    CHECK(c.exp_unix_s < 1708646400); /* expired 2024-02-22 */
}

static void build(vch_buffer *out, const char *address)
{
    vouch_error err = { 0 };
    const vch_ratls_options options = { .name = "agg.example.org",
                                        .address = address,
                                        .key = key,
                                        .nbf_unix_s = NBF,
                                        .exp_unix_s = EXP,
                                        .quote = vch_span_str("the quote"),
                                        .claims = vch_span_str("the claims"),
                                        .enrolment = vch_span_str("the enrolment") };
    CHECK_OK(vch_ratls_cert_build(&options, out, &err), &err);
}

static void our_certificate_reads_back(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_ratls_cert c = { 0 };
    vch_dice_evidence e = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_RATLS_CERT_MAX_SIZE);
    build(&der, "10.1.2.3");
    CHECK_OK(vch_ratls_cert_parse(vch_buffer_span(&der), &c, &err), &err);
    CHECK_OK(vch_ratls_cert_check_self_signature(&c, &err), &err);
    CHECK(c.nbf_unix_s == NBF && c.exp_unix_s == EXP && !c.is_ca && !c.unknown_critical);
    CHECK(vch_span_is(c.common_name, "agg.example.org")
          && vch_span_is(c.enrolment, "the enrolment"));
    CHECK_OK(vch_dice_evidence_parse(c.evidence[VCH_RATLS_DICE], &e, &err), &err);
    CHECK(vch_span_is(e.quote, "the quote") && vch_span_is(e.claims, "the claims"));
    CHECK(vch_ratls_cert_has_alt_name(&c, "agg.example.org"));
    CHECK(vch_ratls_cert_has_alt_name(&c, "10.1.2.3"));
    CHECK(!vch_ratls_cert_has_alt_name(&c, "10.1.2.4"));
    CHECK(!vch_ratls_cert_has_alt_name(&c, "example.org"));
}

static void a_certificate_cut_short_anywhere_is_refused(void **state)
{
    (void)state;
    vch_ratls_cert c = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_RATLS_CERT_MAX_SIZE);
    build(&der, NULL);
    for (size_t n = 0; n < der.size; n++)
        CHECK(vch_ratls_cert_parse((vouch_span) { der.data, n }, &c, NULL) != VOUCH_OK);
    vch_buffer_u8(&der, 0);
    CHECK(vch_ratls_cert_parse(vch_buffer_span(&der), &c, NULL) == VOUCH_E_FORMAT);
    CHECK(c.der.data == NULL);
}

static void a_certificate_above_the_limit_is_refused_before_it_is_read(void **state)
{
    (void)state;
    static const uint8_t big[VCH_RATLS_CERT_MAX_SIZE + 1];
    vch_ratls_cert c = { 0 };
    CHECK(vch_ratls_cert_parse((vouch_span) { big, sizeof big }, &c, NULL) == VOUCH_E_LIMIT);
}

static void any_flipped_bit_of_the_signed_part_breaks_the_self_signature(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_RATLS_CERT_MAX_SIZE);
    build(&der, NULL);
    for (size_t i = 0; i < der.size; i += 5) {
        vch_ratls_cert c = { 0 };
        der.data[i] ^= 1U;
        CHECK(vch_ratls_cert_parse(vch_buffer_span(&der), &c, NULL) != VOUCH_OK
              || vch_ratls_cert_check_self_signature(&c, NULL) != VOUCH_OK);
        der.data[i] ^= 1U;
    }
}

/* RFC 5280 s.4.1.1.2: the algorithm is named twice, and the signature covers only one of them. */
static void two_different_signature_algorithms_are_refused(void **state)
{
    (void)state;
    static const uint8_t ecdsa_sha384[] = { 0x06, 0x08, 0x2a, 0x86, 0x48,
                                            0xce, 0x3d, 0x04, 0x03, 0x03 };
    vch_ratls_cert c = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_RATLS_CERT_MAX_SIZE);
    build(&der, NULL);
    uint8_t *inner = memmem(der.data, der.size, ecdsa_sha384, sizeof ecdsa_sha384);
    CHECK(inner != NULL);
    inner[9] = 0x02; /* ECDSA with SHA-256 */
    CHECK(vch_ratls_cert_parse(vch_buffer_span(&der), &c, NULL) == VOUCH_E_FORMAT);
}

static void build_with(const vch_cert_extension *extensions, size_t count, vch_buffer *out)
{
    vouch_error err = { 0 };
    const uint8_t serial[] = { 0x41 };
    const vch_name_part subject = { "CN", "x" };
    const vch_cert_options o = { .subject = &subject,
                                 .subject_count = 1,
                                 .signer = key,
                                 .serial = { serial, sizeof serial },
                                 .not_before_unix_s = NBF,
                                 .not_after_unix_s = EXP,
                                 .pathlen = VCH_PATHLEN_NONE,
                                 .extensions = extensions,
                                 .extension_count = count };
    CHECK_OK(vch_cert_build(&o, out, &err), &err);
}

/* The builder refuses to say an OID twice: say a neighbour, and put the OID in its place. */
static void put_in_place(vch_buffer *der, const char *neighbour, const char *oid)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer from = vch_buffer_with_cap(64);
    VCH_SCOPED(vch_buffer_drop) vch_buffer to = vch_buffer_with_cap(64);
    vch_der_put_oid(&from, neighbour);
    vch_der_put_oid(&to, oid);
    uint8_t *at = memmem(der->data, der->size, from.data, from.size);
    CHECK(at != NULL && from.size == to.size);
    memcpy(at, to.data, to.size);
}

static void an_evidence_extension_that_stands_twice_is_marked(void **state)
{
    (void)state;
    static const struct {
        const char *oid;
        const char *neighbour;
    } cases[] = {
        { "2.23.133.5.4.9", "2.23.133.5.4.8" },
        { VCH_ENROLMENT_OID, "2.25.147689960455541555337081755345030784192" },
        { "0.6.9.42.840.113741.1337.6", "0.6.9.42.840.113741.1337.7" },
        { "1.2.840.113741.1337.6", "1.2.840.113741.1337.7" },
        { "1.2.840.113741.1.13.1", "1.2.840.113741.1.13.2" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vouch_error err = { 0 };
        vch_ratls_cert c = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(4096);
        const vch_cert_extension both[] = { { cases[i].oid, false, vch_span_str("a") },
                                            { cases[i].neighbour, false, vch_span_str("b") } };
        build_with(both, 2, &der);
        CHECK_OK(vch_ratls_cert_parse(vch_buffer_span(&der), &c, &err), &err);
        CHECK(!c.evidence_twice);
        put_in_place(&der, cases[i].neighbour, cases[i].oid);
        CHECK_OK(vch_ratls_cert_parse(vch_buffer_span(&der), &c, &err), &err);
        CHECK(c.evidence_twice);
    }
}

static void both_spellings_of_gramines_oid_are_one_dialect(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_ratls_cert c = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(4096);
    const vch_cert_extension both[] = { { "0.6.9.42.840.113741.1337.6", false, vch_span_str("a") },
                                        { "1.2.840.113741.1337.6", false, vch_span_str("b") } };
    build_with(both, 2, &der);
    CHECK_OK(vch_ratls_cert_parse(vch_buffer_span(&der), &c, &err), &err);
    CHECK(c.evidence_twice);
}

static void any_other_extension_that_stands_twice_is_refused(void **state)
{
    (void)state;
    vch_ratls_cert c = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(4096);
    const vch_cert_extension both[] = { { "1.2.3.4.5", false, vch_span_str("a") },
                                        { "1.2.3.4.6", false, vch_span_str("b") } };
    build_with(both, 2, &der);
    put_in_place(&der, "1.2.3.4.6", "1.2.3.4.5");
    CHECK(vch_ratls_cert_parse(vch_buffer_span(&der), &c, NULL) == VOUCH_E_FORMAT);
}

static void critical_extensions_are_known_or_marked(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_ratls_cert c = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer known = vch_buffer_with_cap(4096);
    VCH_SCOPED(vch_buffer_drop) vch_buffer unknown = vch_buffer_with_cap(4096);
    const vch_cert_extension dice = { "2.23.133.5.4.9", true, vch_span_str("a") };
    const vch_cert_extension other = { "1.2.3.4.5", true, vch_span_str("a") };
    build_with(&dice, 1, &known);
    build_with(&other, 1, &unknown);
    CHECK_OK(vch_ratls_cert_parse(vch_buffer_span(&known), &c, &err), &err);
    CHECK(!c.unknown_critical);
    CHECK_OK(vch_ratls_cert_parse(vch_buffer_span(&unknown), &c, &err), &err);
    CHECK(c.unknown_critical);
}

/* Evidence that only looks so: the OID's bytes inside another extension's value. */
static void an_oid_inside_another_value_is_not_evidence(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_ratls_cert c = { 0 };
    static const uint8_t trap[] = { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d,
                                    0x8a, 0x39, 0x06, 0x04, 0x82, 0x00, 0x01, 0x00 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(4096);
    const vch_cert_extension other = { "1.2.3.4.5", false, { trap, sizeof trap } };
    build_with(&other, 1, &der);
    CHECK_OK(vch_ratls_cert_parse(vch_buffer_span(&der), &c, &err), &err);
    for (size_t d = 0; d < VCH_RATLS_DIALECT_COUNT; d++)
        CHECK(c.evidence[d].data == NULL);
}

static void evidence_that_is_not_quote_and_claims_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t bytes[12];
        size_t size;
        bool good;
    } cases[] = {
        { "as it should be", { 0xd9, 0xea, 0x60, 0x82, 0x41, 'q', 0x41, 'c' }, 8, true },
        { "no tag", { 0x82, 0x41, 'q', 0x41, 'c' }, 5, false },
        { "one item", { 0xd9, 0xea, 0x60, 0x81, 0x41, 'q' }, 6, false },
        { "three items", { 0xd9, 0xea, 0x60, 0x83, 0x41, 'q', 0x41, 'c', 0x40 }, 9, false },
        { "an array that announces three",
          { 0xd9, 0xea, 0x60, 0x83, 0x41, 'q', 0x41, 'c' },
          8,
          false },
        { "text", { 0xd9, 0xea, 0x60, 0x82, 0x61, 'q', 0x41, 'c' }, 8, false },
        { "an open array", { 0xd9, 0xea, 0x60, 0x9f, 0x41, 'q', 0x41, 'c', 0xff }, 9, false },
        { "a byte after it", { 0xd9, 0xea, 0x60, 0x82, 0x41, 'q', 0x41, 'c', 0 }, 9, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_dice_evidence e = { 0 };
        vouch_code rc =
            vch_dice_evidence_parse((vouch_span) { cases[i].bytes, cases[i].size }, &e, NULL);
        if ((rc == VOUCH_OK) != cases[i].good)
            fail_msg("%s: %s", cases[i].name, vouch_code_name(rc));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gramines_certificate_has_both_its_extensions),
        TEST(the_rats_tls_certificate_has_the_dice_extension_alone),
        TEST(our_certificate_reads_back),
        TEST(a_certificate_cut_short_anywhere_is_refused),
        TEST(a_certificate_above_the_limit_is_refused_before_it_is_read),
        TEST(any_flipped_bit_of_the_signed_part_breaks_the_self_signature),
        TEST(two_different_signature_algorithms_are_refused),
        TEST(an_evidence_extension_that_stands_twice_is_marked),
        TEST(both_spellings_of_gramines_oid_are_one_dialect),
        TEST(any_other_extension_that_stands_twice_is_refused),
        TEST(critical_extensions_are_known_or_marked),
        TEST(an_oid_inside_another_value_is_not_evidence),
        TEST(evidence_that_is_not_quote_and_claims_is_refused),
    };
    return cmocka_run_group_tests(tests, make_key, drop_key);
}
