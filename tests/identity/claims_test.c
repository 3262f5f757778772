#include "identity/claims.h"

#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "codec/cbor.h"
#include "crypto/hash.h"

static vch_claims example(void)
{
    vch_claims c = { .name = "agg.example.org",
                     .role = VCH_ROLE_AGGREGATOR,
                     .nbf_unix_s = 1764579600,
                     .exp_unix_s = 1764666600,
                     .has_ca = true };
    memset(c.key_digest, 1, sizeof c.key_digest);
    memset(c.federation, 2, sizeof c.federation);
    memset(c.plan, 3, sizeof c.plan);
    memset(c.policy, 4, sizeof c.policy);
    memset(c.ca, 5, sizeof c.ca);
    return c;
}

static vch_claims_expectation expecting(const vch_claims *c)
{
    return (vch_claims_expectation) {
        .key_digest = c->key_digest,
        .federation = c->federation,
        .name = c->name,
        .role = c->role,
        .plan = c->plan,
        .policy = c->policy,
        .nbf_unix_s = c->nbf_unix_s,
        .exp_unix_s = c->exp_unix_s,
        .life_max_s = 86400 + 600,
    };
}

static void what_is_built_is_read_back_whole(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_claims c = example();
    vch_claims back = { 0 };
    for (int with_ca = 0; with_ca < 2; with_ca++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer b = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
        c.has_ca = with_ca == 1;
        CHECK_OK(vch_claims_build(&c, &b, &err), &err);
        CHECK_OK(vch_claims_parse(vch_buffer_span(&b), &back, &err), &err);
        CHECK(back.has_ca == c.has_ca);
        CHECK(strcmp(back.name, c.name) == 0 && back.role == c.role);
        CHECK(back.nbf_unix_s == c.nbf_unix_s && back.exp_unix_s == c.exp_unix_s);
        CHECK(memcmp(back.key_digest, c.key_digest, 48) == 0);
        CHECK(memcmp(back.plan, c.plan, 32) == 0 && memcmp(back.policy, c.policy, 32) == 0);
        CHECK(memcmp(back.federation, c.federation, 16) == 0);
    }
}

static void claims_cut_short_anywhere_are_refused(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_claims c = example();
    VCH_SCOPED(vch_buffer_drop) vch_buffer b = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
    CHECK_OK(vch_claims_build(&c, &b, &err), &err);
    for (size_t n = 0; n < b.size; n++) {
        vch_claims back = { .role = 77 };
        CHECK(vch_claims_parse((vouch_span) { b.data, n }, &back, NULL) != VOUCH_OK);
        CHECK((int)back.role == 77);
    }
    vch_buffer_u8(&b, 0);
    CHECK(vch_claims_parse(vch_buffer_span(&b), &c, NULL) == VOUCH_E_FORMAT);
}

/* One map, its entries chosen and bent by the table below. */
typedef struct bend {
    const char *name;
    const char *leave_out;
    const char *replace;
    vouch_span with;
    const char *add;
} bend;

#define BYTES(...)                                                                                 \
    {                                                                                              \
        (const uint8_t[]) { __VA_ARGS__ }, sizeof((const uint8_t[]) { __VA_ARGS__ })               \
    }

static void bend_claims(const bend *how, vch_buffer *out)
{
    static const uint8_t zeros[48];
    VCH_SCOPED(vch_buffer_drop) vch_buffer key = vch_buffer_with_cap(64);
    vch_cbor_put_array(&key, 2);
    vch_cbor_put_uint(&key, 7);
    vch_cbor_put_bytes(&key, (vouch_span) { zeros, 48 });
    const vch_cbor_entry good[] = {
        { "pubkey-hash", vch_buffer_span(&key) },
        { "vouch-v", BYTES(1) },
        { "vouch-federation", { zeros, 16 } },
        { "vouch-name", vch_span_str("col1") },
        { "vouch-role", vch_span_str("collaborator") },
        { "vouch-plan", { zeros, 32 } },
        { "vouch-policy", { zeros, 32 } },
        { "vouch-nbf", { zeros, 8 } },
        { "vouch-exp", { zeros, 8 } },
    };
    vch_cbor_entry entries[16];
    size_t count = 0;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (how->leave_out != NULL && strcmp(how->leave_out, good[i].key) == 0)
            continue;
        entries[count] = good[i];
        if (how->replace != NULL && strcmp(how->replace, good[i].key) == 0)
            entries[count].value = how->with;
        count++;
    }
    if (how->add != NULL)
        entries[count++] = (vch_cbor_entry) { how->add, how->with };
    vch_cbor_put_entries(out, entries, count);
}

