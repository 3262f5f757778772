#include <stddef.h>

#include "base/moment.h"
#include "cli/verifyd_commands.h"
#include "codec/json_writer.h"
#include "crypto/secure_heap.h"
#include "host/clock.h"
#include "host/process.h"
#include "svc/verifyd_rotate.h"

typedef struct values {
    vch_common_options common;
    const char *config;
    int64_t ahead_s;
} values;

static const vch_option options[] = {
    { .name = "config",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, config),
      .argument = "FILE",
      .help = "the service's configuration, with token.ring",
      .required = true },
    { .name = "ahead",
      .kind = VCH_OPTION_INTEGER,
      .offset = offsetof(values, ahead_s),
      .argument = "S",
      .help = "publish the new key so many seconds before it signs",
      .fallback = "600",
      .min = 0,
      .max = 2592000 },
    VCH_COMMON_OPTIONS(values),
};

static const vch_usage usage = {
    .command = "vouch-verifyd rotate",
    .operands = "",
    .summary = "Make the next token key under the same root, and publish both keys for a while.",
    .details =
        "The service takes it up at SIGHUP. The key before stays published until the last token\n"
        "and nonce that it signed have ended. The signing CA is renewed, with its key and name,\n"
        "when it would end before the new key. Safe to repeat: while a rotation is under way it\n"
        "changes nothing, and what a killed one left is removed.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static void put_json(const vch_rotate_result *r, vch_buffer *out)
{

    vch_json_writer w = vch_json_writer_over(out, true);
    vch_json_begin_object(&w);
    vch_json_put_bool(&w, "made", r->made);
    vch_json_put_string(&w, "kid", r->kid);
    vch_json_put_moment(&w, "signs_from", r->signs_from_unix_s);
    if (r->until_unix_s != 0)
        vch_json_put_moment(&w, "before_published_until", r->until_unix_s);
    vch_json_put_bool(&w, "ca_renewed", r->ca_renewed);
    vch_json_put_uint(&w, "removed_files", r->removed);
    vch_json_end(&w);
    vch_buffer_append_str(out, "\n");
}

static void put_text(const vch_rotate_result *r, vch_buffer *out)
{
    char moment[VCH_MOMENT_TEXT_SIZE];
    if (!r->made)
        vch_buffer_append_str(out, "The last rotation is under way; nothing was changed.\n");
    vch_buffer_append_fmt(out, "key         %.16s...\nsigns from  %s\n", r->kid,
                          vch_moment_format(r->signs_from_unix_s, moment));
    if (r->until_unix_s != 0)
        vch_buffer_append_fmt(out, "the one before is published until %s\n",
                              vch_moment_format(r->until_unix_s, moment));
    if (r->ca_renewed)
        vch_buffer_append_str(out, "the signing CA was renewed\n");
    if (r->made)
        vch_buffer_append_str(out, "\nNow send the service SIGHUP (systemctl reload).\n");
}

static vouch_code rotate(const vch_runtime *rt, const values *v, vch_rotate_result *out,
                         vouch_error *err)
{
    vch_faults faults = { 0 };
    VCH_SCOPED(vch_verifyd_config_drop) vch_verifyd_config *config = NULL;
    vouch_code rc = vch_process_harden(err);
    if (rc == VOUCH_OK)
        rc = vch_secure_heap_start(err);
    if (rc == VOUCH_OK)
        rc = vch_verifyd_config_read(v->config, &faults, &config, err);
    vch_command_faults(rt, &faults);
    vch_faults_done(&faults);
    const vch_rotate_options o = { config, v->ahead_s, vch_clock_unix_s() };
    return rc == VOUCH_OK ? vch_verifyd_rotate(&o, out, err) : rc;
}

int vch_cmd_verifyd_rotate(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    vouch_error err = { 0 };
    vch_rotate_result result = { 0 };
    vouch_code rc = rotate(rt, &v, &result, &err);
    if (rc != VOUCH_OK)
        return vch_command_fail(rt, usage.command, rc, &err);
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap((size_t)64 << 10);
    if (v.common.json)
        put_json(&result, &text);
    else
        put_text(&result, &text);
    return vch_command_answer(rt, usage.command, &text, VCH_EXIT_DONE);
}
