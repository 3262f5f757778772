#include "policy/policy.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "check.h"

#define HEX32 "1111111111111111111111111111111111111111111111111111111111111111"
#define HEX48 HEX32 "11111111111111111111111111111111"
#define OTHER32 "22222222222222222222222222222222222222222222222222222222222222aa"
#define ROOT32 "3333333333333333333333333333333333333333333333333333333333333333"
#define NOW INT64_C(1796115600) /* 2026-12-01T09:00:00Z */

static vouch_policy *parse(const char *yaml)
{
    vouch_policy *policy = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vouch_policy_parse("p.yaml", vch_span_str(yaml), &policy, &err), &err);
    return policy;
}

/* A genuine, up-to-date enclave of measurement 11…, on a platform of FMSPC 00906ed50000. */
static vouch_claims good_sgx(void)
{
    vouch_claims c = { .tee = VOUCH_TEE_SGX,
                       .has_platform = true,
                       .has_piid = true,
                       .fmspc = { 0x00, 0x90, 0x6e, 0xd5 },
                       .piid = { 5, 5 },
                       .ppid = { 6, 6 },
                       .smt_enabled = VOUCH_FLAG_NO,
                       .dynamic_platform = VOUCH_FLAG_NO,
                       .cached_keys = VOUCH_FLAG_NO,
                       .tcb_status = VOUCH_TCB_UP_TO_DATE,
                       .current_tcb_status = VOUCH_TCB_UP_TO_DATE,
                       .tcb_date_unix_s = 1700000000,
                       .evaluation_number = 17,
                       .earliest_expiry_unix_s = NOW };
    memset(c.sgx.mrenclave, 0x11, sizeof c.sgx.mrenclave);
    memset(c.sgx.mrsigner, 0x11, sizeof c.sgx.mrsigner);
    memset(c.root_sha256, 0x33, sizeof c.root_sha256);
    c.sgx.attribute_flags = VOUCH_SGX_ATTRIBUTE_INIT;
    c.sgx.isv_prod_id = 1;
    c.sgx.isv_svn = 3;
    return c;
}

static vouch_claims good_tdx(void)
{
    vouch_claims c = good_sgx();
    c.tee = VOUCH_TEE_TDX;
    memset(c.tdx.mrtd, 0x11, sizeof c.tdx.mrtd);
    memset(c.tdx.rtmr, 0x11, sizeof c.tdx.rtmr);
    memset(c.tdx.mrconfigid, 0x11, sizeof c.tdx.mrconfigid);
    c.tdx.body_type = 2;
    c.tdx.td_attributes = VOUCH_TD_ATTRIBUTE_SEPT_VE_DISABLE;
    return c;
}

/* Judge; "" if it admits, otherwise the codes of the reasons, each followed by a blank. */
static const char *codes(const vouch_policy *policy, const vouch_claims *claims,
                         char out[static 256])
{
    vch_reasons reasons = { 0 };
    bool admits = vch_policy_judge(policy, claims, NOW, &reasons);
    CHECK(admits == !vch_reasons_any(&reasons));
    out[0] = 0;
    for (size_t i = 0; i < reasons.count; i++) {
        assert_string_equal(reasons.list[i].step, "policy");
        CHECK(reasons.list[i].message[0] != 0);
        CHECK(reasons.list[i].expected[0] != 0 && reasons.list[i].actual[0] != 0);
        size_t used = strlen(out);
        (void)snprintf(out + used, 256 - used, "%s ", reasons.list[i].code);
    }
    vch_reasons_drop(&reasons);
    return out;
}

static void check_codes(const char *yaml, const vouch_claims *claims, const char *want)
{
    char got[256];
    VCH_SCOPED(vch_policy_drop) vouch_policy *policy = parse(yaml);
    assert_string_equal(codes(policy, claims, got), want);
}

static void an_empty_policy_admits_nobody(void **state)
{
    (void)state;
    vouch_claims c = good_sgx();
    check_codes("", &c, "no_measurements ");
    check_codes("{}", &c, "no_measurements ");
    check_codes("measurements: []", &c, "no_measurements ");
    char got[256];
    assert_string_equal(codes(NULL, &c, got), "no_policy ");
    vouch_claims nothing = { 0 };
    VCH_SCOPED(vch_policy_drop)
    vouch_policy *policy = parse("measurements: [{mrenclave: " HEX32 "}]");
    assert_string_equal(codes(policy, &nothing, got), "tee measurement tcb_status root ");
}

#define ALLOW "measurements: [{mrenclave: " HEX32 "}]\n"

