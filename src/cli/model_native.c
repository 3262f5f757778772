#include "cli/model_native.h"

#include <string.h>

#include "base/scope.h"
#include "cli/scratch.h"
#include "host/file.h"

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

typedef struct finding {
    const char *wanted;
    size_t count;
} finding;

static vouch_code look(void *context, const char *name, vouch_error *err)
{
    finding *f = context;
    f->count++;
    if (strcmp(name, f->wanted) != 0)
        return vouch_fail(err, VOUCH_E_FORMAT,
                          "the task runner wrote '%.200s'; '%.200s' was asked for", name,
                          f->wanted);
    return VOUCH_OK;
}

static vouch_code take_what_is_there(const vch_scratch *s, const char *written, const char *output,
                                     vouch_error *err)
{
    finding f = { .wanted = base_name(output) };
    vouch_code rc = vch_dir_list(s->dir, look, &f, err);
    if (rc == VOUCH_OK && f.count == 0)
        rc = vouch_fail(err, VOUCH_E_FORMAT,
                        "the task runner says that it saved, and wrote nothing");
    return rc == VOUCH_OK ? vch_path_put_in_place(written, output, err) : rc;
}

vouch_code vch_model_save_native(const vch_runtime *rt, const vch_runner_options *runner,
                                 const vch_model *model, const char *output, bool *out_saved,
                                 vouch_error *err)
{
    char written[VCH_PATH_SIZE];
    bool saved = false;
    VCH_SCOPED(vch_scratch_drop) vch_scratch s = { 0 };
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    if (vch_dir_exists(output) || base_name(output)[0] == '\0')
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' is a directory", output);
    vouch_code rc = vch_scratch_make(output, ".model-", &s, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(s.dir, base_name(output), written, err);
    if (rc == VOUCH_OK)
        rc = vch_runner_save(runner, model, written, &faults, &saved, err);
    vch_command_faults(rt, &faults);
    if (rc == VOUCH_OK && saved)
        rc = take_what_is_there(&s, written, output, err);
    if (rc == VOUCH_OK)
        *out_saved = saved;
    return rc;
}
