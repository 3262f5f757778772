/* The inside of vch_aggregator, shared by aggregator.c (rounds) and session.c (calls). */
#ifndef VCH_FED_AGGREGATOR_STATE_H
#define VCH_FED_AGGREGATOR_STATE_H

#include "crypto/hash.h"
#include "fed/aggregator/aggregator.h"
#include "fed/aggregator/intake.h"
#include "fed/aggregator/ledger.h"
#include "fed/aggregator/parking.h"
#include "fed/aggregator/results.h"
#include "fed/aggregator/round.h"

/* The present round is being closed: no result is taken any more. */
typedef struct vch_closing {
    enum {
        VCH_CLOSING_NOT = 0,
        VCH_CLOSING_SAVE,   /* metrics are reported; best and last model are not saved */
        VCH_CLOSING_STORE,  /* `model` has the next round's values, and this round's number still */
        VCH_CLOSING_STORING /* they are on their way to the disk, as `next` */
    } stage;
    bool *counts; /* members that are done */
    size_t done;
    double score; /* the best validate_agg metric of this round */
    bool has_score;
    double best; /* with this round's */
    bool has_best;
} vch_closing;

/* The model that the present round started from, on its way to last_state_path. */
typedef struct vch_saving {
    enum { VCH_SAVING_NOT = 0, VCH_SAVING_RUNS, VCH_SAVING_DONE } stage;
    vouch_code rc; /* a worker's while it runs */
} vch_saving;

/* The newest rules, whose state this is to become; see following.c. */
typedef struct vch_following {
    vch_timer *retry;
    const vch_seal_root *root;
    uint8_t digest[VCH_SHA256_SIZE];
    enum { VCH_FOLLOWING_NOT = 0, VCH_FOLLOWING_RUNS, VCH_FOLLOWING_OUTDATED } stage;
} vch_following;

struct vch_aggregator {
    vch_aggregator_options options;
    const vch_plan_view *view;
    vch_pipeline pipeline; /* the plan's */
    vch_model model;       /* of the present round */
    vch_ledger *ledger;    /* what must not be forgotten */
    vch_sealed *current;   /* the present round's model as it lies on disk */
    vch_sealed *past;      /* the one of the round before; NULL: there is none */
    vch_sealed *next;      /* the one of the next round, on its way to the disk; or NULL */
    vch_closing closing;   /* of the present round */
    vch_saving saving;     /* the same */
    vch_following rules;
    uint64_t *storing;          /* tasks of each member whose result is on its way to the disk */
    vch_deltas *deltas;         /* what the last round changed, encoded; NULL: not kept */
    vch_aggregate_state memory; /* of the aggregation function that takes steps, if one does */
    vch_round *round;
    vch_results *results;
    vch_intake intake;
    vch_parking *parking;        /* calls that wait for an answer */
    unsigned *arriving;          /* results of each member on their way here */
    struct vch_upload *headless; /* streams whose result is not known to be anybody's yet */
    vch_timer *step;             /* the round may be over, or the farewell */
    double best;                 /* best validate_agg metric so far */
    bool has_best;
    int64_t round_began_ms;
    bool ended; /* options.done was called */
};

/* Parts of aggregator.c and closing.c that the other needs. */
vouch_code vch_aggregator_begin_round(vch_aggregator *a, vouch_error *err); /* hand out tasks */
vouch_code vch_aggregator_close_round(vch_aggregator *a, vouch_error *err); /* or go on with it */
vouch_code vch_aggregator_save_final(vch_aggregator *a, vouch_error *err);
void vch_aggregator_finish(vch_aggregator *a, vouch_code rc, const vouch_error *why);
void vch_aggregator_reseal(
    void *context); /* following.c: seal for the newest rules, or try again */
/* saving.c: with keep_models a file of a model; what the present round starts from on a worker, if
 * there is one; and, unless that was done, here. */
vouch_code vch_aggregator_save(const vch_aggregator *a, const char *path, const vch_model *model,
                               vouch_error *err);
void vch_aggregator_save_ahead(vch_aggregator *a);
vouch_code vch_aggregator_save_last(const vch_aggregator *a, vouch_error *err);
/* The model and what its aggregation remembers; returns how many. */
size_t vch_aggregator_models(const vch_aggregator *a,
                             const vch_model *out[static 1 + VCH_AGGREGATE_SLOT_MAX]);

/* A commit of the ledger ended so; a spoilt ledger ends the federation. */
void vch_aggregator_stored(vch_aggregator *a, vouch_code rc, const vouch_error *why);

/* Something happened: look at the round when the present callback has returned. */
void vch_aggregator_poke(vch_aggregator *a);

#endif
