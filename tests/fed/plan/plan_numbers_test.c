#include <math.h>
#include <stdio.h>

#include "check.h"
#include "fed/plan/plan.h"
#include "fed/plan/plan_text.h"

static vouch_code parse(const char *last_line, vch_faults *faults, vch_plan **out)
{
    vouch_error err = { 0 };
    vch_buffer text = with_line(good_plan, 21, last_line);
    vouch_code rc = parse_plan(vch_buffer_span(&text), three_cols, faults, out, &err);
    vch_buffer_drop(&text);
    return rc;
}

#define TASK "  train: {function: f}\n"
#define PIPELINE(class_, settings_)                                                                \
    TASK "compression_pipeline: {template: openfl.pipelines." class_ ", settings: {" settings_ "}" \
         "}"
#define TRAIN(class_, settings_)                                                                   \
    "  train: {function: f, aggregation_type: {template: "                                         \
    "openfl.interface.aggregation_functions." class_ ", settings: {" settings_ "}}}"

static void all_six_pipelines_are_read_with_openfls_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        vch_plan_pipeline want;
    } cases[] = {
        { TASK, { .kind = VCH_COMPRESSION_NONE } },
        { PIPELINE("NoCompressionPipeline", ""), { .kind = VCH_COMPRESSION_NONE } },
        { PIPELINE("KCPipeline", ""), { VCH_COMPRESSION_KC, 6, 0.1, 0, 0 } },
        { PIPELINE("SKCPipeline", "n_clusters: 9, p_sparsity: 0.25"),
          { VCH_COMPRESSION_SKC, 9, 0.25, 0, 0 } },
        { PIPELINE("STCPipeline", "p_sparsity: 1"), { VCH_COMPRESSION_STC, 6, 1, 0, 0 } },
        { PIPELINE("RandomShiftPipeline", ""), { .kind = VCH_COMPRESSION_RANDOM_SHIFT } },
        { PIPELINE("EdenPipeline", ""), { VCH_COMPRESSION_EDEN, 0, 0, 8, 100 } },
        { PIPELINE("EdenPipeline", "n_bits: 3, dim_threshold: 1000, device: cpu"),
          { VCH_COMPRESSION_EDEN, 0, 0, 3, 1000 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        CHECK(parse(cases[i].line, &faults, &p) == VOUCH_OK);
        const vch_plan_pipeline *got = &vch_plan_look(p)->pipeline;
        const vch_plan_pipeline *want = &cases[i].want;
        CHECK(got->kind == want->kind && got->clusters == want->clusters);
        CHECK(got->sparsity == want->sparsity && got->bits == want->bits);
        CHECK(got->dim_threshold == want->dim_threshold);
        vch_plan_free(p);
        vch_faults_done(&faults);
    }
}

static void aggregation_functions_are_read_with_openfls_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        vch_plan_aggregation want;
    } cases[] = {
        { TASK, { .function = VCH_AGGREGATION_WEIGHTED_AVERAGE } },
        { TRAIN("WeightedAverage", ""), { .function = VCH_AGGREGATION_WEIGHTED_AVERAGE } },
        { TRAIN("Median", ""), { .function = VCH_AGGREGATION_MEDIAN } },
        { TRAIN("GeometricMedian", ""), { .function = VCH_AGGREGATION_GEOMETRIC_MEDIAN } },
        { TRAIN("FedCurvWeightedAverage", ""), { .function = VCH_AGGREGATION_FEDCURV } },
        { TRAIN("AdagradAdaptiveAggregation", ""),
          { VCH_AGGREGATION_ADAGRAD, 0.01, 0.9, 0.999, 0.1, 1e-10 } },
        { TRAIN("AdamAdaptiveAggregation", "params: null"),
          { VCH_AGGREGATION_ADAM, 0.01, 0.9, 0.999, 0.0, 1e-8 } },
        { TRAIN("YogiAdaptiveAggregation", "learning_rate: 0.5, betas: [0.8, 0.9], "
                                           "initial_accumulator_value: 2, epsilon: 1.0e-3"),
          { VCH_AGGREGATION_YOGI, 0.5, 0.8, 0.9, 2, 1e-3 } },
        /* parameters for no tensor: OpenFL falls back on the mean for each */
        { TRAIN("AdamAdaptiveAggregation", "params: {}"),
          { VCH_AGGREGATION_WEIGHTED_AVERAGE, 0.01, 0.9, 0.999, 0.0, 1e-8 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        CHECK(parse(cases[i].line, &faults, &p) == VOUCH_OK);
        const vch_plan_aggregation *got = &vch_plan_look(p)->task[0].aggregation;
        const vch_plan_aggregation *want = &cases[i].want;
        CHECK(got->function == want->function && got->learning_rate == want->learning_rate);
        CHECK(got->beta_1 == want->beta_1 && got->beta_2 == want->beta_2);
        CHECK(got->initial_accumulator == want->initial_accumulator);
        CHECK(got->epsilon == want->epsilon);
        vch_plan_free(p);
        vch_faults_done(&faults);
    }
}

static void what_cannot_be_meant_is_refused_at_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *line, *place, *says;
    } cases[] = {
        { PIPELINE("KCPipelin", ""), "plan/plan.yaml:22:", "did you mean 'KCPipeline'" },
        { PIPELINE("MyPipeline", ""), "plan/plan.yaml:22:", "no compression pipeline" },
        { PIPELINE("KCPipeline", "n_cluster: 6"), "plan/plan.yaml:22:", "n_clusters" },
        { PIPELINE("KCPipeline", "n_clusters: 1"), "plan/plan.yaml:22:", "n_clusters" },
        { PIPELINE("KCPipeline", "n_clusters: 33"), "plan/plan.yaml:22:", "n_clusters" },
        { PIPELINE("SKCPipeline", "p_sparsity: 0"), "plan/plan.yaml:22:", "nothing would be kept" },
        { PIPELINE("STCPipeline", "p_sparsity: 1.5"), "plan/plan.yaml:22:", "p_sparsity" },
        { PIPELINE("EdenPipeline", "n_bits: 9"), "plan/plan.yaml:22:", "n_bits" },
        { PIPELINE("EdenPipeline", "n_bits: 0"), "plan/plan.yaml:22:", "n_bits" },
        { PIPELINE("EdenPipeline", "dim_threshold: -1"), "plan/plan.yaml:22:", "dim_threshold" },
        { PIPELINE("RandomShiftPipeline", "n_bits: 3"), "plan/plan.yaml:22:", "n_bits" },
        { TRAIN("Mean", ""), "plan/plan.yaml:21:", "no aggregation function" },
        { TRAIN("Median", "epsilon: 1.0"), "plan/plan.yaml:21:", "epsilon" },
        { TRAIN("FedBaggingXGBoost", ""), "plan/plan.yaml:21:", "FedBaggingXGBoost" },
        { TRAIN("AdagradAdaptiveAggregation", "betas: [0.9, 0.9]"), "plan/plan.yaml:21:", "betas" },
        { TRAIN("AdamAdaptiveAggregation", "betas: [0.9]"), "plan/plan.yaml:21:", "betas" },
        { TRAIN("AdamAdaptiveAggregation", "betas: [0.9, 1.0]"), "plan/plan.yaml:21:", "betas" },
        { TRAIN("AdamAdaptiveAggregation", "betas: [-0.1, 0.5]"), "plan/plan.yaml:21:", "betas" },
        { TRAIN("AdamAdaptiveAggregation", "betas: 0.9"), "plan/plan.yaml:21:", "betas" },
        { TRAIN("YogiAdaptiveAggregation", "epsilon: 0"), "plan/plan.yaml:21:", "epsilon" },
        { TRAIN("YogiAdaptiveAggregation", "learning_rate: -1"),
          "plan/plan.yaml:21:", "learning_rate" },
        { TRAIN("YogiAdaptiveAggregation", "params: {w: [1]}"), "plan/plan.yaml:21:", "params" },
        { TRAIN("YogiAdaptiveAggregation", "model_interface: x"),
          "plan/plan.yaml:21:", "model_interface" },
        { TRAIN("YogiAdaptiveAggregation", "agg_func: x"), "plan/plan.yaml:21:", "agg_func" },
        { "  train: {function: f, aggregation_type: {settings: {}}}",
          "plan/plan.yaml:21:", "no template" },
        { TRAIN(
              "AdamAdaptiveAggregation",
              "") "\n  tune: {function: f, aggregation_type: {template: a.AdamAdaptiveAggregation, "
                  "settings: {learning_rate: 0.5}}}",
          "plan/plan.yaml:22:", "different steps" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        vouch_code rc = parse(cases[i].line, &faults, &p);
        bool told = false;
        for (size_t k = 0; k < faults.count; k++)
            told =
                told
                || (!faults.item[k].warning && strstr(faults.item[k].text, cases[i].says) != NULL
                    && strncmp(faults.item[k].text, cases[i].place, strlen(cases[i].place)) == 0);
        if (rc != VOUCH_E_CONFIG || p != NULL || !told)
            fail_msg("'%s': %s, %zu faults, first '%s'", cases[i].line, vouch_code_name(rc),
                     faults.count, faults.count == 0 ? "" : faults.item[0].text);
        vch_faults_done(&faults);
    }
}

static void settings_that_a_pipeline_ignores_are_warned_about(void **state)
{
    (void)state;
    static const char *const lines[] = { PIPELINE("KCPipeline", "p_sparsity: 0.3"),
                                         PIPELINE("STCPipeline", "n_clusters: 3"),
                                         PIPELINE("EdenPipeline", "device: cuda") };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        CHECK(parse(lines[i], &faults, &p) == VOUCH_OK);
        CHECK(faults.count == 1 && faults.item[0].warning);
        CHECK(strncmp(faults.item[0].text, "plan/plan.yaml:22:", 18) == 0);
        vch_plan_free(p);
        vch_faults_done(&faults);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_six_pipelines_are_read_with_openfls_defaults),
        TEST(aggregation_functions_are_read_with_openfls_defaults),
        TEST(what_cannot_be_meant_is_refused_at_its_line),
        TEST(settings_that_a_pipeline_ignores_are_warned_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
