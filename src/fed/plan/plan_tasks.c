/* The section `tasks`. openfl_interop.md sections 4.2, 7, 9. */
#include <stdlib.h>
#include <string.h>

#include "fed/plan/plan_parts.h"

static void read_apply(const vch_yaml_node *kwargs, vch_plan_task *out, vch_faults *faults)
{
    const vch_yaml_node *node = vch_yaml_get(kwargs, "apply");
    const char *apply = node == NULL ? NULL : vch_yaml_string(node);
    if (node == NULL)
        return;
    if (apply == NULL || (strcmp(apply, "local") != 0 && strcmp(apply, "global") != 0))
        vch_faults_at(faults, node, "apply must be local or global");
    else
        out->apply_local = strcmp(apply, "local") == 0;
}

static void check_keys(const vch_yaml_node *task, vch_faults *faults)
{
    for (size_t i = 0; i < vch_yaml_count(task); i++) {
        const char *key = vch_yaml_string(vch_yaml_key_at(task, i));
        /* OpenFL puts an empty `settings` into every section, so into a task that is one. */
        if (key == NULL
            || (strcmp(key, "function") != 0 && strcmp(key, "kwargs") != 0
                && strcmp(key, "aggregation_type") != 0))
            vch_faults_at(faults, vch_yaml_key_at(task, i), "unknown key '%s' of a task",
                          key == NULL ? "" : key);
    }
}

static void read_task(const char *name, const vch_yaml_node *task, vch_plan_task *out,
                      vch_faults *faults)
{
    out->name = name;
    out->validates = strstr(name, "valid") != NULL; /* has the last word, as in OpenFL */
    out->trains = !out->validates && strstr(name, "train") != NULL;
    if (vch_yaml_kind_of(task) != VCH_YAML_MAPPING) {
        vch_faults_at(faults, task, "task '%s' must be a mapping", name);
        return;
    }
    check_keys(task, faults);
    const vch_yaml_node *function = vch_yaml_get(task, "function");
    out->function = function == NULL ? NULL : vch_yaml_string(function);
    if (out->function == NULL)
        vch_faults_at(faults, task, "task '%s' names no function", name);
    const vch_yaml_node *kwargs = vch_yaml_get(task, "kwargs");
    if (kwargs != NULL && vch_yaml_kind_of(kwargs) == VCH_YAML_MAPPING) {
        out->kwargs = kwargs;
        read_apply(kwargs, out, faults);
    } else if (kwargs != NULL && vch_yaml_kind_of(kwargs) != VCH_YAML_NULL) {
        vch_faults_at(faults, kwargs, "kwargs must be a mapping");
    }
    vch_plan_read_aggregation(task, &out->aggregation, faults);
}

static bool takes_steps(const vch_plan_aggregation *a)
{
    return a->function == VCH_AGGREGATION_ADAGRAD || a->function == VCH_AGGREGATION_ADAM
           || a->function == VCH_AGGREGATION_YOGI;
}

static bool same_steps(const vch_plan_aggregation *a, const vch_plan_aggregation *b)
{
    return a->function == b->function && a->learning_rate == b->learning_rate
           && a->beta_1 == b->beta_1 && a->beta_2 == b->beta_2 && a->epsilon == b->epsilon
           && a->initial_accumulator == b->initial_accumulator;
}

/* What such a function remembers belongs to the model, of which there is one. */
static void check_steps(const vch_plan *p, const vch_yaml_node *tasks, vch_faults *faults)
{
    const vch_plan_task *first = NULL;
    for (size_t i = 0; i < p->view.task_count; i++) {
        const vch_plan_task *task = &p->task[i];
        if (!takes_steps(&task->aggregation))
            continue;
        if (first != NULL && !same_steps(&first->aggregation, &task->aggregation))
            vch_faults_at(faults, vch_yaml_get(tasks, task->name),
                          "tasks '%s' and '%s' would move the same model by different steps",
                          first->name, task->name);
        first = first == NULL ? task : first;
    }
}

vouch_code vch_plan_read_tasks(vch_plan *p, vch_faults *faults, vouch_error *err)
{
    const vch_yaml_node *tasks = vch_yaml_get(p->root, "tasks");
    size_t count = vch_yaml_count(tasks);
    if (tasks == NULL)
        return VOUCH_OK;
    if (count > VCH_PLAN_TASK_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu tasks; at most %d", count, VCH_PLAN_TASK_MAX);
    p->task = calloc(count + 1, sizeof *p->task);
    if (p->task == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "%zu tasks", count);
    p->view.task = p->task;
    for (size_t i = 0; i < count; i++) {
        const char *name = vch_yaml_string(vch_yaml_key_at(tasks, i));
        if (name == NULL || strcmp(name, "settings") == 0 || strcmp(name, "template") == 0)
            continue;
        read_task(name, vch_yaml_at(tasks, i), &p->task[p->view.task_count++], faults);
    }
    if (p->view.task_count == 0)
        vch_faults_at(faults, tasks, "there is no task");
    check_steps(p, tasks, faults);
    return VOUCH_OK;
}