static void a_listed_measurement_is_admitted_and_no_other(void **state)
{
    (void)state;
    vouch_claims c = good_sgx();
    check_codes(ALLOW, &c, "");
    check_codes("measurements: [{mrenclave: " OTHER32 "}, {mrenclave: " HEX32 "}]", &c, "");
    check_codes("measurements: [{mrenclave: " OTHER32 "}]", &c, "measurement ");
    c.sgx.mrenclave[31] ^= 1;
    check_codes(ALLOW, &c, "measurement ");
    vouch_claims tdx = good_tdx();
    memset(tdx.sgx.mrenclave, 0x11, 32); /* means nothing in a TDX quote */
    check_codes(ALLOW, &tdx, "measurement ");
}

#define SIGNER "measurements: [{mrsigner: " HEX32 ", prod_id: 1, min_svn: 3}]\n"

static void a_signer_counts_with_its_product_and_version(void **state)
{
    (void)state;
    vouch_claims c = good_sgx();
    c.sgx.mrenclave[0] = 9;
    check_codes(SIGNER, &c, "");
    c.sgx.isv_svn = 4;
    check_codes(SIGNER, &c, "");
    c.sgx.isv_svn = 2;
    check_codes(SIGNER, &c, "measurement ");
    c.sgx.isv_svn = 3;
    c.sgx.isv_prod_id = 2;
    check_codes(SIGNER, &c, "measurement ");
    c.sgx.isv_prod_id = 1;
    c.sgx.mrsigner[5] ^= 0x80;
    check_codes(SIGNER, &c, "measurement ");
    /* all that stands in one line must hold */
    c = good_sgx();
    const char *both =
        "measurements: [{mrenclave: " HEX32 ", mrsigner: " HEX32 ", prod_id: 1, min_svn: 3}]";
    check_codes(both, &c, "");
    c.sgx.isv_svn = 2;
    check_codes(both, &c, "measurement ");
}

static void each_register_of_a_td_counts(void **state)
{
    (void)state;
    const char *yaml = "measurements: [{mrtd: " HEX48 ", rtmr0: " HEX48 ", rtmr1: " HEX48
                       ", rtmr2: " HEX48 ", rtmr3: " HEX48 ", mrconfigid: " HEX48 "}]";
    vouch_claims c = good_tdx();
    check_codes(yaml, &c, "");
    for (size_t i = 0; i < 4; i++) {
        c = good_tdx();
        c.tdx.rtmr[i][47] ^= 1;
        check_codes(yaml, &c, "measurement ");
        check_codes("measurements: [{mrtd: " HEX48 "}]", &c, "");
    }
    c = good_tdx();
    c.tdx.mrtd[0] ^= 1;
    check_codes(yaml, &c, "measurement ");
    c = good_tdx();
    c.tdx.mrconfigid[0] ^= 1;
    check_codes(yaml, &c, "measurement ");
}

static void debug_is_refused_unless_the_policy_says_otherwise(void **state)
{
    (void)state;
    vouch_claims c = good_sgx();
    c.debug = true;
    check_codes(ALLOW, &c, "debug ");
    check_codes(ALLOW "debug: false", &c, "debug ");
    check_codes(ALLOW "debug: true", &c, "");
}

static void only_accepted_statuses_pass_and_revoked_never(void **state)
{
    (void)state;
    vouch_claims c = good_sgx();
    for (int s = VOUCH_TCB_NONE; s <= VOUCH_TCB_REVOKED; s++) {
        c.tcb_status = (vouch_tcb_status)s;
        c.current_tcb_status = c.tcb_status;
        const char *refusal = s == VOUCH_TCB_REVOKED ? "tcb_revoked " : "tcb_status ";
        check_codes(ALLOW, &c, s == VOUCH_TCB_UP_TO_DATE ? "" : refusal);
        check_codes(ALLOW "tcb: {accept: [SWHardeningNeeded, OutOfDate]}", &c,
                    s == VOUCH_TCB_SW_HARDENING_NEEDED || s == VOUCH_TCB_OUT_OF_DATE ? ""
                                                                                     : refusal);
    }
}

static void check_statuses(const char *accept, vouch_tcb_status launch, vouch_tcb_status current,
                           const char *want)
{
    char yaml[512];
    vouch_claims c = good_tdx();
    c.tdx.body_type = 3;
    c.tcb_status = launch;
    c.current_tcb_status = current;
    (void)snprintf(yaml, sizeof yaml, "measurements: [{mrtd: " HEX48 "}]\ntcb: {accept: [%s]}",
                   accept);
    check_codes(yaml, &c, want);
}