static void every_bent_claims_map_is_refused(void **state)
{
    (void)state;
    static const uint8_t zeros[64];
    static const uint8_t sha256_key[] = { 0x82, 1, 0x58, 32, 0, 0, 0, 0, 0, 0, 0, 0,
                                          0,    0, 0,    0,  0, 0, 0, 0, 0, 0, 0, 0,
                                          0,    0, 0,    0,  0, 0, 0, 0, 0, 0, 0, 0 };
    const bend bends[] = {
        { .name = "no pubkey-hash", .leave_out = "pubkey-hash" },
        { .name = "no version", .leave_out = "vouch-v" },
        { .name = "no federation", .leave_out = "vouch-federation" },
        { .name = "no name", .leave_out = "vouch-name" },
        { .name = "no role", .leave_out = "vouch-role" },
        { .name = "no plan", .leave_out = "vouch-plan" },
        { .name = "no policy", .leave_out = "vouch-policy" },
        { .name = "no beginning", .leave_out = "vouch-nbf" },
        { .name = "no end", .leave_out = "vouch-exp" },
        { .name = "an unknown claim", .add = "key_0", .with = { zeros, 4 } },
        { .name = "a nonce", .add = "nonce", .with = { zeros, 8 } },
        { .name = "a key hash by SHA-256",
          .replace = "pubkey-hash",
          .with = { sha256_key, sizeof sha256_key } },
        { .name = "a key hash that is no array", .replace = "pubkey-hash", .with = { zeros, 48 } },
        { .name = "version 2", .replace = "vouch-v", .with = BYTES(2) },
        { .name = "version in two bytes", .replace = "vouch-v", .with = BYTES(0, 1) },
        { .name = "a short federation", .replace = "vouch-federation", .with = { zeros, 15 } },
        { .name = "an empty name", .replace = "vouch-name", .with = { zeros, 0 } },
        { .name = "a name with a NUL", .replace = "vouch-name", .with = BYTES('a', 0, 'b') },
        { .name = "a name with an escape", .replace = "vouch-name", .with = BYTES('a', 0x1b) },
        { .name = "a third role", .replace = "vouch-role", .with = BYTES('d', 'i', 'r') },
        { .name = "a long plan", .replace = "vouch-plan", .with = { zeros, 33 } },
        { .name = "a short policy", .replace = "vouch-policy", .with = { zeros, 31 } },
        { .name = "a time of 4 bytes", .replace = "vouch-nbf", .with = { zeros, 4 } },
        { .name = "a negative time",
          .replace = "vouch-exp",
          .with = BYTES(0x80, 0, 0, 0, 0, 0, 0, 0) },
        { .name = "a short CA digest", .add = "vouch-ca", .with = { zeros, 31 } },
    };
    const bend none = { .name = "as it should be" };
    vouch_error err = { 0 };
    vch_claims c = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer good = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
    bend_claims(&none, &good);
    CHECK_OK(vch_claims_parse(vch_buffer_span(&good), &c, &err), &err);
    for (size_t i = 0; i < sizeof bends / sizeof *bends; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer b = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
        bend_claims(&bends[i], &b);
        if (vch_claims_parse(vch_buffer_span(&b), &c, NULL) != VOUCH_E_FORMAT)
            fail_msg("%s: was not refused", bends[i].name);
    }
}

static void keys_out_of_order_or_twice_are_refused(void **state)
{
    (void)state;
    vch_claims c = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer b = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
    const bend none = { .name = "as it should be" };
    bend_claims(&none, &b);
    /* The map begins with vouch-v: a9 67 "vouch-v" 41 01. Say it twice. */
    VCH_SCOPED(vch_buffer_drop) vch_buffer twice = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
    CHECK(b.data[0] == 0xa9 && b.data[1] == 0x67 && b.data[9] == 0x41);
    vch_buffer_u8(&twice, 0xaa);
    vch_buffer_append(&twice, (vouch_span) { b.data + 1, 10 });
    vch_buffer_append(&twice, (vouch_span) { b.data + 1, b.size - 1 });
    CHECK(vch_claims_parse(vch_buffer_span(&twice), &c, NULL) == VOUCH_E_FORMAT);
    VCH_SCOPED(vch_buffer_drop) vch_buffer last = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
    vch_buffer_u8(&last, 0xa9);
    vch_buffer_append(&last, (vouch_span) { b.data + 11, b.size - 11 });
    vch_buffer_append(&last, (vouch_span) { b.data + 1, 10 });
    CHECK(vch_claims_parse(vch_buffer_span(&last), &c, NULL) == VOUCH_E_FORMAT);
}

