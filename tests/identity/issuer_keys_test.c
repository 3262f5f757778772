#include "identity/issuer_keys.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "identity/issuer_cache.h"
#include "result/jwks.h"
#include "world.h"

static world w;
static vch_buffer jwks;

static int set_up(void **state)
{
    (void)state;
    world_make(&w);
    const vouch_span chain[] = { vch_buffer_span(&w.issuer.leaf), vch_buffer_span(&w.issuer.ca),
                                 vch_buffer_span(&w.issuer.root) };
    const vch_jwks_entry entry = { ISSUER_KID, chain, 3 };
    jwks = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
    return vch_jwks_build(&entry, 1, &jwks, NULL) == VOUCH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    vch_buffer_drop(&jwks);
    world_drop(&w);
    return 0;
}

static vch_issuer_keys *make(const vch_token_issuer *issuers, size_t count)
{
    vouch_error err = { 0 };
    vch_issuer_keys *k = NULL;
    CHECK_OK(vch_issuer_keys_new(issuers, count, (vouch_span) { 0 }, NULL, &k, &err), &err);
    return k;
}

static void a_bad_answer_leaves_the_old_keys_in_place(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    const vch_token_issuer one = { .base_url = "https://avs.example" };
    vch_issuer_keys *k = make(&one, 1);
    VCH_SCOPED(vch_issuer_text_drop) vch_issuer_text text = { 0 };
    CHECK_OK(vch_issuer_keys_text(k, &text, &err), &err);
    CHECK(text.jwks.size == 0 && text.crl_count == 0);
    CHECK_OK(vch_issuer_keys_put(k, vch_buffer_span(&jwks), w.issuer.crls, 2, &err), &err);
    CHECK(vch_issuer_keys_put(k, vch_span_str("{\"keys\": 1}"), w.issuer.crls, 2, NULL)
          != VOUCH_OK);
    CHECK_OK(vch_issuer_keys_text(k, &text, &err), &err);
    CHECK(vch_span_equal(vch_buffer_span(&text.jwks), vch_buffer_span(&jwks)));
    CHECK(text.crl_count == 2 && vch_span_equal(vch_buffer_span(&text.crl[1]), w.issuer.crls[1]));
    vch_issuer_keys_free(k);
}

static vouch_token_reason first_reason(vch_issuer_keys *k, vouch_span token)
{
    vouch_error err = { 0 };
    vouch_token_verdict *v = NULL;
    const char *sentence = NULL;
    const vouch_token_expectation e = { .now_unix_s = ISSUER_NOW,
                                        .nonce_any = true,
                                        .held_data_any = true };
    CHECK_OK(vch_issuer_keys_judge(k, token, &e, &v, &err), &err);
    CHECK(v != NULL && !vouch_token_verdict_admits(v));
    vouch_token_reason reason = vouch_token_verdict_reason(v, 0, &sentence);
    vouch_token_verdict_free(v);
    return reason;
}

static void each_issuer_is_held_to_its_own_root(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    world_evidence evidence;
    world_token parts;
    vch_token_issuer issuers[2] = { { .base_url = "https://a.example", .root = { 1 } },
                                    { .base_url = WORLD_ISSUER } };
    VCH_SCOPED(vch_buffer_drop) vch_buffer token = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    world_evidence_begin(&w, WORLD_COL1, &evidence);
    world_issue(&w, &evidence);
    world_token_usual(&evidence, &parts);
    world_token_make(&w, &evidence, &parts, &token);
    memcpy(issuers[1].root, w.issuer.root_sha256, 32);
    vch_issuer_keys *k = make(issuers, 1);
    CHECK_OK(vch_issuer_keys_put(k, vch_buffer_span(&jwks), w.issuer.crls, 2, &err), &err);
    CHECK(first_reason(k, vch_buffer_span(&token)) == VOUCH_TOKEN_ROOT);
    vch_issuer_keys_free(k);
    k = make(issuers, 2); /* the second one's root holds: what the token says is what is left */
    CHECK_OK(vch_issuer_keys_put(k, vch_buffer_span(&jwks), w.issuer.crls, 2, &err), &err);
    CHECK(first_reason(k, vch_buffer_span(&token)) == VOUCH_TOKEN_SIMULATED);
    vch_issuer_keys_free(k);
    world_evidence_drop(&evidence);
}

