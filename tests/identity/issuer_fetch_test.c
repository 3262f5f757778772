#include "identity/issuer_fetch.h"

#include <string.h>

#include "../result/issuer.h"
#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "crypto/cert_chain.h"
#include "identity/issuer_cache.h"
#include "result/jwks.h"

#define CERTS "https://avs.example/certs"
#define ROOT_CRL "http://127.0.0.1/crl/root.der"
#define CA_CRL "http://127.0.0.1/crl/ca.der"

static issuer good;
static vch_buffer jwks;
static char dir[VCH_PATH_SIZE];

/* The issuer as it is reached: what it answers to, and with what. */
static struct {
    size_t calls;
    bool dead;
    int status;
    vouch_span jwks;
    vouch_span root_crl;
} net;

static vouch_code answer(const vch_http_call *call, vch_http_answer *out, vouch_error *err)
{
    bool is_certs = strcmp(call->url, CERTS) == 0;
    net.calls++;
    if (net.dead)
        return vouch_fail(err, VOUCH_E_NETWORK, "nobody there");
    CHECK(call->plain_http == !is_certs); /* CRLs are signed themselves, key sets are not */
    vouch_span body = is_certs                           ? net.jwks
                      : strcmp(call->url, ROOT_CRL) == 0 ? net.root_crl
                                                         : vch_buffer_span(&good.ca_crl);
    out->status = net.status;
    out->body = vch_buffer_with_cap(call->response_cap);
    vch_buffer_append(&out->body, body);
    return VOUCH_OK;
}

static int set_up(void **state)
{
    (void)state;
    issuer_make(&good, NULL, NULL);
    const vouch_span chain[] = { vch_buffer_span(&good.leaf), vch_buffer_span(&good.ca),
                                 vch_buffer_span(&good.root) };
    const vch_jwks_entry entry = { ISSUER_KID, chain, 3 };
    jwks = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
    return vch_jwks_build(&entry, 1, &jwks, NULL) == VOUCH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    vch_buffer_drop(&jwks);
    issuer_drop(&good);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    net.calls = 0;
    net.dead = false;
    net.status = 200;
    net.jwks = vch_buffer_span(&jwks);
    net.root_crl = vch_buffer_span(&good.root_crl);
    return vch_dir_make_temporary(NULL, "vouch-issuer-fetch-", dir, NULL) == VOUCH_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return vch_dir_remove_tree(dir, NULL) == VOUCH_OK ? 0 : -1;
}

static vouch_code get(vch_issuer_way way, int64_t now_unix_s, int64_t at_unix_s,
                      vch_issuer_set *out)
{
    const vch_issuer_source source = { .url = CERTS,
                                       .cache = dir,
                                       .now_unix_s = now_unix_s,
                                       .at_unix_s = at_unix_s,
                                       .fetch = answer };
    net.calls = 0;
    return vch_issuer_fetch(&source, way, out, NULL);
}

/* How many requests it takes, all well. */
static size_t calls_of(vch_issuer_way way, int64_t now_unix_s)
{
    VCH_SCOPED(vch_issuer_set_drop) vch_issuer_set set = { 0 };
    CHECK(get(way, now_unix_s, now_unix_s, &set) == VOUCH_OK);
    CHECK(set.keys != NULL && vch_jwks_find(set.keys, ISSUER_KID) != NULL);
    CHECK(set.text.crl_count == 2 && set.kept == (net.calls < 3) && !set.not_kept);
    CHECK(vch_span_equal(vch_buffer_span(&set.text.crl[0]), vch_buffer_span(&good.ca_crl)));
    CHECK(vch_span_equal(vch_buffer_span(&set.text.crl[1]), vch_buffer_span(&good.root_crl)));
    return net.calls;
}

static void key_set_and_crls_are_fetched_once_an_hour(void **state)
{
    (void)state;
    CHECK(calls_of(VCH_ISSUER_KEPT_FIRST, ISSUER_NOW) == 3);
    CHECK(calls_of(VCH_ISSUER_KEPT_FIRST, ISSUER_NOW) == 0);
    CHECK(calls_of(VCH_ISSUER_KEPT_FIRST, ISSUER_NOW + VCH_ISSUER_REFRESH_S - 1) == 0);
    CHECK(calls_of(VCH_ISSUER_KEPT_FIRST, ISSUER_NOW + VCH_ISSUER_REFRESH_S) == 3);
    CHECK(calls_of(VCH_ISSUER_KEPT_FIRST, ISSUER_NOW) == 3); /* from the future: of no known age */
    CHECK(calls_of(VCH_ISSUER_FETCHED, ISSUER_NOW) == 3);
    CHECK(calls_of(VCH_ISSUER_KEPT_ONLY, ISSUER_NOW + 20 * VCH_ISSUER_REFRESH_S) == 0);
}

static void where_nobody_answers_what_was_kept_goes_on_to_count_and_says_so(void **state)
{
    (void)state;
    VCH_SCOPED(vch_issuer_set_drop) vch_issuer_set set = { 0 };
    int64_t later = ISSUER_NOW + 2 * VCH_ISSUER_REFRESH_S;
    CHECK(calls_of(VCH_ISSUER_KEPT_FIRST, ISSUER_NOW) == 3);
    net.dead = true;
    CHECK(get(VCH_ISSUER_KEPT_FIRST, later, later, &set) == VOUCH_OK);
    CHECK(set.kept && set.unreachable && set.fault.code == VOUCH_E_NETWORK && set.keys != NULL);
    vch_issuer_set_drop(&set);
    CHECK(get(VCH_ISSUER_FETCHED, later, later, &set) == VOUCH_E_NETWORK);
    net.dead = false;
    net.status = 404;
    CHECK(get(VCH_ISSUER_FETCHED, later, later, &set) == VOUCH_E_NETWORK);
    CHECK(get(VCH_ISSUER_KEPT_FIRST, later, later, &set) == VOUCH_OK);
    CHECK(set.unreachable);
}

