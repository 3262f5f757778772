#include "codec/der.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"

#define SPAN(text_) ((vouch_span) { (const uint8_t *)(text_), sizeof(text_) - 1 })

static void a_nested_structure_is_read_and_written_alike(void **state)
{
    (void)state;
    vch_buffer out = vch_buffer_with_cap(10000);
    uint8_t big[300] = { 1 };
    size_t outer = vch_der_begin(&out, VCH_DER_SEQUENCE);
    vch_der_put_uint(&out, 300);
    vch_der_put_boolean(&out, true);
    vch_der_put_null(&out);
    vch_der_put_oid(&out, "1.2.840.113741.1.13.1");
    size_t inner = vch_der_begin(&out, VCH_DER_CONTEXT_CONSTRUCTED(0));
    vch_der_put(&out, VCH_DER_OCTET_STRING, (vouch_span) { big, sizeof big });
    vch_der_put_bit_string(&out, SPAN("\xff\x00"));
    vch_der_end(&out, inner);
    vch_der_end(&out, outer);
    CHECK(vch_buffer_finish(&out, "x", NULL) == VOUCH_OK);

    vch_der d = vch_der_over(vch_buffer_span(&out));
    vch_der s = vch_der_enter(&d, VCH_DER_SEQUENCE);
    CHECK(vch_der_uint(&s) == 300);
    CHECK(vch_der_boolean(&s));
    vch_der_null(&s);
    vouch_span oid = vch_der_oid(&s);
    CHECK(vch_oid_is(oid, "1.2.840.113741.1.13.1"));
    CHECK(!vch_oid_is(oid, "1.2.840.113741.1.13.2"));
    CHECK(vch_der_peek(&s, VCH_DER_CONTEXT_CONSTRUCTED(0)));
    vch_der c = vch_der_enter(&s, VCH_DER_CONTEXT_CONSTRUCTED(0));
    CHECK(vch_der_next(&c, VCH_DER_OCTET_STRING).size == sizeof big);
    vch_der_element e = vch_der_any(&c);
    CHECK(e.tag == VCH_DER_BIT_STRING && vch_span_equal(e.whole, SPAN("\x03\x03\x00\xff\x00")));
    CHECK(!vch_der_more(&c));
    vch_der_leave(&s, &c);
    vch_der_leave(&d, &s);
    vouch_error err = { 0 };
    CHECK_OK(vch_der_finish(&d, "it", &err), &err);
    vch_buffer_drop(&out);
}

typedef enum how {
    UINT,
    INTEGER,
    MAGNITUDE,
    ENUMERATED,
    BOOLEAN,
    NIL,
    BITS,
    BYTES,
    OID,
    ANY,
    TIME
} how;

static vouch_code read_one(vouch_span in, how as)
{
    vch_der d = vch_der_over(in);
    uint8_t unused = 0;
    switch (as) {
    case UINT:
        (void)vch_der_uint(&d);
        break;
    case INTEGER:
        (void)vch_der_integer(&d);
        break;
    case MAGNITUDE:
        (void)vch_der_magnitude(&d);
        break;
    case ENUMERATED:
        (void)vch_der_enumerated(&d);
        break;
    case BOOLEAN:
        (void)vch_der_boolean(&d);
        break;
    case NIL:
        vch_der_null(&d);
        break;
    case BITS:
        (void)vch_der_bits(&d, &unused);
        break;
    case BYTES:
        (void)vch_der_bit_string(&d);
        break;
    case OID:
        (void)vch_der_oid(&d);
        break;
    case ANY:
        (void)vch_der_any(&d);
        break;
    case TIME:
        (void)vch_der_time(&d);
        break;
    }
    vouch_error err = { 0 };
    vouch_code rc = vch_der_finish(&d, "it", &err);
    CHECK((rc == VOUCH_OK) == (err.depth == 0));
    return rc;
}

#define GOOD(as_, text_)                                                                           \
    {                                                                                              \
        as_, { (const uint8_t *)(text_), sizeof(text_) - 1 }, VOUCH_OK                             \
    }
