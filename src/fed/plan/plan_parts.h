/* A plan's inside, for the files of this folder only. */
#ifndef VCH_FED_PLAN_PLAN_PARTS_H
#define VCH_FED_PLAN_PLAN_PARTS_H

#include "config/yaml.h"
#include "fed/plan/plan.h"

enum { VCH_PLAN_DOCUMENT_MAX = 24, VCH_PLAN_UUID_SIZE = 512 };

/* One task group of the assigner. */
typedef struct vch_plan_group {
    const char *name;
    double percentage; /* RandomGroupedAssigner: 0 to 1 */
    size_t *task;      /* indices into view.task, in the group's order */
    size_t task_count;
    size_t *member; /* StaticGroupedAssigner: indices into view.member */
    size_t member_count;
} vch_plan_group;

struct vch_plan {
    vch_plan_view view;
    vch_yaml *document[VCH_PLAN_DOCUMENT_MAX]; /* every document that a node belongs to */
    size_t document_count;
    vch_yaml *merged;              /* of nodes that were made here; one of `document` */
    const vch_yaml_node *root;     /* the merged plan before `auto` */
    const vch_yaml_node *resolved; /* ... and after */
    vch_buffer dump;               /* of root */
    char hash_hex[97];
    char federation_uuid[VCH_PLAN_UUID_SIZE];
    char aggregator_uuid[VCH_PLAN_UUID_SIZE];
    vch_plan_task *task;
    const char **member;
    bool assigner_is_static;
    vch_plan_group group[VCH_PLAN_GROUP_MAX];
    size_t group_count;
};

/* Read text into a document that the plan keeps. `out` NULL on failure. */
VOUCH_MUST_CHECK vouch_code vch_plan_add_document(vch_plan *p, const char *name, vouch_span text,
                                                  vch_faults *faults, vch_yaml **out,
                                                  vouch_error *err);

/* plan_merge.c: fills merged, root; then (resolve) hash, uuids, resolved, agg_addr, agg_port. */
VOUCH_MUST_CHECK vouch_code vch_plan_merge(vch_plan *p, const vch_plan_source *source,
                                           vch_faults *faults, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_plan_resolve(vch_plan *p, const vch_plan_source *source,
                                             vouch_error *err);

/* members.c: cols.yaml. */
VOUCH_MUST_CHECK vouch_code vch_plan_read_members(vch_plan *p, const vch_plan_source *source,
                                                  vch_faults *faults, vouch_error *err);

/* plan_sections.c, plan_tasks.c, assigner.c: faults are added, and the call goes on. */
VOUCH_MUST_CHECK vouch_code vch_plan_read_sections(vch_plan *p, vch_faults *faults,
                                                   vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_plan_read_tasks(vch_plan *p, vch_faults *faults, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_plan_read_assigner(vch_plan *p, const char *task_group,
                                                   vch_faults *faults, vouch_error *err);
/* plan_numbers.c: the section compression_pipeline, and a task's aggregation_type. */
void vch_plan_read_pipeline(vch_plan *p, vch_faults *faults);
void vch_plan_read_aggregation(const vch_yaml_node *task, vch_plan_aggregation *out,
                               vch_faults *faults);
/* plan_limits.c */
void vch_plan_read_limits(vch_plan *p, vch_faults *faults);
void vch_plan_groups_done(vch_plan *p);

/* `settings` of a section of the merged plan; NULL if there is no such section. */
const vch_yaml_node *vch_plan_settings(const vch_plan *p, const char *section);

/* `template` of a section, or NULL. */
const char *vch_plan_template(const vch_plan *p, const char *section);

/* The last part of a dotted name. */
const char *vch_plan_class(const char *template_name);

#endif
