/* The simulated vendor before the strict verifier: its quotes and collateral have to pass it. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "crypto/pem.h"
#include "host/file.h"
#include "sim/platform.h"
#include "sim/quote_make.h"
#include "vouch/verifier.h"

#define NOW INT64_C(1795000000)
#define PART_MAX_SIZE ((size_t)256 << 10)

VCH_DEFINE_DROP(verifier_drop, vouch_verifier, vouch_verifier_free)
VCH_DEFINE_DROP(appraisal_drop, vouch_appraisal, vouch_appraisal_free)

typedef struct scene {
    char dir[VCH_PATH_SIZE];
    vch_buffer files[7]; /* six of collateral, and the root */
    vouch_collateral *collateral;
    vouch_verifier *verifier;
    vch_sim_platform *platform;
} scene;

static void scene_drop(scene *s)
{
    for (size_t i = 0; i < 7; i++)
        vch_buffer_drop(&s->files[i]);
    vouch_collateral_free(s->collateral);
    vouch_verifier_free(s->verifier);
    vch_sim_platform_free(s->platform);
    CHECK(vch_dir_remove_tree(s->dir, NULL) == VOUCH_OK);
}

static void read_files(scene *s)
{
    static const char *const names[7] = { "collateral/tcb_info.json",
                                          "collateral/tcb_info_issuer_chain.pem",
                                          "collateral/qe_identity.json",
                                          "collateral/qe_identity_issuer_chain.pem",
                                          "collateral/pck_crl.der",
                                          "collateral/root_ca_crl.der",
                                          "root.pem" };
    vouch_error err = { 0 };
    for (size_t i = 0; i < 7; i++) {
        char path[VCH_PATH_SIZE];
        s->files[i] = vch_buffer_with_cap(PART_MAX_SIZE);
        CHECK_OK(vch_path_join(s->dir, names[i], path, &err), &err);
        CHECK_OK(vch_file_read(path, PART_MAX_SIZE, &s->files[i], &err), &err);
    }
}

static scene make_scene(const vch_sim_platform_options *options)
{
    scene s = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_dir_make_temporary(NULL, "appraisal-test-", s.dir, &err), &err);
    CHECK_OK(vch_sim_platform_create(s.dir, options, &err), &err);
    CHECK_OK(vch_sim_platform_open(s.dir, &s.platform, &err), &err);
    read_files(&s);
    const vouch_collateral_parts parts = {
        .tcb_info = vch_buffer_span(&s.files[0]),
        .tcb_info_issuer_chain = vch_buffer_span(&s.files[1]),
        .qe_identity = vch_buffer_span(&s.files[2]),
        .qe_identity_issuer_chain = vch_buffer_span(&s.files[3]),
        .pck_crl = vch_buffer_span(&s.files[4]),
        .root_ca_crl = vch_buffer_span(&s.files[5]),
    };
    CHECK_OK(vouch_collateral_parse(&parts, &s.collateral, &err), &err);
    const vouch_span root = vch_buffer_span(&s.files[6]);
    const vouch_verifier_options trust = { .roots = &root, .root_count = 1 };
    CHECK_OK(vouch_verifier_new(&trust, &s.verifier, &err), &err);
    return s;
}

static vch_sim_platform_options options(vouch_tee tee, vouch_tcb_status status)
{
    return (vch_sim_platform_options) { .tee = tee, .status = status, .now_unix_s = NOW };
}

static vch_sim_quote_options quote_options(void)
{
    vch_sim_quote_options o = { 0 };
    memset(o.measurement.mrenclave, 0x11, sizeof o.measurement.mrenclave);
    memset(o.measurement.mrtd, 0x22, sizeof o.measurement.mrtd);
    memset(o.report_data, 0x33, sizeof o.report_data);
    return o;
}

static vch_buffer make_quote(const scene *s, const vch_sim_quote_options *o)
{
    vouch_error err = { 0 };
    vch_buffer quote = vch_buffer_with_cap(VCH_SIM_QUOTE_MAX_SIZE);
    CHECK_OK(vch_sim_quote_make(s->platform, o, &quote, &err), &err);
    return quote;
}

static vouch_appraisal *appraise_at(const scene *s, const vouch_verifier *verifier,
                                    vouch_span quote, int64_t now)
{
    vouch_error err = { 0 };
    vouch_appraisal *appraisal = NULL;
    const vouch_request request = { .quote = quote,
                                    .collateral = s->collateral,
                                    .now_unix_s = now };
    CHECK_OK(vouch_verifier_appraise(verifier, &request, &appraisal, &err), &err);
    return appraisal;
}

static void expect_genuine(const vouch_appraisal *a)
{
    for (size_t i = 0; !vouch_appraisal_is_genuine(a) && i < vouch_appraisal_reason_count(a); i++) {
        vouch_reason r = vouch_appraisal_reason(a, i);
        printf("# %s %s: %s (expected %s, found %s)\n", r.step, r.code, r.message, r.expected,
               r.actual);
    }
    CHECK(vouch_appraisal_is_genuine(a));
}

static const char *first_code(const vouch_appraisal *a)
{
    return vouch_appraisal_reason(a, 0).code;
}

