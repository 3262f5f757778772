/*
 * The aggregator of one federation: rounds over a model, driven by calls that arrive on admitted
 * connections and by timers. Everything runs on the loop's thread. The caller makes the gRPC server
 * with vch_aggregator_methods() and this object as its context; its sessions must be what
 * identity's gate makes (vch_admitted_peer). docs/openfl_interop.md section 4.
 */
#ifndef VCH_FED_AGGREGATOR_AGGREGATOR_H
#define VCH_FED_AGGREGATOR_AGGREGATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/scope.h"
#include "fed/aggregator/metrics.h"
#include "fed/plan/plan.h"
#include "fed/tensor/tensor.h"
#include "net/grpc_server.h"
#include "net/loop.h"
#include "net/workers.h"
#include "store/seal.h"
#include "store/state_rules.h"
#include "vouch/error.h"

#define VCH_AGGREGATOR_LONG_POLL_MS INT64_C(30000) /* GetTasks is held at most so long */
#define VCH_AGGREGATOR_MISSING_MS INT64_C(10000)   /* an answer "not there" is held so long */
#define VCH_AGGREGATOR_FAREWELL_MS INT64_C(30000)  /* after the last round, for those to be told */
#define VCH_AGGREGATOR_RETRY_MS INT64_C(2000)      /* after a disk that was full */

typedef struct vch_aggregator vch_aggregator;

typedef struct vch_aggregator_options {
    const vch_plan *plan;          /* kept */
    vch_loop *loop;                /* kept */
    const vch_log *log;            /* kept; may be NULL */
    const char *state_directory;   /* kept; what must not be forgotten; NULL: nothing is kept */
    const vch_seal_root *root;     /* kept; seals it; NULL: in clear */
    bool fleeting;                 /* `root` dies with this process: so does what it seals */
    const uint8_t *policy_digest;  /* 32 bytes; NULL: there are no rules. Copied */
    const vch_state_rules *before; /* rules that these follow, see ledger.h; only for the call */
    size_t before_count;
    vch_workers *workers;  /* kept; to wait for the disk; NULL: the loop does */
    const char *directory; /* kept; model paths of the plan are relative to it; NULL: the current */
    bool keep_models;      /* write best, last and final model; false: models stay in here */
    int64_t (*now_ms)(void); /* a clock that is never set back */
    vch_metrics *metrics;    /* kept; may be NULL */

    /* Called once from the loop: VOUCH_OK when the rounds are done and everybody was told or is
     * gone; anything else: the federation cannot go on. */
    void (*done)(void *context, vouch_code rc, const vouch_error *why);
    void *done_context;
} vch_aggregator_options;

/*
 * model  The initial model; given (zeroed) on success. Its round is the first.
 * Fails with VOUCH_E_CONFIG or VOUCH_E_LIMIT where plan and model do not allow a single round,
 * VOUCH_E_UNSUPPORTED for a pipeline or option that is not served, VOUCH_E_MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_aggregator_new(const vch_aggregator_options *options,
                                               vch_model *model, vch_aggregator **out,
                                               vouch_error *err);
void vch_aggregator_free(vch_aggregator *a); /* after the server whose context it is, and workers */
VCH_DEFINE_DROP(vch_aggregator_drop, vch_aggregator, vch_aggregator_free)

/* The five methods; for vch_grpc_server_options, with the aggregator as context. */
const vch_grpc_method *vch_aggregator_methods(size_t *out_count);

/*
 * One member is not to be believed any more: what it reported in the open round is dropped, and this
 * round and the next ones do not wait for it, until it is readmitted. Its calls must have ended
 * elsewhere. A name that is no member's, and a second time, change nothing.
 */
void vch_aggregator_quarantine(vch_aggregator *a, const char *name, const char *reason);
void vch_aggregator_readmit(vch_aggregator *a, const char *name);

/*
 * The rules have changed: what is kept goes along, sealed anew with `root` (kept). No result is
 * taken and no round ends before that has succeeded; what arrives meanwhile is answered
 * UNAVAILABLE. A full disk is waited out; damage ends the federation. policy_digest: 32 bytes,
 * copied.
 */
void vch_aggregator_follow(vch_aggregator *a, const vch_seal_root *root,
                           const uint8_t policy_digest[static 32]);

/*
 * After `done` with VOUCH_OK and the last answer: what was kept is not needed any more, and the next
 * start is another run. A process that ends before it tells everybody once more.
 */
VOUCH_MUST_CHECK vouch_code vch_aggregator_conclude(vch_aggregator *a, vouch_error *err);

/* Look whether everything is done already (a model at the last round); call once the server is up. */
void vch_aggregator_start(vch_aggregator *a);

#endif