static void the_status_of_now_is_judged_beside_that_of_the_launch(void **state)
{
    (void)state;
    const vouch_tcb_status ok = VOUCH_TCB_UP_TO_DATE;
    const vouch_tcb_status relaunch = VOUCH_TCB_TD_RELAUNCH_ADVISED;
    check_statuses("UpToDate", ok, VOUCH_TCB_OUT_OF_DATE, "current_tcb_status ");
    check_statuses("UpToDate, OutOfDate", ok, VOUCH_TCB_OUT_OF_DATE, "");
    check_statuses("UpToDate", ok, VOUCH_TCB_REVOKED, "tcb_revoked ");
    check_statuses("UpToDate", ok, VOUCH_TCB_NONE, "current_tcb_status ");
    check_statuses("UpToDate", relaunch, ok, "tcb_status ");
    check_statuses("TDRelaunchAdvised", relaunch, ok, ""); /* nothing is better than UpToDate */
    check_statuses("TDRelaunchAdvised", relaunch, VOUCH_TCB_SW_HARDENING_NEEDED,
                   "current_tcb_status ");
    check_statuses("TDRelaunchAdvised, SWHardeningNeeded", relaunch, VOUCH_TCB_SW_HARDENING_NEEDED,
                   "");
    check_statuses("UpToDate", VOUCH_TCB_OUT_OF_DATE, VOUCH_TCB_OUT_OF_DATE, "tcb_status ");
    check_statuses("UpToDate", VOUCH_TCB_REVOKED, VOUCH_TCB_OUT_OF_DATE,
                   "tcb_revoked current_tcb_status ");
}

static void an_advisory_of_now_counts_like_one_of_the_launch(void **state)
{
    (void)state;
    static const char *const launch[] = { "INTEL-SA-1", "INTEL-SA-2" };
    static const char *const now[] = { "INTEL-SA-2", "INTEL-SA-3" };
    vouch_claims c = good_sgx();
    c.advisory_ids = launch;
    c.advisory_count = 2;
    c.current_advisory_ids = now;
    c.current_advisory_count = 2;
    check_codes(ALLOW, &c, "advisory advisory advisory "); /* each id once */
    check_codes(ALLOW "tcb: {advisories: [{id: INTEL-SA-1, until: 2027-01-01},"
                      " {id: INTEL-SA-2, until: 2027-01-01}]}",
                &c, "advisory ");
    check_codes(ALLOW "tcb: {advisories: [{id: INTEL-SA-1, until: 2027-01-01},"
                      " {id: INTEL-SA-2, until: 2027-01-01}, {id: INTEL-SA-3, until: 2027-01-01}]}",
                &c, "");
    check_codes(ALLOW "tcb: {advisories: [{id: INTEL-SA-1, until: 2027-01-01},"
                      " {id: INTEL-SA-2, until: 2027-01-01}, {id: INTEL-SA-3, until: 2026-01-01}]}",
                &c, "advisory ");
}

static void an_open_advisory_needs_a_line_whose_date_has_not_come(void **state)
{
    (void)state;
    static const char *const ids[] = { "INTEL-SA-00615", "INTEL-SA-00828" };
    vouch_claims c = good_sgx();
    c.advisory_ids = ids;
    c.advisory_count = 2;
    check_codes(ALLOW, &c, "advisory advisory ");
    check_codes(ALLOW "tcb: {advisories: [{id: INTEL-SA-00615, until: 2027-01-01}]}", &c,
                "advisory ");
    check_codes(ALLOW "tcb: {advisories: [{id: INTEL-SA-00615, until: 2027-01-01},"
                      " {id: INTEL-SA-00828, until: 2026-12-01T09:00:01Z}]}",
                &c, "");
    check_codes(ALLOW "tcb: {advisories: [{id: INTEL-SA-00615, until: 2027-01-01},"
                      " {id: INTEL-SA-00828, until: 2026-12-01T09:00:00Z}]}",
                &c, "advisory ");
}

static void old_collateral_is_refused(void **state)
{
    (void)state;
    vouch_claims c = good_sgx();
    check_codes(ALLOW "tcb: {min_evaluation_number: 17}", &c, "");
    check_codes(ALLOW "tcb: {min_evaluation_number: 18}", &c, "evaluation_number ");
    check_codes(ALLOW "tcb: {min_tcb_date: 2023-11-14T22:13:20Z}", &c, "");
    check_codes(ALLOW "tcb: {min_tcb_date: 2023-11-14T22:13:21Z}", &c, "tcb_date ");
    c.earliest_expiry_unix_s = NOW - 1;
    check_codes(ALLOW, &c, "collateral_expired ");
    c.earliest_expiry_unix_s = NOW - 3600;
    check_codes(ALLOW "collateral: {expired_grace_h: 1}", &c, "");
    c.earliest_expiry_unix_s = NOW - 3601;
    check_codes(ALLOW "collateral: {expired_grace_h: 1}", &c, "collateral_expired ");
}

