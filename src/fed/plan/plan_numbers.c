/*
 * What decides a federation's numbers: the section `compression_pipeline` and the tasks'
 * `aggregation_type`. openfl_interop.md sections 6 and 7.
 */
#include <math.h>
#include <string.h>

#include "config/schema.h"
#include "config/suggest.h"
#include "fed/plan/plan_parts.h"

#define ANY(struct_, key_, member_)                                                                \
    {                                                                                              \
        .key = (key_), .type = VCH_SETTING_ANY, .offset = offsetof(struct_, member_)               \
    }

/* A class name and what it is here. */
typedef struct known_class {
    const char *name;
    int is;
} known_class;

enum { CLASS_MAX = 8 };

/* The class of a template, or 0 and a fault that names `what` and the nearest class. */
static int find_class(const vch_yaml_node *node, const char *what, const known_class *classes,
                      size_t count, vch_faults *faults)
{
    const char *template_name = vch_yaml_string(node);
    const char *name = template_name == NULL ? "" : vch_plan_class(template_name);
    const char *names[CLASS_MAX];
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, classes[i].name) == 0)
            return classes[i].is;
        names[i] = classes[i].name;
    }
    const char *near = vch_suggest(name, names, count);
    vch_faults_at(faults, node, "no %s '%s' is built in%s%s%s", what,
                  template_name == NULL ? "" : template_name,
                  near == NULL ? "" : " (did you mean '", near == NULL ? "" : near,
                  near == NULL ? "" : "'?)");
    return 0;
}

static const known_class pipelines[] = {
    { "NoCompressionPipeline", VCH_COMPRESSION_NONE },
    { "KCPipeline", VCH_COMPRESSION_KC },
    { "SKCPipeline", VCH_COMPRESSION_SKC },
    { "STCPipeline", VCH_COMPRESSION_STC },
    { "RandomShiftPipeline", VCH_COMPRESSION_RANDOM_SHIFT },
    { "EdenPipeline", VCH_COMPRESSION_EDEN },
};

typedef struct pipeline_values {
    int64_t clusters, bits, dim_threshold;
    double sparsity;
    const vch_yaml_node *device;
} pipeline_values;

/* numpy's choose, which OpenFL puts the clusters together with, takes no more than 32. */
#define CLUSTERS                                                                                   \
    {                                                                                              \
        .key = "n_clusters", .type = VCH_SETTING_INT,                                              \
        .offset = offsetof(pipeline_values, clusters), .min = 2, .max = 32, .fallback = "6",       \
        .help = "values that a tensor is reduced to"                                               \
    }
#define SPARSITY                                                                                   \
    {                                                                                              \
        .key = "p_sparsity", .type = VCH_SETTING_REAL,                                             \
        .offset = offsetof(pipeline_values, sparsity), .min = 0, .max = 1, .fallback = "0.1",      \
        .help = "share of the values that is kept"                                                 \
    }

static const vch_setting cluster_table[] = { CLUSTERS, SPARSITY };
static const vch_setting eden_table[] = {
    { .key = "n_bits",
      .type = VCH_SETTING_INT,
      .offset = offsetof(pipeline_values, bits),
      .min = 1,
      .max = 8,
      .fallback = "8",
      .help = "bits for a value" },
    { .key = "dim_threshold",
      .type = VCH_SETTING_INT,
      .offset = offsetof(pipeline_values, dim_threshold),
      .min = 0,
      .max = INT32_MAX,
      .fallback = "100",
      .help = "a tensor of fewer values travels as it is" },
    ANY(pipeline_values, "device", device),
};

static void warn_no_effect(const vch_yaml_node *settings, const char *key, vch_faults *faults)
{
    const vch_yaml_node *node = vch_yaml_get(settings, key);
    if (node != NULL)
        vch_faults_warn_at(faults, node, "%s is OpenFL's own and has no effect here", key);
}

