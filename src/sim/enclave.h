/*
 * Run a program as `gramine-sgx PROGRAM` would, without the hardware: measure it, start it, serve it
 * quotes in the files of pseudo_files.h until it ends. Call from a program's only thread: signals
 * are blocked while it runs.
 */
#ifndef VCH_SIM_ENCLAVE_H
#define VCH_SIM_ENCLAVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "sim/measure.h"
#include "sim/platform.h"
#include "vouch/error.h"

typedef struct vch_sim_enclave_options {
    const vch_sim_platform *platform;
    const char *const *argv;     /* the command; NULL-terminated; argv[0] is looked up in PATH */
    const char *search_path;     /* PATH */
    const char *const *measured; /* files beside the executable */
    size_t measured_count;
    bool debug;
    bool gramine_limits; /* only with the system calls that Gramine offers */
    const vch_log *log;  /* what was measured, requests that were turned away; may be NULL */
    /* Called once, before the program starts; may be NULL. */
    void (*measured_as)(void *context, const vch_sim_measurement *measurement);
    void *context;
} vch_sim_enclave_options;

/*
 * *out_exit_status: the program's, or 128 + the signal that ended it. SIGINT, SIGTERM, SIGHUP,
 * SIGQUIT, SIGUSR1 and SIGUSR2 are passed on to the program. Its files are gone when this returns.
 */
VOUCH_MUST_CHECK vouch_code vch_sim_enclave_run(const vch_sim_enclave_options *options,
                                                int *out_exit_status, vouch_error *err);

#endif
