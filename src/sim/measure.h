/*
 * The measurement of a simulated enclave. It stands for what Gramine measures: the program and the
 * files that its manifest trusts. Shared libraries, arguments and environment are not in it.
 *
 * The message below is hashed with SHA-256 into MRENCLAVE and with SHA-384 into MRTD:
 *
 *   "vouch-sim-measure-1" ‖ 00
 *   SHA-256(the executable's bytes)
 *   for each measured file, sorted by name (bytewise):
 *     u64 big-endian size of the name as given ‖ the name ‖ SHA-256(the file's bytes)
 *
 * Share freely.
 */
#ifndef VCH_SIM_MEASURE_H
#define VCH_SIM_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"

#define VCH_SIM_MAX_MEASURED ((size_t)64)

typedef struct vch_sim_measurement {
    uint8_t mrenclave[32];
    uint8_t mrtd[48];
} vch_sim_measurement;

/*
 * Find `program` as a shell would (PATH if it has no slash) and open it; the caller runs the very
 * descriptor, so what was measured is what runs. Close it.
 * Fails with VOUCH_E_NOT_FOUND, _IO; VOUCH_E_CONFIG for a script: its interpreter has to be named,
 * and the script measured as a file.
 */
VOUCH_MUST_CHECK vouch_code vch_sim_program_open(const char *program, const char *search_path,
                                                 int *out_fd, vouch_error *err);

/* Measure the program behind the descriptor and the files; a name twice is VOUCH_E_CONFIG. */
VOUCH_MUST_CHECK vouch_code vch_sim_measure(int program_fd, const char *const *files, size_t count,
                                            vch_sim_measurement *out, vouch_error *err);

#endif