#define BAD(as_, text_)                                                                            \
    {                                                                                              \
        as_, { (const uint8_t *)(text_), sizeof(text_) - 1 }, VOUCH_E_FORMAT                       \
    }
#define FAIL(as_, text_, code_)                                                                    \
    {                                                                                              \
        as_, { (const uint8_t *)(text_), sizeof(text_) - 1 }, code_                                \
    }

static const struct {
    how as;
    vouch_span in;
    vouch_code want;
} forms[] = {
    GOOD(UINT, "\x02\x01\x00"),
    GOOD(UINT, "\x02\x01\x7f"),
    GOOD(UINT, "\x02\x02\x00\x80"),
    BAD(UINT, "\x02\x01\x80"), /* negative */
    GOOD(INTEGER, "\x02\x01\x80"),
    BAD(MAGNITUDE, "\x02\x01\x80"),
    GOOD(MAGNITUDE, "\x02\x02\x00\x80"),
    BAD(UINT, "\x02\x02\x00\x7f"), /* a needless sign byte */
    BAD(INTEGER, "\x02\x02\xff\x80"),
    GOOD(INTEGER, "\x02\x02\xff\x7f"),
    BAD(INTEGER, "\x02\x00"),
    GOOD(UINT, "\x02\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff"),
    FAIL(UINT, "\x02\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00", VOUCH_E_LIMIT),
    BAD(UINT, "\x0a\x01\x01"), /* another tag */
    GOOD(ENUMERATED, "\x0a\x01\x01"),
    BAD(ENUMERATED, "\x02\x01\x01"),
    GOOD(BOOLEAN, "\x01\x01\x00"),
    GOOD(BOOLEAN, "\x01\x01\xff"),
    BAD(BOOLEAN, "\x01\x01\x01"),
    BAD(BOOLEAN, "\x01\x02\x00\x00"),
    BAD(BOOLEAN, "\x01\x00"),
    GOOD(NIL, "\x05\x00"),
    BAD(NIL, "\x05\x01\x00"),
    GOOD(BITS, "\x03\x02\x07\x80"),
    BAD(BITS, "\x03\x02\x07\xc0"), /* an unused bit is set */
    BAD(BITS, "\x03\x02\x08\x00"),
    BAD(BITS, "\x03\x01\x01"),
    BAD(BITS, "\x03\x00"),
    GOOD(BITS, "\x03\x01\x00"),
    BAD(BYTES, "\x03\x02\x07\x80"),
    GOOD(BYTES, "\x03\x02\x00\x80"),
    GOOD(OID, "\x06\x01\x2a"),
    BAD(OID, "\x06\x00"),
    BAD(OID, "\x06\x02\x2a\x80"),     /* an arc without its end */
    BAD(OID, "\x06\x03\x2a\x80\x01"), /* an arc that begins with nothing */
    GOOD(OID, "\x06\x03\x2a\x81\x00"),
    BAD(OID, "\x06\x02\x80\x01"),
    GOOD(ANY, "\x04\x00"),
    BAD(ANY, "\x04\x80\x00\x00"), /* indefinite */
    BAD(ANY, "\x04\x81\x01\x00"), /* lengths that would fit in less */
    BAD(ANY, "\x04\x82\x00\x80"),
    BAD(ANY, "\x04\x85\x01\x00\x00\x00\x00"), /* more than 32 bits */
    BAD(ANY, "\x04\x89\x01\x00\x00\x00\x00\x00\x00\x00\x00"),
    BAD(ANY, "\x04\x85\x00\x00\x00\x00\x01\x00"),
    BAD(ANY, "\x1f\x20\x00"), /* tag number above 30 */
    BAD(ANY, "\x04\x00\x00"), /* left over */
    FAIL(ANY, "", VOUCH_E_TRUNCATED),
    FAIL(ANY, "\x04", VOUCH_E_TRUNCATED),
    FAIL(ANY, "\x04\x81", VOUCH_E_TRUNCATED),
    FAIL(ANY, "\x04\x01", VOUCH_E_TRUNCATED),
    FAIL(ANY, "\x04\x84\xff\xff\xff\xff", VOUCH_E_TRUNCATED),
    GOOD(TIME, "\x17\x0d"
               "491231235959Z"),
    GOOD(TIME, "\x18\x0f"
               "20500101000000Z"),
    BAD(TIME, "\x17\x0b"
              "4912312359Z"),
    BAD(TIME, "\x17\x11"
              "491231235959+0000"),
    BAD(TIME, "\x17\x0d"
              "491331235959Z"),
    BAD(TIME, "\x17\x0d"
              "49123123590:Z"),
    BAD(TIME, "\x17\x0c"
              "491231235959"),
    BAD(TIME, "\x18\x11"
              "20500101000000.5Z"),
    BAD(TIME, "\x0c\x0d"
              "491231235959Z"),
};