static void read_pipeline_settings(const vch_yaml_node *settings, vch_plan_pipeline *out,
                                   vch_faults *faults)
{
    pipeline_values v = { 0 };
    const vch_setting *table = cluster_table;
    size_t count = 0;
    if (out->kind == VCH_COMPRESSION_KC || out->kind == VCH_COMPRESSION_SKC
        || out->kind == VCH_COMPRESSION_STC) {
        count = sizeof cluster_table / sizeof *cluster_table;
    } else if (out->kind == VCH_COMPRESSION_EDEN) {
        table = eden_table;
        count = sizeof eden_table / sizeof *eden_table;
    }
    if (!vch_schema_read(settings, "compression_pipeline.settings", table, count, &v, faults))
        return;
    if (count > 0 && table == cluster_table && !(v.sparsity > 0))
        vch_faults_at(faults, vch_yaml_get(settings, "p_sparsity"),
                      "p_sparsity is 0: nothing would be kept");
    if (out->kind == VCH_COMPRESSION_KC)
        warn_no_effect(settings, "p_sparsity", faults);
    if (out->kind == VCH_COMPRESSION_STC)
        warn_no_effect(settings, "n_clusters", faults);
    warn_no_effect(settings, "device", faults);
    out->clusters = (uint32_t)v.clusters;
    out->sparsity = v.sparsity;
    out->bits = (uint32_t)v.bits;
    out->dim_threshold = (uint32_t)v.dim_threshold;
}

void vch_plan_read_pipeline(vch_plan *p, vch_faults *faults)
{
    const vch_yaml_node *section = vch_yaml_get(p->root, "compression_pipeline");
    const vch_yaml_node *node = section == NULL ? NULL : vch_yaml_get(section, "template");
    vch_plan_pipeline *out = &p->view.pipeline;
    out->kind = VCH_COMPRESSION_NONE;
    if (node != NULL)
        out->kind = (vch_compression)find_class(node, "compression pipeline", pipelines,
                                                sizeof pipelines / sizeof *pipelines, faults);
    const vch_yaml_node *settings = vch_plan_settings(p, "compression_pipeline");
    if (out->kind != 0 && settings != NULL)
        read_pipeline_settings(settings, out, faults);
}

static const known_class functions[] = {
    { "WeightedAverage", VCH_AGGREGATION_WEIGHTED_AVERAGE },
    { "Median", VCH_AGGREGATION_MEDIAN },
    { "GeometricMedian", VCH_AGGREGATION_GEOMETRIC_MEDIAN },
    { "AdagradAdaptiveAggregation", VCH_AGGREGATION_ADAGRAD },
    { "AdamAdaptiveAggregation", VCH_AGGREGATION_ADAM },
    { "YogiAdaptiveAggregation", VCH_AGGREGATION_YOGI },
    { "FedCurvWeightedAverage", VCH_AGGREGATION_FEDCURV },
};

typedef struct step_values {
    double learning_rate, initial_accumulator, epsilon;
    const vch_yaml_node *betas, *params, *model_interface, *agg_func;
} step_values;

static const vch_setting step_table[] = {
    { .key = "learning_rate",
      .type = VCH_SETTING_REAL,
      .offset = offsetof(step_values, learning_rate),
      .min = 0,
      .max = 1000000,
      .help = "the step's size" },
    { .key = "initial_accumulator_value",
      .type = VCH_SETTING_REAL,
      .offset = offsetof(step_values, initial_accumulator),
      .min = 0,
      .max = 1000000,
      .help = "what the sums begin with" },
    { .key = "epsilon",
      .type = VCH_SETTING_REAL,
      .offset = offsetof(step_values, epsilon),
      .min = 0,
      .max = 1000000,
      .help = "added to what is divided by" },
    ANY(step_values, "params", params),
    ANY(step_values, "model_interface", model_interface),
    ANY(step_values, "agg_func", agg_func),
    ANY(step_values, "betas", betas),
};

