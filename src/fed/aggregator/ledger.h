/*
 * What an aggregator must not forget: which federation this is, each update that it accepted, each
 * model that it made of them. A result is there whole or not at all, and nobody is told that it was
 * taken before it is on disk; what one turn of the loop brings goes there together. The disk is
 * waited for on a worker's thread. One thread at a time. docs/durability.md.
 */
#ifndef VCH_FED_AGGREGATOR_LEDGER_H
#define VCH_FED_AGGREGATOR_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/scope.h"
#include "fed/aggregator/results.h"
#include "fed/plan/plan.h"
#include "net/loop.h"
#include "net/workers.h"
#include "store/sealed.h"
#include "store/state_rules.h"
#include "vouch/error.h"

#define VCH_LEDGER_SPOOL "spool" /* purposes of files */
#define VCH_LEDGER_MODEL "model"

typedef struct vch_ledger vch_ledger;

typedef struct vch_ledger_options {
    const char *parent;            /* kept; where directories of state lie; NULL: nothing is kept */
    const vch_seal_root *root;     /* kept; NULL: in clear */
    bool fleeting;                 /* the root dies with this process */
    const vch_plan *plan;          /* kept */
    const uint8_t *model_digest;   /* which model it began with: vch_checkpoint_digest */
    const uint8_t *policy_digest;  /* SHA-256 of the federation's rules; NULL: there are none */
    const vch_state_rules *before; /* what these follow, newest first; only for the call */
    size_t before_count;
    vch_loop *loop;       /* kept */
    vch_workers *workers; /* kept; NULL: the loop waits for the disk itself */
    const vch_log *log;   /* kept; may be NULL */
} vch_ledger_options;

/*
 * Open the state of this very federation: plan, identifier, rules and initial model tell it apart,
 * so another plan begins anew beside it.
 * Fails as vch_state_open; VOUCH_E_FORMAT for records that this plan does not explain.
 */
VOUCH_MUST_CHECK vouch_code vch_ledger_open(const vch_ledger_options *options, vch_ledger **out,
                                            vouch_error *err);
void vch_ledger_close(vch_ledger *l); /* after the workers; what is left is told that it failed */

/* Where the federation stood when the process before this one ended. */
typedef struct vch_ledger_past {
    bool begun; /* false: nothing yet, or the run before came to its end */
    int32_t round;
    uint32_t steps; /* of the aggregation function, see vch_aggregate_state */
    bool has_best;
    double best;
} vch_ledger_past;
const vch_ledger_past *vch_ledger_look(const vch_ledger *l);

/* The model of that round (`previous`: of the round before; *out NULL if there is none), checked
 * throughout. */
VOUCH_MUST_CHECK vouch_code vch_ledger_open_model(const vch_ledger *l, bool previous,
                                                  vch_sealed **out, vouch_error *err);

/*
 * The results of that round, in the order in which they were accepted. One whose file is damaged or
 * gone is left out, and the log says so: its sender is asked anew. `take` empties the result.
 */
typedef vouch_code vch_ledger_take(void *context, size_t member, size_t task, vch_result *result,
                                   vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_ledger_each_result(const vch_ledger *l, vch_ledger_take *take,
                                                   void *context, vouch_error *err);

/* A new file with a name of its own; in memory if nothing is kept, or without a ledger (NULL). */
VOUCH_MUST_CHECK vouch_code vch_ledger_new_file(const vch_ledger *l, const char *purpose,
                                                uint64_t size, vch_sealed **out, vouch_error *err);

/*
 * Something to be written down. `done` comes from the loop, once, when it is on disk (VOUCH_OK) or
 * will never be; the file is borrowed until then. After a failure a file that was given is not wanted: the
 * caller discards it. Each of the functions fails only for want of memory: then `done` never comes.
 */
typedef struct vch_ledger_note {
    vch_sealed *file; /* finished; NULL: none */
    void (*done)(void *context, vouch_code rc, const vouch_error *err);
    void *context;
} vch_ledger_note;

/* The run begins with this model. */
VOUCH_MUST_CHECK vouch_code vch_ledger_begin(vch_ledger *l, const vch_ledger_note *note,
                                             int32_t round, vouch_error *err);

/* A member's result; the note's file is its update. */
typedef struct vch_ledger_result {
    int32_t round;
    size_t member, task;
    vch_result *result; /* written here, at once */
} vch_ledger_result;
VOUCH_MUST_CHECK vouch_code vch_ledger_accept(vch_ledger *l, const vch_ledger_note *note,
                                              const vch_ledger_result *result, vouch_error *err);

/* A member is put out of the round, what it reported in it is forgotten; or it is taken back in. */
VOUCH_MUST_CHECK vouch_code vch_ledger_quarantine(vch_ledger *l, const vch_ledger_note *note,
                                                  int32_t round, size_t member, bool out,
                                                  vouch_error *err);
/* Was it out when the process before this one ended? */
bool vch_ledger_was_quarantined(const vch_ledger *l, size_t member);

/* A round is over: this is the model of the next one, made of these members' updates. */
typedef struct vch_ledger_end {
    int32_t round;      /* that is over */
    const bool *counts; /* a value for each member */
    uint32_t steps;
    bool has_best;
    double best;
} vch_ledger_end;
VOUCH_MUST_CHECK vouch_code vch_ledger_end_round(vch_ledger *l, const vch_ledger_note *note,
                                                 const vch_ledger_end *end, vouch_error *err);

/* Everybody was told, in this round: the next start is a new run. Waits for the disk; nothing may
 * be under way. */
VOUCH_MUST_CHECK vouch_code vch_ledger_finish(vch_ledger *l, int32_t round, vouch_error *err);

/*
 * The rules have changed: what is kept goes along, sealed anew (store/reseal.h). Nothing is stored
 * from now on until that has succeeded: what waits with a file then fails (VOUCH_E_IO), and so does
 * vch_ledger_new_file meanwhile; what was begun before is not for the new rules, see
 * vch_ledger_era. `done` comes from the loop: VOUCH_OK, or VOUCH_E_IO, VOUCH_E_MEMORY where it may be
 * asked for again, or what ends the federation, as does a ledger that is spoilt. Not twice before it.
 */
typedef struct vch_ledger_rules {
    const vch_seal_root *root; /* kept */
    const uint8_t *digest;     /* 32 bytes; copied */
    void (*done)(void *context, vouch_code rc, const vouch_error *err);
    void *context;
} vch_ledger_rules;
void vch_ledger_reseal(vch_ledger *l, const vch_ledger_rules *rules);

/* After it succeeded: open files go on as what they have become. */
VOUCH_MUST_CHECK vouch_code vch_ledger_move(const vch_ledger *l, vch_sealed *file,
                                            vouch_error *err);

/* Grows with every change of rules: a file of another era cannot be stored any more. */
unsigned vch_ledger_era(const vch_ledger *l);

/* Wait for what was given just now; nothing else may be under way. */
void vch_ledger_flush(vch_ledger *l);

/* Is something still on its way to the disk? */
bool vch_ledger_is_busy(const vch_ledger *l);

/* A write failed so that nobody knows what is on disk: the process must end. */
bool vch_ledger_is_spoilt(const vch_ledger *l);

#endif
