#include "collateral/pem_body.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"

static vouch_code decode(const char *text, uint8_t out[static 64], size_t *size)
{
    *size = 77;
    return vch_pem_body_read(vch_span_str(text), out, size, NULL);
}

static const struct {
    const char *text;
    const char *bytes;
} good[] = {
    { "Zg==", "f" },
    { "Zm8=", "fo" },
    { "Zm9v", "foo" },
    { "Zm9vYg==", "foob" },
    { "Zm9vYmE=", "fooba" },
    { "Zm9vYmFy", "foobar" },
    { "\nZm9v\nYmFy\n", "foobar" },
    { "Zm\r\n9vY\nmFy", "foobar" },
    { "Zg=\n=\n", "f" },
};

static void rfc_4648s_vectors_decode_with_line_ends_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint8_t out[64];
        size_t size = 0;
        if (decode(good[i].text, out, &size) != VOUCH_OK
            || !vch_span_is((vouch_span) { out, size }, good[i].bytes))
            fail_msg("'%s'", good[i].text);
    }
}

static const char *const bad[] = {
    "",     "\n",       "Z",        "Zg",    "Zg=",     "Zm9",   "====",   "Z===",
    "=g==", "Zg==Zg==", "Zm8=Zg==", "Zm9v=", "Zh==",    "Zm9=",  "Zm 9v",  "Zm-v",
    "Zm_v", "Zm9v\x80", "Zm9v*AAA", "Zg===", "Zg==\nA", "Zm9vZ", "Zm9vZm", "Zm9vZm9",
};

static void everything_else_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t out[64];
        size_t size = 0;
        if (decode(bad[i], out, &size) != VOUCH_E_FORMAT || size != 77)
            fail_msg("'%s'", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rfc_4648s_vectors_decode_with_line_ends_anywhere),
        TEST(everything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
