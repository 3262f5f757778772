#include "svc/verifyd_nonce.h"

#include <string.h>

#include "base/bytes.h"
#include "codec/base64.h"
#include "codec/json.h"

#include "check.h"

#define NOW INT64_C(1714443372) /* 2024-04-30T02:16:12Z */
#define LIFE 120

static vch_key *key, *other;

static int make_keys(void **state)
{
    (void)state;
    if (vch_key_generate(VCH_KEY_RSA3072, &key, NULL) != VOUCH_OK)
        return -1;
    return vch_key_generate(VCH_KEY_RSA3072, &other, NULL) == VOUCH_OK ? 0 : -1;
}

static int free_keys(void **state)
{
    (void)state;
    vch_key_free(key);
    vch_key_free(other);
    return 0;
}

typedef struct parts {
    vch_buffer part[3]; /* val, iat, signature; decoded */
} parts;

static void drop_parts(parts *p)
{
    for (size_t i = 0; i < 3; i++)
        vch_buffer_drop(&p->part[i]);
}

static void make(parts *out)
{
    static const char *const names[] = { "val", "iat", "signature" };
    static const vch_json_limits limits = { 4096, 2 };
    uint8_t random[VCH_NONCE_RANDOM_SIZE];
    memset(random, 0xfb, sizeof random); /* its base64 has + and / */
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer json = vch_buffer_with_cap(4096);
    VCH_SCOPED(vch_json_drop) vch_json *tree = NULL;
    CHECK_OK(vch_verifyd_nonce_make(key, NOW, random, &json, &err), &err);
    CHECK_OK(vch_json_parse(vch_buffer_span(&json), &limits, &tree, &err), &err);
    CHECK(vch_json_count(tree) == 3);
    for (size_t i = 0; i < 3; i++) {
        const char *text = NULL;
        CHECK_OK(vch_json_get_string(tree, names[i], &text, &err), &err);
        out->part[i] = vch_buffer_with_cap(1024);
        CHECK_OK(vch_base64_decode(vch_span_str(text), VCH_BASE64_STANDARD | VCH_BASE64_PADDED,
                                   &out->part[i], &err),
                 &err);
    }
}

static vch_nonce_state judge_with(const vch_key *by, const parts *p, int64_t now)
{
    const vch_verifyd_nonce nonce = { vch_buffer_span(&p->part[0]), vch_buffer_span(&p->part[1]),
                                      vch_buffer_span(&p->part[2]) };
    vch_nonce_state state = VCH_NONCE_GOOD;
    int64_t expires = 0;
    vouch_error err = { 0 };
    CHECK_OK(vch_verifyd_nonce_judge(by, &nonce, now, LIFE, &state, &expires, &err), &err);
    CHECK(state == VCH_NONCE_FORGED || expires == NOW + LIFE);
    return state;
}

static void a_nonce_has_intels_sizes_and_clock(void **state)
{
    (void)state;
    VCH_SCOPED(drop_parts) parts p = { 0 };
    make(&p);
    CHECK(p.part[0].size == 88 && p.part[2].size == 384);
    CHECK(vch_span_is(vch_buffer_span(&p.part[1]), "2024-04-30 02:16:12 +0000 UTC"));
    CHECK(judge_with(key, &p, NOW) == VCH_NONCE_GOOD);
}

static void it_lives_to_the_second(void **state)
{
    (void)state;
    VCH_SCOPED(drop_parts) parts p = { 0 };
    make(&p);
    CHECK(judge_with(key, &p, NOW + LIFE - 1) == VCH_NONCE_GOOD);
    CHECK(judge_with(key, &p, NOW + LIFE) == VCH_NONCE_EXPIRED);
    CHECK(judge_with(key, &p, NOW - 5) == VCH_NONCE_GOOD); /* our clock was set back a little */
    CHECK(judge_with(key, &p, NOW - 6) == VCH_NONCE_FUTURE);
}

static void another_key_did_not_make_it(void **state)
{
    (void)state;
    VCH_SCOPED(drop_parts) parts p = { 0 };
    make(&p);
    CHECK(judge_with(other, &p, NOW) == VCH_NONCE_FORGED);
}

static void a_flipped_bit_in_any_part_makes_it_forged(void **state)
{
    (void)state;
    VCH_SCOPED(drop_parts) parts p = { 0 };
    make(&p);
    for (size_t part = 0; part < 3; part++) {
        for (size_t i = 0; i < p.part[part].size; i += part == 2 ? 37 : 1) {
            p.part[part].data[i] ^= 1;
            CHECK(judge_with(key, &p, NOW) == VCH_NONCE_FORGED);
            p.part[part].data[i] ^= 1;
        }
    }
}

static void a_byte_moved_over_the_border_makes_it_forged(void **state)
{
    (void)state;
    VCH_SCOPED(drop_parts) parts p = { 0 };
    make(&p);
    vch_buffer_u8(&p.part[0], p.part[1].data[0]);
    memmove(p.part[1].data, p.part[1].data + 1, --p.part[1].size);
    CHECK(judge_with(key, &p, NOW) == VCH_NONCE_FORGED);
}

static void a_token_of_the_same_key_is_no_nonce(void **state)
{
    (void)state;
    VCH_SCOPED(drop_parts) parts p = { 0 };
    make(&p);
    vouch_error err = { 0 };
    p.part[2].size = 0; /* a signature over val and iat alone, without our first word */
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(1024);
    vch_buffer_append(&text, vch_buffer_span(&p.part[0]));
    vch_buffer_append(&text, vch_buffer_span(&p.part[1]));
    CHECK_OK(vch_key_sign(key, VCH_SIG_RSA_PSS_SHA384, vch_buffer_span(&text), &p.part[2], &err),
             &err);
    CHECK(judge_with(key, &p, NOW) == VCH_NONCE_FORGED);
}

static void empty_or_long_parts_are_forged(void **state)
{
    (void)state;
    for (size_t part = 0; part < 3; part++) {
        VCH_SCOPED(drop_parts) parts p = { 0 };
        make(&p);
        p.part[part].size = 0;
        CHECK(judge_with(key, &p, NOW) == VCH_NONCE_FORGED);
        while (p.part[part].size <= VCH_NONCE_PART_MAX_SIZE)
            vch_buffer_u8(&p.part[part], 'A');
        CHECK(judge_with(key, &p, NOW) == VCH_NONCE_FORGED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_nonce_has_intels_sizes_and_clock),
        TEST(it_lives_to_the_second),
        TEST(another_key_did_not_make_it),
        TEST(a_flipped_bit_in_any_part_makes_it_forged),
        TEST(a_byte_moved_over_the_border_makes_it_forged),
        TEST(a_token_of_the_same_key_is_no_nonce),
        TEST(empty_or_long_parts_are_forged),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
