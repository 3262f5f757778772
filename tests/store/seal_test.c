#include "store/seal.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"

static const uint8_t device_key[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
static uint8_t plan[32], policy[32], salt[32];

static int fill(void **state)
{
    (void)state;
    memset(plan, 0x11, sizeof plan);
    memset(policy, 0x22, sizeof policy);
    memset(salt, 0x33, sizeof salt);
    return 0;
}

static vch_seal_context usual(void)
{
    return (vch_seal_context) { plan, policy, "collaborator", "col1" };
}

static void derive(vouch_span key, const vch_seal_context *context, const char *purpose,
                   uint8_t out[static 32])
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_seal_root_drop) vch_seal_root *root = NULL;
    VCH_SCOPED(vch_secret_drop) vch_secret derived = { 0 };
    CHECK_OK(vch_seal_root_new(key, context, &root, &err), &err);
    CHECK_OK(vch_seal_root_derive(root, purpose, salt, &derived, &err), &err);
    CHECK(derived.size == 32);
    memcpy(out, derived.data, 32);
}

static const vouch_span usual_key = { device_key, sizeof device_key };

/* python3: HKDF-SHA-256 out of hmac and hashlib over the CBOR array, each item written by hand */
static void the_key_is_hkdf_over_the_context_of_the_specification(void **state)
{
    (void)state;
    static const uint8_t want[32] = {
        0x74, 0xf2, 0x06, 0xcd, 0xa2, 0x14, 0x9d, 0x3c, 0x33, 0x02, 0x93,
        0x7a, 0xe4, 0x33, 0x3f, 0x88, 0xc1, 0x0a, 0x57, 0x86, 0xfa, 0x82,
        0x33, 0xb5, 0x82, 0x63, 0x29, 0xe5, 0x59, 0x2d, 0xd2, 0x9e,
    };
    uint8_t got[32];
    vch_seal_context context = usual();
    derive(usual_key, &context, "spool", got);
    CHECK(memcmp(got, want, sizeof got) == 0);
}

static void another_key_plan_policy_role_name_purpose_or_salt_gives_another_key(void **state)
{
    (void)state;
    static const uint8_t other_digest[32] = { 9 };
    static const uint8_t other_device[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    uint8_t key[8][32];
    vch_seal_context c = usual();
    derive(usual_key, &c, "spool", key[0]);
    derive((vouch_span) { other_device, sizeof other_device }, &c, "spool", key[1]);
    derive(usual_key, &c, "identity", key[2]);
    c.plan_digest = other_digest;
    derive(usual_key, &c, "spool", key[3]);
    c = usual();
    c.policy_digest = other_digest;
    derive(usual_key, &c, "spool", key[4]);
    c = usual();
    c.role = "aggregator";
    derive(usual_key, &c, "spool", key[5]);
    c = usual();
    c.name = "col2";
    derive(usual_key, &c, "spool", key[6]);
    c = usual();
    salt[31] ^= 1;
    derive(usual_key, &c, "spool", key[7]);
    salt[31] ^= 1;
    for (size_t i = 0; i < 8; i++) {
        for (size_t j = 0; j < i; j++)
            CHECK(memcmp(key[i], key[j], 32) != 0);
    }
}

static void the_caller_may_forget_key_and_context_at_once(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    uint8_t want[32], key[16], plan_copy[32];
    char name[] = "col1";
    memcpy(key, device_key, sizeof key);
    memcpy(plan_copy, plan, sizeof plan_copy);
    vch_seal_context c = usual();
    derive(usual_key, &c, "spool", want);
    c.plan_digest = plan_copy;
    c.name = name;
    VCH_SCOPED(vch_seal_root_drop) vch_seal_root *root = NULL;
    VCH_SCOPED(vch_secret_drop) vch_secret derived = { 0 };
    CHECK_OK(vch_seal_root_new((vouch_span) { key, sizeof key }, &c, &root, &err), &err);
    memset(key, 0, sizeof key);
    memset(plan_copy, 0, sizeof plan_copy);
    memset(name, 'x', sizeof name - 1);
    CHECK_OK(vch_seal_root_derive(root, "spool", salt, &derived, &err), &err);
    CHECK(memcmp(derived.data, want, sizeof want) == 0);
}

static void what_cannot_be_a_context_is_refused(void **state)
{
    (void)state;
    static const uint8_t zeroes[16];
    char long_text[VCH_SEAL_TEXT_MAX_SIZE + 2] = "";
    vch_seal_root *root = NULL;
    vch_seal_context c = usual();
    CHECK(vch_seal_root_new((vouch_span) { device_key, 15 }, &c, &root, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_seal_root_new((vouch_span) { zeroes, 16 }, &c, &root, NULL) == VOUCH_E_CRYPTO);
    c.name = "";
    CHECK(vch_seal_root_new(usual_key, &c, &root, NULL) == VOUCH_E_LIMIT);
    c.name = NULL;
    CHECK(vch_seal_root_new(usual_key, &c, &root, NULL) == VOUCH_E_LIMIT);
    c.name = "\xff";
    CHECK(vch_seal_root_new(usual_key, &c, &root, NULL) == VOUCH_E_FORMAT);
    memset(long_text, 'n', VCH_SEAL_TEXT_MAX_SIZE + 1);
    c.name = long_text;
    CHECK(vch_seal_root_new(usual_key, &c, &root, NULL) == VOUCH_E_LIMIT);
    c = usual();
    c.role = "";
    CHECK(vch_seal_root_new(usual_key, &c, &root, NULL) == VOUCH_E_LIMIT);
    CHECK(root == NULL);
    c = usual();
    long_text[VCH_SEAL_TEXT_MAX_SIZE] = '\0';
    c.name = long_text;
    CHECK(vch_seal_root_new(usual_key, &c, &root, NULL) == VOUCH_OK);
    vch_secret key = { 0 };
    CHECK(vch_seal_root_derive(root, "", salt, &key, NULL) == VOUCH_E_LIMIT);
    CHECK(key.data == NULL);
    vch_seal_root_free(root);
    vch_seal_root_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_key_is_hkdf_over_the_context_of_the_specification),
        TEST(another_key_plan_policy_role_name_purpose_or_salt_gives_another_key),
        TEST(the_caller_may_forget_key_and_context_at_once),
        TEST(what_cannot_be_a_context_is_refused),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
