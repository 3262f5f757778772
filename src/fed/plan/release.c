#include "fed/plan/release.h"

#include <stddef.h>
#include <string.h>

/*
 * What the default files of each release say, as found in its package; written anew, in flow style.
 * A plan that names one of them is hashed with these values.
 */
#define GROUPS_OF_THREE(name_)                                                                     \
    "{name: " name_ ", percentage: 1.0, tasks: [aggregated_model_validation, train, "              \
    "locally_tuned_model_validation]}"
#define ASSIGNER(groups_)                                                                          \
    "template: openfl.component.RandomGroupedAssigner\nsettings: {task_groups: [" groups_ "]}\n"
#define TASKS(validate_, train_, extra_, metric_)                                                  \
    "aggregated_model_validation: {function: " validate_ ", kwargs: {" extra_                      \
    "apply: global, metrics: [" metric_ "]}}\n"                                                    \
    "locally_tuned_model_validation: {function: " validate_ ", kwargs: {" extra_                   \
    "apply: local, metrics: [" metric_ "]}}\n"                                                     \
    "train: {function: " train_ ", kwargs: {" extra_
#define BATCH "batch_size: 32, "

static const char aggregator_16[] = "template: openfl.component.Aggregator\n"
                                    "settings: {db_store_rounds: 2, write_logs: true}\n";
static const char aggregator_17[] = "template: openfl.component.Aggregator\n"
                                    "settings: {db_store_rounds: 2}\n";
static const char aggregator_18[] =
    "template: openfl.component.Aggregator\n"
    "settings: {db_store_rounds: 2, init_state_path: save/init.pbuf,\n"
    "  best_state_path: save/best.pbuf, last_state_path: save/last.pbuf,\n"
    "  persist_checkpoint: true, persistent_db_path: local_state/tensor.db}\n";
static const char assigner_16[] = ASSIGNER(GROUPS_OF_THREE("train_and_validate"));
static const char assigner_17[] = ASSIGNER(GROUPS_OF_THREE("learning"));
static const char assigner_18[] = ASSIGNER(GROUPS_OF_THREE(
    "learning") ", {name: evaluation, percentage: 0, tasks: [aggregated_model_validation]}");
static const char collaborator_17[] =
    "template: openfl.component.Collaborator\n"
    "settings: {opt_treatment: CONTINUE_LOCAL, delta_updates: true, db_store_rounds: 1}\n";
static const char collaborator_18[] =
    "template: openfl.component.Collaborator\n"
    "settings: {opt_treatment: CONTINUE_LOCAL, use_delta_updates: true, db_store_rounds: 1}\n";
static const char compression[] = "template: openfl.pipelines.NoCompressionPipeline\n";
static const char data_loader[] = "template: openfl.federated.DataLoader\n";
static const char task_runner[] = "template: openfl.federated.task_runner.CoreTaskRunner\n";
static const char straggler_18[] = "template: openfl.component.WaitForAllPolicy\n";

#define NETWORK(tls_)                                                                              \
    "template: openfl.federation.Network\n"                                                        \
    "settings: {agg_addr: auto, agg_port: auto, hash_salt: auto, cert_folder: cert,\n"             \
    "  client_reconnect_interval: 5, " tls_ "}\n"
static const char network_16[] = NETWORK("tls: true, disable_client_auth: false");
static const char network_17[] = NETWORK("use_tls: true, require_client_auth: true");
static const char network_18[] =
    NETWORK("use_tls: true, require_client_auth: true, enable_atomic_connections: false");
static const char network_19[] =
    NETWORK("use_tls: true, require_client_auth: true, enable_atomic_connections: false, "
            "transport_protocol: grpc");

static const char evaluation_aggregator[] =
    "template: openfl.component.Aggregator\n"
    "settings: {db_store_rounds: 2, write_logs: true, rounds_to_train: 1}\n";
static const char evaluation_assigner[] =
    ASSIGNER("{name: evaluation, percentage: 1.0, tasks: [aggregated_model_validation]}");
static const char evaluation_tasks[] =
    "aggregated_model_validation: {function: validate_task, kwargs: {apply: global, "
    "metrics: [acc]}}\n";

static const char tasks_fast_estimator[] =
    TASKS("validate", "train", BATCH,
          "clean_accuracy, adversarial_accuracy") "epochs: 1, metrics: [adv_ce, base_ce]}}\n";
static const char tasks_keras_16[] =
    TASKS("validate", "train", BATCH, "accuracy") "epochs: 1, metrics: [loss]}}\n";
static const char tasks_keras_17[] =
    TASKS("validate_task", "train_task", BATCH, "accuracy") "epochs: 1, metrics: [loss]}}\n";
static const char tasks_tensorflow[] =
    TASKS("validate", "train_batches", BATCH, "acc") "epochs: 1, metrics: [loss]}}\n";
static const char tasks_torch_15[] =
    TASKS("validate", "train_batches", "", "acc") "epochs: 1, metrics: [loss]}}\n";
static const char tasks_torch_16[] =
    TASKS("validate_task", "train_task", "", "acc") "epochs: 1, metrics: [loss]}}\n";
