/* This site's own way to run the plan's task runner: a file outside of the plan and its hash. */
#ifndef VCH_CLI_RUNNER_FILE_H
#define VCH_CLI_RUNNER_FILE_H

#include "config/yaml.h"
#include "vouch/error.h"

#define VCH_RUNNER_FILE "plan/runner.yaml" /* read if it is there and none is named */

#define VCH_RUNNER_FILE_OPTION(values)                                                             \
    {                                                                                              \
        .name = "task-runner", .kind = VCH_OPTION_TEXT, .offset = offsetof(values, task_runner),   \
        .argument = "FILE",                                                                        \
        .help = "how this site runs a task runner that the plan names by an OpenFL class; "        \
                "plan/runner.yaml if it is there"                                                  \
    }

/* *out stays NULL if `path` is NULL and there is no VCH_RUNNER_FILE. Fails with VOUCH_E_CONFIG. */
VOUCH_MUST_CHECK vouch_code vch_runner_file_read(const char *path, vch_yaml **out,
                                                 vouch_error *err);

/* Its mapping, for vch_runner_options.local; NULL without a file. */
static inline const vch_yaml_node *vch_runner_file_root(const vch_yaml *file)
{
    return file == NULL ? NULL : vch_yaml_root(file);
}

#endif
