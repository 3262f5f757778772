/* vouch plan initialize, print, hash, freeze. */
#include <stddef.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "cli/commands.h"
#include "cli/plan_load.h"
#include "cli/runner_file.h"
#include "codec/json_writer.h"
#include "config/yaml.h"
#include "config/yaml_dump.h"
#include "crypto/hash.h"
#include "fed/aggregator/model_file.h"
#include "fed/runner/runner.h"
#include "fed/wire/model_proto.h"
#include "host/file.h"

enum { ANSWER_MAX = 1 << 16, DUMP_MAX = 1 << 22 };

typedef struct values {
    vch_common_options common;
    const char *plan, *cols, *data, *release, *federation_uuid, *address, *task_runner;
    const char *input_shape, *feature_shape, *install_reqs, *gandlf, *init_model;
} values;

#define PLAN_OPTION                                                                                \
    {                                                                                              \
        .name = "plan_config", .letter = 'p', .kind = VCH_OPTION_TEXT,                             \
        .offset = offsetof(values, plan), .argument = "FILE", .help = "the plan",                  \
        .fallback = "plan/plan.yaml"                                                               \
    }
#define RELEASE_OPTION                                                                             \
    {                                                                                              \
        .name = "openfl-release", .kind = VCH_OPTION_TEXT, .offset = offsetof(values, release),    \
        .argument = "R", .help = "OpenFL release whose default files and setting names hold",      \
        .fallback = VCH_RELEASE_DEFAULT                                                            \
    }
#define UUID_OPTION                                                                                \
    {                                                                                              \
        .name = "federation-uuid", .kind = VCH_OPTION_TEXT,                                        \
        .offset = offsetof(values, federation_uuid), .argument = "ID",                             \
        .help = "in place of the one computed from the plan"                                       \
    }

static const vch_option initialize_options[] = {
    PLAN_OPTION,
    { .name = "cols_config",
      .letter = 'c',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, cols),
      .argument = "FILE",
      .help = "the list of collaborators",
      .fallback = "plan/cols.yaml" },
    { .name = "data_config",
      .letter = 'd',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, data),
      .argument = "FILE",
      .help = "where the data lies (not needed for a built-in model)",
      .fallback = "plan/data.yaml" },
    { .name = "aggregator_address",
      .letter = 'a',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, address),
      .argument = "NAME",
      .help = "write this agg_addr into the plan" },
    VCH_RUNNER_FILE_OPTION(values),
    { .name = "input_shape",
      .letter = 'f',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, input_shape),
      .argument = "SHAPE",
      .help = "as fx has it; without effect: the task runner knows its shapes" },
    { .name = "feature_shape",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, feature_shape),
      .argument = "SHAPE",
      .help = "the same, as OpenFL 1.5 calls it" },
    { .name = "init_model_path",
      .letter = 'i',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, init_model),
      .argument = "FILE",
      .help =
          "begin with this model, in its round: a .pbuf of the same tensors; an optimiser's state "
          "that the plan shares is added" },
    { .name = "install_reqs",
      .letter = 'r',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, install_reqs),
      .argument = "BOOL",
      .help = "as fx has it; without effect: nothing is ever installed" },
    { .name = "gandlf_config",
      .letter = 'g',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, gandlf),
      .argument = "FILE",
      .help = "as fx has it; refused: it would put settings into the plan" },
    RELEASE_OPTION,
    VCH_COMMON_OPTIONS(values),
};

static const vch_option read_options[] = {
    PLAN_OPTION,
    RELEASE_OPTION,
    UUID_OPTION,
    VCH_COMMON_OPTIONS(values),
};

#define USAGE(name_, command_, summary_, details_, options_)                                       \
    static const vch_usage name_ = { .command = (command_),                                        \
                                     .operands = "",                                               \
                                     .summary = (summary_),                                        \
                                     .details = (details_),                                        \
                                     .options = (options_),                                        \
                                     .option_count = sizeof(options_) / sizeof *(options_) }

USAGE(initialize_usage, "vouch plan initialize", "Make the initial model of a plan.",
      "Writes aggregator.settings.init_state_path. Where agg_addr is auto, or -a is given, the\n"
      "address is written into the plan. Environment: FQDN, this host's name.",
      initialize_options);
USAGE(print_usage, "vouch plan print", "Print a plan as it is hashed: merged and in one order.",
      "The text is PyYAML's dump of the plan over its default files, before `auto` is resolved.",
      read_options);
USAGE(hash_usage, "vouch plan hash", "Print a plan's hash, and what follows from it.",
      "SHA-384 as OpenFL computes it; SHA-256 of the same text is the claim vouch-plan.",
      read_options);
USAGE(freeze_usage, "vouch plan freeze", "Write the merged plan beside the plan, read-only.",
      "The name is that of the plan and the first eight digits of its hash.", read_options);