static void a_token_must_name_the_nonce_of_its_request(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    world_evidence evidence;
    world_token parts;
    vch_token_issuer avs = { .base_url = WORLD_ISSUER };
    VCH_SCOPED(vch_buffer_drop) vch_buffer token = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer bare = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    world_evidence_begin(&w, WORLD_COL1, &evidence);
    world_issue(&w, &evidence);
    world_token_usual(&evidence, &parts);
    world_token_make(&w, &evidence, &parts, &token);
    parts.no_nonce = true;
    world_token_make(&w, &evidence, &parts, &bare);
    memcpy(avs.root, w.issuer.root_sha256, 32);
    vch_issuer_keys *k = make(&avs, 1);
    const vouch_span val = vch_span_str(WORLD_NONCE_VAL);
    const vouch_span iat = vch_span_str(WORLD_NONCE_IAT);
    const vouch_span text = vch_buffer_span(&token);
    CHECK_OK(vch_issuer_keys_put(k, vch_buffer_span(&jwks), w.issuer.crls, 2, &err), &err);
    CHECK_OK(vch_issuer_keys_check_echo(k, text, val, iat, ISSUER_NOW, &err), &err);
    CHECK(vch_issuer_keys_check_echo(k, text, iat, iat, ISSUER_NOW, NULL) == VOUCH_E_REFUSED);
    CHECK(vch_issuer_keys_check_echo(k, text, val, val, ISSUER_NOW, NULL) == VOUCH_E_REFUSED);
    CHECK(vch_issuer_keys_check_echo(k, vch_buffer_span(&bare), val, iat, ISSUER_NOW, NULL)
          == VOUCH_E_REFUSED);
    CHECK(vch_issuer_keys_check_echo(k, vch_span_str("a.b.c"), val, iat, ISSUER_NOW, NULL)
          == VOUCH_E_REFUSED);
    vch_issuer_keys_free(k);
    world_evidence_drop(&evidence);
}

static void keys_without_crls_make_no_token_count(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    world_evidence evidence;
    world_token parts;
    vch_token_issuer avs = { .base_url = WORLD_ISSUER };
    VCH_SCOPED(vch_buffer_drop) vch_buffer token = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    world_evidence_begin(&w, WORLD_COL1, &evidence);
    world_issue(&w, &evidence);
    world_token_usual(&evidence, &parts);
    world_token_make(&w, &evidence, &parts, &token);
    memcpy(avs.root, w.issuer.root_sha256, 32);
    vch_issuer_keys *k = make(&avs, 1);
    CHECK_OK(vch_issuer_keys_put(k, vch_buffer_span(&jwks), NULL, 0, &err), &err);
    CHECK(first_reason(k, vch_buffer_span(&token)) == VOUCH_TOKEN_REVOKED);
    vouch_span many[VCH_ISSUER_CRLS_MAX + 1];
    for (size_t i = 0; i <= VCH_ISSUER_CRLS_MAX; i++)
        many[i] = w.issuer.crls[0];
    CHECK(vch_issuer_keys_put(k, vch_buffer_span(&jwks), many, VCH_ISSUER_CRLS_MAX + 1, &err)
          == VOUCH_E_LIMIT);
    vch_issuer_keys_free(k);
    world_evidence_drop(&evidence);
}

static void without_any_keys_there_is_no_verdict(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vouch_token_verdict *v = NULL;
    const vouch_token_expectation e = { .now_unix_s = ISSUER_NOW };
    vch_issuer_keys *none = make(NULL, 0);
    CHECK_OK(vch_issuer_keys_judge(none, vch_span_str("a.b.c"), &e, &v, &err), &err);
    CHECK(v == NULL);
    vch_issuer_keys_free(none);
}

