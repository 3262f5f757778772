/* vouch collaborator create, generate-cert-request, certify. */
#include <stddef.h>
#include <string.h>

#include "base/scope.h"
#include "cli/commands.h"
#include "cli/confirm.h"
#include "cli/import_root.h"
#include "crypto/pem.h"
#include "crypto/secure_heap.h"
#include "fed/plan/release.h"
#include "fed/workspace/package.h"
#include "fed/workspace/pki.h"
#include "fed/workspace/workspace.h"
#include "host/clock.h"
#include "host/file.h"

#define CERT_DIR "cert"
#define DATA_FILE "plan/data.yaml"
#define COLS_FILE "plan/cols.yaml"

enum { PACKAGE_MAX = 1 << 20, TABLE_MAX = 1 << 20, NAME_ROOM = 256 };

typedef struct values {
    vch_common_options common;
    const char *name, *data, *request, *import;
    const char *passport, *attestation, *plan, *release;
    bool silent, skip_package, force;
} values;

#define NAME_OPTION(required_)                                                                     \
    {                                                                                              \
        .name = "collaborator_name", .letter = 'n', .kind = VCH_OPTION_TEXT,                       \
        .offset = offsetof(values, name), .argument = "NAME",                                      \
        .help = "the collaborator's name, its certificate's common name", .required = (required_)  \
    }
#define SILENT_OPTION                                                                              \
    {                                                                                              \
        .name = "silent", .letter = 's', .kind = VCH_OPTION_FLAG,                                  \
        .offset = offsetof(values, silent), .help = "do not ask"                                   \
    }

static const vch_option create_options[] = {
    NAME_OPTION(true),
    { .name = "data_path",
      .letter = 'd',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, data),
      .argument = "PATH",
      .help = "where its data lies; data/NAME" },
    SILENT_OPTION,
    VCH_COMMON_OPTIONS(values),
};

static const vch_option request_options[] = {
    NAME_OPTION(true),
    SILENT_OPTION,
    { .name = "skip-package",
      .letter = 'x',
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, skip_package),
      .help = "make no zip file of the request" },
    { .name = "data_path",
      .letter = 'd',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, data),
      .argument = "PATH",
      .help = "also note where its data lies, as `collaborator create` does" },
    { .name = "force",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, force),
      .help = "replace a key that has its certificate" },
    VCH_COMMON_OPTIONS(values),
};

static const vch_option certify_options[] = {
    NAME_OPTION(false),
    SILENT_OPTION,
    { .name = "request-pkg",
      .letter = 'r',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, request),
      .argument = "ZIP",
      .help = "sign the request in this package" },
    { .name = "import",
      .letter = 'i',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, import),
      .argument = "ZIP",
      .help = "install the certificate in this package" },
    { .name = "import-self-signed",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, passport),
      .argument = "PASSPORT",
      .help = "verify the attested aggregator's passport, then trust its root alone" },
    { .name = "attestation",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, attestation),
      .argument = "FILE",
      .fallback = "plan/attestation.yaml",
      .help = "with --import-self-signed: what the passport is held to" },
    { .name = "plan",
      .letter = 'p',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, plan),
      .argument = "FILE",
      .fallback = "plan/plan.yaml",
      .help = "with --import-self-signed: the plan that it must be for" },
    { .name = "openfl-release",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, release),
      .argument = "RELEASE",
      .fallback = VCH_RELEASE_DEFAULT,
      .help = "whose defaults the plan has" },
    VCH_COMMON_OPTIONS(values),
};

#define USAGE(name_, command_, summary_, details_, options_)                                       \
    static const vch_usage name_ = { .command = (command_),                                        \
                                     .operands = "",                                               \
                                     .summary = (summary_),                                        \
                                     .details = (details_),                                        \
                                     .options = (options_),                                        \
                                     .option_count = sizeof(options_) / sizeof *(options_) }

USAGE(create_usage, "vouch collaborator create", "Note where a collaborator's data lies.",
      "One line in plan/data.yaml of this workspace.", create_options);
