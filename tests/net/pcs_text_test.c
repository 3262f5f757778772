/* Chains in headers, lists in three encodings, waits. */
#include "net/pcs_text.h"

#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"

/* Two blocks whose base64 holds '+' as it is, as Intel sends it. */
#define BLOCK "-----BEGIN%20CERTIFICATE-----%0AMA+=%0A-----END%20CERTIFICATE-----%0A"
#define PLAIN "-----BEGIN CERTIFICATE-----\nMAA+\n-----END CERTIFICATE-----\n"
#define CODED "-----BEGIN%20CERTIFICATE-----%0AMAA+%0A-----END%20CERTIFICATE-----%0A"

static vouch_code chain(const char *header, vch_buffer *out)
{
    return vch_pcs_chain_decode(vch_span_str(header), out, NULL);
}

static void a_plus_is_itself_in_a_chain(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
    CHECK(chain(CODED CODED, &pem) == VOUCH_OK);
    CHECK(vch_span_is(vch_buffer_span(&pem), PLAIN PLAIN));
}

static void what_is_no_chain_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        vouch_code want;
    } cases[] = {
        { "", VOUCH_E_NOT_FOUND },
        { CODED, VOUCH_E_FORMAT },                   /* one */
        { CODED CODED CODED CODED, VOUCH_E_FORMAT }, /* four */
        { CODED CODED "%", VOUCH_E_FORMAT },
        { CODED CODED "%0", VOUCH_E_FORMAT },
        { CODED CODED "%zz", VOUCH_E_FORMAT },
        { CODED "text" CODED, VOUCH_E_FORMAT },
        { BLOCK CODED, VOUCH_E_FORMAT }, /* bad base64 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_buffer pem = { .size = 77 };
        CHECK(chain(cases[i].header, &pem) == cases[i].want);
        CHECK(pem.size == 77 && pem.data == NULL);
    }
}

static void a_list_comes_as_der_pem_or_hex(void **state)
{
    (void)state;
    static const uint8_t want[] = { 0x30, 0x81, 0x01, 0x00 };
    static const char *const forms[] = {
        "\x30\x81\x01", /* and the literal's own NUL */
        "30810100",
        "30810100\r\n",
        "-----BEGIN X509 CRL-----\nMIEBAA==\n-----END X509 CRL-----\n",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = { 0 };
        vouch_span body = vch_span_str(forms[i]);
        if (i == 0)
            body.size = sizeof want;
        CHECK(vch_pcs_crl_decode(body, &der, NULL) == VOUCH_OK);
        CHECK(vch_span_equal(vch_buffer_span(&der), (vouch_span) { want, sizeof want }));
    }
}

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "",
        "3",
        "308",
        "3081010",
        "zz",
        "02810100",
        "<html>404</html>",
        "-----BEGIN CERTIFICATE-----\nMIEBAA==\n-----END CERTIFICATE-----\n",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        vch_buffer der = { .size = 77 };
        CHECK(vch_pcs_crl_decode(vch_span_str(forms[i]), &der, NULL) != VOUCH_OK);
        CHECK(der.size == 77 && der.data == NULL);
    }
}

static void a_wait_is_in_seconds_and_bounded(void **state)
{
    (void)state;
    CHECK(vch_pcs_retry_after_s(vch_span_str("0")) == 0);
    CHECK(vch_pcs_retry_after_s(vch_span_str("120")) == 120);
    CHECK(vch_pcs_retry_after_s(vch_span_str("99999999999999999999999999")) == VCH_PCS_RETRY_MAX_S);
    CHECK(vch_pcs_retry_after_s(vch_span_str("")) == -1);
    CHECK(vch_pcs_retry_after_s(vch_span_str("-1")) == -1);
    CHECK(vch_pcs_retry_after_s(vch_span_str("Wed, 21 Oct 2026 07:28:00 GMT")) == -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_plus_is_itself_in_a_chain),      TEST(what_is_no_chain_is_refused),
        TEST(a_list_comes_as_der_pem_or_hex),   TEST(what_is_no_list_is_refused),
        TEST(a_wait_is_in_seconds_and_bounded),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
