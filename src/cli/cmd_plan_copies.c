/* vouch plan save, switch, remove, show: copies of the plan under plan/plans/NAME, and which is in use. */
#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "base/scope.h"
#include "cli/commands.h"
#include "config/yaml.h"
#include "config/yaml_dump.h"
#include "fed/plan/plan.h"
#include "host/file.h"

#define PLAN "plan/plan.yaml"
#define WORKSPACE ".workspace"
#define CURRENT "current_plan_name"
#define FIRST_PLAN "default"

enum { WORKSPACE_MAX = 1 << 16, NAME_MAX_SIZE = 64 };

typedef struct values {
    vch_common_options common;
    const char *name;
} values;

static const vch_option options[] = {
    { .name = "name",
      .letter = 'n',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, name),
      .argument = "NAME",
      .help = "of the saved plan",
      .fallback = FIRST_PLAN },
    VCH_COMMON_OPTIONS(values),
};

static const vch_option show_options[] = { VCH_COMMON_OPTIONS(values) };

#define USAGE(name_, command_, summary_, details_, options_)                                       \
    static const vch_usage name_ = { .command = (command_),                                        \
                                     .operands = "",                                               \
                                     .summary = (summary_),                                        \
                                     .details = (details_),                                        \
                                     .options = (options_),                                        \
                                     .option_count = sizeof(options_) / sizeof *(options_) }

USAGE(save_usage, "vouch plan save", "Keep the plan under a name, and go on with that.",
      "A copy of " PLAN " in plan/plans/NAME.", options);
USAGE(switch_usage, "vouch plan switch", "Go on with a saved plan.",
      "Its copy becomes " PLAN "; what stood there stays only if it was saved.", options);
USAGE(remove_usage, "vouch plan remove", "Remove a saved plan.",
      "And go on with the one named " FIRST_PLAN ", which cannot be removed.", options);
USAGE(show_usage, "vouch plan show", "Say which of the saved plans is in use.", NULL, show_options);

/* A name is one part of a path, and visible. */
static vouch_code find_copy(const char *name, char dir[static VCH_PATH_SIZE],
                            char file[static VCH_PATH_SIZE], vouch_error *err)
{
    size_t size = strlen(name);
    bool good = size > 0 && size <= NAME_MAX_SIZE && name[0] != '.' && name[0] != '-';
    for (size_t i = 0; good && i < size; i++)
        good = isalnum((unsigned char)name[i]) || strchr("._-", name[i]) != NULL;
    if (!good)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "a plan's name has 1 to %d letters, digits, '.', '-', '_', and begins "
                          "with none of '.' and '-'",
                          NAME_MAX_SIZE);
    vouch_code rc = vch_path_join("plan/plans", name, dir, err);
    return rc == VOUCH_OK ? vch_path_join(dir, "plan.yaml", file, err) : rc;
}

static vouch_code copy_file(const char *from, const char *to, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    vouch_code rc = vch_file_read(from, VCH_PLAN_FILE_MAX, &text, err);
    return rc == VOUCH_OK ? vch_file_write(to, vch_buffer_span(&text), 0644, err) : rc;
}

/* The workspace's own file: a mapping, or none yet. */
static vouch_code read_workspace(vch_yaml **out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    if (!vch_file_exists(WORKSPACE))
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "no " WORKSPACE " here: this is not the top of a workspace");
    vouch_code rc = vch_file_read(WORKSPACE, WORKSPACE_MAX, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_parse(WORKSPACE, vch_buffer_span(&text), NULL, &doc, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_yaml_kind kind = vch_yaml_kind_of(vch_yaml_root(doc));
    if (kind != VCH_YAML_MAPPING && kind != VCH_YAML_NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, WORKSPACE ": not a mapping");
    *out = VCH_MOVE(doc);
    return VOUCH_OK;
}

static vouch_code note_current(const char *name, vouch_error *err)
{
    VCH_SCOPED(vch_yaml_drop) vch_yaml *old = NULL;
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(WORKSPACE_MAX);
    vouch_code rc = read_workspace(&old, err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_new(WORKSPACE, &doc, err);
    if (rc != VOUCH_OK)
        return rc;
    bool empty = vch_yaml_kind_of(vch_yaml_root(old)) == VCH_YAML_NULL;
    vch_yaml_node *root =
        empty ? vch_yaml_make_mapping(doc) : vch_yaml_copy_mapping(doc, vch_yaml_root(old));
    if (root == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for " WORKSPACE);
    rc = vch_yaml_put(doc, root, CURRENT, vch_yaml_make_string(doc, name), err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_dump(root, &text, err);
    return rc == VOUCH_OK ? vch_file_write(WORKSPACE, vch_buffer_span(&text), 0644, err) : rc;
}

static vouch_code go_on_with(const vch_runtime *rt, const char *name, vouch_error *err)
{
    char dir[VCH_PATH_SIZE];
    char file[VCH_PATH_SIZE];
    vouch_code rc = find_copy(name, dir, file, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!vch_file_exists(file))
        return vouch_fail(err, VOUCH_E_CONFIG, "no plan '%s' in plan/plans", name);
    rc = copy_file(file, PLAN, err);
    if (rc == VOUCH_OK)
        rc = note_current(name, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "Switch plan to %s\n", name);
    return rc;
}

static vouch_code save(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    char dir[VCH_PATH_SIZE];
    char file[VCH_PATH_SIZE];
    vouch_code rc = find_copy(v->name, dir, file, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(dir, 0755, err);
    if (rc == VOUCH_OK)
        rc = copy_file(PLAN, file, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "Saving plan to %s\n", v->name);
    return rc == VOUCH_OK ? go_on_with(rt, v->name, err) : rc;
}

static vouch_code switch_to(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    return go_on_with(rt, v->name, err);
}

static vouch_code remove_copy(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    char dir[VCH_PATH_SIZE];
    char file[VCH_PATH_SIZE];
    if (strcmp(v->name, FIRST_PLAN) == 0)
        return vouch_fail(err, VOUCH_E_CONFIG, "the plan '" FIRST_PLAN "' cannot be removed");
    vouch_code rc = find_copy(v->name, dir, file, err);
    if (rc == VOUCH_OK && !vch_file_exists(file))
        rc = vouch_fail(err, VOUCH_E_CONFIG, "no plan '%s' in plan/plans", v->name);
    if (rc == VOUCH_OK) /* first: without it nothing may go */
        rc = go_on_with(rt, FIRST_PLAN, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_remove_tree(dir, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "Removing plan %s\n", v->name);
    return rc;
}

static vouch_code show(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    (void)v;
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    vouch_code rc = read_workspace(&doc, err);
    if (rc != VOUCH_OK)
        return rc;
    const char *name = NULL;
    if (vch_yaml_kind_of(vch_yaml_root(doc)) == VCH_YAML_MAPPING
        && vch_yaml_get(vch_yaml_root(doc), CURRENT) != NULL)
        name = vch_yaml_string(vch_yaml_get(vch_yaml_root(doc), CURRENT));
    (void)fprintf(rt->out, "The current plan is: %s\n", name == NULL ? "" : name);
    return VOUCH_OK;
}

int vch_cmd_plan_save(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &save_usage, argc, argv, &v, save);
}

int vch_cmd_plan_switch(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &switch_usage, argc, argv, &v, switch_to);
}

int vch_cmd_plan_remove(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &remove_usage, argc, argv, &v, remove_copy);
}

int vch_cmd_plan_show(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &show_usage, argc, argv, &v, show);
}
