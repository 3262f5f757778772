/* vouch workspace create, certify, export, import. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "cli/commands.h"
#include "cli/workspace_pack.h"
#include "crypto/secure_heap.h"
#include "fed/plan/release.h"
#include "fed/workspace/pki.h"
#include "fed/workspace/template.h"
#include "fed/workspace/workspace.h"
#include "host/clock.h"
#include "host/file.h"

#define CERT_DIR "cert"

typedef struct values {
    vch_common_options common;
    const char *prefix, *template_name, *archive, *output, *release;
    vch_texts pip;
    bool force;
} values;

static const vch_option create_options[] = {
    { .name = "prefix",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, prefix),
      .argument = "DIR",
      .help = "the new workspace",
      .required = true },
    { .name = "template",
      .kind = VCH_OPTION_CHOICE,
      .offset = offsetof(values, template_name),
      .argument = VCH_TEMPLATES,
      .choices = VCH_TEMPLATES,
      .help = "what it starts as",
      .fallback = VCH_TEMPLATE_MLP },
    VCH_COMMON_OPTIONS(values),
};

static const vch_option certify_options[] = {
    { .name = "force",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, force),
      .help = "replace an authority that is there" },
    VCH_COMMON_OPTIONS(values),
};

static const vch_option export_options[] = {
    { .name = "output",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, output),
      .argument = "ZIP",
      .help = "the package; the name of this directory with .zip" },
    { .name = "pip-install-options",
      .letter = 'o',
      .kind = VCH_OPTION_TEXTS,
      .offset = offsetof(values, pip),
      .argument = "OPTION",
      .help = "as fx has it until 1.6; without effect: nothing is ever installed" },
    { .name = "openfl-release",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, release),
      .argument = "R",
      .help = "OpenFL release whose default files and setting names hold",
      .fallback = VCH_RELEASE_DEFAULT },
    VCH_COMMON_OPTIONS(values),
};

static const vch_option import_options[] = {
    { .name = "archive",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, archive),
      .argument = "ZIP",
      .help = "a package of workspace export",
      .required = true },
    VCH_COMMON_OPTIONS(values),
};

#define USAGE(name_, command_, summary_, details_, options_)                                       \
    static const vch_usage name_ = { .command = (command_),                                        \
                                     .operands = "",                                               \
                                     .summary = (summary_),                                        \
                                     .details = (details_),                                        \
                                     .options = (options_),                                        \
                                     .option_count = sizeof(options_) / sizeof *(options_) }

USAGE(create_usage, "vouch workspace create", "Make a directory to work in.",
      "A plan, and what it trains with:\n"
      "  " VCH_TEMPLATE_MLP "      the built-in perceptron, on CSV data\n"
      "  " VCH_TEMPLATE_NUMPY "    a program in Python with numpy, src/digits_numpy.py\n"
      "  " VCH_TEMPLATE_PYTORCH "  a program in Python with PyTorch, src/digits_pytorch.py\n"
      "A program is yours to rewrite; src/vouch_runner stands between it and the collaborator.",
      create_options);
USAGE(certify_usage, "vouch workspace certify", "Make the federation's certificate authority.",
      "A root and a signing CA under cert/ca, and cert/cert_chain.crt, in the current directory.",
      certify_options);
USAGE(export_usage, "vouch workspace export", "Pack this workspace for the others.",
      "Source, plan and requirements; no key, certificate, request or model. A plan whose initial\n"
      "model is there is frozen first, as `plan freeze` does.",
      export_options);
USAGE(import_usage, "vouch workspace import", "Unpack a workspace.",
      "Into a directory of the package's name, which must not exist.", import_options);

static vouch_code create(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    vouch_code rc = vch_workspace_create(v->prefix, v->template_name, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "%s: workspace of %s\n", v->prefix, v->template_name);
    return rc;
}

static vouch_code certify(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    vouch_code rc = vch_secure_heap_start(err);
    if (rc == VOUCH_OK)
        rc = vch_pki_create(CERT_DIR, vch_clock_unix_s(), v->force, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, CERT_DIR "/cert_chain.crt: root and signing CA, for %d days\n",
                      VCH_PKI_LIFE_DAYS);
    return rc;
}

/* -o meant the package here once, and elsewhere it still means a file. */
static vouch_code check_pip_options(const vch_texts *given, vouch_error *err)
{
    for (size_t i = 0; i < given->count; i++) {
        size_t size = strlen(given->item[i]);
        if (size > 4 && strcmp(given->item[i] + size - 4, ".zip") == 0)
            return vouch_fail(err, VOUCH_E_CONFIG,
                              "-o is fx's --pip-install-options; the package is --output %s",
                              given->item[i]);
    }
    return VOUCH_OK;
}

static vouch_code pack(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    VCH_SCOPED(vch_package_done) vch_package p = { 0 };
    char name[VCH_PATH_SIZE];
    char zip[VCH_PATH_SIZE + sizeof ".zip"];
    vouch_code rc = check_pip_options(&v->pip, err);
    if (rc == VOUCH_OK && v->output == NULL) {
        rc = vch_cli_workspace_name(name, err);
        (void)snprintf(zip, sizeof zip, "%s.zip", rc == VOUCH_OK ? name : "");
    }
    const char *path = v->output == NULL ? zip : v->output;
    if (rc == VOUCH_OK)
        rc = vch_cli_workspace_pack(rt, v->release, &p, err);
    if (rc == VOUCH_OK)
        rc = vch_package_write(&p, path, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "%s: %zu files\n", path, p.count);
    return rc;
}

static vouch_code unpack(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    VCH_SCOPED(vch_package_done) vch_package p = { 0 };
    char dir[VCH_PATH_SIZE];
    const char *slash = strrchr(v->archive, '/');
    int n = snprintf(dir, sizeof dir, "%s", slash == NULL ? v->archive : slash + 1);
    if (n <= 0 || (size_t)n >= sizeof dir)
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' is no file", v->archive);
    dir[strcspn(dir, ".")] = '\0';
    if (dir[0] == '\0')
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' names no directory", v->archive);
    vouch_code rc = vch_package_read(v->archive, VCH_WORKSPACE_PACKAGE_MAX, &p, err);
    if (rc == VOUCH_OK)
        rc = vch_workspace_unpack(&p, dir, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "%s: %zu files\n", dir, p.count);
    return rc;
}

int vch_cmd_workspace_create(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &create_usage, argc, argv, &v, create);
}

int vch_cmd_workspace_certify(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &certify_usage, argc, argv, &v, certify);
}

int vch_cmd_workspace_export(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &export_usage, argc, argv, &v, pack);
}

int vch_cmd_workspace_import(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &import_usage, argc, argv, &v, unpack);
}
