#include <stddef.h>
#include <string.h>

#include "cli/verifyd_commands.h"
#include "codec/json_writer.h"
#include "crypto/secure_heap.h"
#include "host/clock.h"
#include "svc/verifyd_init.h"

typedef struct values {
    vch_common_options common;
    const char *host, *listen, *crl_listen, *collateral_dir;
    vch_texts roots, policies;
    int64_t nonce_lifetime_s, token_lifetime_s;
} values;

static const vch_option options[] = {
    { .name = "host",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, host),
      .argument = "NAME",
      .help = "DNS name or IP address that clients use",
      .required = true },
    { .name = "listen",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, listen),
      .argument = "ADDR:PORT",
      .help = "where the service listens",
      .fallback = "0.0.0.0:8443" },
    { .name = "crl-listen",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, crl_listen),
      .argument = "ADDR:PORT",
      .help = "serve the CRLs over plain HTTP here (else with the service)" },
    { .name = "root",
      .kind = VCH_OPTION_TEXTS,
      .offset = offsetof(values, roots),
      .argument = "PEM",
      .help = "trust this root for platforms, in place of Intel's (simulated vendors)" },
    { .name = "collateral-dir",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, collateral_dir),
      .argument = "DIR|FILE",
      .help = "where the platforms' collateral is: a directory or a bundle file" },
    { .name = "nonce-lifetime",
      .kind = VCH_OPTION_INTEGER,
      .offset = offsetof(values, nonce_lifetime_s),
      .argument = "S",
      .help = "seconds",
      .fallback = "120",
      .min = 1,
      .max = 3600 },
    { .name = "token-lifetime",
      .kind = VCH_OPTION_INTEGER,
      .offset = offsetof(values, token_lifetime_s),
      .argument = "S",
      .help = "seconds",
      .fallback = "300",
      .min = 5,
      .max = 300 },
    { .name = "policy",
      .kind = VCH_OPTION_TEXTS,
      .offset = offsetof(values, policies),
      .argument = "FILE",
      .help = "a Vouch policy; it gets a UUID" },
    VCH_COMMON_OPTIONS(values),
};

static const vch_usage usage = {
    .command = "vouch-verifyd init",
    .operands = "DIR",
    .summary = "Make keys, CRLs' signers, an API key and a commented configuration in DIR.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = 1,
};

static void put_json(const values *v, const vch_verifyd_init_result *r, vch_buffer *out)
{
    vch_json_writer w = vch_json_writer_over(out, true);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "config", r->config);
    vch_json_put_string(&w, "tls_ca", r->tls_ca);
    vch_json_put_string(&w, "api_key_file", r->api_key_file);
    vch_json_put_string(&w, "base_url", r->base_url);
    vch_json_put_string(&w, "token_root", r->token_root);
    vch_json_put_string(&w, "token_root_sha256", r->token_root_sha256);
    vch_json_key(&w, "policies");
    vch_json_begin_array(&w);
    for (size_t i = 0; i < v->policies.count; i++) {
        vch_json_begin_object(&w);
        vch_json_put_string(&w, "file", v->policies.item[i]);
        vch_json_put_string(&w, "id", r->policy_ids[i]);
        vch_json_end(&w);
    }
    vch_json_end(&w);
    vch_json_end(&w);
    vch_buffer_append_str(out, "\n");
}

static void put_text(const values *v, const vch_verifyd_init_result *r, vch_buffer *out)
{
    vch_buffer_append_fmt(out, "configuration    %s\n", r->config);
    vch_buffer_append_fmt(out, "service          %s\n", r->base_url);
    vch_buffer_append_fmt(out, "TLS CA           %s\n", r->tls_ca);
    vch_buffer_append_fmt(out, "API key          %s\n", r->api_key_file);
    vch_buffer_append_fmt(out, "token root       %s\n", r->token_root);
    vch_buffer_append_fmt(out, "  its SHA-256    %s\n", r->token_root_sha256);
    for (size_t i = 0; i < v->policies.count; i++)
        vch_buffer_append_fmt(out, "policy           %s  %s\n", r->policy_ids[i],
                              v->policies.item[i]);
    vch_buffer_append_fmt(out, "\nStart it with: vouch-verifyd --config %s\n", r->config);
}

static vouch_code init(const values *v, const char *dir, vch_verifyd_init_result *out,
                       vouch_error *err)
{
    const vch_verifyd_init_options o = {
        .dir = dir,
        .host = v->host,
        .listen = v->listen,
        .crl_listen = v->crl_listen,
        .roots = v->roots.item,
        .root_count = v->roots.count,
        .collateral_dir = v->collateral_dir,
        .policies = v->policies.item,
        .policy_count = v->policies.count,
        .nonce_lifetime_s = v->nonce_lifetime_s,
        .token_lifetime_s = v->token_lifetime_s,
        .now_unix_s = vch_clock_unix_s(),
    };
    vouch_code rc = vch_secure_heap_start(err);
    return rc == VOUCH_OK ? vch_verifyd_init(&o, out, err) : rc;
}

int vch_cmd_verifyd_init(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    vouch_error err = { 0 };
    vch_verifyd_init_result result = { 0 };
    vouch_code rc = init(&v, operands.item[0], &result, &err);
    if (rc != VOUCH_OK)
        return vch_command_fail(rt, usage.command, rc, &err);
    if (strpbrk(v.host, ".:") == NULL)
        (void)fprintf(rt->err,
                      "%s: note: Intel's Python client refuses host names without a dot ('%s')\n",
                      usage.command, v.host);
    if (v.collateral_dir == NULL)
        (void)fprintf(rt->err,
                      "%s: note: it starts once collateral is in '%s/collateral', or 'collateral:' "
                      "names services\n",
                      usage.command, operands.item[0]);
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(1 << 20);
    if (v.common.json)
        put_json(&v, &result, &text);
    else
        put_text(&v, &result, &text);
    return vch_command_answer(rt, usage.command, &text, VCH_EXIT_DONE);
}
