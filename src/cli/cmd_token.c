#include <stddef.h>
#include <string.h>

#include "base/scope.h"
#include "cli/commands.h"
#include "cli/token_inputs.h"
#include "cli/token_view.h"
#include "host/clock.h"
#include "identity/issuer_cache.h"

#define COMMAND "vouch token verify"
#define OUTPUT_CAP ((size_t)1 << 20)
#define NOW INT64_MIN /* --at was not given */
#define URL_SIZE 512

VCH_DEFINE_DROP(drop_verdict, vouch_token_verdict, vouch_token_verdict_free)

typedef struct values {
    vch_common_options common;
    const char *jwks, *ca, *cache, *policy, *nonce, *held_data, *issuer;
    bool no_cache, offline;
    vch_texts roots, crls, policy_ids;
    int64_t at_unix_s, leeway_s;
} values;

static const vch_option options[] = {
    { .name = "jwks",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, jwks),
      .argument = "FILE|URL",
      .help = "the verifier's key set; from a URL the CRLs are fetched, too",
      .required = true },
    { .name = "root",
      .kind = VCH_OPTION_TEXTS,
      .offset = offsetof(values, roots),
      .argument = "PEM",
      .help = "pinned root of the token keys; without one every token is refused" },
    { .name = "policy",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, policy),
      .argument = "FILE",
      .help = "judge by this policy; otherwise debug, OutOfDate ... are refused" },
    { .name = "nonce",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, nonce),
      .argument = "FILE",
      .help = "the nonce that was sent, as the service gave it" },
    { .name = "held-data",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, held_data),
      .argument = "FILE",
      .help = "the data that the quote must be bound to" },
    { .name = "crl",
      .kind = VCH_OPTION_TEXTS,
      .offset = offsetof(values, crls),
      .argument = "DER",
      .help = "a CRL of the token keys' CAs; once for each" },
    { .name = "policy-id",
      .kind = VCH_OPTION_TEXTS,
      .offset = offsetof(values, policy_ids),
      .argument = "UUID",
      .help = "a policy of the verifier that must have matched" },
    { .name = "issuer",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, issuer),
      .argument = "URL",
      .help = "the verifier's base URL (default: that of the --jwks URL, else any)" },
    { .name = "ca",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, ca),
      .argument = "PEM",
      .help = "TLS roots for the --jwks URL (default: the system's)" },
    { .name = "cache",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, cache),
      .argument = "DIR",
      .help = "where key sets and CRLs are kept (default: vouch in $XDG_CACHE_HOME or ~/.cache)" },
    { .name = "no-cache",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, no_cache),
      .help = "neither use nor keep any" },
    { .name = "offline",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, offline),
      .help = "no network: what was kept of the --jwks URL, however old" },
    { .name = "at",
      .kind = VCH_OPTION_MOMENT,
      .offset = offsetof(values, at_unix_s),
      .argument = "TIME",
      .help = "the moment to judge at; otherwise now" },
    { .name = "leeway",
      .kind = VCH_OPTION_INTEGER,
      .offset = offsetof(values, leeway_s),
      .argument = "S",
      .help = "clock difference granted, in seconds",
      .fallback = "5",
      .min = 0,
      .max = 300 },
    VCH_COMMON_OPTIONS(values),
};

static const vch_usage usage = {
    .command = COMMAND,
    .operands = "FILE",
    .summary = "Verify an attestation token of Intel Trust Authority or a service like it.",
    .details =
        "Key set and CRLs of a --jwks URL are kept for an hour, and for longer where the service "
        "does\n"
        "not answer and the CRLs still hold. What was kept is judged as if it had just been\n"
        "fetched. Where it has no key of the token's kid, or does not lead to the root, it is\n"
        "fetched anew, once.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = 1,
};

static int print(const vch_runtime *rt, const values *v, const vch_token_view *view, int status)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    if (v->common.json)
        vch_token_view_json(view, &out);
    else
        vch_token_view_text(view, &out);
    return vch_command_answer(rt, COMMAND, &out, status);
}

/* CLI.md: what could not be read is said as a refusal of the step `input`, too. */
static int input_failed(const vch_runtime *rt, const values *v, int64_t at_unix_s, vouch_code rc,
                        const vouch_error *err)
{
    char text[1024];
    int status = vch_command_fail(rt, COMMAND, rc, err);
    if (rc == VOUCH_E_LIMIT || rc == VOUCH_E_FORMAT)
        status = VCH_EXIT_NO; /* it could be read, and is not what it should be */
    if (!v->common.json)
        return status;
    const vch_token_view view = { .step = "input",
                                  .code = vouch_code_name(rc),
                                  .message = vouch_error_text(err, text, sizeof text),
                                  .at_unix_s = at_unix_s };
    return print(rt, v, &view, status);
}