static void a_pinned_platform_must_be_known_and_listed(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *code;
    } pins[] = {
        { ALLOW "platform: {fmspc: [000000000001, 00906ED50000]}", "fmspc " },
        { ALLOW "platform: {instances: [05050000000000000000000000000000]}", "platform_instance " },
        { ALLOW "platform: {ppid: [06060000000000000000000000000000]}", "ppid " },
    };
    for (size_t i = 0; i < 3; i++) {
        vouch_claims c = good_sgx();
        check_codes(pins[i].yaml, &c, "");
        c.has_platform = false;
        check_codes(pins[i].yaml, &c, pins[i].code);
        c = good_sgx();
        c.fmspc[5] = 1;
        c.piid[15] = 1;
        c.ppid[15] = 1;
        check_codes(pins[i].yaml, &c, pins[i].code);
    }
    vouch_claims c = good_sgx();
    c.has_piid = false;
    check_codes(pins[1].yaml, &c, "platform_instance ");
}

static void a_refused_platform_feature_must_be_known_to_be_off(void **state)
{
    (void)state;
    vouch_claims c = good_sgx();
    const char *yaml =
        ALLOW "platform: {smt: refuse, dynamic_platform: refuse, cached_keys: refuse}";
    check_codes(yaml, &c, "");
    c.smt_enabled = VOUCH_FLAG_YES;
    check_codes(yaml, &c, "smt ");
    c.dynamic_platform = VOUCH_FLAG_UNKNOWN;
    c.cached_keys = VOUCH_FLAG_UNKNOWN;
    check_codes(yaml, &c, "smt dynamic_platform cached_keys ");
    check_codes(ALLOW, &c, "");
}

static void simulated_evidence_needs_its_root_in_the_policy(void **state)
{
    (void)state;
    vouch_claims c = good_sgx();
    check_codes(ALLOW "roots: [" ROOT32 "]", &c, "");
    check_codes(ALLOW "roots: [" OTHER32 "]", &c, "root ");
    check_codes(ALLOW "roots: [intel]", &c, "");
    c.simulated = true;
    check_codes(ALLOW, &c, "root ");
    check_codes(ALLOW "roots: [intel]", &c, "root ");
    check_codes(ALLOW "roots: [intel, " ROOT32 "]", &c, "");
    memset(c.root_sha256, 0, sizeof c.root_sha256); /* no chain was verified */
    c.simulated = false;
    check_codes(ALLOW, &c, "root ");
}

static void dangerous_attributes_are_refused_by_every_policy(void **state)
{
    (void)state;
    vouch_claims c = good_sgx();
    c.sgx.attribute_flags |= VOUCH_SGX_ATTRIBUTE_PROVISION_KEY;
    check_codes(ALLOW, &c, "provision_key ");
    c.sgx.attribute_flags = VOUCH_SGX_ATTRIBUTE_INIT | VOUCH_SGX_ATTRIBUTE_EINIT_TOKEN_KEY;
    check_codes(ALLOW, &c, "launch_key ");
    c.sgx.attribute_flags = 0;
    check_codes(ALLOW, &c, "attributes ");

    const char *td = "measurements: [{mrtd: " HEX48 "}]";
    c = good_tdx();
    c.tdx.td_attributes |= UINT64_C(1) << 40;
    check_codes(td, &c, "attributes ");
    c = good_tdx();
    c.tdx.td_attributes |= VOUCH_TD_ATTRIBUTE_MIGRATABLE; /* reserved in a report 1.0 ... */
    check_codes(td, &c, "attributes ");
    c.tdx.body_type = 3; /* ... and defined in 1.5 */
    check_codes(td, &c, "");
    c.tdx.td_attributes = VOUCH_TD_ATTRIBUTE_PKS;
    check_codes(td, &c, "sept_ve ");
    c = good_tdx();
    c.tdx.mrservicetd[47] = 1;
    check_codes(td, &c, "service_td ");
}

static void the_built_in_policy_judges_the_platform_alone(void **state)
{
    (void)state;
    VCH_SCOPED(vch_policy_drop) vouch_policy *policy = NULL;
    vouch_error err = { 0 };
    char got[256];
    CHECK_OK(vch_policy_platform_only(&policy, &err), &err);
    vouch_claims c = good_sgx();
    c.simulated = true;
    assert_string_equal(codes(policy, &c, got), "");
    c.debug = true;
    c.tcb_status = VOUCH_TCB_OUT_OF_DATE;
    assert_string_equal(codes(policy, &c, got), "debug tcb_status ");
    c.current_tcb_status = VOUCH_TCB_OUT_OF_DATE;
    assert_string_equal(codes(policy, &c, got), "debug tcb_status ");
    c.tcb_status = VOUCH_TCB_UP_TO_DATE;
    assert_string_equal(codes(policy, &c, got), "debug current_tcb_status ");
    c.tcb_status = VOUCH_TCB_REVOKED;
    c.current_tcb_status = VOUCH_TCB_REVOKED;
    c.sgx.attribute_flags |= VOUCH_SGX_ATTRIBUTE_PROVISION_KEY;
    assert_string_equal(codes(policy, &c, got), "provision_key debug tcb_revoked ");
}

