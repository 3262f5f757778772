/*
 * The play of `vouch demo`: rounds, who came in, who was refused. Reads the aggregator's events; starts
 * the intruders one at a time while the rounds go on. One thread.
 */
#ifndef VCH_CLI_DEMO_PLAY_H
#define VCH_CLI_DEMO_PLAY_H

#include <stdint.h>

#include "cli/demo_federation.h"

#define VCH_DEMO_ROUNDS_MAX 100
#define VCH_DEMO_INTRUDERS_MAX 16

typedef struct vch_demo_round {
    int64_t number;  /* from 0, as OpenFL counts */
    double accuracy; /* of the global model on the held-out rows of all who reported, 0 to 1 */
    double seconds;
    int64_t reported; /* collaborators whose update is in it */
} vch_demo_round;

typedef struct vch_demo_participant {
    char name[64];
    char role[16];
    char measurement[97];
    char tcb_status[48];
    char code[32]; /* why it was refused, or "admitted" */
    bool simulated;
    bool token;
    int64_t came_in_round;
} vch_demo_participant;

typedef struct vch_demo_intruder {
    const char *name;  /* "altered-program" */
    const char *title; /* a sentence for people */
    bool tried;
    bool admitted;
    const char *refused_by; /* whose check it was */
    char code[32];
    char message[256];
} vch_demo_intruder;

typedef struct vch_demo_play {
    vch_demo_round rounds[VCH_DEMO_ROUNDS_MAX];
    size_t round_count;
    vch_demo_participant participants[VCH_DEMO_COLLABORATORS_MAX + 1];
    size_t participant_count;
    vch_demo_intruder intruders[VCH_DEMO_INTRUDERS_MAX];
    size_t intruder_count;
    bool finished; /* the aggregator ended with all rounds done */
} vch_demo_play;

/* Told as it happens, for progress lines; members may be NULL. */
typedef struct vch_demo_watcher {
    void *context;
    void (*round)(void *context, const vch_demo_round *round);
    void (*admitted)(void *context, const vch_demo_participant *participant);
    void (*intruder)(void *context, const vch_demo_intruder *intruder);
} vch_demo_watcher;

/*
 * From the aggregator's start to its end. `f` holds a running verifier and made sites. Every process
 * that it starts has ended when it returns.
 *
 * VOUCH_OK says that the play was played, not that it ended well: look at `out`.
 */
VOUCH_MUST_CHECK vouch_code vch_demo_play_run(const vch_demo_scene *scene, vch_demo_federation *f,
                                              const vch_demo_watcher *watcher, vch_demo_play *out,
                                              vouch_error *err);

/* All rounds done, every collaborator admitted, every intruder tried and refused? */
bool vch_demo_play_ended_well(const vch_demo_play *play, const vch_demo_federation *f);

#endif
