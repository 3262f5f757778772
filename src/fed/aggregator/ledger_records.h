/* The records of an aggregator's journal, to and from bytes. Inside the ledger only. */
#ifndef VCH_FED_AGGREGATOR_LEDGER_RECORDS_H
#define VCH_FED_AGGREGATOR_LEDGER_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "fed/aggregator/ledger.h"
#include "fed/plan/plan.h"
#include "store/state_file.h"

#define VCH_LEDGER_NOBODY SIZE_MAX /* a member that cols.yaml does not name any more */

typedef enum vch_ledger_kind {
    VCH_LEDGER_BEGIN = 1,
    VCH_LEDGER_RESULT = 2,
    VCH_LEDGER_ROUND = 3,
    VCH_LEDGER_FINISH = 4,
    VCH_LEDGER_QUARANTINE = 5,
    VCH_LEDGER_READMIT = 6
} vch_ledger_kind;

/* What a record says; which members are used depends on its kind. */
typedef struct vch_ledger_record {
    vch_ledger_kind kind;
    int32_t round;
    vch_state_file file; /* model or update */
    /* RESULT; QUARANTINE and READMIT: the member */
    size_t member, task;
    vch_result *result; /* read: without its file; given to the reader, free with _done */
    /* ROUND */
    uint32_t steps;
    bool has_best;
    double best;
    const bool *counts; /* written only */
} vch_ledger_record;

/* Names and digests of plan and rules go in too, for who reads the journal later. */
void vch_ledger_record_write(const vch_plan *plan, const uint8_t *policy_digest,
                             const vch_ledger_record *record, vch_buffer *out);

/* Fails with VOUCH_E_FORMAT: not a record, or it names what the plan does not have. */
VOUCH_MUST_CHECK vouch_code vch_ledger_record_read(const vch_plan *plan, vouch_span bytes,
                                                   vch_ledger_record *out, vouch_error *err);
void vch_ledger_record_done(vch_ledger_record *record);

#endif
