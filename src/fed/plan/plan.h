/*
 * plan.yaml and cols.yaml as OpenFL reads them: defaults merged, hashed, `auto` resolved, checked.
 * Immutable once loaded, share freely. openfl_interop.md sections 4.1, 7, 8, 9; vouch_protocol.md
 * section 2.
 */
#ifndef VCH_FED_PLAN_PLAN_H
#define VCH_FED_PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "config/faults.h"
#include "fed/plan/release.h"
#include "vouch/error.h"
#include "vouch/span.h"

struct vch_yaml_node;

#define VCH_PLAN_FILE_MAX ((size_t)1 << 20) /* bytes of plan.yaml, cols.yaml, data.yaml */
#define VCH_PLAN_ROUNDS_MAX 1000000
#define VCH_PLAN_TASK_MAX 256
#define VCH_PLAN_MEMBER_MAX 10000
#define VCH_PLAN_GROUP_MAX 64

typedef struct vch_plan vch_plan;

typedef struct vch_plan_source {
    const char *plan_name; /* file name, for messages; its last part is in the federation's uuid */
    vouch_span plan;       /* text */
    const char *cols_name; /* may be NULL with `cols` empty: then nobody is authorised */
    vouch_span cols;       /* text */
    const vch_release *release;  /* NULL: VCH_RELEASE_DEFAULT */
    const char *host_name;       /* what `agg_addr: auto` becomes; NULL: stays "auto" */
    const char *federation_uuid; /* `--federation-uuid`, in place of the computed one; or NULL */
    const char *task_group;      /* `--task_group`, in place of selected_task_group; or NULL */
} vch_plan_source;

/*
 * Read a plan. Every fault and warning goes to `faults`; with an error among them the call fails
 * with VOUCH_E_CONFIG. `out` is set on VOUCH_OK; free with vch_plan_free.
 */
VOUCH_MUST_CHECK vouch_code vch_plan_parse(const vch_plan_source *source, vch_faults *faults,
                                           vch_plan **out, vouch_error *err);
void vch_plan_free(vch_plan *p);

/* The same from files; `cols_path` may be NULL. source->plan_name, plan, cols_name, cols are not
 * looked at. */
VOUCH_MUST_CHECK vouch_code vch_plan_load(const char *plan_path, const char *cols_path,
                                          const vch_plan_source *source, vch_faults *faults,
                                          vch_plan **out, vouch_error *err);

typedef enum vch_aggregation {
    VCH_AGGREGATION_WEIGHTED_AVERAGE = 1,
    VCH_AGGREGATION_MEDIAN = 2,
    VCH_AGGREGATION_GEOMETRIC_MEDIAN = 3,
    VCH_AGGREGATION_ADAGRAD = 4,
    VCH_AGGREGATION_ADAM = 5,
    VCH_AGGREGATION_YOGI = 6,
    VCH_AGGREGATION_FEDCURV = 7
} vch_aggregation;

/* `aggregation_type` of a task. The settings are those of the three that take a step. */
typedef struct vch_plan_aggregation {
    vch_aggregation function;
    double learning_rate, beta_1, beta_2, initial_accumulator, epsilon;
} vch_plan_aggregation;

typedef enum vch_compression {
    VCH_COMPRESSION_NONE = 1,
    VCH_COMPRESSION_KC = 2,
    VCH_COMPRESSION_SKC = 3,
    VCH_COMPRESSION_STC = 4,
    VCH_COMPRESSION_RANDOM_SHIFT = 5,
    VCH_COMPRESSION_EDEN = 6
} vch_compression;

/* Section `compression_pipeline`; a setting counts where the pipeline has it. */
typedef struct vch_plan_pipeline {
    vch_compression kind;
    uint32_t clusters;      /* n_clusters */
    double sparsity;        /* p_sparsity: the share of values that is kept */
    uint32_t bits;          /* n_bits a value */
    uint32_t dim_threshold; /* a tensor of fewer values travels as it is */
} vch_plan_pipeline;

typedef struct vch_plan_task {
    const char *name;
    const char *function;
    vch_plan_aggregation aggregation;
    bool trains;                        /* "train" in its name: weight = training samples */
    bool validates;                     /* "valid" in its name: weight = validation samples */
    bool apply_local;                   /* kwargs.apply is `local` */
    const struct vch_yaml_node *kwargs; /* a mapping, or NULL */
} vch_plan_task;

typedef enum vch_straggler {
    VCH_STRAGGLER_WAIT_FOR_ALL = 1,
    VCH_STRAGGLER_CUTOFF_TIME = 2,
    VCH_STRAGGLER_PERCENTAGE = 3
} vch_straggler;

typedef struct vch_plan_straggler {
    vch_straggler policy;
    double cutoff_s; /* infinity: never */
    uint32_t minimum_reporting;
    double percent_needed; /* 0 to 1 */
} vch_plan_straggler;

