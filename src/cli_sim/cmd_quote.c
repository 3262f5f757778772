#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/scope.h"
#include "cli_sim/commands.h"
#include "codec/base64.h"
#include "codec/hex.h"
#include "codec/json_writer.h"
#include "crypto/secure_heap.h"
#include "sim/platform.h"
#include "sim/quote_make.h"

#define COMMAND "vouch-sim quote"

typedef struct values {
    vch_common_options common;
    const char *platform;
    const char *report_data;
    const char *tee;
    const char *mrenclave;
    const char *mrtd;
    bool debug;
    bool td_1_5;
} values;

static const vch_option options[] = {
    VCH_COMMON_OPTIONS(values),
    { .name = "platform",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, platform),
      .argument = "DIR",
      .required = true,
      .help = "a simulated platform (vouch-sim platform create)" },
    { .name = "report-data",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, report_data),
      .argument = "HEX128",
      .required = true,
      .help = "the 64 bytes that the quote is over" },
    { .name = "tee",
      .kind = VCH_OPTION_CHOICE,
      .offset = offsetof(values, tee),
      .argument = "sgx|tdx",
      .choices = "sgx|tdx",
      .help = "what the platform has to be (default: whatever it is)" },
    { .name = "mrenclave",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, mrenclave),
      .argument = "HEX64",
      .help = "SGX: the measurement (default: zeros)" },
    { .name = "mrtd",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, mrtd),
      .argument = "HEX96",
      .help = "TDX: the measurement (default: zeros)" },
    { .name = "debug",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, debug),
      .help = "of a debug enclave" },
    { .name = "td-report-1.5",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, td_1_5),
      .help = "TDX: quote version 5 with a TD report 1.5" },
};

static const vch_usage usage = {
    .command = COMMAND,
    .operands = "",
    .summary = "Print a simulated quote in base64: SGX version 3, TDX version 4 or 5.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static vouch_code read_hex(const char *option, const char *text, uint8_t *out, size_t size,
                           vouch_error *err)
{
    if (text == NULL)
        return VOUCH_OK;
    vouch_code rc = vch_hex_decode(vch_span_str(text), out, size, err);
    if (rc == VOUCH_OK)
        return rc;
    return vouch_wrap(err, VOUCH_E_CONFIG, "--%s takes %zu hexadecimal digits", option, 2 * size);
}

static vouch_code read_options(const values *v, vch_sim_quote_options *out, vouch_error *err)
{
    out->debug = v->debug;
    out->td_report_1_5 = v->td_1_5;
    vouch_code rc =
        read_hex("report-data", v->report_data, out->report_data, sizeof out->report_data, err);
    if (rc == VOUCH_OK)
        rc = read_hex("mrenclave", v->mrenclave, out->measurement.mrenclave,
                      sizeof out->measurement.mrenclave, err);
    if (rc == VOUCH_OK)
        rc = read_hex("mrtd", v->mrtd, out->measurement.mrtd, sizeof out->measurement.mrtd, err);
    return rc;
}

static vouch_code refuse_foreign_options(const values *v, vouch_tee tee, vouch_error *err)
{
    if (tee == VOUCH_TEE_SGX && (v->mrtd != NULL || v->td_1_5))
        return vouch_fail(err, VOUCH_E_CONFIG, "--mrtd and --td-report-1.5 are for TDX platforms");
    if (tee == VOUCH_TEE_TDX && v->mrenclave != NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "--mrenclave is for SGX platforms");
    return VOUCH_OK;
}

static vouch_code print(FILE *out, vouch_span quote, bool json, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(2 * VCH_SIM_QUOTE_MAX_SIZE);
    if (json) {
        vch_json_writer w = vch_json_writer_over(&text, false);
        vch_json_begin_object(&w);
        vch_json_put_bool(&w, "simulated", true);
        vch_json_key(&w, "quote");
        vch_json_base64(&w, quote);
        vch_json_end(&w);
    } else {
        vch_base64_encode(quote, &text);
    }
    vouch_code rc = vch_buffer_finish(&text, "quote", err);
    if (rc == VOUCH_OK)
        (void)fprintf(out, "%s\n", vch_buffer_text(&text));
    return rc;
}

static vouch_code quote(FILE *out, const values *v, vouch_error *err)
{
    VCH_SCOPED(vch_sim_platform_drop) vch_sim_platform *platform = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer made = vch_buffer_with_cap(VCH_SIM_QUOTE_MAX_SIZE);
    vch_sim_quote_options o = { 0 };
    vouch_code rc = read_options(v, &o, err);
    if (rc == VOUCH_OK)
        rc = vch_secure_heap_start(err);
    if (rc == VOUCH_OK)
        rc = vch_sim_platform_open(v->platform, &platform, err);
    if (rc == VOUCH_OK)
        rc = vch_cmd_check_tee(v->tee, platform->tee, err);
    if (rc == VOUCH_OK)
        rc = refuse_foreign_options(v, platform->tee, err);
    if (rc == VOUCH_OK)
        rc = vch_sim_quote_make(platform, &o, &made, err);
    if (rc == VOUCH_OK)
        rc = print(out, vch_buffer_span(&made), v->common.json, err);
    return rc;
}

int vch_cmd_quote(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    vouch_error err = { 0 };
    vouch_code rc = quote(rt->out, &v, &err);
    return rc == VOUCH_OK ? VCH_EXIT_DONE : vch_command_fail(rt, COMMAND, rc, &err);
}
