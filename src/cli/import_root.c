#include "cli/import_root.h"

#include <stdio.h>

#include "base/scope.h"
#include "cli/input_failed.h"
#include "cli/passport_input.h"
#include "cli/passport_view.h"
#include "host/file.h"

#define CHAIN_MAX ((size_t)1 << 20)
#define KEPT_SUFFIX ".before-attestation"

/* Before anything is touched. */
static vouch_code check_verdict(const vch_passport_verdict *verdict, vouch_error *err)
{
    const vch_admission *a = &verdict->admission;
    if (!vch_admission_admits(a))
        return vouch_fail(err, VOUCH_E_REFUSED, "the passport is refused (%s): %s",
                          vch_admission_code_name(a->code), a->message);
    if (a->role != VCH_ROLE_AGGREGATOR)
        return vouch_fail(err, VOUCH_E_REFUSED, "'%s' is no aggregator: its passport names no root",
                          a->name);
    return VOUCH_OK;
}

/* What was trusted is kept beside, once, and never trusted beside the root: the host's PKI key
 * would still be believed. */
static vouch_code keep_old(const char *chain, char kept[static VCH_PATH_SIZE], vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer old = { 0 };
    int size = snprintf(kept, VCH_PATH_SIZE, "%s" KEPT_SUFFIX, chain);
    if (size <= 0 || size >= VCH_PATH_SIZE)
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' is too long a path", chain);
    if (!vch_file_exists(chain) || vch_file_exists(kept))
        return VOUCH_OK;
    vouch_code rc = vch_file_read(chain, CHAIN_MAX, &old, err);
    return rc == VOUCH_OK ? vch_file_write(kept, vch_buffer_span(&old), 0644, err) : rc;
}

static vouch_code install(const vch_passport_input *input, const char *chain,
                          char kept[static VCH_PATH_SIZE], vouch_error *err)
{
    char parent[VCH_PATH_SIZE];
    vouch_code rc = vch_path_directory(chain, parent, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(parent, 0755, err);
    if (rc == VOUCH_OK)
        rc = keep_old(chain, kept, err);
    return rc == VOUCH_OK ? vch_passport_root_write(input->passport, chain, err) : rc;
}

int vch_import_root(const vch_runtime *rt, const char *command, const vch_import_root_options *o)
{
    vouch_error err = { 0 };
    char kept[VCH_PATH_SIZE] = "";
    VCH_SCOPED(vch_passport_input_drop) vch_passport_input input = { 0 };
    vch_passport_verdict verdict = { 0 };
    const vch_passport_question question = { .passport = o->passport,
                                             .policy = o->attestation,
                                             .plan = o->plan,
                                             .release = o->release,
                                             .current = true };
    vouch_code rc = vch_passport_input_read(rt, &question, &input, &err);
    if (rc == VOUCH_OK && input.policy.file == NULL)
        rc = vouch_fail(&err, VOUCH_E_CONFIG,
                        "'%s' is no attestation.yaml: a bare policy does not say whose passport it "
                        "must be",
                        o->attestation);
    if (rc == VOUCH_OK)
        rc = vch_passport_input_judge(&input, &question, &verdict, &err);
    if (rc != VOUCH_OK)
        return vch_input_failed(rt, command, o->json, rc, &err);
    int status = vch_passport_verdict_show(rt, command, o->json, &verdict);
    if (status != VCH_EXIT_DONE && status != VCH_EXIT_NO) /* why not, is said below */
        return status;
    rc = check_verdict(&verdict, &err);
    if (rc == VOUCH_OK)
        rc = install(&input, o->chain, kept, &err);
    if (rc != VOUCH_OK)
        return vch_command_fail(rt, command, rc, &err);
    if (!o->json) {
        (void)fprintf(rt->out, "%s now holds the root made in the TEE of '%s', alone\n", o->chain,
                      verdict.admission.name);
        if (vch_file_exists(kept))
            (void)fprintf(rt->out, "%s keeps what was trusted before\n", kept);
    }
    return VCH_EXIT_DONE;
}