USAGE(request_usage, "vouch collaborator generate-cert-request",
      "Make a collaborator's key and certificate request.",
      "cert/client/col_NAME.key and .csr, and col_NAME_to_agg_cert_request.zip to send to whoever\n"
      "holds the signing CA; the hash is to be compared there.",
      request_options);
USAGE(certify_usage, "vouch collaborator certify", "Sign a collaborator's request, or install it.",
      "With -r, or -n for a request under cert/client: signs, lists the collaborator in\n"
      "plan/cols.yaml, and makes agg_to_col_NAME_signed_cert.zip to send back. With -i: installs.\n"
      "With --import-self-signed: an OpenFL collaborator trusts the attested aggregator from then\n"
      "on, by the root made in its TEE, which takes the place of cert/cert_chain.crt.",
      certify_options);

static vouch_code read_if_there(const char *path, vch_buffer *out, vouch_error *err)
{
    return vch_file_exists(path) ? vch_file_read(path, TABLE_MAX, out, err) : VOUCH_OK;
}

static vouch_code note_data(const vch_runtime *rt, const char *name, const char *data,
                            vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer old = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(TABLE_MAX);
    vouch_code rc = read_if_there(DATA_FILE, &old, err);
    if (rc == VOUCH_OK)
        rc = vch_data_put(vch_buffer_span(&old), name, data, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make("plan", 0755, err);
    if (rc == VOUCH_OK)
        rc = vch_file_write(DATA_FILE, vch_buffer_span(&text), 0644, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, DATA_FILE ": %s,%s\n", name, data);
    return rc;
}

static vouch_code create(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    char name[VCH_PARTICIPANT_NAME_MAX + 1];
    char usual[NAME_ROOM];
    vouch_code rc = vch_participant_name(v->name, name, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)snprintf(usual, sizeof usual, "data/%s", name);
    return note_data(rt, name, v->data == NULL ? usual : v->data, err);
}

/* Add the file at cert/`inner` to a package, as `name`. */
static vouch_code add_file(vch_package *p, const char *inner, const char *name, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = { 0 };
    vouch_code rc = vch_path_join(CERT_DIR, inner, path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(path, PACKAGE_MAX, &bytes, err);
    return rc == VOUCH_OK ? vch_package_add(p, name, vch_buffer_span(&bytes), err) : rc;
}

static vouch_code pack_request(const vch_runtime *rt, const char *name, vouch_error *err)
{
    char inner[NAME_ROOM];
    char archive[NAME_ROOM];
    VCH_SCOPED(vch_package_done) vch_package p = { 0 };
    (void)snprintf(inner, sizeof inner, "client/col_%s.csr", name);
    (void)snprintf(archive, sizeof archive, "col_%s_to_agg_cert_request.zip", name);
    vouch_code rc = add_file(&p, inner, inner + strlen("client/"), err);
    if (rc == VOUCH_OK)
        rc = vch_package_write(&p, archive, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "Archive %s with certificate signing request created\n", archive);
    return rc;
}

static vouch_code request(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    char name[VCH_PARTICIPANT_NAME_MAX + 1];
    char hash[VCH_PKI_HASH_SIZE];
    vouch_code rc = vch_participant_name(v->name, name, err);
    if (rc == VOUCH_OK)
        rc = vch_secure_heap_start(err);
    if (rc == VOUCH_OK)
        rc = vch_pki_request(CERT_DIR, VCH_PKI_COLLABORATOR, name, v->force, hash, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)fprintf(rt->out,
                  "Creating COLLABORATOR certificate key pair: CN=%s, SAN=DNS:%s\n"
                  "The CSR Hash %s\n",
                  name, name, hash);
    if (!v->skip_package)
        rc = pack_request(rt, name, err);
    return rc == VOUCH_OK && v->data != NULL ? note_data(rt, name, v->data, err) : rc;
}

/* The one request in a package; with a name, the one of that name. */
static vouch_code request_of_package(const char *path, const char *name, vch_buffer *out,
                                     vouch_error *err)
{
    VCH_SCOPED(vch_package_done) vch_package p = { 0 };
    const vch_package_entry *found = NULL;
    char wanted[NAME_ROOM];
    (void)snprintf(wanted, sizeof wanted, "col_%s.csr", name == NULL ? "" : name);
    vouch_code rc = vch_package_read(path, PACKAGE_MAX, &p, err);
    for (size_t i = 0; rc == VOUCH_OK && i < p.count; i++) {
        size_t size = strlen(p.entry[i].name);
        bool fits = name != NULL ? strcmp(p.entry[i].name, wanted) == 0
                                 : size > 4 && strcmp(p.entry[i].name + size - 4, ".csr") == 0;
        if (fits && found != NULL)
            rc = vouch_fail(err, VOUCH_E_CONFIG, "'%s' holds several requests; choose with -n",
                            path);
        if (fits)
            found = &p.entry[i];
    }
    if (rc != VOUCH_OK)
        return rc;
    if (found == NULL)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "'%s' holds no such request", path);
    *out = vch_buffer_with_cap(found->bytes.size);
    vch_buffer_append(out, vch_buffer_span(&found->bytes));
    return vch_buffer_finish(out, "request", err);
}

static vouch_code request_on_disk(const char *name, vch_buffer *out, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    if (name == NULL)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "name the collaborator with -n, or its request package with -r");
    vouch_code rc =
        vch_pki_path(CERT_DIR, VCH_PKI_COLLABORATOR, name, ".csr", path, sizeof path, err);
    return rc == VOUCH_OK ? vch_file_read(path, PACKAGE_MAX, out, err) : rc;
}