static void a_crl_past_its_end_is_fetched_and_never_used_without(void **state)
{
    (void)state;
    VCH_SCOPED(vch_issuer_set_drop) vch_issuer_set set = { 0 };
    const int64_t end_unix_s = ISSUER_NOW + 86400; /* the nextUpdate of both */
    const int64_t now = end_unix_s - 60;
    CHECK(vch_cert_chain_crl_holds(net.root_crl, end_unix_s - 1));
    CHECK(!vch_cert_chain_crl_holds(net.root_crl, end_unix_s));
    CHECK(!vch_cert_chain_crl_holds(net.root_crl, ISSUER_NOW - 86401));
    CHECK(!vch_cert_chain_crl_holds((vouch_span) { net.root_crl.data, 9 }, ISSUER_NOW));
    CHECK(!vch_cert_chain_crl_holds((vouch_span) { 0 }, ISSUER_NOW));
    CHECK(calls_of(VCH_ISSUER_KEPT_FIRST, now) == 3);
    CHECK(get(VCH_ISSUER_KEPT_FIRST, now, end_unix_s - 1, &set) == VOUCH_OK && net.calls == 0);
    vch_issuer_set_drop(&set);
    CHECK(get(VCH_ISSUER_KEPT_FIRST, now, end_unix_s, &set) == VOUCH_OK && net.calls == 2);
    vch_issuer_set_drop(&set);
    net.dead =
        true; /* the key set holds, the CRLs do not: that is to be found out, not passed over */
    CHECK(get(VCH_ISSUER_KEPT_FIRST, now, end_unix_s, &set) == VOUCH_E_NETWORK);
    CHECK(get(VCH_ISSUER_KEPT_ONLY, now, end_unix_s, &set) == VOUCH_OK); /* the judge will refuse */
}

static void a_damaged_cache_is_ignored_and_replaced(void **state)
{
    (void)state;
    const char *const urls[] = { CERTS, ROOT_CRL, CA_CRL };
    CHECK(calls_of(VCH_ISSUER_KEPT_FIRST, ISSUER_NOW) == 3);
    for (size_t i = 0; i < 3; i++) { /* well kept, and not what it should be */
        CHECK(vch_issuer_cache_put(dir, urls[i], vch_span_str("{}"), ISSUER_NOW, NULL) == VOUCH_OK);
        CHECK(calls_of(VCH_ISSUER_KEPT_FIRST, ISSUER_NOW) == 1);
        CHECK(calls_of(VCH_ISSUER_KEPT_FIRST, ISSUER_NOW) == 0);
    }
}

static void what_is_no_key_set_is_said_and_not_kept(void **state)
{
    (void)state;
    VCH_SCOPED(vch_issuer_set_drop) vch_issuer_set set = { 0 };
    net.jwks = vch_span_str("{\"keys\": 1}");
    CHECK(get(VCH_ISSUER_KEPT_FIRST, ISSUER_NOW, ISSUER_NOW, &set) == VOUCH_OK);
    CHECK(set.keys == NULL && set.fault.code == VOUCH_E_FORMAT && !set.kept);
    vch_issuer_set_drop(&set);
    CHECK(get(VCH_ISSUER_KEPT_ONLY, ISSUER_NOW, ISSUER_NOW, &set) == VOUCH_E_NOT_FOUND);
    net.jwks = vch_buffer_span(&jwks);
    CHECK(calls_of(VCH_ISSUER_KEPT_FIRST, ISSUER_NOW) == 3);
    net.jwks = vch_span_str("{}"); /* an answer of no sense does not drive out what was kept */
    CHECK(get(VCH_ISSUER_FETCHED, ISSUER_NOW, ISSUER_NOW, &set) == VOUCH_OK && set.keys == NULL);
    CHECK(calls_of(VCH_ISSUER_KEPT_ONLY, ISSUER_NOW) == 0);
}

static void no_cache_is_needed(void **state)
{
    (void)state;
    vch_issuer_set set = { 0 };
    vch_issuer_source source = {
        .url = CERTS, .now_unix_s = ISSUER_NOW, .at_unix_s = ISSUER_NOW, .fetch = answer
    };
    for (size_t i = 1; i < 3; i++) {
        CHECK(vch_issuer_fetch(&source, VCH_ISSUER_KEPT_FIRST, &set, NULL) == VOUCH_OK);
        CHECK(set.text.crl_count == 2 && !set.kept && !set.not_kept && net.calls == 3 * i);
        vch_issuer_set_drop(&set);
    }
    CHECK(vch_issuer_fetch(&source, VCH_ISSUER_KEPT_ONLY, &set, NULL) == VOUCH_E_NOT_FOUND);
    source.cache = "/dev/null/no/directory"; /* one that cannot be written harms nothing */
    CHECK(vch_issuer_fetch(&source, VCH_ISSUER_KEPT_FIRST, &set, NULL) == VOUCH_OK);
    CHECK(set.not_kept && set.cache_fault.depth > 0 && !set.kept && set.keys != NULL);
    vch_issuer_set_drop(&set);
}

#define IN_DIR(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(key_set_and_crls_are_fetched_once_an_hour),
        IN_DIR(where_nobody_answers_what_was_kept_goes_on_to_count_and_says_so),
        IN_DIR(a_crl_past_its_end_is_fetched_and_never_used_without),
        IN_DIR(a_damaged_cache_is_ignored_and_replaced),
        IN_DIR(what_is_no_key_set_is_said_and_not_kept),
        IN_DIR(no_cache_is_needed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