static void only_the_one_canonical_form_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        vouch_code got = read_one(forms[i].in, forms[i].as);
        if (got != forms[i].want)
            fail_msg("row %zu: %s", i, vouch_code_name(got));
    }
}

static void a_two_digit_year_is_1950_to_2049(void **state)
{
    (void)state;
    vch_der d = vch_der_over(SPAN("\x17\x0d"
                                  "500101000000Z"
                                  "\x17\x0d"
                                  "491231235959Z"
                                  "\x18\x0f"
                                  "20260101000000Z"));
    CHECK(vch_der_time(&d) == -631152000);
    CHECK(vch_der_time(&d) == 2524607999);
    CHECK(vch_der_time(&d) == 1767225600);
    CHECK(vch_der_finish(&d, "times", NULL) == VOUCH_OK);
}

static void a_failure_inside_is_a_failure_outside(void **state)
{
    (void)state;
    vch_der d = vch_der_over(SPAN("\x30\x03\x02\x01\x80\x05\x00"));
    vch_der in = vch_der_enter(&d, VCH_DER_SEQUENCE);
    CHECK(vch_der_uint(&in) == 0);
    vch_der_leave(&d, &in);
    vch_der_null(&d); /* nothing is read any more */
    vouch_error err = { 0 };
    CHECK(vch_der_finish(&d, "it", &err) == VOUCH_E_FORMAT);
    assert_string_equal(err.frame[0], "it: number is negative");

    d = vch_der_over(SPAN("\x30\x03\x02\x01\x00"));
    in = vch_der_enter(&d, VCH_DER_SEQUENCE);
    vch_der_leave(&d, &in); /* the number was not read */
    CHECK(vch_der_finish(&d, "it", NULL) == VOUCH_E_FORMAT);

    d = vch_der_over(SPAN("\x02\x01\x00"));
    in = vch_der_enter(&d, VCH_DER_SEQUENCE);
    CHECK(in.failed != VOUCH_OK && !vch_der_more(&in) && !vch_der_peek(&d, VCH_DER_INTEGER));
    d = vch_der_over(SPAN("\x05\x00"));
    vch_der_null(&d);
    vch_der_refuse(&d, "a rule of the caller's");
    CHECK(vch_der_finish(&d, "it", NULL) == VOUCH_E_FORMAT);
}

static void a_structure_cut_short_anywhere_is_refused(void **state)
{
    (void)state;
    vouch_span whole = SPAN("\x30\x09\x02\x01\x05\x04\x04"
                            "abcd");
    for (size_t size = 0; size < whole.size; size++) {
        vch_der d = vch_der_over((vouch_span) { whole.data, size });
        vch_der in = vch_der_enter(&d, VCH_DER_SEQUENCE);
        (void)vch_der_uint(&in);
        (void)vch_der_next(&in, VCH_DER_OCTET_STRING);
        vch_der_leave(&d, &in);
        CHECK(vch_der_finish(&d, "it", NULL) == VOUCH_E_TRUNCATED);
    }
}

