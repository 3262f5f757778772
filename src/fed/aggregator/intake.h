/*
 * One collaborator's result, from the first byte of its stream to a checked vch_result: the header
 * and every tensor are judged before their bytes are taken, values go to the spool as they arrive,
 * and the whole is committed or nothing is. Memory does not grow with the model, unless a lossy
 * pipeline is in use. One thread at a time. docs/openfl_interop.md sections 4.3, 5, 6.
 *
 * How the answer follows from the code that a function fails with:
 *   VOUCH_E_REFUSED    the content can never be accepted          UNAUTHENTICATED (ends a client)
 *   VOUCH_E_IO/_MEMORY our own trouble, which may pass            UNAVAILABLE
 *   any other          the bytes do not parse, or the stream is
 *                      empty or half: a client's second attempt   UNKNOWN (it starts anew)
 */
#ifndef VCH_FED_AGGREGATOR_INTAKE_H
#define VCH_FED_AGGREGATOR_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scope.h"
#include "fed/aggregator/ledger.h"
#include "fed/aggregator/results.h"
#include "fed/aggregator/round.h"
#include "fed/plan/plan.h"
#include "fed/tensor/pipeline.h"
#include "fed/tensor/tensor.h"
#include "fed/wire/message.h"
#include "vouch/error.h"
#include "vouch/span.h"

/* What every stream is judged by. All kept. */
typedef struct vch_intake {
    const vch_plan *plan;
    vch_round *round;
    vch_results *results;
    const vch_model *model;       /* of the present round: names, shapes, base of deltas */
    const vch_pipeline *pipeline; /* the plan's */
    const vch_ledger *ledger;     /* where updates lie; NULL: in memory */
    unsigned *arriving;           /* receipts of each member; theirs to change */
} vch_intake;

#define VCH_RECEIPTS_MAX 4 /* of one member at a time */

typedef struct vch_receipt vch_receipt;

/* A stream begins. `peer` (kept) is the admitted peer's name; whose result it is the head says. */
VOUCH_MUST_CHECK vouch_code vch_receipt_new(const vch_intake *intake, const char *peer,
                                            vch_receipt **out, vouch_error *err);
void vch_receipt_free(vch_receipt *r); /* what was not committed is gone */
VCH_DEFINE_DROP(vch_receipt_drop, vch_receipt, vch_receipt_free)

/* Bytes of the present DataStream message; its end. */
VOUCH_MUST_CHECK vouch_code vch_receipt_feed(vch_receipt *r, vouch_span bytes, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_receipt_message_end(vch_receipt *r, vouch_error *err);

/*
 * The stream is complete. VCH_RESULT_TAKE: vch_receipt_result() is to be stored safely, then kept.
 * Any other ruling: its time has passed, and it is dropped.
 */
VOUCH_MUST_CHECK vouch_code vch_receipt_finish(vch_receipt *r, vch_round_ruling *out_ruling,
                                               vouch_error *err);

/* What was ruled TAKE. Borrowed until it is kept. */
vch_ledger_result vch_receipt_result(vch_receipt *r);

/*
 * It is stored: put it among the round's results and tell the round. If meanwhile the round went on,
 * or another stream came first, it is removed; *out_ruling says so.
 */
VOUCH_MUST_CHECK vouch_code vch_receipt_keep(vch_receipt *r, vch_round_ruling *out_ruling,
                                             vouch_error *err);
void vch_receipt_discard(vch_receipt *r); /* it could not be stored: its file goes */

/* Index of the member whose result it is, or -1 before the stream's head was read. */
ptrdiff_t vch_receipt_member(const vch_receipt *r);

/* The task that the stream's head named, or NULL before it was read or if the plan has none such. */
const vch_plan_task *vch_receipt_task(const vch_receipt *r);

/*
 * Is this header the plan's federation, to us and from a member that the admitted `peer` may speak
 * for: itself, or with single_col_cert_common_name any? Fails with VOUCH_E_REFUSED.
 */
VOUCH_MUST_CHECK vouch_code vch_intake_check_header(const vch_plan *plan, const char *peer,
                                                    const vch_wire_header *header,
                                                    size_t *out_member, vouch_error *err);

#endif