static void an_issuer_that_cannot_be_reached_is_an_error(void **state)
{
    (void)state;
    const vch_token_issuer nobody = { .base_url = "https://127.0.0.1:1" };
    vch_issuer_keys *k = make(&nobody, 1);
    vouch_error err = { 0 };
    CHECK(vch_issuer_keys_fetch(k, ISSUER_NOW, &err) == VOUCH_E_NETWORK && err.depth > 0);
    vch_issuer_keys_free(k);
}

/* At a start: the issuer is away, and what it published before is at hand. */
static void where_nobody_answers_what_was_kept_is_judged_with_until_somebody_does(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char dir[VCH_PATH_SIZE];
    vch_token_issuer nobody = { .base_url = "https://127.0.0.1:1/" };
    memcpy(nobody.root, w.issuer.root_sha256, 32);
    VCH_SCOPED(vch_issuer_text_drop) vch_issuer_text text = { 0 };
    vch_issuer_keys *k = NULL;
    CHECK_OK(vch_dir_make_temporary(NULL, "vouch-issuer-keys-", dir, &err), &err);
    CHECK_OK(vch_issuer_keys_new(&nobody, 1, (vouch_span) { 0 }, dir, &k, &err), &err);
    CHECK(vch_issuer_keys_fetch(k, ISSUER_NOW, &err) == VOUCH_E_NETWORK); /* nothing is kept */
    CHECK_OK(vch_issuer_cache_put(dir, "https://127.0.0.1:1/certs", vch_buffer_span(&jwks),
                                  ISSUER_NOW - 86400, &err),
             &err);
    CHECK(vch_issuer_keys_fetch(k, ISSUER_NOW, &err) == VOUCH_E_NETWORK); /* no CRLs */
    CHECK_OK(vch_issuer_cache_put(dir, "http://127.0.0.1/crl/root.der", w.issuer.crls[0],
                                  ISSUER_NOW - 86400, &err),
             &err);
    CHECK_OK(vch_issuer_cache_put(dir, "http://127.0.0.1/crl/ca.der", w.issuer.crls[1],
                                  ISSUER_NOW - 86400, &err),
             &err);
    CHECK_OK(vch_issuer_keys_fetch(k, ISSUER_NOW, &err), &err);
    CHECK_OK(vch_issuer_keys_text(k, &text, &err), &err);
    CHECK(vch_span_equal(vch_buffer_span(&text.jwks), vch_buffer_span(&jwks)));
    CHECK(text.crl_count == 2 && vch_span_equal(vch_buffer_span(&text.crl[1]), w.issuer.crls[0]));
    world_evidence evidence;
    world_token parts;
    VCH_SCOPED(vch_buffer_drop) vch_buffer token = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    world_evidence_begin(&w, WORLD_COL1, &evidence);
    world_issue(&w, &evidence);
    world_token_usual(&evidence, &parts);
    world_token_make(&w, &evidence, &parts, &token);
    CHECK(first_reason(k, vch_buffer_span(&token))
          == VOUCH_TOKEN_SIMULATED); /* key and CRLs hold */
    world_evidence_drop(&evidence);
    CHECK_OK(vch_issuer_keys_refresh(k, ISSUER_NOW + VCH_ISSUER_REFETCH_S - 1, &err), &err);
    CHECK(vch_issuer_keys_refresh(k, ISSUER_NOW + VCH_ISSUER_REFETCH_S, &err) == VOUCH_E_NETWORK);
    vch_issuer_text_drop(&text);
    CHECK_OK(vch_issuer_keys_text(k, &text, &err), &err); /* what is held goes on to count */
    CHECK(text.crl_count == 2);
    vch_issuer_keys_free(k);
    CHECK_OK(vch_dir_remove_tree(dir, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bad_answer_leaves_the_old_keys_in_place),
        TEST(each_issuer_is_held_to_its_own_root),
        TEST(a_token_must_name_the_nonce_of_its_request),
        TEST(keys_without_crls_make_no_token_count),
        TEST(without_any_keys_there_is_no_verdict),
        TEST(an_issuer_that_cannot_be_reached_is_an_error),
        TEST(where_nobody_answers_what_was_kept_is_judged_with_until_somebody_does),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