static void an_sgx_quote_is_genuine_simulated_and_says_what_was_measured(void **state)
{
    (void)state;
    const vch_sim_platform_options o = options(VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE);
    VCH_SCOPED(scene_drop) scene s = make_scene(&o);
    const vch_sim_quote_options q = quote_options();
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = make_quote(&s, &q);
    VCH_SCOPED(appraisal_drop)
    vouch_appraisal *a = appraise_at(&s, s.verifier, vch_buffer_span(&quote), NOW);
    expect_genuine(a);
    const vouch_claims *c = vouch_appraisal_claims(a);
    CHECK(c->tee == VOUCH_TEE_SGX && c->quote_version == 3 && c->simulated && !c->debug);
    CHECK(c->tcb_status == VOUCH_TCB_UP_TO_DATE && c->advisory_count == 0);
    CHECK(memcmp(c->sgx.mrenclave, q.measurement.mrenclave, 32) == 0);
    CHECK(memcmp(c->sgx.mrsigner, vch_sim_mrsigner, 32) == 0);
    CHECK(memcmp(c->report_data, q.report_data, 64) == 0);
    CHECK(c->has_platform && c->has_piid && memcmp(c->piid, s.platform->piid, 16) == 0);
    CHECK(memcmp(c->ppid, s.platform->ppid, 16) == 0);
    CHECK(c->smt_enabled == VOUCH_FLAG_NO);
}

static void a_tdx_quote_is_genuine_in_version_4_and_5(void **state)
{
    (void)state;
    const vch_sim_platform_options o = options(VOUCH_TEE_TDX, VOUCH_TCB_UP_TO_DATE);
    VCH_SCOPED(scene_drop) scene s = make_scene(&o);
    for (unsigned i = 0; i < 2; i++) {
        vch_sim_quote_options q = quote_options();
        q.td_report_1_5 = i == 1;
        VCH_SCOPED(vch_buffer_drop) vch_buffer quote = make_quote(&s, &q);
        VCH_SCOPED(appraisal_drop)
        vouch_appraisal *a = appraise_at(&s, s.verifier, vch_buffer_span(&quote), NOW);
        expect_genuine(a);
        const vouch_claims *c = vouch_appraisal_claims(a);
        CHECK(c->tee == VOUCH_TEE_TDX && c->quote_version == 4 + i && c->simulated && !c->debug);
        CHECK(c->tcb_status == VOUCH_TCB_UP_TO_DATE);
        CHECK(memcmp(c->tdx.mrtd, q.measurement.mrtd, 48) == 0);
        CHECK(c->tdx.td_attributes == VOUCH_TD_ATTRIBUTE_SEPT_VE_DISABLE);
    }
}

static void a_debug_enclave_shows_it(void **state)
{
    (void)state;
    for (vouch_tee tee = VOUCH_TEE_SGX; tee <= VOUCH_TEE_TDX; tee++) {
        const vch_sim_platform_options o = options(tee, VOUCH_TCB_UP_TO_DATE);
        VCH_SCOPED(scene_drop) scene s = make_scene(&o);
        vch_sim_quote_options q = quote_options();
        q.debug = true;
        VCH_SCOPED(vch_buffer_drop) vch_buffer quote = make_quote(&s, &q);
        VCH_SCOPED(appraisal_drop)
        vouch_appraisal *a = appraise_at(&s, s.verifier, vch_buffer_span(&quote), NOW);
        expect_genuine(a);
        CHECK(vouch_appraisal_claims(a)->debug);
    }
}

static void every_platform_status_can_be_had_with_its_advisories(void **state)
{
    (void)state;
    static const char *const advisories[] = { "INTEL-SA-00615", "INTEL-SA-00828" };
    for (vouch_tcb_status status = VOUCH_TCB_UP_TO_DATE; status <= VOUCH_TCB_REVOKED; status++) {
        if (status == VOUCH_TCB_TD_RELAUNCH_ADVISED
            || status == VOUCH_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED)
            continue; /* no status of a level: it follows from two */
        vch_sim_platform_options o =
            options(status % 2 == 0 ? VOUCH_TEE_TDX : VOUCH_TEE_SGX, status);
        o.advisories = advisories;
        o.advisory_count = 2;
        VCH_SCOPED(scene_drop) scene s = make_scene(&o);
        const vch_sim_quote_options q = quote_options();
        VCH_SCOPED(vch_buffer_drop) vch_buffer quote = make_quote(&s, &q);
        VCH_SCOPED(appraisal_drop)
        vouch_appraisal *a = appraise_at(&s, s.verifier, vch_buffer_span(&quote), NOW);
        const vouch_claims *c = vouch_appraisal_claims(a);
        CHECK(c->tcb_status == status);
        CHECK(c->advisory_count == 2 && strcmp(c->advisory_ids[0], "INTEL-SA-00615") == 0);
    }
}

