#include "cli/commands.h"

#include <stddef.h>
#include <string.h>

#include "base/scope.h"
#include "cli/input_files.h"
#include "codec/hex.h"
#include "codec/json_writer.h"
#include "evidence/event_log.h"
#include "evidence/sigstruct.h"
#include "host/file.h"
#include "vouch/evidence.h"

#define COMMAND "vouch measure"
#define OUTPUT_CAP ((size_t)64 << 20)

typedef struct values {
    vch_common_options common;
    const char *sgx;
    const char *tdx;
    const char *quote;
} values;

static const vch_option options[] = {
    { .name = "sgx",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, sgx),
      .argument = "SIGSTRUCT",
      .help = "the .sig file of a signed enclave (gramine-sgx-sign)" },
    { .name = "tdx",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, tdx),
      .argument = "CCEL",
      .help = "a TD's event log (/sys/firmware/acpi/tables/data/CCEL)" },
    { .name = "quote",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, quote),
      .argument = "FILE",
      .help = "with --tdx: compare with the RTMRs of this quote" },
    VCH_COMMON_OPTIONS(values),
};

static const vch_usage usage = {
    .command = COMMAND,
    .operands = "",
    .summary = "Read the reference values of a signed enclave, or replay a TD's event log.",
    .details =
        "--sgx prints what the signer of an enclave says, and whether the signature is right: "
        "MRENCLAVE, MRSIGNER, product id and SVN for a policy. It proves nothing about what runs. "
        "--tdx replays an event log into RTMR0 to RTMR3. The log itself proves nothing either: it "
        "explains the RTMRs of a quote that 'vouch quote verify' has verified. A TD's measurement "
        "is its machine image's: whoever is root in that image is inside.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static int finish_json(const vch_runtime *rt, vch_json_writer *w, int status)
{
    vch_json_end(w);
    return vch_command_answer(rt, COMMAND, w->out, status);
}

static void print_hex(FILE *out, const char *label, const uint8_t *bytes, size_t size)
{
    char hex[2 * 64 + 1];
    (void)fprintf(out, "%-12s %s\n", label, vch_hex_encode((vouch_span) { bytes, size }, hex));
}

/* A failure of ours, or of a file, is no answer; one of what the file says is the answer no. */
static int failed(const vch_runtime *rt, vouch_code rc, const vouch_error *err)
{
    int status = vch_command_fail(rt, COMMAND, rc, err);
    bool read = rc == VOUCH_E_FORMAT || rc == VOUCH_E_TRUNCATED || rc == VOUCH_E_LIMIT
                || rc == VOUCH_E_UNSUPPORTED;
    return read ? VCH_EXIT_NO : status;
}

/* --- SGX --- */

static void print_sigstruct(FILE *out, const vch_sigstruct *s, bool valid)
{
    print_hex(out, "MRENCLAVE", s->mrenclave, sizeof s->mrenclave);
    print_hex(out, "MRSIGNER", s->mrsigner, sizeof s->mrsigner);
    (void)fprintf(out, "%-12s %u\n%-12s %u\n%-12s %x\n", "product id", s->isv_prod_id, "SVN",
                  s->isv_svn, "signed on", (unsigned)s->date_bcd);
    (void)fprintf(out, "%-12s %s\n%-12s %s\n", "debug", vch_sigstruct_debug(s), "signature",
                  valid ? "right" : "WRONG: this enclave was altered, or never signed");
}

static int show_sigstruct(const vch_runtime *rt, const vch_sigstruct *s, bool valid, bool json)
{
    int status = valid ? VCH_EXIT_DONE : VCH_EXIT_NO;
    if (!json) {
        print_sigstruct(rt->out, s, valid);
        return status;
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "tee", "sgx");
    vch_json_put_bool(&w, "signature_valid", valid);
    vch_json_put_hex(&w, "mrenclave", (vouch_span) { s->mrenclave, sizeof s->mrenclave });
    vch_json_put_hex(&w, "mrsigner", (vouch_span) { s->mrsigner, sizeof s->mrsigner });
    vch_json_put_uint(&w, "isv_prod_id", s->isv_prod_id);
    vch_json_put_uint(&w, "isv_svn", s->isv_svn);
    vch_json_put_string(&w, "debug", vch_sigstruct_debug(s));
    return finish_json(rt, &w, status);
}

static int measure_sgx(const vch_runtime *rt, const values *v)
{
    vouch_error err = { 0 };
    vch_sigstruct s = { 0 };
    bool valid = false;
    VCH_SCOPED(vch_buffer_drop) vch_buffer file = { 0 };
    vouch_code rc = vch_file_read(v->sgx, VCH_SIGSTRUCT_SIZE, &file, &err);
    if (rc == VOUCH_OK)
        rc = vch_sigstruct_parse(vch_buffer_span(&file), &s, &err);
    if (rc == VOUCH_OK)
        rc = vch_sigstruct_verify(&s, &valid, &err);
    if (rc == VOUCH_OK)
        return show_sigstruct(rt, &s, valid, v->common.json);
    rc = vouch_wrap(&err, rc, "'%s'", v->sgx);
    return failed(rt, rc, &err);
}

/* --- TDX --- */

static vouch_code read_quote(const char *path, vouch_claims *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = { 0 };
    vouch_code rc = vch_quote_file_read(path, &quote, err);
    if (rc == VOUCH_OK)
        rc = vouch_quote_read(vch_buffer_span(&quote), out, err);
    if (rc == VOUCH_OK && out->tee != VOUCH_TEE_TDX)
        rc = vouch_fail(err, VOUCH_E_FORMAT, "it is not a TDX quote");
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "--quote '%s'", path);
}

