/*
 * Every case of the quote corpus through the library: result, status, advisories, and a refusal that
 * says why. (e2e/corpus asks the same of the program.)
 */
#include <string.h>

#include "codec/json.h"
#include "corpus.h"
#include "vouch/verifier.h"

#define MANIFEST_MAX_SIZE ((size_t)4 << 20)

static const char *const part_names[] = { "tcb_info",    "tcb_info_issuer_chain",
                                          "qe_identity", "qe_identity_issuer_chain",
                                          "pck_crl",     "root_ca_crl",
                                          "pck_chain" };
#define PART_COUNT (sizeof part_names / sizeof *part_names)

static vch_json *read_manifest(void)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/quotes/manifest.json", VCH_TEST_VECTORS);
    FILE *file = fopen(path, "rb");
    uint8_t *text = malloc(MANIFEST_MAX_SIZE);
    CHECK(file != NULL && text != NULL);
    size_t size = fread(text, 1, MANIFEST_MAX_SIZE, file);
    (void)fclose(file);
    vch_json *manifest = NULL;
    vouch_error err = { 0 };
    const vch_json_limits limits = { MANIFEST_MAX_SIZE, 16 };
    CHECK_OK(vch_json_parse((vouch_span) { text, size }, &limits, &manifest, &err), &err);
    free(text);
    return manifest;
}

static const char *text_of(const vch_json *object, const char *name)
{
    const vch_json *value = vch_json_member(object, name);
    return value == NULL ? "" : vch_json_text(value);
}

static vouch_span file_of(const vch_json *files, const char *name)
{
    const char *path = text_of(files, name);
    return path[0] == '\0' ? (vouch_span) { 0 } : corpus_read(path);
}

static void expect_ids(const char *id, const vch_json *want, const char *const *ids, size_t count)
{
    if (want == NULL)
        return;
    if (vch_json_count(want) != count)
        fail_msg("%s: %zu advisories, expected %zu", id, count, vch_json_count(want));
    for (size_t i = 0; i < count; i++)
        assert_string_equal(ids[i], vch_json_text(vch_json_at(want, i)));
}

static void expect_verdict(const char *id, const vch_json *want, const vouch_appraisal *a)
{
    const vouch_claims *c = vouch_appraisal_claims(a);
    bool genuine = strcmp(text_of(want, "result"), "ok") == 0;
    if (vouch_appraisal_is_genuine(a) != genuine)
        fail_msg("%s: %s", id, genuine ? vouch_appraisal_reason(a, 0).message : "accepted");
    CHECK((vouch_appraisal_reason_count(a) == 0) == genuine);
    for (size_t i = 0; i < vouch_appraisal_reason_count(a); i++) {
        vouch_reason r = vouch_appraisal_reason(a, i);
        CHECK(r.step[0] != 0 && r.code[0] != 0 && r.message[0] != 0);
        CHECK(r.expected[0] != 0 && r.actual[0] != 0);
        CHECK(strcmp(r.code, "internal") != 0); /* a check that says nothing of itself */
    }
    if (!genuine) {
        CHECK(c->tcb_status == VOUCH_TCB_NONE);
        return;
    }
    assert_string_equal(vouch_tcb_status_name(c->tcb_status), text_of(want, "tcb_status"));
    expect_ids(id, vch_json_member(want, "advisory_ids"), c->advisory_ids, c->advisory_count);
    expect_ids(id, vch_json_member(want, "current_advisory_ids"), c->current_advisory_ids,
               c->current_advisory_count);
    const char *current = text_of(want, "current_tcb_status");
    if (current[0] != '\0')
        assert_string_equal(vouch_tcb_status_name(c->current_tcb_status), current);
}

/* Without a cache, into one, and out of it. */
static void run_case(const vch_json *one, vouch_cache *cache)
{
    const vch_json *files = vch_json_member(one, "files");
    const char *id = text_of(one, "id");
    vouch_span parts[PART_COUNT];
    for (size_t i = 0; i < PART_COUNT; i++)
        parts[i] = file_of(files, part_names[i]);
    const vouch_collateral_parts set = { parts[0], parts[1], parts[2], parts[3],
                                         parts[4], parts[5], parts[6] };
    vouch_span root = file_of(files, "root_ca");
    vouch_span quote = file_of(files, "quote");
    const vouch_verifier_options options = { .roots = &root, .root_count = 1 };
    vouch_verifier *verifier = NULL;
    vouch_collateral *collateral = NULL;
    vouch_error err = { 0 };
    int64_t at = 0;
    CHECK(vch_json_to_int(vch_json_member(one, "time"), &at));
    CHECK_OK(vouch_verifier_new(&options, &verifier, &err), &err);
    CHECK_OK(vouch_collateral_parse(&set, &collateral, &err), &err);
    for (int i = 0; i < 3; i++) {
        vouch_appraisal *a = NULL;
        const vouch_request r = { .quote = quote,
                                  .collateral = collateral,
                                  .now_unix_s = at,
                                  .cache = i == 0 ? NULL : cache };
        CHECK_OK(vouch_verifier_appraise(verifier, &r, &a, &err), &err);
        expect_verdict(id, vch_json_member(one, "expected"), a);
        vouch_appraisal_free(a);
    }
    vouch_collateral_free(collateral);
    vouch_verifier_free(verifier);
    for (size_t i = 0; i < PART_COUNT; i++)
        corpus_free(parts[i]);
    corpus_free(root);
    corpus_free(quote);
}

static void every_case_has_its_verdict_with_and_without_a_shared_cache(void **state)
{
    (void)state;
    vch_json *manifest = read_manifest();
    const vch_json *cases = vch_json_member(manifest, "cases");
    vouch_cache *cache = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vouch_cache_new(64, &cache, &err), &err); /* one for all: no verdict serves another */
    CHECK(vch_json_count(cases) == 493);
    for (size_t i = 0; i < vch_json_count(cases); i++)
        run_case(vch_json_at(cases, i), cache);
    vouch_cache_free(cache);
    vch_json_free(manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_case_has_its_verdict_with_and_without_a_shared_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
