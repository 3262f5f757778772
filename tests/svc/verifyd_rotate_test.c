#include "svc/verifyd_rotate.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "result/jwks.h"
#include "svc/verifyd_init.h"
#include "svc/verifyd_pki.h"

#include "check.h"

#define NOW INT64_C(1800000000)
#define DAY INT64_C(86400)
#define AHEAD 600
#define OVERLAP (300 + VCH_ROTATE_SLACK_S) /* the longest token, and clocks */

static char dir[VCH_PATH_SIZE];
static vch_verifyd_init_result made;

static char base[VCH_PATH_SIZE];

/* A service of NOW; RSA keys are slow to make, so each test works on a copy. */
static int make_base(void **state)
{
    (void)state;
    const vch_verifyd_init_options o = { .dir = base,
                                         .host = "avs.example",
                                         .listen = "127.0.0.1:8443",
                                         .nonce_lifetime_s = 120,
                                         .token_lifetime_s = 300,
                                         .now_unix_s = NOW };
    if (vch_dir_make_temporary(NULL, "vouch-rotate-", base, NULL) != VOUCH_OK)
        return -1;
    return vch_verifyd_init(&o, &made, NULL) == VOUCH_OK ? 0 : -1;
}

static int remove_base(void **state)
{
    (void)state;
    return vch_dir_remove_tree(base, NULL) == VOUCH_OK ? 0 : -1;
}

static vouch_code copy_file(const char *name, mode_t mode)
{
    char from[VCH_PATH_SIZE];
    char to[VCH_PATH_SIZE];
    vch_buffer bytes = { 0 };
    vouch_code rc = vch_path_join(base, name, from, NULL);
    if (rc == VOUCH_OK)
        rc = vch_path_join(dir, name, to, NULL);
    if (rc == VOUCH_OK)
        rc = vch_file_read(from, 1 << 20, &bytes, NULL);
    if (rc == VOUCH_OK)
        rc = vch_file_write(to, vch_buffer_span(&bytes), mode, NULL);
    vch_buffer_drop(&bytes);
    return rc;
}

static int set_up(void **state)
{
    (void)state;
    static const char *const files[] = { "verifyd.yaml",    "token/root.key",  "token/ca.key",
                                         "token/token.key", "token/chain.pem", "token/ring.yaml" };
    char token[VCH_PATH_SIZE];
    if (vch_dir_make_temporary(NULL, "vouch-rotate-", dir, NULL) != VOUCH_OK
        || vch_path_join(dir, "token", token, NULL) != VOUCH_OK
        || vch_path_join(dir, "verifyd.yaml", made.config, NULL) != VOUCH_OK
        || vch_dir_make(token, 0700, NULL) != VOUCH_OK)
        return -1;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (copy_file(files[i], 0600) != VOUCH_OK)
            return -1;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return vch_dir_remove_tree(dir, NULL) == VOUCH_OK ? 0 : -1;
}

static vch_verifyd_config *config_now(void)
{
    vouch_error err = { 0 };
    vch_faults faults = { 0 };
    vch_verifyd_config *config = NULL;
    CHECK_OK(vch_verifyd_config_read(made.config, &faults, &config, &err), &err);
    vch_faults_done(&faults);
    return config;
}

static vch_rotate_result rotate_at(int64_t now)
{
    vouch_error err = { 0 };
    vch_rotate_result result = { 0 };
    VCH_SCOPED(vch_verifyd_config_drop) vch_verifyd_config *config = config_now();
    const vch_rotate_options o = { config, AHEAD, now };
    CHECK_OK(vch_verifyd_rotate(&o, &result, &err), &err);
    return result;
}

/* Loading judges every chain and both CRLs as clients will. */
static vch_verifyd_keys *keys_at(int64_t now)
{
    vouch_error err = { 0 };
    vch_verifyd_keys *keys = NULL;
    VCH_SCOPED(vch_verifyd_config_drop) vch_verifyd_config *config = config_now();
    CHECK_OK(vch_verifyd_keys_load(config, now, &keys, &err), &err);
    return keys;
}

