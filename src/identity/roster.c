#include "identity/roster.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"

/* What is known of one name. */
typedef struct entry {
    const vch_member *member;
    int64_t newest_nbf_unix_s; /* of an admitted certificate; 0: none yet */
    uint8_t certificate[32];   /* the one that stands */
    int64_t certificate_nbf_unix_s;
    uint64_t epoch;     /* grows when another certificate takes over */
    size_t connections; /* seats of this epoch */
} entry;

struct vch_roster {
    pthread_mutex_t lock;
    entry *entries;
    size_t count;
    bool retired;
};

struct vch_roster_seat {
    vch_roster *roster;
    size_t index;
    uint64_t epoch;
    bool revoked;
};

vouch_code vch_roster_new(const vch_federation *federation, vch_roster **out, vouch_error *err)
{
    vch_roster *r = calloc(1, sizeof *r);
    entry *entries = calloc(federation->member_count, sizeof *entries);
    if (r == NULL || entries == NULL || pthread_mutex_init(&r->lock, NULL) != 0) {
        free(entries);
        free(r);
        return vouch_fail(err, VOUCH_E_MEMORY, "roster: out of memory");
    }
    for (size_t i = 0; i < federation->member_count; i++)
        entries[i].member = &federation->members[i];
    r->entries = entries;
    r->count = federation->member_count;
    *out = r;
    return VOUCH_OK;
}

void vch_roster_free(vch_roster *r)
{
    if (r == NULL)
        return;
    (void)pthread_mutex_destroy(&r->lock);
    free(r->entries);
    free(r);
}

static entry *find(vch_roster *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->entries[i].member->name, name) == 0)
            return &r->entries[i];
    }
    return NULL;
}

static vch_roster_answer judge(const entry *e, const uint8_t certificate[static 32],
                               int64_t nbf_unix_s)
{
    if (e == NULL)
        return VCH_ROSTER_UNKNOWN;
    if (e->newest_nbf_unix_s - VCH_ROSTER_NBF_SLACK_S > nbf_unix_s)
        return VCH_ROSTER_REPLAY;
    if (e->connections == 0)
        return VCH_ROSTER_SEATED;
    if (memcmp(e->certificate, certificate, sizeof e->certificate) == 0)
        return e->connections < VCH_ROSTER_CONNECTIONS_MAX ? VCH_ROSTER_SEATED : VCH_ROSTER_FULL;
    return nbf_unix_s >= e->certificate_nbf_unix_s ? VCH_ROSTER_SEATED : VCH_ROSTER_OLDER;
}

vch_roster_answer vch_roster_probe(vch_roster *r, const char *name,
                                   const uint8_t certificate[static 32], int64_t nbf_unix_s)
{
    (void)pthread_mutex_lock(&r->lock);
    vch_roster_answer answer = judge(find(r, name), certificate, nbf_unix_s);
    (void)pthread_mutex_unlock(&r->lock);
    return answer;
}

/* Take the place: the same certificate sits beside its own, another one replaces it. */
static void seat(entry *e, const vch_roster_request *request, vch_roster_seat *out)
{
    if (e->connections == 0 || memcmp(e->certificate, request->certificate, 32) != 0) {
        memcpy(e->certificate, request->certificate, 32);
        e->certificate_nbf_unix_s = request->nbf_unix_s;
        e->epoch++;
        e->connections = 0;
    }
    e->connections++;
    int64_t latest = request->now_unix_s + request->skew_s;
    int64_t nbf = request->nbf_unix_s < latest ? request->nbf_unix_s : latest;
    if (nbf > e->newest_nbf_unix_s)
        e->newest_nbf_unix_s = nbf;
    out->epoch = e->epoch;
}

vouch_code vch_roster_enter(vch_roster *r, const vch_roster_request *request,
                            vch_roster_answer *answer, vch_roster_seat **out, vouch_error *err)
{
    VCH_SCOPED(vch_free_drop) vch_roster_seat *taken = calloc(1, sizeof *taken);
    if (taken == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "roster: out of memory");
    (void)pthread_mutex_lock(&r->lock);
    entry *e = find(r, request->name);
    *answer = judge(e, request->certificate, request->nbf_unix_s);
    if (*answer == VCH_ROSTER_SEATED) {
        seat(e, request, taken);
        taken->roster = r;
        taken->index = (size_t)(e - r->entries);
        *out = VCH_MOVE(taken);
    }
    (void)pthread_mutex_unlock(&r->lock);
    return VOUCH_OK;
}

/* With the lock. */
static void give_back(const vch_roster_seat *seat_held)
{
    entry *e = &seat_held->roster->entries[seat_held->index];
    if (!seat_held->revoked && e->epoch == seat_held->epoch && e->connections > 0)
        e->connections--;
}

void vch_roster_leave(vch_roster_seat *seat_left)
{
    if (seat_left == NULL)
        return;
    vch_roster *r = seat_left->roster;
    (void)pthread_mutex_lock(&r->lock);
    give_back(seat_left);
    (void)pthread_mutex_unlock(&r->lock);
    free(seat_left);
}

void vch_roster_seat_revoke(vch_roster_seat *seat_held)
{
    if (seat_held == NULL)
        return;
    (void)pthread_mutex_lock(&seat_held->roster->lock);
    give_back(seat_held);
    seat_held->revoked = true;
    (void)pthread_mutex_unlock(&seat_held->roster->lock);
}

bool vch_roster_seat_replaced(const vch_roster_seat *seat_held)
{
    vch_roster *r = seat_held->roster;
    (void)pthread_mutex_lock(&r->lock);
    bool replaced = r->entries[seat_held->index].epoch != seat_held->epoch;
    (void)pthread_mutex_unlock(&r->lock);
    return replaced;
}

void vch_roster_retire(vch_roster *r)
{
    (void)pthread_mutex_lock(&r->lock);
    r->retired = true;
    (void)pthread_mutex_unlock(&r->lock);
}

bool vch_roster_is_retired(vch_roster *r)
{
    (void)pthread_mutex_lock(&r->lock);
    bool retired = r->retired;
    (void)pthread_mutex_unlock(&r->lock);
    return retired;
}

bool vch_roster_was_admitted(vch_roster *r, const char *name)
{
    (void)pthread_mutex_lock(&r->lock);
    const entry *e = find(r, name);
    bool admitted = e != NULL && e->epoch > 0;
    (void)pthread_mutex_unlock(&r->lock);
    return admitted;
}

size_t vch_roster_connections(vch_roster *r, const char *name)
{
    (void)pthread_mutex_lock(&r->lock);
    const entry *e = find(r, name);
    size_t count = e == NULL ? 0 : e->connections;
    (void)pthread_mutex_unlock(&r->lock);
    return count;
}