static vouch_code load(const vch_runtime *rt, const values *v, const char *cols, vch_plan **out,
                       vouch_error *err)
{
    const vch_plan_options options = {
        .plan = v->plan, .cols = cols, .release = v->release, .federation_uuid = v->federation_uuid
    };
    return vch_cli_plan_load(rt, &options, out, err);
}

/* The plan with another agg_addr, as its dump. `auto` alone becomes this host's name. */
static vouch_code dump_with_address(const vch_plan *p, const char *address, vch_buffer *out,
                                    vouch_error *err)
{
    const vch_yaml_node *old = vch_plan_document(p);
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    vouch_code rc = vch_yaml_new("plan", &doc, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_yaml_node *old_network = vch_yaml_get(old, "network");
    vch_yaml_node *root = vch_yaml_copy_mapping(doc, old);
    vch_yaml_node *network = vch_yaml_copy_mapping(doc, old_network);
    vch_yaml_node *settings = vch_yaml_copy_mapping(doc, vch_yaml_get(old_network, "settings"));
    if (root == NULL || network == NULL || settings == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "the plan with its address");
    rc = vch_yaml_put(doc, settings, "agg_addr", vch_yaml_make_string(doc, address), err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_put(doc, network, "settings", settings, err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_put(doc, root, "network", network, err);
    return rc == VOUCH_OK ? vch_yaml_dump(root, out, err) : rc;
}

/* Write the address into the plan's file, and load that. */
static vouch_code patch_address(const vch_runtime *rt, const values *v, vch_plan **plan,
                                vouch_error *err)
{
    const vch_plan_view *view = vch_plan_look(*plan);
    if (v->address == NULL && !view->agg_addr_was_auto)
        return VOUCH_OK;
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(DUMP_MAX);
    vouch_code rc =
        dump_with_address(*plan, v->address != NULL ? v->address : view->agg_addr, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_file_write(v->plan, vch_buffer_span(&text), 0644, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_plan_free(*plan);
    *plan = NULL;
    return load(rt, v, v->cols, plan, err);
}

typedef struct made_model {
    size_t tensors, size;
    uint8_t digest[VCH_SHA256_SIZE];
} made_model;

/* What OpenFL's `plan initialize` leaves out though it will travel: the optimiser's state. */
static vouch_code add_optimizer(vch_model *given, vch_model *made, vouch_error *err)
{
    for (size_t i = 0; i < made->count; i++) {
        vouch_span name = vch_span_str(made->tensor[i].name);
        if (!vch_tensor_is_optimizer(name) || vch_model_find(given, name) != NULL)
            continue;
        vch_tensor copy = { 0 };
        vouch_code rc = vch_tensor_init(&copy, name, &made->tensor[i].shape, err);
        if (rc == VOUCH_OK && copy.shape.count > 0)
            memcpy(copy.values, made->tensor[i].values, vch_tensor_bytes(&copy).size);
        if (rc == VOUCH_OK)
            rc = vch_model_add(given, &copy, err);
        vch_tensor_done(&copy);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

/* Another model in place of what the runner made: it must fit the runner all the same. */
static vouch_code take_model(const char *path, const vch_plan_view *view,
                             const vch_pipeline *pipeline, vch_model *model, vouch_error *err)
{
    VCH_SCOPED(vch_model_done) vch_model given = { 0 };
    vouch_code rc = vch_model_file_read(NULL, path, pipeline, &given, err);
    if (rc == VOUCH_OK && view->opt_treatment == VCH_OPT_CONTINUE_GLOBAL)
        rc = add_optimizer(&given, model, err);
    if (rc == VOUCH_OK)
        rc = vch_model_check_alike(model, &given, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "--init_model_path '%s'", path);
    vch_model_done(model);
    *model = given;
    given = (vch_model) { 0 };
    return VOUCH_OK;
}

static vouch_code make_model(const vch_runtime *rt, const vch_runner_options *how,
                             const char *given, made_model *out, vouch_error *err)
{
    const vch_plan_view *view = how->plan;
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    VCH_SCOPED(vch_model_done) vch_model model = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer file = vch_buffer_with_cap(VCH_MODEL_FILE_MAX);
    vch_pipeline pipeline;
    char dir[VCH_PATH_SIZE];
    vch_pipeline_for(view, view->aggregator_uuid, &pipeline);
    vouch_code rc = vch_runner_initial_model(how, &faults, &model, err);
    vch_command_faults(rt, &faults);
    if (rc == VOUCH_OK && given != NULL)
        rc = take_model(given, view, &pipeline, &model, err);
    if (rc == VOUCH_OK)
        rc = vch_model_write(&model, &pipeline, &file, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(vch_buffer_span(&file), out->digest, err);
    if (rc == VOUCH_OK)
        rc = vch_path_directory(view->init_state_path, dir, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(dir, 0755, err);
    if (rc == VOUCH_OK)
        rc = vch_file_write(view->init_state_path, vch_buffer_span(&file), 0644, err);
    out->tensors = model.count;
    out->size = file.size;
    return rc;
}

/* What follows from a plan, for both forms of the answer. */
static void put_plan(vch_json_writer *w, const vch_plan_view *view)
{
    vch_json_put_string(w, "hash", view->hash_hex);
    vch_json_put_hex(w, "claim", (vouch_span) { view->claim, sizeof view->claim });
    vch_json_put_string(w, "federation_uuid", view->federation_uuid);
    vch_json_put_string(w, "aggregator_uuid", view->aggregator_uuid);
    vch_json_put_string(w, "agg_addr", view->agg_addr);
    vch_json_put_int(w, "agg_port", view->agg_port);
    vch_json_put_string(w, "openfl_release", view->release->name);
}

static vouch_code say_model(const vch_runtime *rt, const values *v, const vch_plan_view *view,
                            const made_model *made, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(ANSWER_MAX);
    vch_json_writer w = vch_json_writer_over(&text, true);
    if (!v->common.json) {
        (void)fprintf(rt->out,
                      "%s: %zu tensors, %zu bytes\nfederation %s, aggregator at %s:%u "
                      "(OpenFL %s)\n",
                      view->init_state_path, made->tensors, made->size, view->federation_uuid,
                      view->agg_addr, view->agg_port, view->release->name);
        return VOUCH_OK;
    }
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "init_state_path", view->init_state_path);
    vch_json_put_uint(&w, "tensors", made->tensors);
    vch_json_put_uint(&w, "size", made->size);
    vch_json_put_hex(&w, "sha256", (vouch_span) { made->digest, sizeof made->digest });
    put_plan(&w, view);
    vch_json_end(&w);
    vouch_code rc = vch_buffer_finish(&text, "answer", err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "%s\n", vch_buffer_text(&text));
    return rc;
}

VCH_DEFINE_DROP(plan_drop, vch_plan, vch_plan_free)

static vouch_code initialize(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    VCH_SCOPED(plan_drop) vch_plan *plan = NULL;
    VCH_SCOPED(vch_yaml_drop) vch_yaml *runner_file = NULL;
    made_model made = { 0 };
    if (v->gandlf != NULL)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED,
                          "--gandlf_config is not served: put the settings into the plan");
    if (v->input_shape != NULL || v->feature_shape != NULL || v->install_reqs != NULL)
        (void)fprintf(rt->err, "warning: shapes and --install_reqs have no effect here\n");
    vouch_code rc = load(rt, v, v->cols, &plan, err);
    if (rc == VOUCH_OK)
        rc = patch_address(rt, v, &plan, err);
    if (rc == VOUCH_OK)
        rc = vch_runner_file_read(v->task_runner, &runner_file, err);
    const vch_runner_options how = { .plan = rc == VOUCH_OK ? vch_plan_look(plan) : NULL,
                                     .log = &rt->log,
                                     .local = vch_runner_file_root(runner_file) };
    if (rc == VOUCH_OK)
        rc = make_model(rt, &how, v->init_model, &made, err);
    return rc == VOUCH_OK ? say_model(rt, v, vch_plan_look(plan), &made, err) : rc;
}

static vouch_code print(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    VCH_SCOPED(plan_drop) vch_plan *plan = NULL;
    vouch_code rc = load(rt, v, NULL, &plan, err);
    if (rc != VOUCH_OK)
        return rc;
    vouch_span dump = vch_plan_dump(plan);
    if (fwrite(dump.data, 1, dump.size, rt->out) != dump.size)
        return vouch_fail(err, VOUCH_E_IO, "writing the plan");
    return VOUCH_OK;
}

static vouch_code hash(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    VCH_SCOPED(plan_drop) vch_plan *plan = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(ANSWER_MAX);
    vouch_code rc = load(rt, v, NULL, &plan, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_plan_view *view = vch_plan_look(plan);
    if (!v->common.json) {
        (void)fprintf(rt->out, "%s\n%s\n%s:%u\n", view->hash_hex, view->federation_uuid,
                      view->agg_addr, view->agg_port);
        return VOUCH_OK;
    }
    vch_json_writer w = vch_json_writer_over(&text, true);
    vch_json_begin_object(&w);
    put_plan(&w, view);
    vch_json_end(&w);
    rc = vch_buffer_finish(&text, "answer", err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "%s\n", vch_buffer_text(&text));
    return rc;
}

static vouch_code freeze(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    VCH_SCOPED(plan_drop) vch_plan *plan = NULL;
    vouch_code rc = load(rt, v, NULL, &plan, err);
    return rc == VOUCH_OK ? vch_cli_plan_freeze(rt, plan, v->plan, err) : rc;
}

int vch_cmd_plan_initialize(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &initialize_usage, argc, argv, &v, initialize);
}

int vch_cmd_plan_print(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &print_usage, argc, argv, &v, print);
}

int vch_cmd_plan_hash(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &hash_usage, argc, argv, &v, hash);
}

int vch_cmd_plan_freeze(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &freeze_usage, argc, argv, &v, freeze);
}
