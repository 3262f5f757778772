/* vouch model save: a model file of a federation, for programs that know nothing of one. */
#include <stddef.h>
#include <stdio.h>

#include "base/scope.h"
#include "cli/commands.h"
#include "cli/confirm.h"
#include "cli/interrupt.h"
#include "cli/model_native.h"
#include "cli/plan_load.h"
#include "cli/runner_file.h"
#include "fed/aggregator/model_file.h"
#include "fed/tensor/npy.h"
#include "fed/workspace/package.h"
#include "host/file.h"

typedef struct values {
    vch_common_options common;
    const char *input, *output, *plan, *cols, *data, *release, *input_shape, *task_runner;
    bool silent, npz;
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
    VCH_RUNNER_FILE_OPTION(values),
    { .name = "npz",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, npz),
      .help = "as numpy reads it; no task runner is started" },
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
    .summary = "Write a model in its framework's own form, or as numpy reads it.",
    .details =
        "A task runner in a child process that has a form of its own (in Python: save_native) is\n"
        "started and writes it. Else, and with --npz, the file is an .npz whatever its name, one\n"
        "array for each tensor: numpy.load(FILE) gives them by name, in Python\n"
        "load_state_dict({k: torch.from_numpy(v) for k, v in numpy.load(FILE).items()}).",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

VCH_DEFINE_DROP(plan_drop, vch_plan, vch_plan_free)

static vouch_code read_model(const vch_plan_view *plan, const char *path, vch_model *out,
                             vouch_error *err)
{
    vch_pipeline pipeline;
    vch_pipeline_for(plan, plan->aggregator_uuid, &pipeline);
    return vch_model_file_read(NULL, path, &pipeline, out, err);
}

static vouch_code ask_before(const vch_runtime *rt, const values *v, vouch_error *err)
{
    char question[256];
    if (v->silent || !vch_file_exists(v->output))
        return VOUCH_OK;
    (void)snprintf(question, sizeof question, "Do you want to overwrite %.200s?", v->output);
    return vch_cli_confirm(rt, question, err);
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

static vouch_code save_npz(const vch_runtime *rt, const char *output, const vch_model *model,
                           vouch_error *err)
{
    VCH_SCOPED(vch_package_done) vch_package file = { 0 };
    vouch_code rc = pack(model, &file, err);
    if (rc == VOUCH_OK)
        rc = vch_package_write(&file, output, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "%s: %zu arrays of round %d\n", output, model->count, model->round);
    return rc;
}

static vouch_code save_native(const vch_runtime *rt, const values *v, const vch_plan_view *plan,
                              const vch_model *model, bool *out_saved, vouch_error *err)
{
    VCH_SCOPED(vch_yaml_drop) vch_yaml *file = NULL;
    vouch_code rc = vch_runner_file_read(v->task_runner, &file, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_runner_options runner = { .plan = plan,
                                        .turn = { NULL, vch_interrupt_turn },
                                        .log = &rt->log,
                                        .local = vch_runner_file_root(file) };
    if (!vch_runner_is_child(&runner))
        return VOUCH_OK;
    vch_interrupt_hold();
    rc = vch_model_save_native(rt, &runner, model, v->output, out_saved, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "saving by the task runner (--npz does without)");
    if (*out_saved)
        (void)fprintf(rt->out, "%s: saved by the task runner, round %d\n", v->output, model->round);
    return VOUCH_OK;
}

static vouch_code save(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    bool saved = false;
    VCH_SCOPED(vch_model_done) vch_model model = { 0 };
    VCH_SCOPED(plan_drop) vch_plan *plan = NULL;
    const vch_plan_options how = { .plan = v->plan, .release = v->release };
    vouch_code rc = vch_cli_plan_load(rt, &how, &plan, err);
    if (rc == VOUCH_OK)
        rc = read_model(vch_plan_look(plan), v->input, &model, err);
    if (rc == VOUCH_OK)
        rc = ask_before(rt, v, err);
    if (rc == VOUCH_OK && !v->npz)
        rc = save_native(rt, v, vch_plan_look(plan), &model, &saved, err);
    return rc == VOUCH_OK && !saved ? save_npz(rt, v->output, &model, err) : rc;
}

int vch_cmd_model_save(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &usage, argc, argv, &v, save);
}
