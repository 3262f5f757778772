#include "fed/aggregator/parking.h"

#include <stdbool.h>
#include <stdlib.h>

struct vch_parked {
    vch_parking_ticket ticket;
    bool woken; /* a call that is parked anew while the others wake stays */
    vch_parked *next;
};

struct vch_parking {
    vch_parked *first;
};

vouch_code vch_parking_new(vch_parking **out, vouch_error *err)
{
    vch_parking *p = calloc(1, sizeof *p);
    if (p == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for waiting calls");
    *out = p;
    return VOUCH_OK;
}

void vch_parking_free(vch_parking *p)
{
    if (p == NULL)
        return;
    while (p->first != NULL) {
        vch_parked *gone = p->first;
        p->first = gone->next;
        free(gone);
    }
    free(p);
}

vouch_code vch_parking_add(vch_parking *p, const vch_parking_ticket *ticket, vouch_error *err)
{
    vch_parked *one = malloc(sizeof *one);
    if (one == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a waiting call");
    *one = (vch_parked) { .ticket = *ticket, .next = p->first };
    p->first = one;
    return VOUCH_OK;
}

bool vch_parking_remove(vch_parking *p, const struct vch_grpc_call *call, size_t *out_member)
{
    for (vch_parked **at = &p->first; *at != NULL; at = &(*at)->next) {
        if ((*at)->ticket.call == call) {
            vch_parked *gone = *at;
            *at = gone->next;
            *out_member = gone->ticket.member;
            free(gone);
            return true;
        }
    }
    return false;
}

size_t vch_parking_count(const vch_parking *p, size_t member)
{
    size_t count = 0;
    for (const vch_parked *one = p->first; one != NULL; one = one->next)
        count += one->ticket.member == member;
    return count;
}

/* Releasing may add and remove others, so the list is looked at anew after each. */
static void release_one(vch_parking *p, vch_parked *one, void *context)
{
    vch_parking_ticket ticket = one->ticket;
    (void)vch_parking_remove(p, ticket.call, &ticket.member);
    ticket.release(context, ticket.call, ticket.member);
}

static vch_parked *find(vch_parking *p, bool waking, int64_t now_ms)
{
    for (vch_parked *one = p->first; one != NULL; one = one->next) {
        if (waking ? one->woken : one->ticket.due_ms <= now_ms)
            return one;
    }
    return NULL;
}

void vch_parking_wake(vch_parking *p, void *context)
{
    for (vch_parked *one = p->first; one != NULL; one = one->next)
        one->woken = one->ticket.until_wake;
    vch_parked *one = NULL;
    while ((one = find(p, true, 0)) != NULL)
        release_one(p, one, context);
}

int64_t vch_parking_tick(vch_parking *p, int64_t now_ms, void *context)
{
    vch_parked *one = NULL;
    while ((one = find(p, false, now_ms)) != NULL)
        release_one(p, one, context);
    int64_t next = INT64_MAX;
    for (one = p->first; one != NULL; one = one->next)
        next = one->ticket.due_ms < next ? one->ticket.due_ms : next;
    return next;
}