static size_t published(const vch_verifyd_keys *keys, const char *kid)
{
    vouch_error err = { 0 };
    vouch_jwks *set = NULL;
    CHECK_OK(vouch_jwks_parse(vch_verifyd_keys_jwks(keys), &set, &err), &err);
    size_t count = vch_jwks_count(set);
    CHECK(vch_jwks_find(set, kid) != NULL);
    vouch_jwks_free(set);
    return count;
}

static size_t files_in_ring_dir;
static vouch_code count_file(void *context, const char *name, vouch_error *err)
{
    (void)context;
    (void)err;
    files_in_ring_dir += strncmp(name, "token-", 6) == 0 ? 1 : 0;
    return VOUCH_OK;
}

static size_t count_files(void)
{
    char token[VCH_PATH_SIZE];
    vouch_error err = { 0 };
    files_in_ring_dir = 0;
    CHECK_OK(vch_path_join(dir, "token", token, &err), &err);
    CHECK_OK(vch_dir_list(token, count_file, NULL, &err), &err);
    return files_in_ring_dir;
}

static bool in_ring_dir(const char *name)
{
    char path[VCH_PATH_SIZE];
    char token[VCH_PATH_SIZE];
    return vch_path_join(dir, "token", token, NULL) == VOUCH_OK
           && vch_path_join(token, name, path, NULL) == VOUCH_OK && vch_file_exists(path);
}

static void the_new_key_is_published_first_and_signs_later_and_the_old_one_drops_out(void **state)
{
    (void)state;
    VCH_SCOPED(vch_verifyd_keys_drop) vch_verifyd_keys *before = keys_at(NOW);
    char old[VCH_VERIFYD_KID_SIZE];
    memcpy(old, vch_verifyd_keys_signer(before, NOW).kid, sizeof old);
    CHECK(published(before, old) == 1);
    const vch_rotate_result r = rotate_at(NOW);
    CHECK(r.made && !r.ca_renewed && strcmp(r.kid, old) != 0);
    CHECK(r.signs_from_unix_s == NOW + AHEAD && r.until_unix_s == NOW + AHEAD + OVERLAP);
    vouch_error err = { 0 };
    bool holds = false;
    VCH_SCOPED(vch_verifyd_keys_drop) vch_verifyd_keys *keys = keys_at(NOW);
    CHECK(published(keys, old) == 2 && published(keys, r.kid) == 2);
    assert_string_equal(vch_verifyd_keys_signer(keys, NOW + AHEAD - 1).kid, old);
    assert_string_equal(vch_verifyd_keys_signer(keys, NOW + AHEAD).kid, r.kid);
    CHECK_OK(vch_verifyd_keys_renew(keys, r.until_unix_s - 1, &err), &err);
    CHECK(published(keys, old) == 2);
    CHECK(vch_verifyd_keys_at(keys, 0, r.until_unix_s - 1, &holds) != NULL && holds);
    CHECK_OK(vch_verifyd_keys_renew(keys, r.until_unix_s, &err), &err);
    CHECK(published(keys, r.kid) == 1);
    CHECK(vch_verifyd_keys_at(keys, 0, r.until_unix_s, &holds) != NULL && !holds);
    CHECK(vch_verifyd_keys_at(keys, 2, NOW, &holds) == NULL);
    VCH_SCOPED(vch_verifyd_keys_drop) vch_verifyd_keys *later = keys_at(r.until_unix_s);
    CHECK(published(later, r.kid) == 1); /* a start after the end does not need the old files */
}

static void a_rotation_that_is_under_way_is_not_repeated(void **state)
{
    (void)state;
    const vch_rotate_result r = rotate_at(NOW);
    CHECK(r.made && count_files() == 2);
    for (int64_t now = NOW; now < r.until_unix_s; now += OVERLAP / 2) {
        const vch_rotate_result again = rotate_at(now);
        CHECK(!again.made && strcmp(again.kid, r.kid) == 0);
        CHECK(again.signs_from_unix_s == r.signs_from_unix_s);
        CHECK(again.until_unix_s == r.until_unix_s && again.removed == 0);
    }
    CHECK(count_files() == 2 && in_ring_dir("token.key"));
    const vch_rotate_result next = rotate_at(r.until_unix_s);
    CHECK(next.made && next.removed == 2 && strcmp(next.kid, r.kid) != 0);
    CHECK(count_files() == 4 && !in_ring_dir("token.key") && !in_ring_dir("chain.pem"));
    CHECK(in_ring_dir("root.key") && in_ring_dir("ca.key") && in_ring_dir("ring.yaml"));
}