static void a_full_list_of_reasons_still_refuses(void **state)
{
    (void)state;
    vch_reasons reasons = { 0 };
    for (size_t i = 0; i < VCH_REASONS_MAX + 1; i++)
        vch_reasons_add_values(&reasons, "x", "y", "e", "a", "z");
    vouch_claims c = good_sgx();
    CHECK(!vch_policy_judge(NULL, &c, NOW, &reasons));
    VCH_SCOPED(vch_policy_drop) vouch_policy *policy = parse("");
    CHECK(!vch_policy_judge(policy, &c, NOW, &reasons));
    vch_reasons_drop(&reasons);
}

static void each_rule_can_be_asked_alone(void **state)
{
    (void)state;
    VCH_SCOPED(vch_policy_drop) vouch_policy *policy = parse(ALLOW);
    vouch_claims c = good_sgx();
    c.debug = true;
    c.tcb_status = VOUCH_TCB_OUT_OF_DATE;
    for (size_t rule = 0; rule < VCH_POLICY_RULE_COUNT; rule++) {
        vch_reasons reasons = { 0 };
        const char *name = vch_policy_rule_name(rule);
        bool good = vch_policy_judge_rule(policy, rule, &c, NOW, &reasons);
        CHECK(good == (strcmp(name, "debug") != 0 && strcmp(name, "TCB status") != 0));
        CHECK(good == !vch_reasons_any(&reasons));
        if (strcmp(name, "debug") == 0 || strcmp(name, "measurement") == 0)
            CHECK(!vch_policy_rule_needs_appraisal(rule));
        if (strcmp(name, "TCB status") == 0 || strcmp(name, "root") == 0)
            CHECK(vch_policy_rule_needs_appraisal(rule));
        vch_reasons_drop(&reasons);
    }
}

