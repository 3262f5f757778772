#include "codec/base64.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"

#define ANY (VCH_BASE64_STANDARD | VCH_BASE64_URL | VCH_BASE64_PADDED | VCH_BASE64_UNPADDED)

static const struct {
    const char *bytes, *standard, *url;
} vectors[] = {
    /* RFC 4648 section 10 */
    { "", "", "" },
    { "f", "Zg==", "Zg" },
    { "fo", "Zm8=", "Zm8" },
    { "foo", "Zm9v", "Zm9v" },
    { "foob", "Zm9vYg==", "Zm9vYg" },
    { "fooba", "Zm9vYmE=", "Zm9vYmE" },
    { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
    /* the two characters in which the alphabets differ */
    { "\xfb\xff\xbf", "+/+/", "-_-_" },
};

static void the_vectors_of_rfc_4648_go_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        vouch_span bytes = vch_span_str(vectors[i].bytes);
        vch_buffer out = vch_buffer_with_cap(100);
        vch_base64_encode(bytes, &out);
        CHECK(vch_span_is(vch_buffer_span(&out), vectors[i].standard));
        vch_buffer_drop(&out);
        vch_base64url_encode(bytes, &out);
        CHECK(vch_span_is(vch_buffer_span(&out), vectors[i].url));
        vch_buffer_drop(&out);
        CHECK(vch_base64_decode(vch_span_str(vectors[i].standard),
                                VCH_BASE64_STANDARD | VCH_BASE64_PADDED, &out, NULL)
              == VOUCH_OK);
        CHECK(vch_span_equal(vch_buffer_span(&out), bytes));
        vch_buffer_drop(&out);
        CHECK(vch_base64_decode(vch_span_str(vectors[i].url), VCH_BASE64_URL | VCH_BASE64_UNPADDED,
                                &out, NULL)
              == VOUCH_OK);
        CHECK(vch_span_equal(vch_buffer_span(&out), bytes));
        vch_buffer_drop(&out);
    }
}

static const struct {
    const char *text;
    unsigned flavours;
} wrong[] = {
    { "Z", ANY },
    { "Zg=", ANY },
    { "Zg===", ANY },
    { "=", ANY },
    { "====", ANY },
    { "Zm9v=", ANY },
    { "Zm9v====", ANY },
    { "Zg==Zg==", ANY },
    { "Z===", ANY },
    { "Zh==", ANY },   /* stray bits */
    { "Zm9=", ANY },   /* stray bits */
    { "Zm8=\n", ANY }, /* no blanks */
    { " Zm8=", ANY },
    { "Zm 8", ANY },
    { "+_++", ANY }, /* both alphabets at once */
    { "-_-/", ANY },
    { "+/+/", VCH_BASE64_URL | VCH_BASE64_PADDED },
    { "-_-_", VCH_BASE64_STANDARD | VCH_BASE64_PADDED },
    { "Zg", VCH_BASE64_STANDARD | VCH_BASE64_PADDED },
    { "Zg==", VCH_BASE64_STANDARD | VCH_BASE64_UNPADDED },
    { "Zg==", VCH_BASE64_STANDARD }, /* no padding is allowed at all */
    { "Zg.g", ANY },
    { "Zg\x80g", ANY },
};

static void every_other_text_is_refused_and_nothing_appended(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        vch_buffer out = vch_buffer_with_cap(100);
        vouch_error err = { 0 };
        vch_buffer_append_str(&out, "ab");
        CHECK(vch_base64_decode(vch_span_str(wrong[i].text), wrong[i].flavours, &out, &err)
              == VOUCH_E_FORMAT);
        CHECK(err.depth == 1);
        CHECK(vch_span_is(vch_buffer_span(&out), "ab"));
        vch_buffer_drop(&out);
    }
}

static void the_cap_of_the_buffer_is_the_limit(void **state)
{
    (void)state;
    for (size_t cap = 2; cap <= 3; cap++) {
        vch_buffer out = vch_buffer_with_cap(cap);
        CHECK(vch_base64_decode(vch_span_str("Zm9v"), ANY, &out, NULL)
              == (cap == 3 ? VOUCH_OK : VOUCH_E_LIMIT));
        vch_buffer_drop(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_vectors_of_rfc_4648_go_both_ways),
        TEST(every_other_text_is_refused_and_nothing_appended),
        TEST(the_cap_of_the_buffer_is_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
