/* vouch model save: a model file of a federation, for programs that know nothing of one. */
#include <stddef.h>
#include <stdio.h>

#include "base/scope.h"
#include "cli/commands.h"
#include "cli/confirm.h"
#include "cli/plan_load.h"
#include "fed/aggregator/model_file.h"
#include "fed/tensor/npy.h"
#include "fed/workspace/package.h"
#include "host/file.h"

typedef struct values {
    vch_common_options common;
    const char *input, *output, *plan, *cols, *data, *release, *input_shape;
    bool silent;
} values;

static const vch_option options[] = {
    { .name = "input",
      .letter = 'i',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, input),
      .argument = "FILE",
      .help = "the model: save/final.pbuf, best.pbuf, last.pbuf",
      .required = true },
    { .name = "output",
      .letter = 'o',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, output),
      .argument = "FILE",
      .help = "the file to write",
      .fallback = "output_model" },
    { .name = "plan-config",
      .letter = 'p',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, plan),
      .argument = "FILE",
      .help = "the plan, whose pipeline the model went through",
      .fallback = "plan/plan.yaml" },
    { .name = "cols-config",
      .letter = 'c',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, cols),
      .argument = "FILE",
      .help = "as fx has it; without effect" },
    { .name = "data-config",
      .letter = 'd',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, data),
      .argument = "FILE",
      .help = "as fx has it; without effect: no data is needed" },
    { .name = "input-shape",
      .letter = 'f',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, input_shape),
      .argument = "SHAPE",
      .help = "as fx has it; without effect" },
    { .name = "silent",
      .letter = 's',
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, silent),
      .help = "do not ask before a file is replaced" },
    { .name = "openfl-release",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, release),
      .argument = "R",
      .help = "OpenFL release whose default files and setting names hold",
      .fallback = VCH_RELEASE_DEFAULT },
    VCH_COMMON_OPTIONS(values),
};

static const vch_usage usage = {
    .command = "vouch model save",
    .operands = "",
    .summary = "Write a model as numpy reads it: one array for each tensor.",
    .details =
        "The file is an .npz whatever its name: numpy.load(FILE) gives the arrays by name, in\n"
        "Python load_state_dict({k: torch.from_numpy(v) for k, v in numpy.load(FILE).items()}).",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

VCH_DEFINE_DROP(plan_drop, vch_plan, vch_plan_free)

static vouch_code read_model(const vch_runtime *rt, const values *v, vch_model *out,
                             vouch_error *err)
{
    VCH_SCOPED(plan_drop) vch_plan *plan = NULL;
    const vch_plan_options how = { .plan = v->plan, .release = v->release };
    vouch_code rc = vch_cli_plan_load(rt, &how, &plan, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_pipeline pipeline;
    vch_pipeline_for(vch_plan_look(plan), vch_plan_look(plan)->aggregator_uuid, &pipeline);
    return vch_model_file_read(NULL, v->input, &pipeline, out, err);
}

/* A tensor's name may hold what a file's may not. */
static vouch_code pack(const vch_model *model, vch_package *out, vouch_error *err)
{
    for (size_t i = 0; i < model->count; i++) {
        const vch_tensor *t = &model->tensor[i];
        char name[VCH_TENSOR_NAME_MAX + sizeof ".npy"];
        VCH_SCOPED(vch_buffer_drop)
        vch_buffer file = vch_buffer_with_cap(VCH_NPY_HEAD_MAX + VCH_TENSOR_DATA_MAX);
        (void)snprintf(name, sizeof name, "%s.npy", t->name);
        vch_npy_write(t, &file);
        vouch_code rc = vch_buffer_finish(&file, "npy", err);
        if (rc == VOUCH_OK)
            rc = vch_package_add(out, name, vch_buffer_span(&file), err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "tensor '%.200s'", t->name);
    }
    return VOUCH_OK;
}

static vouch_code save(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    VCH_SCOPED(vch_model_done) vch_model model = { 0 };
    VCH_SCOPED(vch_package_done) vch_package file = { 0 };
    char question[256];
    vouch_code rc = read_model(rt, v, &model, err);
    if (rc == VOUCH_OK)
        rc = pack(&model, &file, err);
    if (rc == VOUCH_OK && !v->silent && vch_file_exists(v->output)) {
        (void)snprintf(question, sizeof question, "Do you want to overwrite %.200s?", v->output);
        rc = vch_cli_confirm(rt, question, err);
    }
    if (rc == VOUCH_OK)
        rc = vch_package_write(&file, v->output, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "%s: %zu arrays of round %d\n", v->output, model.count, model.round);
    return rc;
}

int vch_cmd_model_save(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &usage, argc, argv, &v, save);
}
