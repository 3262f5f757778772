/*
 * Settings of a task runner in a child process, out of the plan, so that they are the same at every
 * site and covered by the plan's hash:
 *
 *     data_loader:
 *       template: vouch.PathDataLoader
 *       settings: {…}                        # handed to the child
 *     task_runner:
 *       template: vouch.ProcessTaskRunner
 *       settings:
 *         command: [python3, src/runner.py]  # no shell
 *         environment: {PYTHONPATH: python}  # added to PATH, HOME and LANG, all that the child gets
 *         start_timeout_s: 120
 *         task_timeout_s: 3600
 *         memory_mb: 4096                    # 0: no limit of ours
 *         trusted_files: plan/runner.sha256  # what an attested participant insists on
 *         trusted_files_sha256: <64 hex>
 *         settings: {…}                      # handed to the child
 *
 * Where the plan names an OpenFL runner in Python, which it goes on doing when a site moves to Vouch,
 * that site says in a file of its own how it is run: the same settings but the last, which are the
 * plan's task_runner.settings. docs/task-runners.md.
 */
#ifndef VCH_FED_RUNNER_PROCESS_SETTINGS_H
#define VCH_FED_RUNNER_PROCESS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/faults.h"
#include "fed/plan/plan.h"
#include "vouch/error.h"

#define VCH_PROCESS_TEMPLATE "vouch.ProcessTaskRunner"
#define VCH_PATH_DATA_TEMPLATE "vouch.PathDataLoader"
#define VCH_PROCESS_ARGUMENT_MAX 64
#define VCH_PROCESS_ENVIRONMENT_MAX 64

typedef struct vch_process_settings {
    const char *argv[VCH_PROCESS_ARGUMENT_MAX + 1];     /* of the plan; NULL-terminated */
    char *environment[VCH_PROCESS_ENVIRONMENT_MAX + 4]; /* owned; NULL-terminated */
    size_t environment_count;
    int64_t start_timeout_ms, task_timeout_ms;
    size_t memory_limit;              /* bytes; 0: none */
    const char *trusted_files;        /* a path, or NULL */
    uint8_t trusted_files_digest[32]; /* if trusted_files is there */
    const struct vch_yaml_node *own;  /* for the child; may be NULL */
    const struct vch_yaml_node *data; /* data_loader.settings, for the child; may be NULL */
} vch_process_settings;

void vch_process_settings_done(vch_process_settings *s);

/*
 * local   The mapping of this site's own file, or NULL.
 *
 * Faults go to `faults` (then VOUCH_E_CONFIG); without `local` another template is VOUCH_E_UNSUPPORTED. `out` is
 * untouched on failure and borrows from the plan. Also fails with VOUCH_E_MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_process_settings_read(const vch_plan_view *plan,
                                                      const struct vch_yaml_node *local,
                                                      vch_faults *faults, vch_process_settings *out,
                                                      vouch_error *err);

#endif
