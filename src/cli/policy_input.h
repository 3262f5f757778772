/*
 * What `--policy` names: a vouch policy file or a federation's attestation.yaml, told apart by the
 * top-level key `federation`. One thread.
 */
#ifndef VCH_CLI_POLICY_INPUT_H
#define VCH_CLI_POLICY_INPUT_H

#include "config/faults.h"
#include "identity/attestation_file.h"
#include "prompt/command.h"
#include "vouch/error.h"
#include "vouch/policy.h"
#include "vouch/span.h"

/* One of the two is set. */
typedef struct vch_policy_input {
    vch_attestation_file *file;
    vouch_policy *policy;
} vch_policy_input;

/* All faults are printed on rt->err. Fails with VOUCH_E_CONFIG, or as vch_file_read. */
VOUCH_MUST_CHECK vouch_code vch_policy_input_read(const vch_runtime *rt, const char *path,
                                                  vch_policy_input *out, vouch_error *err);
/* From text; faults and warnings go to `faults`, nothing is printed. */
VOUCH_MUST_CHECK vouch_code vch_policy_input_parse(const char *path, vouch_span text,
                                                   vch_faults *faults, vch_policy_input *out,
                                                   vouch_error *err);
void vch_policy_input_drop(vch_policy_input *input); /* safe twice */

#endif
