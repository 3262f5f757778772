#include "crypto/pem.h"

#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"

#define BLOCK "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n" /* 01 02 03 */

static vouch_code decode(const char *text, vch_pem_text mode, vch_buffer *out)
{
    return vch_pem_decode_one(vch_span_str(text), VCH_PEM_CERTIFICATE, mode, out, NULL);
}

static void what_is_encoded_is_decoded(void **state)
{
    (void)state;
    uint8_t bytes[200];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t size = 1; size <= sizeof bytes; size++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(1000);
        VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(1000);
        vch_pem_encode(VCH_PEM_CRL, (vouch_span) { bytes, size }, &text);
        vouch_error err = { 0 };
        CHECK_OK(
            vch_pem_decode_one(vch_buffer_span(&text), VCH_PEM_CRL, VCH_PEM_NO_TEXT, &out, &err),
            &err);
        CHECK(vch_span_equal(vch_buffer_span(&out), (vouch_span) { bytes, size }));
    }
}

static void several_blocks_are_read_in_order(void **state)
{
    (void)state;
    static const char text[] = BLOCK "-----BEGIN CERTIFICATE-----\r\nBA==\r\n-----END "
                                     "CERTIFICATE-----\r\n"; /* and the terminating NUL of text */
    vch_pem_reader r = { .rest = { (const uint8_t *)text, sizeof text } };
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(100);
    vouch_error err = { 0 };
    CHECK_OK(vch_pem_next_der(&r, VCH_PEM_CERTIFICATE, &out, &err), &err);
    CHECK_OK(vch_pem_next_der(&r, VCH_PEM_CERTIFICATE, &out, &err), &err);
    CHECK(vch_pem_next_der(&r, VCH_PEM_CERTIFICATE, &out, &err) == VOUCH_E_NOT_FOUND);
    static const uint8_t want[] = { 1, 2, 3, 4 };
    CHECK(vch_span_equal(vch_buffer_span(&out), (vouch_span) { want, sizeof want }));
}

static const struct {
    const char *name;
    const char *text;
} refused[] = {
    { "nothing", "" },
    { "text before the block", "subject: x\n" BLOCK },
    { "text after the block", BLOCK "x\n" },
    { "a second block", BLOCK BLOCK },
    { "another label", "-----BEGIN X509 CRL-----\nAQID\n-----END X509 CRL-----\n" },
    { "an end of another label", "-----BEGIN CERTIFICATE-----\nAQID\n-----END X509 CRL-----\n" },
    { "no end", "-----BEGIN CERTIFICATE-----\nAQID\n" },
    { "an empty block", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" },
    { "a header in the block", "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n\nAQID\n"
                               "-----END CERTIFICATE-----\n" },
    { "a digit too few", "-----BEGIN CERTIFICATE-----\nAQI\n-----END CERTIFICATE-----\n" },
    { "padding in the middle", "-----BEGIN CERTIFICATE-----\nAQ==AQID\n-----END CERTIFICATE-----" },
    { "three paddings", "-----BEGIN CERTIFICATE-----\nA===\n-----END CERTIFICATE-----\n" },
    { "padding only", "-----BEGIN CERTIFICATE-----\nAQID====\n-----END CERTIFICATE-----\n" },
    { "bits in the padding", "-----BEGIN CERTIFICATE-----\nAR==\n-----END CERTIFICATE-----\n" },
    { "bits in one padding", "-----BEGIN CERTIFICATE-----\nAQJ=\n-----END CERTIFICATE-----\n" },
    { "a url digit", "-----BEGIN CERTIFICATE-----\nAQI_\n-----END CERTIFICATE-----\n" },
    { "a begin in a block", "-----BEGIN CERTIFICATE-----\nAQID\n" BLOCK },
};

static void what_is_not_strictly_pem_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(100);
        vch_buffer_u8(&out, 9);
        if (decode(refused[i].text, VCH_PEM_NO_TEXT, &out) == VOUCH_OK)
            fail_msg("accepted: %s", refused[i].name);
        CHECK(out.size == 1); /* untouched on failure */
    }
}

static void text_before_a_block_is_skipped_where_the_caller_says_so(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(100);
    CHECK(decode("subject: x\n\n" BLOCK, VCH_PEM_TEXT_BEFORE, &out) == VOUCH_OK);
    CHECK(out.size == 3);
}

static void input_over_the_limit_is_refused(void **state)
{
    (void)state;
    static char big[VCH_PEM_MAX_SIZE + 1];
    memset(big, '\n', sizeof big);
    memcpy(big, BLOCK, sizeof BLOCK - 1);
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(100);
    vouch_span over = { (const uint8_t *)big, sizeof big };
    CHECK(vch_pem_decode_one(over, VCH_PEM_CERTIFICATE, VCH_PEM_NO_TEXT, &out, NULL)
          == VOUCH_E_LIMIT);
    over.size--;
    CHECK(vch_pem_decode_one(over, VCH_PEM_CERTIFICATE, VCH_PEM_NO_TEXT, &out, NULL) == VOUCH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_encoded_is_decoded),
        TEST(several_blocks_are_read_in_order),
        TEST(what_is_not_strictly_pem_is_refused),
        TEST(text_before_a_block_is_skipped_where_the_caller_says_so),
        TEST(input_over_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