/* Where the key set is kept, if anywhere. */
static const char *cache_of(const values *v, char out[static VCH_PATH_SIZE])
{
    if (v->no_cache)
        return NULL;
    if (v->cache != NULL)
        return v->cache;
    return vch_issuer_cache_place(out) ? out : NULL;
}

/* A key set of the right origin, and nothing else in the path, tells the issuer. */
static const char *issuer_of(const values *v, char out[static URL_SIZE])
{
    static const char path[] = "/certs";
    size_t size = strlen(v->jwks);
    if (v->issuer != NULL || strncmp(v->jwks, "https://", 8) != 0 || size >= URL_SIZE)
        return v->issuer;
    if (v->jwks[size - 1] == '/')
        size--;
    if (size < sizeof path
        || memcmp(v->jwks + size - (sizeof path - 1), path, sizeof path - 1) != 0)
        return NULL;
    size -= sizeof path - 1;
    memcpy(out, v->jwks, size);
    out[size] = '\0';
    return out;
}

static vouch_code judge_once(const values *v, const vch_token_inputs *in, int64_t at_unix_s,
                             vouch_token_verdict **out, vouch_error *err)
{
    char issuer[URL_SIZE];
    const vouch_token_expectation expected = {
        .keys = in->issuer.keys,
        .root_sha256 = in->roots,
        .root_count = in->root_count,
        .crls = in->crls,
        .crl_count = in->crl_count,
        .base_url = issuer_of(v, issuer),
        .now_unix_s = at_unix_s,
        .leeway_s = (uint32_t)v->leeway_s,
        .nonce_val = vch_buffer_span(&in->nonce.val),
        .nonce_iat = vch_buffer_span(&in->nonce.iat),
        .nonce_any = v->nonce == NULL,
        .held_data = vch_buffer_span(&in->held_data),
        .held_data_any = v->held_data == NULL,
        .policy = in->policy,
        .policy_ids = v->policy_ids.item,
        .policy_id_count = v->policy_ids.count,
    };
    return vouch_token_verify(in->token_text, &expected, out, err);
}

static int show(const vch_runtime *rt, const values *v, const vouch_token_verdict *verdict,
                int64_t at_unix_s)
{
    const vch_token_view view = { .verdict = verdict,
                                  .nonce_compared = v->nonce != NULL,
                                  .held_data_compared = v->held_data != NULL,
                                  .at_unix_s = at_unix_s };
    return print(rt, v, &view, vouch_token_verdict_admits(verdict) ? VCH_EXIT_DONE : VCH_EXIT_NO);
}

static int no_key_set(const vch_runtime *rt, const values *v, const vouch_error *fault,
                      int64_t at_unix_s)
{
    char text[1024];
    const vch_token_view view = { .step = "structure",
                                  .code = "jwks",
                                  .message = vouch_error_text(fault, text, sizeof text),
                                  .at_unix_s = at_unix_s };
    return print(rt, v, &view, VCH_EXIT_NO);
}

/* Refused over keys or CRLs that were kept: once more with fresh ones, if they can be had. */
static int judge(const vch_runtime *rt, const values *v, const vch_token_places *places,
                 vch_token_inputs *in)
{
    vouch_error err = { 0 };
    for (unsigned round = 0;; round++) {
        if (in->issuer.keys == NULL)
            return no_key_set(rt, v, &in->issuer.fault, places->at_unix_s);
        VCH_SCOPED(drop_verdict) vouch_token_verdict *verdict = NULL;
        vouch_code rc = judge_once(v, in, places->at_unix_s, &verdict, &err);
        if (rc != VOUCH_OK)
            return vch_command_fail(rt, COMMAND, rc, &err);
        if (round > 0 || !vch_token_inputs_may_be_old(places, in, verdict)
            || vch_token_inputs_renew(places, in, &err) != VOUCH_OK)
            return show(rt, v, verdict, places->at_unix_s);
    }
}

int vch_cmd_token_verify(vch_runtime *rt, int argc, char *argv[])
{
    values v = { .at_unix_s = NOW };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    int64_t at_unix_s = v.at_unix_s == NOW ? vch_clock_unix_s() : v.at_unix_s;
    char cache[VCH_PATH_SIZE];
    const vch_token_places places = { .token = operands.item[0],
                                      .jwks = v.jwks,
                                      .ca = v.ca,
                                      .policy = v.policy,
                                      .nonce = v.nonce,
                                      .held_data = v.held_data,
                                      .roots = &v.roots,
                                      .crls = &v.crls,
                                      .cache = cache_of(&v, cache),
                                      .offline = v.offline,
                                      .at_unix_s = at_unix_s,
                                      .log = &rt->log };
    VCH_SCOPED(vch_token_inputs_drop) vch_token_inputs in = { 0 };
    vouch_error err = { 0 };
    vouch_code rc = vch_token_inputs_read(&places, &in, &err);
    if (rc != VOUCH_OK)
        return input_failed(rt, &v, at_unix_s, rc, &err);
    return judge(rt, &v, &places, &in);
}
