#include <string.h>

#include "base/buffer.h"
#include "base/moment.h"
#include "base/scope.h"
#include "cli_sim/commands.h"
#include "codec/hex.h"
#include "codec/json_writer.h"
#include "crypto/hash.h"
#include "crypto/secure_heap.h"
#include "host/clock.h"
#include "host/file.h"
#include "sim/key_file.h"
#include "sim/platform.h"
#include "sim/vendor.h"

#define COMMAND "vouch-sim platform create"
#define REPORT_MAX_SIZE ((size_t)64 << 10)

typedef struct values {
    vch_common_options common;
    const char *vendor;
    const char *tee;
    const char *status;
    vch_texts advisories;
    const char *revoke;
    bool expired;
} values;

static const vch_option options[] = {
    VCH_COMMON_OPTIONS(values),
    { .name = "vendor",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, vendor),
      .argument = "DIR",
      .help = "the simulated vendor; made if it is not there (default: DIR/vendor)" },
    { .name = "tee",
      .kind = VCH_OPTION_CHOICE,
      .offset = offsetof(values, tee),
      .argument = "sgx|tdx",
      .choices = "sgx|tdx",
      .fallback = "sgx",
      .help = "what the platform simulates" },
    { .name = "tcb-status",
      .kind = VCH_OPTION_CHOICE,
      .offset = offsetof(values, status),
      .argument = "STATUS",
      .choices = "UpToDate|SWHardeningNeeded|ConfigurationNeeded|"
                 "ConfigurationAndSWHardeningNeeded|OutOfDate|OutOfDateConfigurationNeeded|Revoked",
      .fallback = "UpToDate",
      .help = "the platform's TCB status, as Intel spells it" },
    { .name = "advisory",
      .kind = VCH_OPTION_TEXTS,
      .offset = offsetof(values, advisories),
      .argument = "ID",
      .help = "an advisory that holds for the platform, INTEL-SA-00615; may be repeated" },
    { .name = "revoke",
      .kind = VCH_OPTION_CHOICE,
      .offset = offsetof(values, revoke),
      .argument = "pck|intermediate",
      .choices = "pck|intermediate",
      .help = "revoke the platform's certificate, or the CA that issued it" },
    { .name = "expired",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, expired),
      .help = "write collateral that ended 30 days ago" },
};

static const vch_usage usage = {
    .command = COMMAND,
    .operands = "DIR",
    .summary = "Make a simulated platform in DIR: its certificates, keys and collateral.",
    .details = "Writes root.pem (to be trusted by tests and demonstrations only), collateral/ and "
               "the platform's own files. Several platforms may share one simulated vendor; one of "
               "their collateral directories then serves all, the newest if a platform was revoked "
               "or has advisories. Nothing here is Intel's: every verdict says simulated.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = 1,
};

static vouch_tcb_status status_of(const char *name)
{
    vouch_tcb_status found = VOUCH_TCB_NONE;
    for (vouch_tcb_status s = VOUCH_TCB_UP_TO_DATE; s <= VOUCH_TCB_REVOKED; s++)
        found = strcmp(vouch_tcb_status_name(s), name) == 0 ? s : found;
    return found;
}

static vch_sim_revoke revoke_of(const char *name)
{
    if (name == NULL)
        return VCH_SIM_REVOKE_NOTHING;
    return strcmp(name, "pck") == 0 ? VCH_SIM_REVOKE_PCK : VCH_SIM_REVOKE_INTERMEDIATE;
}

static vouch_code create(const char *dir, const values *v, vouch_error *err)
{
    const vch_sim_platform_options o = {
        .vendor_dir = v->vendor,
        .tee = strcmp(v->tee, "tdx") == 0 ? VOUCH_TEE_TDX : VOUCH_TEE_SGX,
        .status = status_of(v->status),
        .advisories = v->advisories.item,
        .advisory_count = v->advisories.count,
        .revoke = revoke_of(v->revoke),
        .expired = v->expired,
        .now_unix_s = vch_clock_unix_s(),
    };
    vouch_code rc = vch_secure_heap_start(err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_sim_platform_create(dir, &o, err);
}

/* What a user needs next: the files, and the two digests that attestation.yaml may pin. */
static vouch_code report(FILE *out, const char *dir, const values *v, vouch_error *err)
{
    VCH_SCOPED(vch_sim_platform_drop) vch_sim_platform *p = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer root = vch_buffer_with_cap(REPORT_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(REPORT_MAX_SIZE);
    char root_path[VCH_PATH_SIZE];
    char collateral[VCH_PATH_SIZE];
    uint8_t digest[VCH_SHA256_SIZE];
    char digest_hex[2 * VCH_SHA256_SIZE + 1];
    char ppid_hex[33];
    vouch_code rc = vch_sim_platform_open(dir, &p, err);
    if (rc == VOUCH_OK)
        rc = vch_sim_cert_read(dir, "root.pem", &root, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(vch_buffer_span(&root), digest, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(dir, "root.pem", root_path, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(dir, "collateral", collateral, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)vch_hex_encode((vouch_span) { digest, sizeof digest }, digest_hex);
    (void)vch_hex_encode((vouch_span) { p->ppid, sizeof p->ppid }, ppid_hex);
    if (!v->common.json) {
        (void)fprintf(out,
                      "simulated %s platform in %s (TCB status %s)\n"
                      "  root        %s\n  root sha256 %s\n  collateral  %s\n  ppid        %s\n",
                      v->tee, dir, v->status, root_path, digest_hex, collateral, ppid_hex);
        return VOUCH_OK;
    }
    vch_json_writer w = vch_json_writer_over(&text, false);
    vch_json_begin_object(&w);
    vch_json_put_bool(&w, "simulated", true);
    vch_json_put_string(&w, "platform", dir);
    vch_json_put_string(&w, "tee", v->tee);
    vch_json_put_string(&w, "tcb_status", v->status);
    vch_json_put_string(&w, "root", root_path);
    vch_json_put_string(&w, "root_sha256", digest_hex);
    vch_json_put_string(&w, "collateral", collateral);
    vch_json_put_string(&w, "ppid", ppid_hex);
    vch_json_put_hex(&w, "fmspc", (vouch_span) { vch_sim_fmspc, sizeof vch_sim_fmspc });
    vch_json_end(&w);
    rc = vch_buffer_finish(&text, "report", err);
    if (rc == VOUCH_OK)
        (void)fprintf(out, "%s\n", vch_buffer_text(&text));
    return rc;
}

int vch_cmd_platform_create(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    vouch_error err = { 0 };
    vouch_code rc = create(operands.item[0], &v, &err);
    if (rc == VOUCH_OK)
        rc = report(rt->out, operands.item[0], &v, &err);
    return rc == VOUCH_OK ? VCH_EXIT_DONE : vch_command_fail(rt, COMMAND, rc, &err);
}
