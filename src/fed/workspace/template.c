#include "fed/workspace/template.h"

#include <stdbool.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/scope.h"
#include "fed/workspace/template_source.h"

#define PACKAGE "src/vouch_runner/" /* what every program in Python imports */
#define PLAN_MAX 16384              /* bytes */

static const char plan_head[] = "aggregator:\n"
                                "  template: openfl.component.Aggregator\n"
                                "  settings:\n"
                                "    init_state_path: save/init.pbuf\n"
                                "    best_state_path: save/best.pbuf\n"
                                "    last_state_path: save/last.pbuf\n"
                                "    rounds_to_train: 10\n"
                                "    db_store_rounds: 2\n"
                                "collaborator:\n"
                                "  template: openfl.component.Collaborator\n"
                                "  settings: {opt_treatment: RESET, db_store_rounds: 1}\n";

static const char plan_tail[] =
    "network:\n"
    "  template: openfl.federation.Network\n"
    "  settings: {agg_addr: auto, agg_port: auto, cert_folder: cert}\n"
    "assigner:\n"
    "  template: openfl.component.RandomGroupedAssigner\n"
    "  settings:\n"
    "    task_groups:\n"
    "    - name: learning\n"
    "      percentage: 1.0\n"
    "      tasks: [aggregated_model_validation, train, locally_tuned_model_validation]\n"
    "tasks:\n"
    "  aggregated_model_validation:\n"
    "    {function: validate_task, kwargs: {apply: global, metrics: [accuracy]}}\n"
    "  train: {function: train_task, kwargs: {metrics: [loss]}}\n"
    "  locally_tuned_model_validation:\n"
    "    {function: validate_task, kwargs: {apply: local, metrics: [accuracy]}}\n"
    "compression_pipeline: {template: openfl.pipelines.NoCompressionPipeline}\n";

/* The sections of a plan that runs a program in Python: the interpreter is the one in PATH, so that of
 * an active virtual environment; the package stands beside the program. */
#define IN_PYTHON(program_, learning_rate_)                                                        \
    "data_loader:\n"                                                                               \
    "  template: vouch.PathDataLoader\n"                                                           \
    "task_runner:\n"                                                                               \
    "  template: vouch.ProcessTaskRunner\n"                                                        \
    "  settings:\n"                                                                                \
    "    command: [python3, " program_ "]\n"                                                       \
    "    environment: {PYTHONPATH: src}\n"                                                         \
    "    settings: {learning_rate: " learning_rate_ "}\n"

typedef struct workspace_template {
    const char *name;
    const char *training;     /* the plan's data_loader and task_runner */
    const char *requirements; /* as pip reads them */
    const char *program;      /* the task runner in Python, or NULL */
} workspace_template;

static const workspace_template templates[] = {
    { .name = VCH_TEMPLATE_MLP,
      .training = "data_loader:\n"
                  "  template: vouch.CsvDataLoader\n"
                  "  settings: {features: 64, classes: 10, feature_scale: 0.0625, "
                  "validation_every: 5}\n"
                  "task_runner:\n"
                  "  template: vouch.MlpTaskRunner\n"
                  "  settings: {hidden: [32], learning_rate: 0.2, batch_size: 16, epochs: 5, "
                  "seed: 1}\n",
      .requirements = "" },
    { .name = VCH_TEMPLATE_NUMPY,
      .training = IN_PYTHON("src/digits_numpy.py", "1.0"),
      .requirements = "numpy\n",
      .program = "src/digits_numpy.py" },
    { .name = VCH_TEMPLATE_PYTORCH,
      .training = IN_PYTHON("src/digits_pytorch.py", "0.5"),
      .requirements = "numpy\ntorch\n",
      .program = "src/digits_pytorch.py" },
};

static vouch_code find(const char *name, const workspace_template **out, vouch_error *err)
{
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        if (strcmp(templates[i].name, name) == 0) {
            *out = &templates[i];
            return VOUCH_OK;
        }
    }
    return vouch_fail(err, VOUCH_E_UNSUPPORTED, "no template '%.100s'; there are " VCH_TEMPLATES,
                      name);
}

static bool is_of(const workspace_template *t, const char *source)
{
    return t->program != NULL
           && (strcmp(source, t->program) == 0
               || strncmp(source, PACKAGE, sizeof PACKAGE - 1) == 0);
}

static vouch_code add_sources(const workspace_template *t, vch_package *to, vouch_error *err)
{
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; rc == VOUCH_OK && i < vch_template_source_count; i++) {
        const vch_template_source *s = &vch_template_sources[i];
        if (is_of(t, s->name))
            rc = vch_package_add(to, s->name, s->bytes, err);
    }
    return rc;
}

static vouch_code add_plan(const workspace_template *t, vch_package *to, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer plan = vch_buffer_with_cap(PLAN_MAX);
    vch_buffer_append_str(&plan, plan_head);
    vch_buffer_append_str(&plan, t->training);
    vch_buffer_append_str(&plan, plan_tail);
    vouch_code rc = vch_buffer_finish(&plan, "the template's plan", err);
    return rc == VOUCH_OK ? vch_package_add(to, "plan/plan.yaml", vch_buffer_span(&plan), err) : rc;
}

static vouch_code add_files(const workspace_template *t, vch_package *to, vouch_error *err)
{
    const struct {
        const char *name, *text;
    } files[] = {
        { "plan/cols.yaml", "collaborators: []\n" },
        { "plan/data.yaml", "# name,path of its data; a part of a file: data/all.csv#0/3\n" },
        { ".workspace", "current_plan_name: default\n" },
        { "requirements.txt", t->requirements },
    };
    vouch_code rc = add_sources(t, to, err);
    for (size_t i = 0; rc == VOUCH_OK && i < sizeof files / sizeof *files; i++)
        rc = vch_package_add(to, files[i].name, vch_span_str(files[i].text), err);
    return rc == VOUCH_OK ? add_plan(t, to, err) : rc;
}

vouch_code vch_template_pack(const char *name, vch_package *out, vouch_error *err)
{
    VCH_SCOPED(vch_package_done) vch_package p = { 0 };
    const workspace_template *t = NULL;
    vouch_code rc = find(name, &t, err);
    if (rc == VOUCH_OK)
        rc = add_files(t, &p, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = p;
    p = (vch_package) { 0 };
    return VOUCH_OK;
}