static const struct {
    const char *yaml;
    const char *want;
} wrong[] = {
    { "version: 2", "p.yaml:1:10: version is 2" },
    { "measurement: []", "p.yaml:1:1: unknown key 'measurement' in the policy (did you mean" },
    { "measurements: {}", "p.yaml:1:15: measurements must be a list" },
    { "measurements: [{}]", "p.yaml:1:16: a measurement needs" },
    { "measurements: [any]", "p.yaml:1:16: a measurement needs" },
    { "measurements: [{mrenclave: any}]", "p.yaml:1:28: mrenclave must be exactly 64" },
    { "measurements: [{mrenclave: '*'}]", "p.yaml:1:28: mrenclave must be exactly 64" },
    { "measurements: [{mrenclave: " HEX48 "}]", "p.yaml:1:28: mrenclave must be exactly 64" },
    { "measurements: [{mrenclave: "
      "0000000000000000000000000000000000000000000000000000000000000000}]",
      "p.yaml:1:28: mrenclave is all zeros" },
    { "measurements: [{mrsigner: " HEX32 "}]", "p.yaml:1:16: mrsigner, prod_id and min_svn" },
    { "measurements: [{mrsigner: " HEX32 ", prod_id: 1}]", "p.yaml:1:16: mrsigner, prod_id and" },
    { "measurements: [{mrsigner: " HEX32 ", min_svn: 1}]", "p.yaml:1:16: mrsigner, prod_id and" },
    { "measurements: [{mrenclave: " HEX32 ", min_svn: 1}]", "p.yaml:1:16: mrsigner, prod_id and" },
    { "measurements: [{mrsigner: 0000000000000000000000000000000000000000000000000000000000000000,"
      " prod_id: 1, min_svn: 1}]",
      "p.yaml:1:27: mrsigner is all zeros" },
    { "measurements: [{mrsigner: " HEX32 ", prod_id: 65536, min_svn: 1}]",
      "p.yaml:1:102: prod_id" },
    { "measurements: [{mrtd: " HEX48 ", mrenclave: " HEX32 "}]", "p.yaml:1:121: unknown key" },
    { "measurements: [{rtmr0: " HEX48 "}]", "p.yaml:1:16: a measurement needs" },
    { "measurements: [{mrtd: " HEX32 "}]", "p.yaml:1:23: mrtd must be exactly 96" },
    { "tcb: {accept: []}", "p.yaml:1:15: accept has 0 items" },
    { "tcb: {accept: [Revoked]}", "p.yaml:1:16: Revoked is never accepted" },
    { "tcb: {accept: [uptodate]}", "p.yaml:1:16: not a TCB status" },
    { "tcb: {accept: ['*']}", "p.yaml:1:16: not a TCB status" },
    { "tcb: {accept: [1]}", "p.yaml:1:16: not a TCB status" },
    { "tcb: {advisories: [INTEL-SA-1]}", "p.yaml:1:20: advisory must be a mapping" },
    { "tcb: {advisories: [{id: INTEL-SA-1}]}", "p.yaml:1:20: advisory has no 'until'" },
    { "tcb: {advisories: [{id: 'INTEL-SA-*', until: 2027-01-01}]}", "p.yaml:1:25: not the id" },
    { "tcb: {min_evaluation_number: -1}", "p.yaml:1:30: min_evaluation_number is -1" },
    { "platform: {fmspc: []}", "p.yaml:1:19: fmspc has 0 items" },
    { "platform: {fmspc: [0090]}", "p.yaml:1:20: fmspc must be exactly 12" },
    { "platform: {smt: maybe}", "p.yaml:1:17: smt must be one of allow|refuse" },
    { "roots: []", "p.yaml:1:8: roots has 0 items" },
    { "roots: [amd]", "p.yaml:1:9: roots must be exactly 64" },
    { "debug: maybe", "p.yaml:1:8: debug must be true or false" },
    /* what is right beside it does not cover what is wrong, in either order */
    { "measurements: [{mrenclave: any}, {mrenclave: " HEX32 "}]", "p.yaml:1:28: mrenclave" },
    { "tcb: {advisories: [{id: 'X*', until: 2027-01-01}, {id: INTEL-SA-1, until: 2027-01-01}]}",
      "p.yaml:1:25: not the id" },
    { "tcb: {accept: [Fine], advisories: []}", "p.yaml:1:16: not a TCB status" },
    { "tcb: {min_evaluation_number: -1, accept: [UpToDate]}", "p.yaml:1:30: min_evaluation" },
    { "platform: {fmspc: [00, 00906ED50000]}", "p.yaml:1:20: fmspc must be" },
    { "platform: {instances: [05]}", "p.yaml:1:24: instances must be" },
    { "platform: {ppid: [06]}", "p.yaml:1:19: ppid must be" },
    { "platform: {smt: maybe, fmspc: [00906ED50000]}", "p.yaml:1:17: smt" },
    { "platform: {fmspc: [00], instances: [05050000000000000000000000000000]}",
      "p.yaml:1:20: fmspc" },
    { "platform: {instances: [05], ppid: [06060000000000000000000000000000]}",
      "p.yaml:1:24: instances" },
    { "roots: [amd, intel]", "p.yaml:1:9: roots" },
    { "measurements: [{}]\ntcb: {accept: [UpToDate]}", "p.yaml:1:16: a measurement needs" },
    { "tcb: {accept: [Fine]}\nplatform: {smt: refuse}", "p.yaml:1:16: not a TCB status" },
    { "platform: {smt: maybe}\nroots: [intel]", "p.yaml:1:17: smt" },
    { "roots: [amd]\ncollateral: {expired_grace_h: 1}", "p.yaml:1:9: roots" },
    { "collateral: {expired_grace_h: 2161}\ndebug: false", "p.yaml:1:31: expired_grace_h" },
    { "collateral: {expired_grace_h: 2161}", "p.yaml:1:31: expired_grace_h is 2161" },
};

static void what_a_policy_must_not_say_is_refused_at_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        vouch_policy *policy = NULL;
        vouch_error err = { 0 };
        CHECK(vouch_policy_parse("p.yaml", vch_span_str(wrong[i].yaml), &policy, &err)
              == VOUCH_E_CONFIG);
        CHECK(policy == NULL);
        if (strncmp(err.frame[0], wrong[i].want, strlen(wrong[i].want)) != 0)
            fail_msg("'%s' said '%s'", wrong[i].yaml, err.frame[0]);
    }
}

static const struct {
    const char *yaml;
    const char *want;
} weak[] = {
    { "{}", "nobody is admitted" },
    { "measurements: []", "nobody is admitted" },
    { ALLOW "debug: true", "debug enclaves" },
    { ALLOW "tcb: {accept: [OutOfDate]}", "known holes" },
    { ALLOW "tcb: {accept: [OutOfDateConfigurationNeeded]}", "known holes" },
    { ALLOW "collateral: {expired_grace_h: 5}", "last 5 hours" },
    { "measurements: [{mrtd: " HEX48 "}]", "mrtd alone" },
    { "measurements: [{mrsigner: " HEX32 ", prod_id: 1, min_svn: 0}]", "min_svn 0" },
};

static void what_is_allowed_but_weak_is_a_warning(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof weak / sizeof *weak; i++) {
        VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
        VCH_SCOPED(vch_policy_drop) vouch_policy *policy = NULL;
        vouch_error err = { 0 };
        CHECK_OK(vch_policy_parse_all("p", vch_span_str(weak[i].yaml), &faults, &policy, &err),
                 &err);
        CHECK(faults.count == 1 && faults.errors == 0 && faults.item[0].warning);
        if (strstr(faults.item[0].text, weak[i].want) == NULL)
            fail_msg("'%s' said '%s'", weak[i].yaml, faults.item[0].text);
    }
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    VCH_SCOPED(vch_policy_drop) vouch_policy *policy = NULL;
    CHECK(vch_policy_parse_all("p", vch_span_str(ALLOW), &faults, &policy, NULL) == VOUCH_OK);
    CHECK(faults.count == 0);
}

