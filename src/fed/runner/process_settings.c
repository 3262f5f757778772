#include "fed/runner/process_settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "config/schema.h"
#include "config/yaml.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

typedef struct values {
    const vch_yaml_node *command, *environment, *settings;
    int64_t start_timeout_s, task_timeout_s, memory_mb;
    const char *trusted_files;
    uint8_t digest[32];
} values;

static const vch_setting table[] = {
    { .key = "command",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(values, command),
      .required = true,
      .min = 1,
      .max = VCH_PROCESS_ARGUMENT_MAX,
      .help = "the program and its arguments; it is started in the workspace, by no shell" },
    { .key = "environment",
      .type = VCH_SETTING_MAPPING,
      .offset = offsetof(values, environment),
      .help = "variables of the child besides PATH, HOME and LANG" },
    { .key = "start_timeout_s",
      .type = VCH_SETTING_INT,
      .offset = offsetof(values, start_timeout_s),
      .min = 1,
      .max = 86400,
      .fallback = "120",
      .help = "until the child must be ready, its data loaded" },
    { .key = "task_timeout_s",
      .type = VCH_SETTING_INT,
      .offset = offsetof(values, task_timeout_s),
      .min = 1,
      .max = 604800,
      .fallback = "3600",
      .help = "for one task; a child that takes longer is killed and the task fails" },
    { .key = "memory_mb",
      .type = VCH_SETTING_INT,
      .offset = offsetof(values, memory_mb),
      .min = 0,
      .max = 16777216,
      .fallback = "0",
      .help = "MiB of data that the child, and each process it starts, may hold; 0: no limit" },
    { .key = "trusted_files",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(values, trusted_files),
      .min = 1,
      .max = 4095,
      .help = "list of every file that the child executes, as sha256sum writes it; an attested "
              "participant starts no child without it" },
    { .key = "trusted_files_sha256",
      .type = VCH_SETTING_HEX,
      .offset = offsetof(values, digest),
      .max = 32,
      .help = "SHA-256 of that list" },
    { .key = "settings",
      .type = VCH_SETTING_MAPPING,
      .offset = offsetof(values, settings),
      .help = "handed to the child as they are" },
};

void vch_process_settings_done(vch_process_settings *s)
{
    for (size_t i = 0; i < s->environment_count; i++)
        free(s->environment[i]);
    *s = (vch_process_settings) { 0 };
}

static bool read_command(const vch_yaml_node *command, vch_process_settings *out,
                         vch_faults *faults)
{
    bool good = true;
    for (size_t i = 0; i < vch_yaml_count(command) && i < VCH_PROCESS_ARGUMENT_MAX; i++) {
        const vch_yaml_node *word = vch_yaml_at(command, i);
        out->argv[i] = vch_yaml_string(word);
        if (out->argv[i] != NULL && (i > 0 || out->argv[i][0] != '\0'))
            continue;
        vch_faults_at(faults, word, "command: word %zu must be a string", i + 1);
        good = false;
    }
    return good;
}

static bool put_variable(vch_process_settings *out, const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 2;
    char *entry = malloc(size);
    if (entry == NULL)
        return false;
    char *end = stpcpy(entry, name);
    *end++ = '=';
    memcpy(end, value, strlen(value) + 1);
    out->environment[out->environment_count++] = entry;
    return true;
}

static bool is_variable_name(const char *name)
{
    return name != NULL && name[0] != '\0' && strchr(name, '=') == NULL;
}