/* A process that is killed at any moment leaves a ring that loads, and the next rotation goes on. */
static void a_killed_rotation_leaves_the_old_ring_or_the_new_one(void **state)
{
    (void)state;
    for (useconds_t after = 0; after < 1000000; after += 200000) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            const vch_rotate_result r = rotate_at(NOW);
            _exit(r.made ? 0 : 1);
        }
        (void)usleep(after);
        (void)kill(child, SIGKILL);
        CHECK(waitpid(child, NULL, 0) == child);
        vch_verifyd_keys_free(keys_at(NOW));
    }
    (void)rotate_at(NOW);
    VCH_SCOPED(vch_verifyd_keys_drop) vch_verifyd_keys *keys = keys_at(NOW + AHEAD);
    CHECK(published(keys, vch_verifyd_keys_signer(keys, NOW + AHEAD).kid) == 2);
    CHECK(count_files() == 2); /* what the killed ones left is gone */
}

static void what_a_killed_rotation_left_is_removed_and_nothing_else(void **state)
{
    (void)state;
    static const char *const left[] = { "token-0123456789abcdef.key",
                                        "token-0123456789abcdef.pem" };
    static const char *const others[] = { "token-0123456789abcdeF.key", "token-123.key",
                                          "token-0123456789abcdef.txt", "notes" };
    char token[VCH_PATH_SIZE];
    char path[VCH_PATH_SIZE];
    vouch_error err = { 0 };
    CHECK_OK(vch_path_join(dir, "token", token, &err), &err);
    for (size_t i = 0; i < 2; i++) {
        CHECK_OK(vch_path_join(token, left[i], path, &err), &err);
        CHECK_OK(vch_file_write(path, vch_span_str("x"), 0600, &err), &err);
    }
    for (size_t i = 0; i < 4; i++) {
        CHECK_OK(vch_path_join(token, others[i], path, &err), &err);
        CHECK_OK(vch_file_write(path, vch_span_str("x"), 0600, &err), &err);
    }
    CHECK(rotate_at(NOW).removed == 2);
    for (size_t i = 0; i < 4; i++)
        CHECK(in_ring_dir(others[i]));
    CHECK(!in_ring_dir(left[0]) && !in_ring_dir(left[1]));
}

static void a_signing_ca_that_would_end_before_the_leaf_is_renewed_under_the_same_root(void **state)
{
    (void)state;
    const int64_t late = NOW + VCH_VERIFYD_TOKEN_CA_LIFE_S - 200 * DAY;
    const vch_rotate_result kept =
        rotate_at(NOW + VCH_VERIFYD_TOKEN_CA_LIFE_S - VCH_VERIFYD_TOKEN_LEAF_LIFE_S);
    CHECK(kept.made && !kept.ca_renewed);
    const vch_rotate_result renewed = rotate_at(late);
    CHECK(renewed.made && renewed.ca_renewed);
    /* both chains, old CA and new, hold with the one CRL of their common key */
    VCH_SCOPED(vch_verifyd_keys_drop) vch_verifyd_keys *keys = keys_at(late);
    CHECK(published(keys, kept.kid) == 2 && published(keys, renewed.kid) == 2);
}

static void a_root_that_ends_soon_stops_the_rotation(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char text[512];
    vch_rotate_result result = { 0 };
    VCH_SCOPED(vch_verifyd_config_drop) vch_verifyd_config *config = config_now();
    const vch_rotate_options o = { config, AHEAD, NOW + 10 * 365 * DAY - 20 * DAY };
    CHECK(vch_verifyd_rotate(&o, &result, &err) == VOUCH_E_CONFIG);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), "root ends") != NULL);
    CHECK(count_files() == 0);
}

