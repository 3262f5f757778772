/* vouch aggregator generate-cert-request, certify. */
#include <stddef.h>

#include "base/scope.h"
#include "cli/commands.h"
#include "cli/confirm.h"
#include "crypto/pem.h"
#include "crypto/secure_heap.h"
#include "fed/workspace/pki.h"
#include "host/clock.h"
#include "host/environment.h"
#include "host/file.h"

#define CERT_DIR "cert"

typedef struct values {
    vch_common_options common;
    const char *fqdn;
    bool silent, force;
} values;

#define FQDN_OPTION(letter_)                                                                       \
    {                                                                                              \
        .name = "fqdn", .letter = (letter_), .kind = VCH_OPTION_TEXT,                              \
        .offset = offsetof(values, fqdn), .argument = "NAME",                                      \
        .help = "the aggregator's name; else this host's", .environment = "FQDN"                   \
    }

static const vch_option request_options[] = {
    FQDN_OPTION(0),
    { .name = "force",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, force),
      .help = "replace a key that has its certificate" },
    VCH_COMMON_OPTIONS(values),
};

static const vch_option certify_options[] = {
    FQDN_OPTION('n'),
    { .name = "silent",
      .letter = 's',
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, silent),
      .help = "sign without asking" },
    VCH_COMMON_OPTIONS(values),
};

static const vch_usage request_usage = {
    .command = "vouch aggregator generate-cert-request",
    .operands = "",
    .summary = "Make the aggregator's key and certificate request.",
    .details = "cert/server/agg_NAME.key and .csr; the hash is to be compared when it is signed.",
    .options = request_options,
    .option_count = sizeof request_options / sizeof *request_options,
};

static const vch_usage certify_usage = {
    .command = "vouch aggregator certify",
    .operands = "",
    .summary = "Sign the aggregator's certificate request.",
    .details = "With the signing CA of this workspace: cert/server/agg_NAME.crt.",
    .options = certify_options,
    .option_count = sizeof certify_options / sizeof *certify_options,
};

static vouch_code name_of(const values *v, char out[static VCH_PARTICIPANT_NAME_MAX + 1],
                          vouch_error *err)
{
    char host[256];
    if (v->fqdn != NULL)
        return vch_participant_name(v->fqdn, out, err);
    vouch_code rc = vch_environment_host_name(host, sizeof host, err);
    return rc == VOUCH_OK ? vch_participant_name(host, out, err) : rc;
}

static vouch_code request(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    char name[VCH_PARTICIPANT_NAME_MAX + 1];
    char hash[VCH_PKI_HASH_SIZE];
    vouch_code rc = name_of(v, name, err);
    if (rc == VOUCH_OK)
        rc = vch_secure_heap_start(err);
    if (rc == VOUCH_OK)
        rc = vch_pki_request(CERT_DIR, VCH_PKI_AGGREGATOR, name, v->force, hash, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out,
                      "Creating AGGREGATOR certificate key pair: CN=%s, SAN=DNS:%s\n"
                      "The CSR Hash %s\n",
                      name, name, hash);
    return rc;
}

static vouch_code certify(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    char name[VCH_PARTICIPANT_NAME_MAX + 1];
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
    VCH_SCOPED(vch_pki_pending_done) vch_pki_pending pending = { 0 };
    vouch_code rc = name_of(v, name, err);
    if (rc == VOUCH_OK)
        rc = vch_secure_heap_start(err);
    if (rc == VOUCH_OK)
        rc = vch_pki_path(CERT_DIR, VCH_PKI_AGGREGATOR, name, ".csr", path, sizeof path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(path, VCH_PEM_MAX_SIZE, &pem, err);
    if (rc == VOUCH_OK)
        rc = vch_pki_pending_parse(vch_buffer_span(&pem), name, &pending, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the request of '%s'", v->fqdn == NULL ? "this host" : v->fqdn);
    (void)fprintf(rt->out, "The CSR Hash for file server/agg_%s.csr = %s\n", name, pending.hash);
    if (!v->silent)
        rc = vch_cli_confirm(rt, "Do you want to sign this certificate?", err);
    if (rc == VOUCH_OK)
        rc = vch_pki_sign(CERT_DIR, VCH_PKI_AGGREGATOR, &pending, vch_clock_unix_s(), err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "cert/server/agg_%s.crt: signed for %d days\n", name,
                      VCH_PKI_LIFE_DAYS);
    return rc;
}

int vch_cmd_aggregator_request(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &request_usage, argc, argv, &v, request);
}

int vch_cmd_aggregator_certify(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &certify_usage, argc, argv, &v, certify);
}