/* A fixed PATH, no more: what decides stands in the plan, not in this host's environment. */
static vouch_code read_environment(const vch_yaml_node *variables, vch_process_settings *out,
                                   vch_faults *faults, vouch_error *err)
{
    static const char *const given[][2] = { { "PATH", "/usr/local/bin:/usr/bin:/bin" },
                                            { "HOME", "." },
                                            { "LANG", "C.UTF-8" } };
    bool memory = true;
    if (vch_yaml_count(variables) > VCH_PROCESS_ENVIRONMENT_MAX) {
        vch_faults_at(faults, variables, "environment: more than %d variables",
                      VCH_PROCESS_ENVIRONMENT_MAX);
        return VOUCH_OK;
    }
    for (size_t i = 0; i < COUNT(given); i++) {
        if (vch_yaml_get(variables, given[i][0]) == NULL)
            memory = memory && put_variable(out, given[i][0], given[i][1]);
    }
    for (size_t i = 0; i < vch_yaml_count(variables); i++) {
        const vch_yaml_node *value = vch_yaml_at(variables, i);
        const char *name = vch_yaml_string(vch_yaml_key_at(variables, i));
        const char *text = vch_yaml_written(value);
        if (is_variable_name(name) && text != NULL)
            memory = memory && put_variable(out, name, text);
        else
            vch_faults_at(faults, value, "environment: a variable is NAME: text");
    }
    return memory ? VOUCH_OK
                  : vouch_fail(err, VOUCH_E_MEMORY, "no memory for the task runner's environment");
}

static bool read_trust(const vch_yaml_node *settings, const values *v, vch_process_settings *out,
                       vch_faults *faults)
{
    bool digest = vch_yaml_get(settings, "trusted_files_sha256") != NULL;
    if (digest != (v->trusted_files != NULL)) {
        vch_faults_at(faults, settings, "trusted_files and trusted_files_sha256 go together");
        return false;
    }
    out->trusted_files = v->trusted_files;
    memcpy(out->trusted_files_digest, v->digest, sizeof v->digest);
    return true;
}

static vouch_code check_template(const char *section, const char *got, const char *want,
                                 vouch_error *err)
{
    if (got != NULL && strcmp(got, want) == 0)
        return VOUCH_OK;
    return vouch_fail(err, VOUCH_E_UNSUPPORTED, "%s.template is '%s'; with %s it is '%s'", section,
                      got == NULL ? "" : got, VCH_PROCESS_TEMPLATE, want);
}

/* The plan's own section, unless this site says itself how the plan's runner is run. */
static vouch_code check_templates(const vch_plan_view *plan, vouch_error *err)
{
    vouch_code rc =
        check_template("task_runner", plan->task_runner_template, VCH_PROCESS_TEMPLATE, err);
    return rc == VOUCH_OK ? check_template("data_loader", plan->data_loader_template,
                                           VCH_PATH_DATA_TEMPLATE, err)
                          : rc;
}

static bool read_own(const vch_plan_view *plan, const vch_yaml_node *local, const values *v,
                     vch_process_settings *out, vch_faults *faults)
{
    out->own = local == NULL ? v->settings : plan->task_runner;
    out->data = plan->data_loader;
    if (local == NULL || v->settings == NULL)
        return true;
    vch_faults_at(faults, v->settings, "settings: they are the plan's task_runner.settings");
    return false;
}

vouch_code vch_process_settings_read(const vch_plan_view *plan, const vch_yaml_node *local,
                                     vch_faults *faults, vch_process_settings *out,
                                     vouch_error *err)
{
    const vch_yaml_node *mapping = local == NULL ? plan->task_runner : local;
    vouch_code rc = local == NULL ? check_templates(plan, err) : VOUCH_OK;
    if (rc != VOUCH_OK)
        return rc;
    values v = { 0 };
    VCH_SCOPED(vch_process_settings_done) vch_process_settings s = { 0 };
    bool good = vch_schema_read(mapping, local == NULL ? "task_runner.settings" : "the task runner",
                                table, COUNT(table), &v, faults);
    good = read_command(v.command, &s, faults) && good;
    good = read_trust(mapping, &v, &s, faults) && good;
    good = read_own(plan, local, &v, &s, faults) && good;
    rc = read_environment(v.environment, &s, faults, err);
    if (rc == VOUCH_OK)
        rc = vch_faults_check(faults, err);
    if (rc == VOUCH_OK && !good)
        rc = vouch_fail(err, VOUCH_E_CONFIG, "the plan's settings");
    if (rc != VOUCH_OK)
        return rc;
    s.start_timeout_ms = v.start_timeout_s * 1000;
    s.task_timeout_ms = v.task_timeout_s * 1000;
    s.memory_limit = (size_t)v.memory_mb << 20;
    *out = s;
    s = (vch_process_settings) { 0 };
    return VOUCH_OK;
}
