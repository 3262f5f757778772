#include "identity/collateral_cache.h"

#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "check.h"
#include "sim/vendor.h"
#include "world.h"

static world w;

static int set_up(void **state)
{
    (void)state;
    world_make(&w);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_drop(&w);
    return 0;
}

static vch_collateral_cache *open_dir(const char *dir, const vch_root_pins *pins)
{
    vouch_error err = { 0 };
    vch_collateral_cache *c = NULL;
    CHECK_OK(vch_collateral_cache_from_dir(dir, pins, &c, &err), &err);
    return c;
}

static vouch_claims platform_of(const uint8_t fmspc[6], vouch_tee tee)
{
    vouch_claims claims = { .tee = tee, .has_platform = true };
    memcpy(claims.fmspc, fmspc, 6);
    return claims;
}

static void only_pinned_roots_make_a_verifier(void **state)
{
    (void)state;
    static const uint8_t other[1][32] = { { 1 } };
    uint8_t pinned[1][32];
    memcpy(pinned[0], w.root_sha256, 32);
    const vch_root_pins cases[] = {
        { .sha256 = (const uint8_t(*)[32])pinned, .count = 1 },
        { .any = true },
        { .intel = true },
        { .sha256 = other, .count = 1 },
        { .count = 0 },
    };
    const vouch_claims quote = platform_of(vch_sim_fmspc, VOUCH_TEE_SGX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_collateral_cache *c = open_dir(w.collateral_dir, &cases[i]);
        const vch_collateral_set *set = vch_collateral_cache_get(c, &quote);
        CHECK(set != NULL && set->collateral != NULL);
        /* Nothing pinned: never the built-in default by accident. */
        CHECK((set->verifier != NULL) == (i < 3));
        vch_collateral_cache_free(c);
    }
}

static void copy(const char *from, const char *to)
{
    static const char *const names[] = {
        "tcb_info.json", "tcb_info_issuer_chain.pem",    "qe_identity.json",
        "pck_crl.der",   "qe_identity_issuer_chain.pem", "root_ca_crl.der"
    };
    CHECK(vch_dir_make(to, 0700, NULL) == VOUCH_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[VCH_PATH_SIZE];
        VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = { 0 };
        CHECK(vch_path_join(from, names[i], path, NULL) == VOUCH_OK);
        CHECK(vch_file_read(path, VOUCH_COLLATERAL_PART_MAX_SIZE, &bytes, NULL) == VOUCH_OK);
        CHECK(vch_path_join(to, names[i], path, NULL) == VOUCH_OK);
        CHECK(vch_file_write(path, vch_buffer_span(&bytes), 0600, NULL) == VOUCH_OK);
    }
}

static void a_familys_own_directory_wins_and_others_share_the_flat_one(void **state)
{
    (void)state;
    static const uint8_t family[6] = { 0x00, 0x90, 0x6e, 0xd5, 0, 0 };
    static const uint8_t stranger[6] = { 9 };
    const vch_root_pins pins = { .any = true };
    char dir[VCH_PATH_SIZE];
    char sub[VCH_PATH_SIZE];
    CHECK(vch_path_join(w.dir, "families", dir, NULL) == VOUCH_OK);
    CHECK(vch_path_join(dir, "00906ed50000-sgx", sub, NULL) == VOUCH_OK);
    copy(w.collateral_dir, sub);
    CHECK(vch_path_join(dir, "notes", sub, NULL) == VOUCH_OK);
    CHECK(vch_dir_make(sub, 0700, NULL) == VOUCH_OK); /* not a family: left alone */
    const vouch_claims own = platform_of(family, VOUCH_TEE_SGX);
    const vouch_claims other_tee = platform_of(family, VOUCH_TEE_TDX);
    const vouch_claims unknown = platform_of(stranger, VOUCH_TEE_SGX);
    vch_collateral_cache *c = open_dir(dir, &pins);
    CHECK(vch_collateral_cache_get(c, &own) != NULL);
    CHECK(vch_collateral_cache_get(c, &other_tee) == NULL);
    CHECK(vch_collateral_cache_get(c, &unknown) == NULL); /* could not find out */
    vch_collateral_cache_free(c);
    copy(w.collateral_dir, dir);
    c = open_dir(dir, &pins);
    const vch_collateral_set *shared = vch_collateral_cache_get(c, &unknown);
    CHECK(shared != NULL && vch_collateral_cache_get(c, &own) != shared);
    vch_collateral_cache_free(c);
}

static void a_directory_without_collateral_is_none(void **state)
{
    (void)state;
    const vch_root_pins pins = { .any = true };
    char dir[VCH_PATH_SIZE];
    vch_collateral_cache *c = NULL;
    CHECK(vch_path_join(w.dir, "empty", dir, NULL) == VOUCH_OK);
    CHECK(vch_dir_make(dir, 0700, NULL) == VOUCH_OK);
    CHECK(vch_collateral_cache_from_dir(dir, &pins, &c, NULL) == VOUCH_E_NOT_FOUND && c == NULL);
    CHECK(vch_collateral_cache_from_dir("/nonexistent", &pins, &c, NULL) != VOUCH_OK && c == NULL);
}

static void parts_in_hand_are_copied(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    const vch_root_pins pins = { .any = true };
    vch_collateral_cache *c = NULL;
    const vouch_claims quote = { 0 };
    {
        VCH_SCOPED(vch_buffer_drop) vch_buffer tcb_info = vch_buffer_with_cap(64);
        vch_buffer_append_str(&tcb_info, "{}");
        const vouch_collateral_parts parts = { .tcb_info = vch_buffer_span(&tcb_info) };
        CHECK_OK(vch_collateral_cache_from_parts(&parts, &pins, &c, &err), &err);
    }
    const vch_collateral_set *set = vch_collateral_cache_get(c, &quote);
    CHECK(set != NULL && vch_span_is(set->parts.tcb_info, "{}") && set->parts.pck_crl.size == 0);
    CHECK(set->verifier == NULL);
    vch_collateral_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_pinned_roots_make_a_verifier),
        TEST(a_familys_own_directory_wins_and_others_share_the_flat_one),
        TEST(a_directory_without_collateral_is_none),
        TEST(parts_in_hand_are_copied),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
