#include "identity/collateral_cache.h"

#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "check.h"
#include "identity/collateral_bundle.h"
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
    CHECK_OK(vch_collateral_cache_from_path(dir, pins, &c, &err), &err);
    return c;
}

/* The caller gives it back. NULL: could not find out. */
static const vch_collateral_set *get(vch_collateral_cache *c, const vch_pcs_query *platform)
{
    const vch_collateral_set *set = NULL;
    vouch_error err = { 0 };
    vouch_code rc = vch_collateral_cache_find(c, platform, &set, &err);
    CHECK((rc == VOUCH_OK) == (set != NULL) && (rc == VOUCH_OK || rc == VOUCH_E_NOT_FOUND));
    return set;
}

static bool has(vch_collateral_cache *c, const vch_pcs_query *platform)
{
    const vch_collateral_set *set = get(c, platform);
    vch_collateral_set_unref(set);
    return set != NULL;
}

static vch_pcs_query platform_of(const uint8_t fmspc[6], vouch_tee tee)
{
    vch_pcs_query platform = { .tdx = tee == VOUCH_TEE_TDX };
    memcpy(platform.fmspc, fmspc, 6);
    return platform;
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
    const vch_pcs_query quote = platform_of(vch_sim_fmspc, VOUCH_TEE_SGX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_collateral_cache *c = open_dir(w.collateral_dir, &cases[i]);
        const vch_collateral_set *set = get(c, &quote);
        CHECK(set != NULL && set->collateral != NULL);
        /* Nothing pinned: never the built-in default by accident. */
        CHECK((set->verifier != NULL) == (i < 3));
        vch_collateral_set_unref(set);
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
    const vch_pcs_query own = platform_of(family, VOUCH_TEE_SGX);
    const vch_pcs_query other_tee = platform_of(family, VOUCH_TEE_TDX);
    const vch_pcs_query unknown = platform_of(stranger, VOUCH_TEE_SGX);
    vch_collateral_cache *c = open_dir(dir, &pins);
    CHECK(has(c, &own));
    CHECK(!has(c, &other_tee));
    CHECK(!has(c, &unknown)); /* could not find out */
    vch_collateral_cache_free(c);
    copy(w.collateral_dir, dir);
    c = open_dir(dir, &pins);
    const vch_collateral_set *shared = get(c, &unknown);
    const vch_collateral_set *mine = get(c, &own);
    CHECK(shared != NULL && mine != NULL && mine != shared);
    vch_collateral_cache_free(c);
    CHECK(shared->parts.pck_crl.size > 0); /* whoever holds a set may outlive the cache */
    vch_collateral_set_unref(shared);
    vch_collateral_set_unref(mine);
}

static void get_for_quote(const char *path, vouch_span quote, bool there)
{
    const vch_root_pins pins = { .any = true };
    vouch_error err = { 0 };
    const vch_collateral_set *set = NULL;
    vch_collateral_cache *c = open_dir(path, &pins);
    if (there)
        CHECK_OK(vch_collateral_cache_get(c, quote, &set, &err), &err);
    else
        CHECK(vch_collateral_cache_get(c, quote, &set, &err) != VOUCH_OK && err.depth > 0);
    CHECK((set != NULL) == there);
    vch_collateral_set_unref(set);
    vch_collateral_cache_free(c);
}

static void a_quote_finds_its_own_platforms_set_in_directories_and_bundles(void **state)
{
    (void)state;
    static const uint8_t report_data[64] = { 1 };
    vouch_error err = { 0 };
    char dir[VCH_PATH_SIZE];
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(VOUCH_QUOTE_MAX_SIZE);
    VCH_SCOPED(vch_collateral_bytes_drop) vch_collateral_bytes bytes = { 0 };
    VCH_SCOPED(vch_collateral_bundle_drop) vch_collateral_bundle bundle = { 0 };
    world_quote(&w, 1, false, report_data, &quote);
    CHECK(vch_path_join(w.dir, "own", dir, NULL) == VOUCH_OK);
    CHECK(vch_path_join(dir, "53494d000000-sgx", path, NULL) == VOUCH_OK);
    copy(w.collateral_dir, path);
    get_for_quote(dir, vch_buffer_span(&quote), true);
    get_for_quote(dir, (vouch_span) { report_data, sizeof report_data }, false);
    CHECK_OK(vch_collateral_bytes_read(w.collateral_dir, &bytes, &err), &err);
    CHECK(vch_path_join(w.dir, "x.bundle", path, NULL) == VOUCH_OK);
    CHECK_OK(vch_collateral_bundle_put(&bundle, "53494d000000-tdx", &bytes.parts, &err), &err);
    CHECK_OK(vch_collateral_bundle_write(&bundle, path, &err), &err);
    get_for_quote(path, vch_buffer_span(&quote), false);
    CHECK_OK(vch_collateral_bundle_put(&bundle, "53494d000000-sgx", &bytes.parts, &err), &err);
    CHECK_OK(vch_collateral_bundle_write(&bundle, path, &err), &err);
    get_for_quote(path, vch_buffer_span(&quote), true);
}

static void a_directory_without_collateral_is_none(void **state)
{
    (void)state;
    const vch_root_pins pins = { .any = true };
    char dir[VCH_PATH_SIZE];
    vch_collateral_cache *c = NULL;
    CHECK(vch_path_join(w.dir, "empty", dir, NULL) == VOUCH_OK);
    CHECK(vch_dir_make(dir, 0700, NULL) == VOUCH_OK);
    CHECK(vch_collateral_cache_from_path(dir, &pins, &c, NULL) == VOUCH_E_NOT_FOUND && c == NULL);
    CHECK(vch_collateral_cache_from_path("/nonexistent", &pins, &c, NULL) != VOUCH_OK && c == NULL);
}

static void parts_in_hand_are_copied(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    const vch_root_pins pins = { .any = true };
    vch_collateral_cache *c = NULL;
    const vch_pcs_query quote = { 0 };
    {
        VCH_SCOPED(vch_buffer_drop) vch_buffer tcb_info = vch_buffer_with_cap(64);
        vch_buffer_append_str(&tcb_info, "{}");
        const vouch_collateral_parts parts = { .tcb_info = vch_buffer_span(&tcb_info) };
        CHECK_OK(vch_collateral_cache_from_parts(&parts, &pins, &c, &err), &err);
    }
    const vch_collateral_set *set = get(c, &quote);
    CHECK(set != NULL && vch_span_is(set->parts.tcb_info, "{}") && set->parts.pck_crl.size == 0);
    CHECK(set->verifier == NULL);
    vch_collateral_set_unref(set);
    vch_collateral_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_pinned_roots_make_a_verifier),
        TEST(a_familys_own_directory_wins_and_others_share_the_flat_one),
        TEST(a_quote_finds_its_own_platforms_set_in_directories_and_bundles),
        TEST(a_directory_without_collateral_is_none),
        TEST(parts_in_hand_are_copied),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
