/* Show claims and verdicts, as JSON members or as text: one table for both. Any thread. */
#ifndef VCH_CLI_CLAIMS_VIEW_H
#define VCH_CLI_CLAIMS_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "codec/json_writer.h"
#include "vouch/verifier.h"

/* An object of what is known of the platform, its software and its TCB. */
void vch_claims_json(vch_json_writer *w, const vouch_claims *claims);
void vch_claims_print(FILE *out, const vouch_claims *claims);

/* What a measurement stands for: "program" (SGX), "machine image" (a TD); NULL if not known. */
const char *vch_measured(vouch_tee tee);
/* A sentence for who might take a TD's measurement for a program's; "" where nobody would. */
const char *vch_measured_caution(vouch_tee tee);

/*
 * The members of CLI.md's verdict into the object that is open: result, tcb_status, advisory_ids,
 * tcb_date, tee, measured, debug, simulated, reasons, claims, verified_at.
 */
void vch_verdict_json(vch_json_writer *w, const vouch_appraisal *appraisal, bool good,
                      int64_t now_unix_s);
void vch_verdict_print(FILE *out, const vouch_appraisal *appraisal, bool good, int64_t now_unix_s);

#endif