static vouch_policy *build(const char *yaml, const char *stricter)
{
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    VCH_SCOPED(vch_yaml_drop) vch_yaml *more = NULL;
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    vouch_policy *policy = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_yaml_parse("f", vch_span_str(yaml), NULL, &doc, &err), &err);
    CHECK_OK(vch_yaml_parse("s", vch_span_str(stricter), NULL, &more, &err), &err);
    vch_policy_parts parts = { .measurements = vch_yaml_get(vch_yaml_root(doc), "measurements"),
                               .tcb = vch_yaml_get(vch_yaml_root(doc), "tcb"),
                               .collateral = vch_yaml_get(vch_yaml_root(doc), "collateral") };
    vch_policy_parts further = { .tcb = vch_yaml_get(vch_yaml_root(more), "tcb"),
                                 .measurements = vch_yaml_get(vch_yaml_root(more), "measurements"),
                                 .collateral = vch_yaml_get(vch_yaml_root(more), "collateral") };
    CHECK_OK(vch_policy_build(&parts, &further, &faults, &policy, &err), &err);
    return policy; /* keeps nothing of the documents */
}

static void stricter_rules_only_ever_take_away(void **state)
{
    (void)state;
    char got[256];
    static const char *const ids[] = { "INTEL-SA-1" };
    const char *base = ALLOW "tcb: {accept: [UpToDate, SWHardeningNeeded],"
                             " advisories: [{id: INTEL-SA-1, until: 2027-01-01}]}\n"
                             "collateral: {expired_grace_h: 5}";
    vouch_claims c = good_sgx();
    c.tcb_status = VOUCH_TCB_SW_HARDENING_NEEDED;
    c.advisory_ids = ids;
    c.advisory_count = 1;
    VCH_SCOPED(vch_policy_drop) vouch_policy *none = build(base, "{}");
    assert_string_equal(codes(none, &c, got), "");
    CHECK(vouch_policy_expired_grace_s(none) == 5 * 3600);
    CHECK(vch_policy_accepts_advisory(none, "INTEL-SA-1", NOW));
    VCH_SCOPED(vch_policy_drop)
    vouch_policy *less =
        build(base, "tcb: {accept: [UpToDate, OutOfDate]}\ncollateral: {expired_grace_h: 1}");
    assert_string_equal(codes(less, &c, got), "tcb_status ");
    CHECK(vouch_policy_expired_grace_s(less) == 3600);
    c.tcb_status = VOUCH_TCB_OUT_OF_DATE; /* the stricter part cannot add one */
    assert_string_equal(codes(less, &c, got), "tcb_status ");
    const char *names[VCH_TCB_STATUS_COUNT];
    CHECK(vch_policy_accepted_statuses(less, names) == 1);
    assert_string_equal(names[0], "UpToDate");
    CHECK(!vch_policy_accepts_status(less, VOUCH_TCB_REVOKED));
    CHECK(vch_policy_accepts_advisory(less, "INTEL-SA-1", NOW));
    VCH_SCOPED(vch_policy_drop) vouch_policy *no_advisory = build(base, "tcb: {advisories: []}");
    CHECK(!vch_policy_accepts_advisory(no_advisory, "INTEL-SA-1", NOW));
    c.tcb_status = VOUCH_TCB_UP_TO_DATE;
    assert_string_equal(codes(no_advisory, &c, got), "advisory ");
    VCH_SCOPED(vch_policy_drop)
    vouch_policy *more =
        build(base, "tcb: {advisories: [{id: INTEL-SA-2, until: 2027-01-01}]}"); /* nor an id */
    CHECK(!vch_policy_accepts_advisory(more, "INTEL-SA-2", NOW));
    VCH_SCOPED(vch_policy_drop) vouch_policy *nobody = build(base, "measurements: []");
    assert_string_equal(codes(nobody, &c, got), "no_measurements ");
}

/* `[item, item]` with `count` items under `key`. */
static vouch_code parse_list(const char *key, const char *item, size_t count)
{
    vch_buffer text = vch_buffer_with_cap((size_t)1 << 20);
    vouch_policy *policy = NULL;
    vch_buffer_append_fmt(&text, "%s: [%s", key, item);
    for (size_t i = 1; i < count; i++)
        vch_buffer_append_fmt(&text, ", %s", item);
    vch_buffer_append_str(&text, "]\n");
    vouch_code rc = vouch_policy_parse("p", vch_buffer_span(&text), &policy, NULL);
    vouch_policy_free(policy);
    vch_buffer_drop(&text);
    return rc;
}

