/*
 * Calls whose answer must wait: for the round to change (long poll), or for some seconds so that a
 * client which repeats a failed call at once does not do so in a hot loop. One thread at a time.
 */
#ifndef VCH_FED_AGGREGATOR_PARKING_H
#define VCH_FED_AGGREGATOR_PARKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"

typedef struct vch_parking vch_parking;
typedef struct vch_parked vch_parked; /* internal */
struct vch_grpc_call;

/* What to do with a call when its time has come; it has left the parking already. */
typedef void vch_parking_release(void *context, struct vch_grpc_call *call, size_t member);

VOUCH_MUST_CHECK vouch_code vch_parking_new(vch_parking **out, vouch_error *err);
void vch_parking_free(vch_parking *p); /* forgets the calls */

/* Park a call, once, until `due_ms`, or the next wake if `until_wake`. Fails with VOUCH_E_MEMORY. */
typedef struct vch_parking_ticket {
    struct vch_grpc_call *call;
    size_t member;
    int64_t due_ms;
    bool until_wake; /* vch_parking_wake() releases it too */
    vch_parking_release *release;
} vch_parking_ticket;
VOUCH_MUST_CHECK vouch_code vch_parking_add(vch_parking *p, const vch_parking_ticket *ticket,
                                            vouch_error *err);

/* The call ended by itself. Was it parked, and for whom? */
bool vch_parking_remove(vch_parking *p, const struct vch_grpc_call *call, size_t *out_member);

/* How many of a member's calls wait. */
size_t vch_parking_count(const vch_parking *p, size_t member);

/* Release what waits for the round. */
void vch_parking_wake(vch_parking *p, void *context);

/* Release what is due. Returns when the next one is: INT64_MAX for never. */
int64_t vch_parking_tick(vch_parking *p, int64_t now_ms, void *context);

#endif