/* What an update may be; see plan_limits.c. */
#define VCH_PLAN_VALUE_MAX 1e30 /* no plan can allow more: no sum over members overflows float32 */
typedef struct vch_plan_limits {
    float value_max;        /* magnitude of a value */
    double update_norm_max; /* of all values of an update, as sent; infinity: any */
    int32_t data_size_max;  /* samples */
} vch_plan_limits;

/* All strings belong to the plan and end with NUL. */
typedef struct vch_plan_view {
    const char *federation_uuid; /* "plan.yaml_737dd2d5" */
    const char *aggregator_uuid; /* "aggregator_" before it */
    const char *hash_hex;        /* SHA-384 of the canonical dump, 96 digits */
    uint8_t claim[32];           /* SHA-256 of the same dump: claim vouch-plan */
    const vch_release *release;

    /* aggregator */
    const char *init_state_path, *best_state_path, *last_state_path;
    uint32_t rounds; /* rounds_to_train; 1 if it evaluates */
    bool evaluates; /* the selected task group is called `evaluation`: nothing is trained or kept */
    uint32_t aggregator_store_rounds;
    const char *single_col_cert_common_name; /* "" if none */
    bool write_logs, collaborator_write_logs;
    bool model_from_delta;                           /* see vch_aggregate_options.base */
    bool attest_aggregator, attest_aggregator_given; /* enable_remote_attestation, if it is there */

    /* collaborator */
    enum { VCH_OPT_RESET = 1, VCH_OPT_CONTINUE_LOCAL, VCH_OPT_CONTINUE_GLOBAL } opt_treatment;
    bool delta_updates;
    uint32_t collaborator_store_rounds;
    bool attest_collaborator, attest_collaborator_given;

    /* network */
    const char *agg_addr; /* resolved; "auto" if no host name was given */
    bool agg_addr_was_auto;
    uint16_t agg_port;
    const char *cert_folder;
    uint32_t reconnect_s;

    /* others */
    const char *task_runner_template;
    const struct vch_yaml_node *task_runner; /* its settings, a mapping */
    const char *data_loader_template;
    const struct vch_yaml_node *data_loader; /* its settings, a mapping */
    vch_plan_pipeline pipeline;
    vch_plan_straggler straggler;
    vch_plan_limits limits;
    const vch_plan_task *task;
    size_t task_count;
    const char *const *member; /* authorised collaborators, in the order of cols.yaml */
    size_t member_count;
} vch_plan_view;

const vch_plan_view *vch_plan_look(const vch_plan *p);

/* Which roles attestation.yaml enables. */
typedef struct vch_plan_attested {
    bool aggregator, collaborator;
} vch_plan_attested;

/*
 * Hold the plan against attestation.yaml (NULL: there is none): flags that stand in both must agree,
 * and a flag alone enables nothing; single_col_cert_common_name goes with no such file, `agg_addr:
 * auto` with no attested aggregator. Faults name the plan's lines; VOUCH_E_CONFIG if there is one.
 * docs/protocol.md section 2.
 */
VOUCH_MUST_CHECK vouch_code vch_plan_check_attested(const vch_plan *p,
                                                    const vch_plan_attested *said,
                                                    vch_faults *faults, vouch_error *err);

/* opt_treatment is CONTINUE_GLOBAL, and the initial model has no optimiser's state: say so at the
 * plan's line. */
void vch_plan_warn_no_optimizer(const vch_plan *p, vch_faults *faults);

/* The merged plan (a mapping of sections) before `auto` is resolved, for settings of one's own. */
const struct vch_yaml_node *vch_plan_document(const vch_plan *p);

/* The same with `agg_addr` and `agg_port` filled in: what a frozen or printed plan shows. */
const struct vch_yaml_node *vch_plan_resolved(const vch_plan *p);

/* The canonical dump: the text that is hashed. Borrowed. */
vouch_span vch_plan_dump(const vch_plan *p);

/* Index of a name in view->member, or -1. */
ptrdiff_t vch_plan_member(const vch_plan *p, vouch_span name);

/* NULL if there is no such task. */
const vch_plan_task *vch_plan_task_find(const vch_plan *p, vouch_span name);

/*
 * The tasks of a member in a round, by the plan's assigner, as indices into view->task in the
 * order in which they are to be run. Deterministic: a random assigner draws from `round` and the
 * plan's hash. `out` has room for VCH_PLAN_TASK_MAX.
 */
VOUCH_MUST_CHECK vouch_code vch_plan_assign(const vch_plan *p, size_t member, uint32_t round,
                                            size_t *out, size_t *out_count, vouch_error *err);

/* A collaborator's data path out of the text of data.yaml, borrowed from it.
 * VOUCH_E_NOT_FOUND, _CONFIG (a line without a comma, a name twice). */
VOUCH_MUST_CHECK vouch_code vch_data_path_find(const char *file_name, vouch_span data_yaml,
                                               const char *name, vouch_span *out, vouch_error *err);

#endif