static void lists_are_bounded(void **state)
{
    (void)state;
    CHECK(parse_list("measurements", "{mrenclave: " HEX32 "}", 256) == VOUCH_OK);
    CHECK(parse_list("measurements", "{mrenclave: " HEX32 "}", 257) == VOUCH_E_CONFIG);
    CHECK(parse_list("roots", HEX32, 256) == VOUCH_OK);
    CHECK(parse_list("roots", HEX32, 257) == VOUCH_E_CONFIG);
}

static void parts_of_another_file_are_read_as_strictly(void **state)
{
    (void)state;
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    CHECK(vch_yaml_parse("f", vch_span_str("{a: {mrenclave: 1}, b: intel}"), NULL, &doc, NULL)
          == VOUCH_OK);
    for (int i = 0; i < 2; i++) {
        VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
        vouch_policy *policy = NULL;
        vch_policy_parts parts = { 0 };
        if (i == 0)
            parts.measurements = vch_yaml_get(vch_yaml_root(doc), "a");
        else
            parts.roots = vch_yaml_get(vch_yaml_root(doc), "b");
        CHECK(vch_policy_build(&parts, NULL, &faults, &policy, NULL) == VOUCH_E_CONFIG);
        CHECK(policy == NULL && faults.errors == 1);
    }
}

static void a_reason_shows_what_was_found(void **state)
{
    (void)state;
    VCH_SCOPED(vch_policy_drop)
    vouch_policy *policy = parse("measurements: [{mrenclave: " OTHER32 "}]");
    vouch_claims c = good_sgx();
    vouch_claims tdx = good_tdx();
    vch_reasons reasons = { 0 };
    CHECK(!vch_policy_judge(policy, &c, NOW, &reasons));
    CHECK(!vch_policy_judge(policy, &tdx, NOW, &reasons));
    CHECK(reasons.count == 2);
    assert_string_equal(reasons.list[0].actual, HEX32);
    assert_string_equal(reasons.list[1].actual, HEX48);
    vch_reasons_drop(&reasons);
}

static void the_digest_depends_on_what_is_said_and_not_on_how(void **state)
{
    (void)state;
    uint8_t a[32];
    uint8_t b[32];
    VCH_SCOPED(vch_policy_drop) vouch_policy *one = parse(ALLOW "debug: false\n");
    VCH_SCOPED(vch_policy_drop)
    vouch_policy *same = parse("# comment\ndebug:   no\nmeasurements:\n- mrenclave: " HEX32 "\n");
    VCH_SCOPED(vch_policy_drop) vouch_policy *other = parse(ALLOW "debug: true\n");
    vouch_policy_digest(one, a);
    vouch_policy_digest(same, b);
    assert_memory_equal(a, b, 32);
    vouch_policy_digest(other, b);
    assert_memory_not_equal(a, b, 32);
    VCH_SCOPED(vch_policy_drop) vouch_policy *plain = build(ALLOW, "{}");
    VCH_SCOPED(vch_policy_drop) vouch_policy *less = build(ALLOW, "tcb: {accept: [UpToDate]}");
    vouch_policy_digest(plain, a);
    vouch_policy_digest(less, b);
    assert_memory_not_equal(a, b, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_policy_admits_nobody),
        TEST(a_listed_measurement_is_admitted_and_no_other),
        TEST(a_signer_counts_with_its_product_and_version),
        TEST(each_register_of_a_td_counts),
        TEST(debug_is_refused_unless_the_policy_says_otherwise),
        TEST(only_accepted_statuses_pass_and_revoked_never),
        TEST(the_status_of_now_is_judged_beside_that_of_the_launch),
        TEST(an_advisory_of_now_counts_like_one_of_the_launch),
        TEST(an_open_advisory_needs_a_line_whose_date_has_not_come),
        TEST(old_collateral_is_refused),
        TEST(a_pinned_platform_must_be_known_and_listed),
        TEST(a_refused_platform_feature_must_be_known_to_be_off),
        TEST(simulated_evidence_needs_its_root_in_the_policy),
        TEST(dangerous_attributes_are_refused_by_every_policy),
        TEST(the_built_in_policy_judges_the_platform_alone),
        TEST(a_full_list_of_reasons_still_refuses),
        TEST(each_rule_can_be_asked_alone),
        TEST(what_a_policy_must_not_say_is_refused_at_its_place),
        TEST(what_is_allowed_but_weak_is_a_warning),
        TEST(stricter_rules_only_ever_take_away),
        TEST(lists_are_bounded),
        TEST(parts_of_another_file_are_read_as_strictly),
        TEST(a_reason_shows_what_was_found),
        TEST(the_digest_depends_on_what_is_said_and_not_on_how),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
