#include "svc/verifyd_config.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

#include "check.h"

static char dir[VCH_PATH_SIZE];
static char path[VCH_PATH_SIZE];

static int make_dir(void **state)
{
    (void)state;
    if (vch_dir_make_temporary(NULL, "vouch-config-", dir, NULL) != VOUCH_OK)
        return -1;
    return vch_path_join(dir, "v.yaml", path, NULL) == VOUCH_OK ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return vch_dir_remove_tree(dir, NULL) == VOUCH_OK ? 0 : -1;
}

static const char good[] = "version: 1\n"
                           "listen: \"127.0.0.1:8443\"\n"
                           "base_url: https://avs.example:8443\n"
                           "instance: 10d513d7-ed94-4bee-8a7a-61f9f3fa5e8b\n"
                           "state: state.db\n"
                           "tls: {certificate: tls/server.crt, key: /keys/server.key}\n"
                           "token: {lifetime_s: 60, keys: [{key: t.key, chain: c.pem}]}\n"
                           "nonce: {lifetime_s: 30}\n"
                           "crl: {root_key: r.key, signing_key: s.key, listen: \"[::1]:8080\"}\n"
                           "roots: [intel, roots/1.pem]\n"
                           "collateral: {dir: c}\n"
                           "policies: [{id: 11111111-2222-4333-8444-555555555555, file: p.yaml}]\n";

/* Read `good` with `from` replaced by `to`; the faults' texts in `out`. */
static vouch_code read_edited(const char *from, const char *to, char out[static 2048],
                              vch_verifyd_config **config)
{
    vouch_error err = { 0 };
    vch_buffer text = vch_buffer_with_cap(8192);
    const char *at = strstr(good, from);
    assert_non_null(at);
    vch_buffer_append(&text, (vouch_span) { (const uint8_t *)good, (size_t)(at - good) });
    vch_buffer_append_str(&text, to);
    vch_buffer_append_str(&text, at + strlen(from));
    CHECK_OK(vch_file_write(path, vch_buffer_span(&text), 0600, &err), &err);
    vch_faults faults = { 0 };
    vouch_code rc = vch_verifyd_config_read(path, &faults, config, &err);
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < faults.count && used < 1000; i++)
        used += (size_t)snprintf(out + used, 2048 - used, "%s\n", faults.item[i].text);
    vch_faults_done(&faults);
    vch_buffer_drop(&text);
    return rc;
}

static void a_good_file_is_read_with_paths_beside_it(void **state)
{
    (void)state;
    char faults[2048];
    char want[VCH_PATH_SIZE];
    vch_verifyd_config *c = NULL;
    CHECK(read_edited("version: 1", "version: 1", faults, &c) == VOUCH_OK);
    assert_string_equal(c->listen.address, "127.0.0.1");
    CHECK(c->listen.port == 8443 && c->crl_listen.port == 8080);
    assert_string_equal(c->crl_listen.address, "::1");
    assert_string_equal(c->tls_key, "/keys/server.key");
    CHECK(vch_path_join(dir, "roots/1.pem", want, NULL) == VOUCH_OK);
    CHECK(c->intel_root && c->root_count == 1);
    assert_string_equal(c->roots[0], want);
    CHECK(c->token_lifetime_s == 60 && c->nonce_lifetime_s == 30 && c->key_count == 1);
    CHECK(c->policy_count == 1);
    vch_verifyd_config_free(c);
}

static void what_is_not_given_has_its_default(void **state)
{
    (void)state;
    char faults[2048];
    vch_verifyd_config *c = NULL;
    CHECK(read_edited("nonce: {lifetime_s: 30}\n", "", faults, &c) == VOUCH_OK);
    CHECK(c->nonce_lifetime_s == 120);
    vch_verifyd_config_free(c);
    c = NULL;
    CHECK(read_edited("lifetime_s: 60, ", "", faults, &c) == VOUCH_OK);
    CHECK(c->token_lifetime_s == 300);
    vch_verifyd_config_free(c);
}