static vouch_code list_collaborator(const vch_runtime *rt, const char *name, vouch_error *err)
{
    bool added = false;
    VCH_SCOPED(vch_buffer_drop) vch_buffer old = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(TABLE_MAX);
    vouch_code rc = read_if_there(COLS_FILE, &old, err);
    if (rc == VOUCH_OK)
        rc = vch_cols_add(COLS_FILE, vch_buffer_span(&old), name, &text, &added, err);
    if (rc == VOUCH_OK && added)
        rc = vch_dir_make("plan", 0755, err);
    if (rc == VOUCH_OK && added)
        rc = vch_file_write(COLS_FILE, vch_buffer_span(&text), 0644, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, added ? "Registering %s in %s\n" : "%s is already in %s\n", name,
                      COLS_FILE);
    return rc;
}

/* The answer to a request; the request itself has served. */
static vouch_code pack_answer(const vch_runtime *rt, const char *name, vouch_error *err)
{
    char inner[NAME_ROOM];
    char archive[NAME_ROOM];
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_package_done) vch_package p = { 0 };
    (void)snprintf(inner, sizeof inner, "client/col_%s.crt", name);
    (void)snprintf(archive, sizeof archive, "agg_to_col_%s_signed_cert.zip", name);
    vouch_code rc = add_file(&p, inner, inner, err);
    if (rc == VOUCH_OK)
        rc = add_file(&p, "cert_chain.crt", "cert_chain.crt", err);
    if (rc == VOUCH_OK)
        rc = vch_package_write(&p, archive, err);
    if (rc == VOUCH_OK)
        rc = vch_pki_path(CERT_DIR, VCH_PKI_COLLABORATOR, name, ".csr", path, sizeof path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_remove(path, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "%s: certificate and chain, to send back\n", archive);
    return rc;
}

