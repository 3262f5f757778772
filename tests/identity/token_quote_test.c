#include "identity/token_quote.h"

#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "crypto/hash.h"
#include "identity/claims.h"

#define VAL                                                                                        \
    "USM3WnUpFm/WTG5po6Yyw2UiXdR3uI/m0Ru+gu/IPJlcxmFcwFvzLo69Ts/Udr/B1/G4aIqKcvyB8khSkstiKw=="
#define IAT "2024-04-30 02:16:12 +0000 UTC"

static vouch_code check(const char *val, size_t val_size, const char *iat, size_t iat_size)
{
    return vch_nonce_check((vouch_span) { (const uint8_t *)val, val_size },
                           (vouch_span) { (const uint8_t *)iat, iat_size }, NULL);
}

static void a_nonce_as_the_verifier_draws_it_is_accepted(void **state)
{
    (void)state;
    CHECK(check(VAL, strlen(VAL), IAT, strlen(IAT)) == VOUCH_OK);
}

static void nonces_at_their_limits(void **state)
{
    (void)state;
    char text[130];
    memset(text, 'A', sizeof text);
    CHECK(check(text, 0, IAT, strlen(IAT)) == VOUCH_E_REFUSED);
    CHECK(check(text, 1, IAT, strlen(IAT)) == VOUCH_OK);
    CHECK(check(text, 128, IAT, strlen(IAT)) == VOUCH_OK);
    CHECK(check(text, 129, IAT, strlen(IAT)) == VOUCH_E_REFUSED);
    CHECK(check(text, 1, text, 0) == VOUCH_E_REFUSED);
    CHECK(check(text, 1, text, 128) == VOUCH_OK);
    CHECK(check(text, 1, text, 129) == VOUCH_E_REFUSED);
}

static void a_byte_outside_the_alphabets_anywhere_is_refused(void **state)
{
    (void)state;
    for (unsigned b = 0; b < 256; b++) {
        char text[4] = { 'A', (char)b, 'A', 'A' };
        bool alphabet =
            b != 0 && b < 128
            && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=", (int)b)
                   != NULL;
        CHECK((check(text, 4, IAT, strlen(IAT)) == VOUCH_OK) == alphabet);
        CHECK((check(VAL, strlen(VAL), text, 4) == VOUCH_OK) == (b >= 0x20 && b <= 0x7e));
    }
}

/*
 * The attack: N is the beginning of a claims buffer for the attacker's key, and the rest of that
 * buffer is ours. Were N quoted, the token quote would be a certificate quote for his claims.
 */
static void a_nonce_that_begins_a_forged_claims_buffer_is_refused(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_claims victim = { .name = "col1", .role = VCH_ROLE_COLLABORATOR, .exp_unix_s = 1 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer ours = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
    CHECK_OK(vch_claims_build(&victim, &ours, &err), &err);
    /* map(1) { "a": bytes(a time, our whole claims buffer) }: val = a1 61 61 59 hh ll, iat a time */
    const vouch_span iat = vch_span_str(IAT);
    size_t size = iat.size + ours.size;
    const uint8_t val[] = { 0xa1, 0x61, 'a', 0x59, (uint8_t)(size >> 8), (uint8_t)size };
    VCH_SCOPED(vch_buffer_drop) vch_buffer forged = vch_buffer_with_cap(2 * VCH_CLAIMS_MAX_SIZE);
    vch_buffer_append(&forged, (vouch_span) { val, sizeof val });
    vch_buffer_append(&forged, iat);
    vch_buffer_append(&forged, vch_buffer_span(&ours));
    uint8_t token_data[64] = { 0 };
    CHECK(vch_token_quote_report_data(false, (vouch_span) { val, sizeof val }, iat,
                                      vch_buffer_span(&ours), token_data, NULL)
          == VOUCH_E_REFUSED);
    for (size_t split = 1; split < sizeof val; split++) /* however he divides it */
        CHECK(vch_token_quote_report_data(false, (vouch_span) { val, split },
                                          (vouch_span) { val + split, sizeof val - split },
                                          vch_buffer_span(&ours), token_data, NULL)
              == VOUCH_E_REFUSED);
    CHECK(vch_span_is_zero((vouch_span) { token_data, sizeof token_data }));
    /* That the pair is real: without the check the quote would also be a certificate quote. */
    uint8_t certificate_data[64];
    uint8_t unchecked[64] = { 0 };
    VCH_SCOPED(vch_hash_drop) vch_hash *h = NULL;
    CHECK_OK(vch_claims_report_data(vch_buffer_span(&forged), certificate_data, &err), &err);
    CHECK_OK(vch_hash_new(VCH_HASH_SHA256, &h, &err), &err);
    CHECK_OK(vch_hash_update(h, (vouch_span) { val, sizeof val }, &err), &err);
    CHECK_OK(vch_hash_update(h, iat, &err), &err);
    CHECK_OK(vch_hash_update(h, vch_buffer_span(&ours), &err), &err);
    CHECK_OK(vch_hash_finish(h, unchecked, 32, &err), &err);
    CHECK(memcmp(unchecked, certificate_data, 64) == 0);
}

static void sgx_and_tdx_hash_differently(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    uint8_t sgx[64];
    uint8_t tdx[64];
    uint8_t whole[64] = { 0 };
    CHECK_OK(vch_token_quote_report_data(false, vch_span_str("QUJD"), vch_span_str("now"),
                                         vch_span_str("data"), sgx, &err),
             &err);
    CHECK_OK(vch_token_quote_report_data(true, vch_span_str("QUJD"), vch_span_str("now"),
                                         vch_span_str("data"), tdx, &err),
             &err);
    CHECK_OK(vch_sha256(vch_span_str("QUJDnowdata"), whole, &err), &err);
    CHECK(memcmp(sgx, whole, 64) == 0);
    CHECK_OK(vch_sha512(vch_span_str("QUJDnowdata"), whole, &err), &err);
    CHECK(memcmp(tdx, whole, 64) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_nonce_as_the_verifier_draws_it_is_accepted),
        TEST(nonces_at_their_limits),
        TEST(a_byte_outside_the_alphabets_anywhere_is_refused),
        TEST(a_nonce_that_begins_a_forged_claims_buffer_is_refused),
        TEST(sgx_and_tdx_hash_differently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