static void claims_that_end_before_they_begin_are_not_built(void **state)
{
    (void)state;
    vch_claims c = example();
    VCH_SCOPED(vch_buffer_drop) vch_buffer b = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
    c.exp_unix_s = c.nbf_unix_s - 1;
    CHECK(vch_claims_build(&c, &b, NULL) == VOUCH_E_LIMIT && b.size == 0);
    c.nbf_unix_s = -1;
    c.exp_unix_s = 1;
    CHECK(vch_claims_build(&c, &b, NULL) == VOUCH_E_LIMIT && b.size == 0);
}

static void claims_above_the_limit_are_refused_before_they_are_read(void **state)
{
    (void)state;
    static const uint8_t big[VCH_CLAIMS_MAX_SIZE + 1];
    vch_claims c = { 0 };
    CHECK(vch_claims_parse((vouch_span) { big, sizeof big }, &c, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_claims_parse((vouch_span) { big, sizeof big - 1 }, &c, NULL) == VOUCH_E_FORMAT);
}

static void each_claim_is_compared(void **state)
{
    (void)state;
    static const uint8_t other[48] = { 9 };
    char why[256];
    vch_claims c = example();
    vch_claims_expectation e = expecting(&c);
    CHECK(vch_claims_check(&c, &e, why) == VCH_ADMITTED);
    e = expecting(&c), e.key_digest = other;
    CHECK(vch_claims_check(&c, &e, why) == VCH_REFUSED_KEY);
    e = expecting(&c), e.federation = other;
    CHECK(vch_claims_check(&c, &e, why) == VCH_REFUSED_FEDERATION);
    e = expecting(&c), e.name = "agg.example.com";
    CHECK(vch_claims_check(&c, &e, why) == VCH_REFUSED_NAME);
    e = expecting(&c), e.role = VCH_ROLE_COLLABORATOR;
    CHECK(vch_claims_check(&c, &e, why) == VCH_REFUSED_ROLE);
    e = expecting(&c), e.plan = other;
    CHECK(vch_claims_check(&c, &e, why) == VCH_REFUSED_PLAN);
    e = expecting(&c), e.policy = other;
    CHECK(vch_claims_check(&c, &e, why) == VCH_REFUSED_POLICY);
    e = expecting(&c), e.nbf_unix_s++;
    CHECK(vch_claims_check(&c, &e, why) == VCH_REFUSED_TIMES);
    e = expecting(&c), e.exp_unix_s--;
    CHECK(vch_claims_check(&c, &e, why) == VCH_REFUSED_TIMES);
    e = expecting(&c), e.life_max_s = 600;
    CHECK(vch_claims_check(&c, &e, why) == VCH_REFUSED_TIMES);
    e = (vch_claims_expectation) { 0 };
    CHECK(vch_claims_check(&c, &e, why) != VCH_ADMITTED);
}

static void an_aggregator_owes_its_ca_and_nobody_else_may_claim_one(void **state)
{
    (void)state;
    char why[256];
    vch_claims c = example();
    vch_claims_expectation e = expecting(&c);
    c.has_ca = false;
    CHECK(vch_claims_check(&c, &e, why) == VCH_REFUSED_CA);
    c.has_ca = true;
    c.role = e.role = VCH_ROLE_COLLABORATOR;
    CHECK(vch_claims_check(&c, &e, why) == VCH_REFUSED_CA);
}

static void report_data_is_the_hash_and_zeros(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    uint8_t data[64];
    uint8_t digest[32];
    CHECK_OK(vch_claims_report_data(vch_span_str("claims"), data, &err), &err);
    CHECK_OK(vch_sha256(vch_span_str("claims"), digest, &err), &err);
    CHECK(memcmp(data, digest, 32) == 0);
    CHECK(vch_span_is_zero((vouch_span) { data + 32, 32 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_built_is_read_back_whole),
        TEST(claims_cut_short_anywhere_are_refused),
        TEST(every_bent_claims_map_is_refused),
        TEST(keys_out_of_order_or_twice_are_refused),
        TEST(claims_that_end_before_they_begin_are_not_built),
        TEST(claims_above_the_limit_are_refused_before_they_are_read),
        TEST(each_claim_is_compared),
        TEST(an_aggregator_owes_its_ca_and_nobody_else_may_claim_one),
        TEST(report_data_is_the_hash_and_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