static void read_betas(const vch_yaml_node *node, vch_plan_aggregation *out, vch_faults *faults)
{
    double *to[] = { &out->beta_1, &out->beta_2 };
    bool good = vch_yaml_kind_of(node) == VCH_YAML_SEQUENCE && vch_yaml_count(node) == 2;
    for (size_t i = 0; good && i < 2; i++)
        good = vch_yaml_to_real(vch_yaml_at(node, i), to[i]) && *to[i] >= 0 && *to[i] < 1;
    if (!good)
        vch_faults_at(faults, node, "betas must be two numbers from 0 to below 1");
}

/* OpenFL takes objects here, which a plan cannot hold; ours step from the initial model. */
static void refuse_objects(const step_values *v, vch_plan_aggregation *out, vch_faults *faults)
{
    if (v->params != NULL && vch_yaml_kind_of(v->params) == VCH_YAML_MAPPING
        && vch_yaml_count(v->params) == 0)
        out->function = VCH_AGGREGATION_WEIGHTED_AVERAGE; /* parameters for no tensor: the mean */
    else if (v->params != NULL && vch_yaml_kind_of(v->params) != VCH_YAML_NULL)
        vch_faults_at(faults, v->params,
                      "params cannot be given in a plan: the steps begin at the initial model");
    if (v->model_interface != NULL && vch_yaml_kind_of(v->model_interface) != VCH_YAML_NULL)
        vch_faults_at(faults, v->model_interface,
                      "model_interface cannot be given in a plan: the steps begin at the initial "
                      "model");
    if (v->agg_func != NULL && vch_yaml_kind_of(v->agg_func) != VCH_YAML_NULL)
        vch_faults_at(faults, v->agg_func,
                      "agg_func cannot be given in a plan: every tensor of the model takes steps");
}

static void read_step_settings(const vch_yaml_node *settings, vch_plan_aggregation *out,
                               vch_faults *faults)
{
    bool adagrad = out->function == VCH_AGGREGATION_ADAGRAD;
    size_t count = sizeof step_table / sizeof *step_table;
    step_values v = { .learning_rate = 0.01,
                      .initial_accumulator = adagrad ? 0.1 : 0.0,
                      .epsilon = adagrad ? 1e-10 : 1e-8 };
    out->beta_1 = 0.9;
    out->beta_2 = 0.999;
    if (settings != NULL
        && !vch_schema_read(settings, "aggregation_type.settings", step_table,
                            adagrad ? count - 1 : count, &v, faults)) /* betas come last */
        return;
    if (!(v.epsilon > 0))
        vch_faults_at(faults, vch_yaml_get(settings, "epsilon"), "epsilon must be greater than 0");
    if (v.betas != NULL)
        read_betas(v.betas, out, faults);
    out->learning_rate = v.learning_rate;
    out->initial_accumulator = v.initial_accumulator;
    out->epsilon = v.epsilon;
    refuse_objects(&v, out, faults);
}

void vch_plan_read_aggregation(const vch_yaml_node *task, vch_plan_aggregation *out,
                               vch_faults *faults)
{
    out->function = VCH_AGGREGATION_WEIGHTED_AVERAGE;
    const vch_yaml_node *type = vch_yaml_get(task, "aggregation_type");
    if (type == NULL || vch_yaml_kind_of(type) == VCH_YAML_NULL)
        return;
    const vch_yaml_node *node = vch_yaml_get(type, "template");
    if (node == NULL || vch_yaml_string(node) == NULL) {
        vch_faults_at(faults, type, "aggregation_type has no template");
        return;
    }
    out->function = (vch_aggregation)find_class(node, "aggregation function", functions,
                                                sizeof functions / sizeof *functions, faults);
    const vch_yaml_node *settings = vch_yaml_get(type, "settings");
    if (settings != NULL && vch_yaml_kind_of(settings) == VCH_YAML_NULL)
        settings = NULL;
    if (out->function == VCH_AGGREGATION_ADAGRAD || out->function == VCH_AGGREGATION_ADAM
        || out->function == VCH_AGGREGATION_YOGI)
        read_step_settings(settings, out, faults);
    else if (settings != NULL && out->function != 0 /* the others take none */
             && !vch_schema_read(settings, "aggregation_type.settings", step_table, 0, NULL,
                                 faults))
        return;
}
