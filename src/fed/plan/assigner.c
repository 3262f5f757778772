/*
 * Who does which tasks: RandomGroupedAssigner and StaticGroupedAssigner. OpenFL draws from an
 * unseeded generator; ours draws from the plan's hash and the round, so that a round can be
 * repeated. openfl_interop.md section 9.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "config/schema.h"
#include "fed/plan/plan_parts.h"

typedef struct assigner_values {
    const vch_yaml_node *groups;
    const char *selected;
} assigner_values;

static const vch_setting assigner_table[] = {
    { .key = "task_groups",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(assigner_values, groups),
      .required = true,
      .min = 1,
      .max = VCH_PLAN_GROUP_MAX,
      .help = "groups of tasks" },
    { .key = "selected_task_group",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(assigner_values, selected),
      .help = "the one group whose tasks all do" },
};

typedef struct group_values {
    const char *name;
    double percentage;
    const vch_yaml_node *tasks, *collaborators;
} group_values;

static const vch_setting group_table[] = {
    { .key = "name",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(group_values, name),
      .required = true,
      .help = "the group's name" },
    { .key = "percentage",
      .type = VCH_SETTING_REAL,
      .offset = offsetof(group_values, percentage),
      .min = 0,
      .max = 1,
      .help = "share of the collaborators" },
    { .key = "tasks",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(group_values, tasks),
      .required = true,
      .min = 1,
      .max = VCH_PLAN_TASK_MAX,
      .help = "names of tasks, in the order of work" },
    { .key = "collaborators",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(group_values, collaborators),
      .min = 0,
      .max = VCH_PLAN_MEMBER_MAX,
      .help = "names of collaborators" },
};

void vch_plan_groups_done(vch_plan *p)
{
    for (size_t i = 0; i < p->group_count; i++) {
        free(p->group[i].task);
        free(p->group[i].member);
    }
    p->group_count = 0;
}

static ptrdiff_t find_task(const vch_plan *p, const char *name)
{
    const vch_plan_task *task = vch_plan_task_find(p, vch_span_str(name));
    return task == NULL ? -1 : task - p->view.task;
}

static ptrdiff_t find_member(const vch_plan *p, const char *name)
{
    return vch_plan_member(p, vch_span_str(name));
}

/* Names in `list` as indices; `what` and `find` say of what. */
static vouch_code read_names(const vch_plan *p, const vch_yaml_node *list, const char *what,
                             ptrdiff_t (*find)(const vch_plan *p, const char *name), size_t **out,
                             size_t *out_count, vch_faults *faults, vouch_error *err)
{
    size_t count = vch_yaml_count(list);
    *out = calloc(count + 1, sizeof **out);
    if (*out == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a task group");
    for (size_t i = 0; i < count; i++) {
        const vch_yaml_node *node = vch_yaml_at(list, i);
        const char *name = vch_yaml_string(node);
        ptrdiff_t at = name == NULL ? -1 : find(p, name);
        bool twice = false;
        for (size_t k = 0; at >= 0 && k < *out_count && find == find_task; k++)
            twice = twice || (*out)[k] == (size_t)at;
        if (at < 0)
            vch_faults_at(faults, node, "no %s '%s'", what, name == NULL ? "" : name);
        else if (twice)
            vch_faults_at(faults, node, "%s '%s' is in the group twice", what, name);
        else
            (*out)[(*out_count)++] = (size_t)at;
    }
    return VOUCH_OK;
}

static vouch_code read_group(vch_plan *p, const vch_yaml_node *node, const char *selected,
                             vch_faults *faults, vouch_error *err)
{
    group_values v = { .percentage = -1 };
    if (!vch_schema_read(node, "a task group", group_table,
                         sizeof group_table / sizeof *group_table, &v, faults))
        return VOUCH_OK;
    if (selected != NULL && strcmp(selected, v.name) != 0)
        return VOUCH_OK;
    vch_plan_group *g = &p->group[p->group_count++];
    *g = (vch_plan_group) { .name = v.name };
    g->percentage = selected != NULL ? 1.0 : v.percentage;
    vouch_code rc =
        read_names(p, v.tasks, "task", find_task, &g->task, &g->task_count, faults, err);
    if (rc != VOUCH_OK)
        return rc;
    if (p->assigner_is_static && v.collaborators == NULL)
        vch_faults_at(faults, node, "group '%s' lists no collaborators", v.name);
    else if (!p->assigner_is_static && g->percentage < 0)
        vch_faults_at(faults, node, "group '%s' has no percentage", v.name);
    if (!p->assigner_is_static || v.collaborators == NULL || p->view.member_count == 0)
        return VOUCH_OK; /* without cols.yaml there is nobody to assign */
    return read_names(p, v.collaborators, "collaborator", find_member, &g->member, &g->member_count,
                      faults, err);
}

/* How many of `members` a share is, cut as OpenFL cuts it. */
static size_t share(const vch_plan_group *g, size_t members)
{
    return g->percentage <= 0 ? 0 : (size_t)(g->percentage * (double)members);
}

static void check_shares(const vch_plan *p, const vch_yaml_node *groups, vch_faults *faults)
{
    double sum = 0;
    size_t used = 0;
    for (size_t i = 0; i < p->group_count; i++) {
        sum += p->group[i].percentage;
        used += share(&p->group[i], p->view.member_count);
    }
    if (fabs(1.0 - sum) >= 0.01)
        vch_faults_at(faults, groups, "the percentages add up to %g, not to 1", sum);
    else if (used != p->view.member_count)
        vch_faults_at(faults, groups,
                      "the percentages give tasks to %zu of %zu collaborators, each share cut to a "
                      "whole number",
                      used, p->view.member_count);
}

static vouch_code check_cover(const vch_plan *p, const vch_yaml_node *groups, vch_faults *faults,
                              vouch_error *err)
{
    VCH_SCOPED(vch_free_drop) size_t *times = calloc(p->view.member_count + 1, sizeof *times);
    if (times == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a task group");
    for (size_t i = 0; i < p->group_count; i++) {
        for (size_t m = 0; m < p->group[i].member_count; m++)
            times[p->group[i].member[m]]++;
    }
    for (size_t m = 0; m < p->view.member_count; m++) {
        if (times[m] != 1)
            vch_faults_at(faults, groups, "collaborator '%s' is in %zu groups, not in one",
                          p->view.member[m], times[m]);
    }
    return VOUCH_OK;
}

/* OpenFL's one name with a meaning: each task once, on the initial model. */
static void note_selected(vch_plan *p, const char *selected)
{
    if (selected == NULL || strcmp(selected, "evaluation") != 0)
        return;
    p->view.evaluates = true;
    p->view.rounds = 1;
}

vouch_code vch_plan_read_assigner(vch_plan *p, const char *task_group, vch_faults *faults,
                                  vouch_error *err)
{
    assigner_values v = { 0 };
    const vch_yaml_node *section = vch_yaml_get(p->root, "assigner");
    const char *name = vch_plan_template(p, "assigner");
    if (section == NULL)
        return VOUCH_OK; /* noted with the sections */
    const char *class_name = name == NULL ? "" : vch_plan_class(name);
    p->assigner_is_static = strcmp(class_name, "StaticGroupedAssigner") == 0;
    if (!p->assigner_is_static && strcmp(class_name, "RandomGroupedAssigner") != 0) {
        vch_faults_at(faults, section, "no assigner '%s' is built in", name == NULL ? "" : name);
        return VOUCH_OK;
    }
    if (!vch_schema_read(vch_plan_settings(p, "assigner"), "assigner.settings", assigner_table,
                         sizeof assigner_table / sizeof *assigner_table, &v, faults))
        return VOUCH_OK;
    if (task_group != NULL)
        v.selected = task_group;
    note_selected(p, v.selected);
    for (size_t i = 0; i < vch_yaml_count(v.groups); i++) {
        vouch_code rc = read_group(p, vch_yaml_at(v.groups, i), v.selected, faults, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    if (v.selected != NULL && p->group_count != 1)
        vch_faults_at(faults, v.groups, "%zu groups are called '%s'", p->group_count, v.selected);
    if (p->assigner_is_static)
        return p->view.member_count > 0 ? check_cover(p, v.groups, faults, err) : VOUCH_OK;
    check_shares(p, v.groups, faults);
    return VOUCH_OK;
}

/* SplitMix64: one draw from a state that the plan's hash and the round begin. */
static uint64_t draw(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t round_state(const vch_plan *p, uint32_t round)
{
    uint64_t state = round;
    for (size_t i = 0; i < 16; i++)
        state = (state ^ (uint8_t)p->hash_hex[i]) * UINT64_C(0x100000001B3);
    return state;
}

/* Where `member` stands in the round's permutation of all. */
static vouch_code place_in_round(const vch_plan *p, size_t member, uint32_t round, size_t *out,
                                 vouch_error *err)
{
    size_t count = p->view.member_count;
    VCH_SCOPED(vch_free_drop) size_t *order = calloc(count, sizeof *order);
    if (order == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a permutation of %zu", count);
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    uint64_t state = round_state(p, round);
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)(draw(&state) % i); /* the bias of 64 bits over 10,000 is no matter */
        size_t kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
    for (size_t i = 0; i < count; i++) {
        if (order[i] == member)
            *out = i;
    }
    return VOUCH_OK;
}

static vouch_code random_group(const vch_plan *p, size_t member, uint32_t round,
                               const vch_plan_group **out, vouch_error *err)
{
    size_t place = 0;
    vouch_code rc = place_in_round(p, member, round, &place, err);
    if (rc != VOUCH_OK)
        return rc;
    for (size_t i = 0; i < p->group_count; i++) {
        size_t size = share(&p->group[i], p->view.member_count);
        if (place < size) {
            *out = &p->group[i];
            return VOUCH_OK;
        }
        place -= size;
    }
    return VOUCH_OK;
}

static const vch_plan_group *static_group(const vch_plan *p, size_t member)
{
    for (size_t i = 0; i < p->group_count; i++) {
        for (size_t m = 0; m < p->group[i].member_count; m++) {
            if (p->group[i].member[m] == member)
                return &p->group[i];
        }
    }
    return NULL;
}

vouch_code vch_plan_assign(const vch_plan *p, size_t member, uint32_t round, size_t *out,
                           size_t *out_count, vouch_error *err)
{
    const vch_plan_group *group = NULL;
    if (member >= p->view.member_count)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "there is no member %zu", member);
    for (size_t i = 0; i < p->group_count && !p->assigner_is_static; i++) {
        if (share(&p->group[i], p->view.member_count) == p->view.member_count)
            group = &p->group[i]; /* all are in it: nothing to draw */
    }
    if (p->assigner_is_static)
        group = static_group(p, member);
    vouch_code rc = VOUCH_OK;
    if (group == NULL && !p->assigner_is_static)
        rc = random_group(p, member, round, &group, err);
    if (rc != VOUCH_OK)
        return rc;
    if (group == NULL)
        return vouch_fail(err, VOUCH_E_INTERNAL, "member %zu is in no group", member);
    memcpy(out, group->task, group->task_count * sizeof *out);
    *out_count = group->task_count;
    return VOUCH_OK;
}