static const char tasks_xgb[] =
    TASKS("validate_task", "train_task", "",
          "acc") "metrics: [loss]}, aggregation_type: "
                 "{template: openfl.interface.aggregation_functions.FedBaggingXGBoost}}\n";

/* Releases by number, for "from" and "to". */
enum { R15 = 0, R16, R17, R18, R19 };

static const struct {
    const char *path;
    int from, to;
    const char *text;
} default_files[] = {
    { "plan/defaults/aggregator.yaml", R15, R16, aggregator_16 },
    { "plan/defaults/aggregator.yaml", R17, R17, aggregator_17 },
    { "plan/defaults/aggregator.yaml", R18, R19, aggregator_18 },
    { "plan/defaults/assigner.yaml", R15, R16, assigner_16 },
    { "plan/defaults/assigner.yaml", R17, R17, assigner_17 },
    { "plan/defaults/assigner.yaml", R18, R19, assigner_18 },
    { "plan/defaults/collaborator.yaml", R15, R17, collaborator_17 },
    { "plan/defaults/collaborator.yaml", R18, R19, collaborator_18 },
    { "plan/defaults/compression_pipeline.yaml", R15, R19, compression },
    { "plan/defaults/data_loader.yaml", R15, R19, data_loader },
    { "plan/defaults/federated-evaluation/aggregator.yaml", R17, R18, evaluation_aggregator },
    { "plan/defaults/federated-evaluation/assigner.yaml", R17, R17, evaluation_assigner },
    { "plan/defaults/federated-evaluation/tasks_torch.yaml", R17, R17, evaluation_tasks },
    { "plan/defaults/network.yaml", R15, R16, network_16 },
    { "plan/defaults/network.yaml", R17, R17, network_17 },
    { "plan/defaults/network.yaml", R18, R18, network_18 },
    { "plan/defaults/network.yaml", R19, R19, network_19 },
    { "plan/defaults/straggler_handling_policy.yaml", R18, R19, straggler_18 },
    { "plan/defaults/task_runner.yaml", R15, R19, task_runner },
    { "plan/defaults/tasks_fast_estimator.yaml", R15, R19, tasks_fast_estimator },
    { "plan/defaults/tasks_keras.yaml", R15, R16, tasks_keras_16 },
    { "plan/defaults/tasks_keras.yaml", R17, R19, tasks_keras_17 },
    { "plan/defaults/tasks_tensorflow.yaml", R15, R16, tasks_tensorflow },
    { "plan/defaults/tasks_torch.yaml", R15, R15, tasks_torch_15 },
    { "plan/defaults/tasks_torch.yaml", R16, R19, tasks_torch_16 },
    { "plan/defaults/tasks_xgb.yaml", R17, R19, tasks_xgb },
};

/* In the order of R15 to R19. */
static const vch_release releases[] = {
    { .name = "1.5",
      .always_delta = true,
      .last_is_result = true,
      .metric_sentences = true,
      .metric_lines = true,
      .sends_optimizer = true },
    { .name = "1.6",
      .always_delta = true,
      .last_is_result = true,
      .metric_lines = true,
      .sends_optimizer = true },
    { .name = "1.7", .round_metrics = true, .sends_optimizer = true },
    { .name = "1.8", .round_metrics = true, .sends_optimizer = true },
    { .name = "1.9", .float32_sum = true, .round_metrics = true, .round_metrics_numbered = true },
};

enum { RELEASE_COUNT = sizeof releases / sizeof *releases };

/* "1.9" is "1.9" and "1.9.3", and not "1.90". */
static int release_is(const char *name, const char *release)
{
    size_t size = strlen(release);
    if (strncmp(name, release, size) != 0)
        return 0;
    if (name[size] == '\0')
        return 1;
    return name[size] == '.' && name[size + 1] != '\0'
           && strspn(name + size + 1, "0123456789") == strlen(name + size + 1);
}

vouch_code vch_release_find(const char *name, const vch_release **out, vouch_error *err)
{
    for (size_t i = 0; i < RELEASE_COUNT; i++) {
        if (release_is(name, releases[i].name)) {
            *out = &releases[i];
            return VOUCH_OK;
        }
    }
    return vouch_fail(err, VOUCH_E_UNSUPPORTED, "no OpenFL release '%s' is known; 1.5 to 1.9 are",
                      name);
}

const char *vch_release_defaults(const vch_release *release, const char *path)
{
    int number = (int)(release - releases);
    for (size_t i = 0; i < sizeof default_files / sizeof *default_files; i++) {
        if (number >= default_files[i].from && number <= default_files[i].to
            && strcmp(default_files[i].path, path) == 0)
            return default_files[i].text;
    }
    return NULL;
}

size_t vch_release_default_paths(const vch_release *release, const char *paths[], size_t max)
{
    size_t count = 0;
    int number = (int)(release - releases);
    for (size_t i = 0; i < sizeof default_files / sizeof *default_files && count < max; i++) {
        if (number >= default_files[i].from && number <= default_files[i].to)
            paths[count++] = default_files[i].path;
    }
    return count;
}