static void a_revoked_platform_or_intermediate_is_refused(void **state)
{
    (void)state;
    for (vch_sim_revoke revoke = VCH_SIM_REVOKE_PCK; revoke <= VCH_SIM_REVOKE_INTERMEDIATE;
         revoke++) {
        vch_sim_platform_options o = options(VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE);
        o.revoke = revoke;
        VCH_SCOPED(scene_drop) scene s = make_scene(&o);
        const vch_sim_quote_options q = quote_options();
        VCH_SCOPED(vch_buffer_drop) vch_buffer quote = make_quote(&s, &q);
        VCH_SCOPED(appraisal_drop)
        vouch_appraisal *a = appraise_at(&s, s.verifier, vch_buffer_span(&quote), NOW);
        CHECK(!vouch_appraisal_is_genuine(a));
        CHECK(strstr(first_code(a), "revoked") != NULL);
    }
}

static void expired_collateral_is_refused_for_its_date_only(void **state)
{
    (void)state;
    vch_sim_platform_options o = options(VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE);
    o.expired = true;
    VCH_SCOPED(scene_drop) scene s = make_scene(&o);
    const vch_sim_quote_options q = quote_options();
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = make_quote(&s, &q);
    VCH_SCOPED(appraisal_drop)
    vouch_appraisal *now = appraise_at(&s, s.verifier, vch_buffer_span(&quote), NOW);
    CHECK(!vouch_appraisal_is_genuine(now));
    CHECK(strstr(first_code(now), "expired") != NULL);
    VCH_SCOPED(appraisal_drop)
    vouch_appraisal *then =
        appraise_at(&s, s.verifier, vch_buffer_span(&quote), NOW - INT64_C(45) * 86400);
    expect_genuine(then);
}

static void nobody_trusts_the_simulation_by_default(void **state)
{
    (void)state;
    const vch_sim_platform_options o = options(VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE);
    VCH_SCOPED(scene_drop) scene s = make_scene(&o);
    const vch_sim_quote_options q = quote_options();
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = make_quote(&s, &q);
    VCH_SCOPED(verifier_drop) vouch_verifier *intel = NULL;
    const vouch_verifier_options defaults = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vouch_verifier_new(&defaults, &intel, &err), &err);
    VCH_SCOPED(appraisal_drop)
    vouch_appraisal *a = appraise_at(&s, intel, vch_buffer_span(&quote), NOW);
    CHECK(!vouch_appraisal_is_genuine(a));
    CHECK(vouch_appraisal_reason_count(a) > 0);
}

/* Every byte of a quote is signed, or is a length, a signature, or inside a certificate. */
static void a_byte_flipped_anywhere_is_refused_with_a_reason(void **state)
{
    (void)state;
    for (vouch_tee tee = VOUCH_TEE_SGX; tee <= VOUCH_TEE_TDX; tee++) {
        const vch_sim_platform_options o = options(tee, VOUCH_TCB_UP_TO_DATE);
        VCH_SCOPED(scene_drop) scene s = make_scene(&o);
        const vch_sim_quote_options q = quote_options();
        VCH_SCOPED(vch_buffer_drop) vch_buffer quote = make_quote(&s, &q);
        size_t survived = 0;
        for (size_t i = 0; i < quote.size; i++) {
            quote.data[i] ^= 0x04;
            VCH_SCOPED(appraisal_drop)
            vouch_appraisal *a = appraise_at(&s, s.verifier, vch_buffer_span(&quote), NOW);
            quote.data[i] ^= 0x04;
            survived += vouch_appraisal_is_genuine(a) ? 1 : 0;
            CHECK(vouch_appraisal_is_genuine(a) || vouch_appraisal_reason_count(a) > 0);
        }
        if (survived != 0)
            fail_msg("%zu flipped bytes of %zu were not noticed", survived, quote.size);
    }
}

static void a_quote_under_another_platforms_collateral_is_refused(void **state)
{
    (void)state;
    const vch_sim_platform_options o = options(VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE);
    VCH_SCOPED(scene_drop) scene mine = make_scene(&o);
    VCH_SCOPED(scene_drop) scene other = make_scene(&o); /* another vendor, the same names */
    const vch_sim_quote_options q = quote_options();
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = make_quote(&mine, &q);
    VCH_SCOPED(appraisal_drop)
    vouch_appraisal *a = appraise_at(&other, other.verifier, vch_buffer_span(&quote), NOW);
    CHECK(!vouch_appraisal_is_genuine(a));
    VCH_SCOPED(appraisal_drop)
    vouch_appraisal *b = appraise_at(&other, mine.verifier, vch_buffer_span(&quote), NOW);
    CHECK(!vouch_appraisal_is_genuine(b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_sgx_quote_is_genuine_simulated_and_says_what_was_measured),
        TEST(a_tdx_quote_is_genuine_in_version_4_and_5),
        TEST(a_debug_enclave_shows_it),
        TEST(every_platform_status_can_be_had_with_its_advisories),
        TEST(a_revoked_platform_or_intermediate_is_refused),
        TEST(expired_collateral_is_refused_for_its_date_only),
        TEST(nobody_trusts_the_simulation_by_default),
        TEST(a_byte_flipped_anywhere_is_refused_with_a_reason),
        TEST(a_quote_under_another_platforms_collateral_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
