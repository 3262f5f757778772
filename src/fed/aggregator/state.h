/* The inside of vch_aggregator, shared by aggregator.c (rounds) and session.c (calls). */
#ifndef VCH_FED_AGGREGATOR_STATE_H
#define VCH_FED_AGGREGATOR_STATE_H

#include "fed/aggregator/aggregator.h"
#include "fed/aggregator/intake.h"
#include "fed/aggregator/parking.h"
#include "fed/aggregator/results.h"
#include "fed/aggregator/round.h"

struct vch_aggregator {
    vch_aggregator_options options;
    const vch_plan_view *view;
    vch_pipeline pipeline;      /* the plan's */
    vch_model model;            /* of the present round */
    vch_model previous;         /* of the round before, while somebody asks for it; or empty */
    vch_deltas *deltas;         /* model - previous model, if the plan has delta updates */
    bool has_delta;             /* a round has ended since the start */
    vch_aggregate_state memory; /* of the aggregation function that takes steps, if one does */
    int32_t first_round;
    vch_round *round;
    vch_results *results;
    vch_intake intake;
    vch_parking *parking; /* calls that wait for an answer */
    unsigned *receipts;   /* open streams of each member */
    vch_timer *step;      /* the round may be over, or the farewell */
    double best;          /* best validate_agg metric so far */
    bool has_best;
    int64_t round_began_ms;
    bool ended; /* options.done was called */
};

/* Something happened: look at the round when the present callback has returned. */
void vch_aggregator_poke(vch_aggregator *a);

#endif