static const struct {
    const char *dotted;
    vouch_span encoded;
} oids[] = {
    { "0.0", { (const uint8_t *)"\x00", 1 } },
    { "1.39", { (const uint8_t *)"\x4f", 1 } },
    { "2.47", { (const uint8_t *)"\x7f", 1 } },
    { "2.999.3", { (const uint8_t *)"\x88\x37\x03", 3 } }, /* X.690 8.19.5 */
    { "2.5.29.15", { (const uint8_t *)"\x55\x1d\x0f", 3 } },
    { "2.25.147689960455541555337081755345030784193",
      { (const uint8_t
             *)"\x69\x81\xde\x9c\x86\xcf\xcb\xa2\xda\xb1\x8f\x9d\x8c\x8e\xef\xe2\xfc\xc2\xc9\x41",
        20 } },
    { "2.25.340282366920938463463374607431768211455",
      { (const uint8_t
             *)"\x69\x83\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        20 } },
};

static void object_identifiers_go_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof oids / sizeof *oids; i++) {
        vch_buffer out = vch_buffer_with_cap(200);
        vch_der_put_oid(&out, oids[i].dotted);
        vch_der d = vch_der_over(vch_buffer_span(&out));
        vouch_span got = vch_der_oid(&d);
        CHECK(vch_der_finish(&d, "oid", NULL) == VOUCH_OK);
        CHECK(vch_span_equal(got, oids[i].encoded));
        vch_buffer text = vch_buffer_with_cap(200);
        CHECK(vch_oid_text(got, &text, NULL) == VOUCH_OK);
        assert_string_equal(vch_buffer_text(&text), oids[i].dotted);
        CHECK(vch_oid_is(got, oids[i].dotted));
        vch_buffer_drop(&text);
        vch_buffer_drop(&out);
    }
    vch_buffer text = vch_buffer_with_cap(200);
    CHECK(vch_oid_text(SPAN("\x69\x87\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                            "\xff\xff\xff\x7f"),
                       &text, NULL)
          == VOUCH_E_FORMAT);
    CHECK(vch_oid_text(SPAN("\x2a\x81"), &text, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_oid_text(SPAN(""), &text, NULL) == VOUCH_E_FORMAT);
    vch_buffer_drop(&text);
}

static void a_text_that_is_no_object_identifier_is_not_written(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",      "1",    "3.1",
        "1.40",  "1.2.", "1..2",
        "1.2.x", ".1.2", "2.25.340282366920938463463374607431768211456"
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        vch_buffer out = vch_buffer_with_cap(100);
        vch_der_put_oid(&out, wrong[i]);
        if (out.failed == VOUCH_OK)
            fail_msg("%s", wrong[i]);
        vch_buffer_drop(&out);
    }
}

static void a_magnitude_loses_its_zeros_and_gains_its_sign_byte(void **state)
{
    (void)state;
    vch_buffer out = vch_buffer_with_cap(100);
    vch_der_put_magnitude(&out, SPAN("\x00\x00\x80"));
    vch_der_put_magnitude(&out, SPAN("\x00"));
    vch_der_put_magnitude(&out, SPAN(""));
    vch_der_put_uint(&out, UINT64_MAX);
    vch_der_put_boolean(&out, false);
    CHECK(vch_span_equal(vch_buffer_span(&out),
                         SPAN("\x02\x02\x00\x80\x02\x01\x00\x02\x01\x00\x02\x09\x00\xff\xff\xff\xff"
                              "\xff\xff\xff\xff\x01\x01\x00")));
    vch_buffer_drop(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_nested_structure_is_read_and_written_alike),
        TEST(only_the_one_canonical_form_is_read),
        TEST(a_two_digit_year_is_1950_to_2049),
        TEST(a_failure_inside_is_a_failure_outside),
        TEST(a_structure_cut_short_anywhere_is_refused),
        TEST(object_identifiers_go_both_ways),
        TEST(a_text_that_is_no_object_identifier_is_not_written),
        TEST(a_magnitude_loses_its_zeros_and_gains_its_sign_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