static const struct {
    const char *from, *to;
    const char *place, *word; /* what a fault says */
} edits[] = {
    { "version: 1", "version: 2", "v.yaml:1:", "version" },
    { "state: state.db", "stat: state.db", "v.yaml:5:", "did you mean 'state'" },
    { "state: state.db\n", "", "v.yaml:", "state" },
    { "tls: {", "tls: {x: 1, ", "v.yaml:6:", "x" },
    { "instance: 10d5", "instance: x0d5", "v.yaml:4:", "UUID" },
    { "127.0.0.1:8443", "127.0.0.1", "v.yaml:2:", "listen on" },
    { "127.0.0.1:8443", "127.0.0.1:0", "v.yaml:2:", "listen on" },
    { "127.0.0.1:8443", "127.0.0.1:65536", "v.yaml:2:", "listen on" },
    { "127.0.0.1:8443", "::1:8443", "v.yaml:2:", "listen on" },
    { "https://avs", "http://avs", "v.yaml:3:", "https://" },
    { "example:8443\n", "example:8443/\n", "v.yaml:3:", "final slash" },
    { "lifetime_s: 60", "lifetime_s: 4", "v.yaml:7:", "5" },
    { "lifetime_s: 60", "lifetime_s: 301", "v.yaml:7:", "300" },
    { "lifetime_s: 30", "lifetime_s: 0", "v.yaml:8:", "1" },
    { "[{key: t.key, chain: c.pem}]", "[]", "v.yaml:7:", "keys" },
    { ", keys: [{key: t.key, chain: c.pem}]", "", "v.yaml:7:", "either" },
    { "keys: [{", "ring: r.yaml, keys: [{", "v.yaml:7:", "either" },
    { "keys: [{key: t.key, chain: c.pem}]", "ring: absent.yaml", "v.yaml:7:", "absent.yaml" },
    { "chain: c.pem", "chian: c.pem", "v.yaml:7:", "chain" },
    { "[intel, roots/1.pem]", "[]", "v.yaml:10:", "roots" },
    { "[intel, roots/1.pem]", "[{a: b}]", "v.yaml:10:", "root" },
    { "root_key: r.key, ", "", "v.yaml:9:", "root_key" },
    { "file: p.yaml}]", "file: p.yaml}, {id: 11111111-2222-4333-8444-555555555555, file: q.yaml}]",
      "v.yaml:12:", "twice" },
    { "policies: [", "api_keys: [{name: a}, {name: a}]\npolicies: [",
      "v.yaml:12:", "stands twice" },
    { "policies: [", "api_keys: [{nam: a}]\npolicies: [", "v.yaml:12:", "nam" },
    { "policies: [",
      "api_keys: [{name: a, policies: [22222222-2222-4333-8444-555555555555]}]\npolicies: [",
      "v.yaml:12:", "none of the policies" },
    { "policies: [", "api_keys: [{name: a, policies: [7]}]\npolicies: [",
      "v.yaml:12:", "none of the policies" },
};

static void each_fault_is_told_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        char faults[2048];
        vch_verifyd_config *c = NULL;
        if (read_edited(edits[i].from, edits[i].to, faults, &c) != VOUCH_E_CONFIG
            || strstr(faults, edits[i].place) == NULL || strstr(faults, edits[i].word) == NULL)
            fail_msg("'%s': %s", edits[i].to, faults);
        CHECK(c == NULL);
    }
}

static void several_faults_are_told_in_one_run(void **state)
{
    (void)state;
    char faults[2048];
    vch_verifyd_config *c = NULL;
    CHECK(read_edited("tls: {certificate: tls/server.crt, key: /keys/server.key}\n"
                      "token: {lifetime_s: 60, ",
                      "tls: {certificate: tls/server.crt}\ntoken: {lifetime_s: 900, ", faults, &c)
          == VOUCH_E_CONFIG);
    CHECK(strstr(faults, "v.yaml:6:") != NULL && strstr(faults, "v.yaml:7:") != NULL);
}

static void a_file_that_is_absent_is_not_found(void **state)
{
    (void)state;
    vch_faults faults = { 0 };
    vch_verifyd_config *c = NULL;
    CHECK(vch_verifyd_config_read("/nonexistent/v.yaml", &faults, &c, NULL) == VOUCH_E_NOT_FOUND);
    vch_faults_done(&faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_file_is_read_with_paths_beside_it), TEST(what_is_not_given_has_its_default),
        TEST(each_fault_is_told_with_its_place),        TEST(several_faults_are_told_in_one_run),
        TEST(a_file_that_is_absent_is_not_found),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