static bool same(const vch_rtmrs *r, const vouch_claims *quote, size_t i)
{
    return memcmp(r->value[i], quote->tdx.rtmr[i], VCH_RTMR_SIZE) == 0;
}

static void print_rtmrs(FILE *out, const vch_rtmrs *r, const vouch_claims *quote)
{
    for (size_t i = 0; i < VCH_RTMR_COUNT; i++) {
        char label[16];
        (void)snprintf(label, sizeof label, "RTMR%zu", i);
        print_hex(out, label, r->value[i], VCH_RTMR_SIZE);
        if (quote != NULL && !same(r, quote, i))
            print_hex(out, "  quote says", quote->tdx.rtmr[i], VCH_RTMR_SIZE);
    }
    (void)fprintf(out, "%-12s %zu (%zu, %zu, %zu and %zu in RTMR0 to 3)\n", "events",
                  r->event_count, r->extended[0], r->extended[1], r->extended[2], r->extended[3]);
}

static vouch_code put_event(void *context, const vch_event *event, vouch_error *err)
{
    vch_json_writer *w = context;
    (void)err;
    vch_json_begin_object(w);
    if (event->index > 0)
        vch_json_put_uint(w, "rtmr", event->index - 1);
    vch_json_put_uint(w, "type", event->type);
    vch_json_put_string(w, "name", vch_event_type_name(event->type));
    vch_json_put_hex(w, "digest", event->digest);
    vch_json_put_uint(w, "size", event->content.size);
    vch_json_end(w);
    return VOUCH_OK;
}

static int show_rtmrs_json(const vch_runtime *rt, vouch_span log, const vch_rtmrs *r,
                           const vouch_claims *quote, bool matches)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "tee", "tdx");
    for (size_t i = 0; i < VCH_RTMR_COUNT; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "rtmr%zu", i);
        vch_json_put_hex(&w, name, (vouch_span) { r->value[i], VCH_RTMR_SIZE });
    }
    if (quote != NULL)
        vch_json_put_bool(&w, "matches_quote", matches);
    vch_json_key(&w, "events");
    vch_json_begin_array(&w);
    vouch_error err = { 0 };
    vouch_code rc = vch_event_log_each(log, put_event, &w, &err);
    if (rc != VOUCH_OK)
        return failed(rt, rc, &err);
    vch_json_end(&w);
    return finish_json(rt, &w, matches ? VCH_EXIT_DONE : VCH_EXIT_NO);
}

static int show_rtmrs(const vch_runtime *rt, const values *v, vouch_span log, const vch_rtmrs *r,
                      const vouch_claims *quote)
{
    bool matches = true;
    for (size_t i = 0; quote != NULL && i < VCH_RTMR_COUNT; i++)
        matches = matches && same(r, quote, i);
    if (v->common.json)
        return show_rtmrs_json(rt, log, r, quote, matches);
    print_rtmrs(rt->out, r, quote);
    if (quote != NULL)
        (void)fprintf(rt->out, "%-12s %s\n", "quote",
                      matches ? "the same RTMRs" : "OTHER RTMRS: this is not the log of that boot");
    return matches ? VCH_EXIT_DONE : VCH_EXIT_NO;
}

static int measure_tdx(const vch_runtime *rt, const values *v)
{
    vouch_error err = { 0 };
    vch_rtmrs r = { 0 };
    vouch_claims quote = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer log = { 0 };
    vouch_code rc = vch_file_read(v->tdx, VCH_EVENT_LOG_MAX_SIZE, &log, &err);
    if (rc == VOUCH_OK)
        rc = vch_event_log_replay(vch_buffer_span(&log), &r, &err);
    if (rc != VOUCH_OK)
        rc = vouch_wrap(&err, rc, "'%s'", v->tdx);
    if (rc == VOUCH_OK && v->quote != NULL)
        rc = read_quote(v->quote, &quote, &err);
    if (rc != VOUCH_OK)
        return failed(rt, rc, &err);
    return show_rtmrs(rt, v, vch_buffer_span(&log), &r, v->quote == NULL ? NULL : &quote);
}

int vch_cmd_measure(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    if ((v.sgx == NULL) == (v.tdx == NULL) || (v.quote != NULL && v.tdx == NULL)) {
        vouch_error err = { 0 };
        vouch_code rc = vouch_fail(&err, VOUCH_E_CONFIG,
                                   "give --sgx SIGSTRUCT, or --tdx CCEL with or without --quote");
        return vch_command_fail(rt, COMMAND, rc, &err);
    }
    return v.sgx != NULL ? measure_sgx(rt, &v) : measure_tdx(rt, &v);
}
