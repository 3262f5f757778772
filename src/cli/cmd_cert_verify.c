/* vouch cert verify: a certificate and its evidence, by a policy and a directory of collateral. */
#include "cli/commands.h"

#include <stddef.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/moment.h"
#include "base/scope.h"
#include "cli/cert_input.h"
#include "cli/input_failed.h"
#include "cli/passport_view.h"
#include "cli/policy_input.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "host/clock.h"
#include "identity/claims.h"
#include "identity/collateral_cache.h"
#include "identity/collateral_fetch.h"
#include "identity/ratls_cert.h"
#include "identity/ratls_evidence.h"

#define COMMAND "vouch cert verify"
#define NOW INT64_MIN /* --at was not given */

typedef struct values {
    vch_common_options common;
    const char *policy;
    const char *collateral_dir;
    vch_texts pccs;
    const char *tls_ca;
    const char *root;
    int64_t at_unix_s;
} values;

/* For the certificate's quote. Without one there is nothing to fetch: the verdict says what it lacks. */
static vouch_code fetch_collateral(const values *v, vouch_span der, const vch_root_pins *pins,
                                   vch_collateral_cache **out, vouch_error *err)
{
    vch_ratls_cert cert = { 0 };
    vch_ratls_evidence evidence = { 0 };
    VCH_SCOPED(vch_pcs_set_drop) vch_pcs_set set = { 0 };
    if (vch_ratls_cert_parse(der, &cert, NULL) != VOUCH_OK
        || vch_ratls_evidence_read(&cert, &evidence, NULL) != VOUCH_OK || evidence.quote.size == 0)
        return VOUCH_OK;
    const vch_collateral_services services = { .urls = v->pccs.item,
                                               .url_count = v->pccs.count,
                                               .ca_file = v->tls_ca };
    const vch_collateral_want want = { .quote = evidence.quote };
    vouch_code rc = vch_collateral_fetch(&services, &want, NULL, vch_clock_unix_s(), &set, err);
    return rc == VOUCH_OK ? vch_collateral_cache_from_parts(&set.parts, pins, out, err) : rc;
}

/* Roots: the one named, the federation's, or whatever the bare policy accepts by its digest. */
static vouch_code open_collateral(const values *v, const vch_policy_input *policy, vouch_span der,
                                  vch_collateral_cache **out, vouch_error *err)
{
    uint8_t digest[1][VCH_SHA256_SIZE];
    vch_root_pins pins = { .intel = true, .any = true };
    VCH_SCOPED(vch_buffer_drop) vch_buffer root = { 0 };
    vouch_code rc = VOUCH_OK;
    if (policy->file != NULL) {
        const vch_federation *f = vch_attestation_file_federation(policy->file);
        pins =
            (vch_root_pins) { .intel = f->intel_root, .sha256 = f->roots, .count = f->root_count };
    }
    if (v->root != NULL) {
        rc = vch_cert_file_read(v->root, &root, err);
        if (rc == VOUCH_OK)
            rc = vch_sha256(vch_buffer_span(&root), digest[0], err);
        pins = (vch_root_pins) { .sha256 = (const uint8_t(*)[32])digest, .count = 1 };
    }
    if (rc != VOUCH_OK)
        return rc;
    if (v->collateral_dir != NULL)
        return vch_collateral_cache_from_path(v->collateral_dir, &pins, out, err);
    return v->pccs.count > 0 ? fetch_collateral(v, der, &pins, out, err) : VOUCH_OK;
}

/* With a federation's file the certificate is held to what its own claims say it is. */
static vch_role claimed_role(vouch_span der)
{
    vch_ratls_cert cert = { 0 };
    vch_dice_evidence e = { 0 };
    vch_claims claims = { 0 };
    if (vch_ratls_cert_parse(der, &cert, NULL) == VOUCH_OK
        && vch_dice_evidence_parse(cert.evidence[VCH_RATLS_DICE], &e, NULL) == VOUCH_OK
        && vch_claims_parse(e.claims, &claims, NULL) == VOUCH_OK)
        return claims.role;
    return VCH_ROLE_COLLABORATOR;
}

