/* vouch cert show: what a certificate says, evidence of any known dialect included; unproven. */
#include "cli/commands.h"

#include <stddef.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/moment.h"
#include "base/scope.h"
#include "cli/cert_input.h"
#include "cli/claims_view.h"
#include "cli/input_failed.h"
#include "codec/hex.h"
#include "codec/json_writer.h"
#include "crypto/hash.h"
#include "identity/claims.h"
#include "identity/ratls_evidence.h"
#include "vouch/evidence.h"

#define COMMAND "vouch cert show"
#define OUTPUT_CAP ((size_t)1 << 20)

typedef struct values {
    vch_common_options common;
} values;

/* All that is shown. */
typedef struct shown {
    vch_buffer der;
    vch_ratls_cert cert;
    vch_ratls_evidence evidence;
    bool has_quote;
    vouch_claims quote;
    bool has_claims; /* ours */
    vch_claims claims;
    uint8_t spki[VCH_SHA256_SIZE];
    uint8_t digest[VCH_SHA256_SIZE];
} shown;

static vouch_code read_all(const char *path, shown *s, vouch_error *err)
{
    vouch_code rc = vch_cert_file_read(path, &s->der, err);
    if (rc == VOUCH_OK)
        rc = vch_ratls_cert_parse(vch_buffer_span(&s->der), &s->cert, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(s->cert.spki, s->spki, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(s->cert.der, s->digest, err);
    if (rc == VOUCH_OK)
        rc = vch_ratls_evidence_read(&s->cert, &s->evidence, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "'%s'", path);
    s->has_quote = s->evidence.quote.size > 0
                   && vouch_quote_read(s->evidence.quote, &s->quote, NULL) == VOUCH_OK;
    s->has_claims = s->evidence.claims.size > 0
                    && vch_claims_parse(s->evidence.claims, &s->claims, NULL) == VOUCH_OK;
    return VOUCH_OK;
}

static void put_dialects(vch_json_writer *w, const shown *s)
{
    vch_json_key(w, "evidence");
    vch_json_begin_array(w);
    for (size_t d = 0; d < VCH_RATLS_DIALECT_COUNT; d++) {
        if (s->cert.evidence[d].data != NULL)
            vch_json_string(w, vch_ratls_dialect_name((vch_ratls_dialect)d));
    }
    vch_json_end(w);
}

static void put_our_claims(vch_json_writer *w, const vch_claims *c)
{
    vch_json_key(w, "vouch");
    vch_json_begin_object(w);
    vch_json_put_string(w, "name", c->name);
    vch_json_put_string(w, "role", vch_role_name(c->role));
    vch_json_put_hex(w, "federation", (vouch_span) { c->federation, sizeof c->federation });
    vch_json_put_hex(w, "plan", (vouch_span) { c->plan, sizeof c->plan });
    vch_json_put_hex(w, "policy", (vouch_span) { c->policy, sizeof c->policy });
    if (c->has_ca)
        vch_json_put_hex(w, "ca", (vouch_span) { c->ca, sizeof c->ca });
    vch_json_end(w);
}

static void put_json(vch_json_writer *w, const shown *s)
{
    vch_json_begin_object(w);
    vch_json_key(w, "common_name");
    vch_json_string_span(w, s->cert.common_name);
    vch_json_put_moment(w, "not_before", s->cert.nbf_unix_s);
    vch_json_put_moment(w, "not_after", s->cert.exp_unix_s);
    vch_json_put_hex(w, "sha256", (vouch_span) { s->digest, sizeof s->digest });
    vch_json_put_hex(w, "spki_sha256", (vouch_span) { s->spki, sizeof s->spki });
    vch_json_put_bool(w, "ca", s->cert.is_ca);
    vch_json_put_bool(w, "enrolment", s->cert.enrolment.data != NULL);
    put_dialects(w, s);
    if (s->evidence.found) {
        vch_json_put_bool(w, "bound", s->evidence.bound);
        vch_json_put_string(w, "bound_note", s->evidence.why);
    }
    if (s->has_claims)
        put_our_claims(w, &s->claims);
    if (s->has_quote) {
        vch_json_key(w, "claims");
        vch_claims_json(w, &s->quote);
    }
    vch_json_put_bool(w, "verified", false);
    vch_json_end(w);
}

/* Whoever made the certificate chose the text: nothing in it may steer a terminal. */
static void print_subject(FILE *out, vouch_span name)
{
    (void)fprintf(out, "subject      ");
    for (size_t i = 0; i < name.size && i < 128; i++)
        (void)fputc(name.data[i] < 0x20 || name.data[i] == 0x7f ? '?' : name.data[i], out);
    (void)fputc('\n', out);
}

static void print_text(FILE *out, const shown *s)
{
    char from[VCH_MOMENT_TEXT_SIZE];
    char until[VCH_MOMENT_TEXT_SIZE];
    char hex[2 * VCH_SHA256_SIZE + 1];
    print_subject(out, s->cert.common_name);
    (void)fprintf(out, "valid        %s to %s\n", vch_moment_format(s->cert.nbf_unix_s, from),
                  vch_moment_format(s->cert.exp_unix_s, until));
    (void)fprintf(out, "key          %s (SHA-256 of its SPKI)\n",
                  vch_hex_encode((vouch_span) { s->spki, sizeof s->spki }, hex));
    for (size_t d = 0; d < VCH_RATLS_DIALECT_COUNT; d++) {
        if (s->cert.evidence[d].data != NULL)
            (void)fprintf(out, "evidence     %s\n", vch_ratls_dialect_name((vch_ratls_dialect)d));
    }
    if (!s->evidence.found) {
        (void)fprintf(out, "evidence     none\n");
        return;
    }
    (void)fprintf(out, "bound        %s%s\n",
                  s->evidence.bound ? "to this key" : "no: ", s->evidence.why);
    if (s->has_claims)
        (void)fprintf(out, "vouch        %s '%s'%s\n", vch_role_name(s->claims.role),
                      s->claims.name, s->cert.enrolment.data != NULL ? ", enrolled" : "");
    (void)fprintf(out, "nothing here is verified; `vouch cert verify` does that\n\n");
    if (s->has_quote)
        vch_claims_print(out, &s->quote);
}

static int show(const vch_runtime *rt, bool json, const char *path)
{
    vouch_error err = { 0 };
    shown s = { 0 };
    int status = VCH_EXIT_DONE;
    vouch_code rc = read_all(path, &s, &err);
    if (rc != VOUCH_OK) {
        status = vch_input_failed(rt, COMMAND, json, rc, &err);
    } else if (!json) {
        print_text(rt->out, &s);
    } else {
        VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
        vch_json_writer w = vch_json_writer_over(&out, true);
        put_json(&w, &s);
        status = vch_command_answer(rt, COMMAND, &out, VCH_EXIT_DONE);
    }
    vch_buffer_drop(&s.der);
    return status;
}

int vch_cmd_cert_show(vch_runtime *rt, int argc, char *argv[])
{
    static const vch_option options[] = { VCH_COMMON_OPTIONS(values) };
    static const vch_usage usage = { .command = COMMAND,
                                     .operands = "FILE",
                                     .summary = "Show a certificate and its evidence, unverified.",
                                     .options = options,
                                     .option_count = sizeof options / sizeof *options,
                                     .operands_min = 1,
                                     .operands_max = 1 };
    values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    return show(rt, v.common.json, operands.item[0]);
}