static void a_list_kept_by_hand_is_not_rotated(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_rotate_result result = { 0 };
    VCH_SCOPED(vch_verifyd_config_drop) vch_verifyd_config *config = config_now();
    config->ring[0] = '\0';
    const vch_rotate_options o = { config, AHEAD, NOW };
    CHECK(vch_verifyd_rotate(&o, &result, &err) == VOUCH_E_CONFIG);
}

static void keys_of_the_future_alone_are_refused(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_verifyd_keys *keys = NULL;
    VCH_SCOPED(vch_verifyd_config_drop) vch_verifyd_config *config = config_now();
    CHECK(vch_verifyd_keys_load(config, NOW - DAY, &keys, &err) == VOUCH_E_CONFIG);
    config->keys[0].signs_from_unix_s = NOW + 1;
    CHECK(vch_verifyd_keys_load(config, NOW, &keys, &err) == VOUCH_E_CONFIG);
}

static void crls_are_renewed_at_half_of_their_life(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_verifyd_keys_drop) vch_verifyd_keys *keys = keys_at(NOW);
    const int64_t half = VCH_VERIFYD_CRL_LIFE_S / 2;
    CHECK(vch_verifyd_keys_crls_end(keys) == NOW + VCH_VERIFYD_CRL_LIFE_S);
    CHECK_OK(vch_verifyd_keys_renew(keys, NOW + half - 1, &err), &err);
    CHECK(vch_verifyd_keys_crls_end(keys) == NOW + VCH_VERIFYD_CRL_LIFE_S);
    CHECK_OK(vch_verifyd_keys_renew(keys, NOW + half, &err), &err);
    CHECK(vch_verifyd_keys_crls_end(keys) == NOW + half + VCH_VERIFYD_CRL_LIFE_S);
    CHECK(vch_verifyd_keys_crls_hold(keys, NOW + half + VCH_VERIFYD_CRL_LIFE_S - 1));
    CHECK(!vch_verifyd_keys_crls_hold(keys, NOW + half + VCH_VERIFYD_CRL_LIFE_S));
    CHECK(!vch_verifyd_keys_crls_hold(keys, NOW - DAY));
    /* and a reader accepts a chain with them at a moment after the first ones' end */
    const vouch_span crls[] = { vch_verifyd_keys_root_crl(keys),
                                vch_verifyd_keys_signing_crl(keys) };
    uint8_t root[32];
    vch_cert_chain_verdict verdict = { 0 };
    vouch_jwks *set = NULL;
    CHECK_OK(vouch_jwks_parse(vch_verifyd_keys_jwks(keys), &set, &err), &err);
    for (size_t i = 0; i < 32; i++) {
        unsigned byte = 0;
        CHECK(sscanf(made.token_root_sha256 + 2 * i, "%2x", &byte) == 1);
        root[i] = (uint8_t)byte;
    }
    const vch_cert_chain_rules rules = { root, 1, crls, 2, NOW + VCH_VERIFYD_CRL_LIFE_S + DAY };
    CHECK_OK(vch_cert_chain_judge(vch_jwks_at(set, 0)->chain, &rules, &verdict, &err), &err);
    CHECK(verdict.answer == VCH_CERT_CHAIN_TRUSTED && verdict.revocation_checked);
    vouch_jwks_free(set);
}

int main(void)
{
#define WITH_SERVICE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_SERVICE(the_new_key_is_published_first_and_signs_later_and_the_old_one_drops_out),
        WITH_SERVICE(a_rotation_that_is_under_way_is_not_repeated),
        WITH_SERVICE(a_killed_rotation_leaves_the_old_ring_or_the_new_one),
        WITH_SERVICE(what_a_killed_rotation_left_is_removed_and_nothing_else),
        WITH_SERVICE(a_signing_ca_that_would_end_before_the_leaf_is_renewed_under_the_same_root),
        WITH_SERVICE(a_root_that_ends_soon_stops_the_rotation),
        WITH_SERVICE(a_list_kept_by_hand_is_not_rotated),
        WITH_SERVICE(keys_of_the_future_alone_are_refused),
        WITH_SERVICE(crls_are_renewed_at_half_of_their_life),
    };
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