static vouch_code sign(const vch_runtime *rt, const values *v, vouch_error *err)
{
    char name[VCH_PARTICIPANT_NAME_MAX + 1] = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
    VCH_SCOPED(vch_pki_pending_done) vch_pki_pending pending = { 0 };
    vouch_code rc = v->name == NULL ? VOUCH_OK : vch_participant_name(v->name, name, err);
    const char *wanted = v->name == NULL ? NULL : name;
    if (rc == VOUCH_OK)
        rc = v->request != NULL ? request_of_package(v->request, wanted, &pem, err)
                                : request_on_disk(wanted, &pem, err);
    if (rc == VOUCH_OK)
        rc = vch_pki_pending_parse(vch_buffer_span(&pem), wanted, &pending, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)fprintf(rt->out, "The CSR Hash for file col_%s.csr is %s\n", pending.name, pending.hash);
    if (!v->silent)
        rc = vch_cli_confirm(rt, "Do you want to sign this certificate?", err);
    if (rc == VOUCH_OK)
        rc = vch_secure_heap_start(err);
    if (rc == VOUCH_OK)
        rc = vch_pki_sign(CERT_DIR, VCH_PKI_COLLABORATOR, &pending, vch_clock_unix_s(), err);
    if (rc == VOUCH_OK)
        rc = list_collaborator(rt, pending.name, err);
    return rc == VOUCH_OK ? pack_answer(rt, pending.name, err) : rc;
}

/* Only certificates are installed, whatever else a package may hold. */
static vouch_code check_answer(const vch_package *p, const char *path, vouch_error *err)
{
    for (size_t i = 0; i < p->count; i++) {
        const char *name = p->entry[i].name;
        size_t size = strlen(name);
        bool client = strncmp(name, "client/col_", 11) == 0 && strchr(name + 7, '/') == NULL
                      && strcmp(name + size - 4, ".crt") == 0;
        if (!client && strcmp(name, "cert_chain.crt") != 0)
            return vouch_fail(err, VOUCH_E_FORMAT, "'%s' holds '%s', which is no certificate", path,
                              name);
    }
    if (vch_package_find(p, "cert_chain.crt") == NULL || p->count < 2)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s' lacks a certificate or its chain", path);
    return VOUCH_OK;
}

static vouch_code import(const vch_runtime *rt, const values *v, vouch_error *err)
{
    VCH_SCOPED(vch_package_done) vch_package p = { 0 };
    vouch_code rc = vch_package_read(v->import, PACKAGE_MAX, &p, err);
    if (rc == VOUCH_OK)
        rc = check_answer(&p, v->import, err);
    if (rc == VOUCH_OK)
        rc = vch_package_unpack_into(&p, CERT_DIR, err);
    for (size_t i = 0; rc == VOUCH_OK && i < p.count; i++)
        (void)fprintf(rt->out, CERT_DIR "/%s installed\n", p.entry[i].name);
    return rc;
}

static vouch_code certify(const vch_runtime *rt, const values *v, vouch_error *err)
{
    if (v->import != NULL && v->request != NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "--import and --request-pkg exclude each other");
    return v->import != NULL ? import(rt, v, err) : sign(rt, v, err);
}

int vch_cmd_collaborator_create(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &create_usage, argc, argv, &v, create);
}

int vch_cmd_collaborator_request(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &request_usage, argc, argv, &v, request);
}

static int import_self_signed(const vch_runtime *rt, const values *v)
{
    vouch_error err = { 0 };
    const vch_import_root_options o = { .passport = v->passport,
                                        .attestation = v->attestation,
                                        .plan = v->plan,
                                        .release = v->release,
                                        .chain = CERT_DIR "/cert_chain.crt",
                                        .json = v->common.json };
    if (v->import == NULL && v->request == NULL && v->name == NULL)
        return vch_import_root(rt, certify_usage.command, &o);
    vouch_code rc = vouch_fail(&err, VOUCH_E_CONFIG,
                               "--import-self-signed goes without -n, --request-pkg and --import");
    return vch_command_fail(rt, certify_usage.command, rc, &err);
}

int vch_cmd_collaborator_certify(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands;
    vouch_error err = { 0 };
    int status = VCH_EXIT_DONE;
    if (!vch_command_begin(rt, &certify_usage, argc, argv, &v, &operands, &status))
        return status;
    if (v.passport != NULL)
        return import_self_signed(rt, &v);
    vouch_code rc = certify(rt, &v, &err);
    return rc == VOUCH_OK ? VCH_EXIT_DONE : vch_command_fail(rt, certify_usage.command, rc, &err);
}