static void judge(const vch_policy_input *policy, vch_collateral_cache *collateral, vouch_span der,
                  int64_t now_unix_s, vch_passport_verdict *out)
{
    char at[VCH_MOMENT_TEXT_SIZE];
    const vch_admission_rules rules = { .file = policy->file,
                                        .policy = policy->policy,
                                        .any_dialect = policy->policy != NULL,
                                        .collateral = collateral };
    const vch_admission_request request = { .certificate = der,
                                            .role = claimed_role(der),
                                            .token_waived = true,
                                            .channel_waived = true,
                                            .now_unix_s = now_unix_s,
                                            .explain = vch_passport_explain,
                                            .explain_context = out };
    out->judged_at_unix_s = now_unix_s;
    (void)snprintf(out->time_note, sizeof out->time_note,
                   "judged as of %s; a certificate alone proves no freshness",
                   vch_moment_format(now_unix_s, at));
    vch_admission_judge(&rules, &request, &out->admission);
}

static int verify(const vch_runtime *rt, const values *v, const char *path)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_policy_input_drop) vch_policy_input policy = { 0 };
    VCH_SCOPED(vch_collateral_cache_drop) vch_collateral_cache *collateral = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = { 0 };
    vch_passport_verdict verdict = { 0 };
    vouch_code rc = vch_policy_input_read(rt, v->policy, &policy, &err);
    if (rc == VOUCH_OK)
        rc = vch_cert_file_read(path, &der, &err);
    if (rc == VOUCH_OK)
        rc = open_collateral(v, &policy, vch_buffer_span(&der), &collateral, &err);
    if (rc != VOUCH_OK)
        return vch_input_failed(rt, COMMAND, v->common.json, rc, &err);
    judge(&policy, collateral, vch_buffer_span(&der),
          v->at_unix_s == NOW ? vch_clock_unix_s() : v->at_unix_s, &verdict);
    return vch_passport_verdict_show(rt, COMMAND, v->common.json, &verdict);
}

int vch_cmd_cert_verify(vch_runtime *rt, int argc, char *argv[])
{
    static const vch_option options[] = {
        { .name = "policy",
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(values, policy),
          .argument = "FILE",
          .help = "a vouch policy file, or the federation's attestation.yaml",
          .required = true },
        { .name = "collateral-dir",
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(values, collateral_dir),
          .argument = "DIR|FILE",
          .help =
              "a directory (tcb_info.json, qe_identity.json, CRLs, issuer chains) or a bundle" },
        { .name = "pccs",
          .kind = VCH_OPTION_TEXTS,
          .offset = offsetof(values, pccs),
          .argument = "URL",
          .help =
              "fetch the collateral from this service; may be repeated: the next if one fails" },
        { .name = "tls-ca",
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(values, tls_ca),
          .argument = "PEM",
          .help = "root of the services' TLS certificates; otherwise the system's" },
        { .name = "root",
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(values, root),
          .argument = "PEM",
          .help = "trust this root certificate alone" },
        { .name = "at",
          .kind = VCH_OPTION_MOMENT,
          .offset = offsetof(values, at_unix_s),
          .argument = "TIME",
          .help = "the moment to verify at; otherwise now" },
        VCH_COMMON_OPTIONS(values),
    };
    static const vch_usage usage = {
        .command = COMMAND,
        .operands = "FILE",
        .summary = "Verify an RA-TLS certificate: its key, its evidence, by a policy.",
        .details =
            "With a vouch policy file, evidence of every dialect that is known is judged by its\n"
            "own rules. With attestation.yaml the certificate is held to all that a connection\n"
            "would be, but token and channel. Without --collateral-dir and --pccs a quote cannot "
            "be\n"
            "verified, and the verdict is no.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .operands_min = 1,
        .operands_max = 1
    };
    values v = { .at_unix_s = NOW };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    return verify(rt, &v, operands.item[0]);
}
