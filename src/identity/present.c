#include "identity/present.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "identity/ratls_cert.h"

struct vch_presence {
    vch_present *in;
    vch_presence *next, **at;
    uint64_t number; /* the later, the greater */
    vch_roster_seat *seat;
    vch_role role;
    bool attested, stock;
    char name[VCH_PARTICIPANT_NAME_SIZE];
    char address[64];
    atomic_bool revoked;
    size_t size;
    uint8_t certificate[]; /* DER */
};

struct vch_present {
    pthread_mutex_t lock; /* over all but `revoked`; nobody leaves while it is held */
    vch_presence *first;
    uint64_t numbers; /* given out */
};

vouch_code vch_present_new(vch_present **out, vouch_error *err)
{
    vch_present *p = calloc(1, sizeof *p);
    if (p == NULL || pthread_mutex_init(&p->lock, NULL) != 0) {
        free(p);
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for who is connected");
    }
    *out = p;
    return VOUCH_OK;
}

void vch_present_free(vch_present *p)
{
    if (p == NULL)
        return;
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

vouch_code vch_present_enter(vch_present *p, const vch_admission_request *request,
                             const vch_admission *verdict, vch_roster_seat *seat,
                             vch_presence **out, vouch_error *err)
{
    vch_presence *one = calloc(1, sizeof *one + request->certificate.size);
    if (one == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for who is connected");
    one->in = p;
    one->seat = seat;
    one->role = verdict->role;
    one->attested = verdict->attested;
    one->stock = request->stock;
    (void)snprintf(one->name, sizeof one->name, "%s", verdict->name);
    (void)snprintf(one->address, sizeof one->address, "%s", verdict->address);
    atomic_init(&one->revoked, false);
    one->size = request->certificate.size;
    memcpy(one->certificate, request->certificate.data, request->certificate.size);
    (void)pthread_mutex_lock(&p->lock);
    one->number = ++p->numbers;
    one->at = &p->first;
    one->next = p->first;
    if (one->next != NULL)
        one->next->at = &one->next;
    p->first = one;
    (void)pthread_mutex_unlock(&p->lock);
    *out = one;
    return VOUCH_OK;
}

void vch_presence_leave(vch_presence *one)
{
    if (one == NULL)
        return;
    vch_present *p = one->in;
    (void)pthread_mutex_lock(&p->lock);
    *one->at = one->next;
    if (one->next != NULL)
        one->next->at = one->at;
    (void)pthread_mutex_unlock(&p->lock);
    free(one);
}

bool vch_presence_is_revoked(const vch_presence *one)
{
    return atomic_load(&one->revoked);
}

/* What is looked at without the lock: a copy, for its owner may leave meanwhile. */
typedef struct copy {
    uint64_t number;
    vch_role role;
    bool attested, stock;
    char name[VCH_PARTICIPANT_NAME_SIZE];
    char address[64];
    vch_buffer certificate;
} copy;

/* With the lock. NULL: gone. */
static vch_presence *find(const vch_present *p, uint64_t number)
{
    vch_presence *one = p->first;
    while (one != NULL && one->number != number)
        one = one->next;
    return one;
}

/* The newest that is older than `below` and still stands; false: there is none. */
static bool next_below(vch_present *p, uint64_t below, copy *out)
{
    const vch_presence *found = NULL;
    out->certificate.size = 0;
    (void)pthread_mutex_lock(&p->lock);
    for (const vch_presence *one = p->first; found == NULL && one != NULL; one = one->next) {
        if (one->number < below && !atomic_load(&one->revoked))
            found = one; /* they stand newest first */
    }
    if (found != NULL) {
        out->number = found->number;
        out->role = found->role;
        out->attested = found->attested;
        out->stock = found->stock;
        memcpy(out->name, found->name, sizeof out->name);
        memcpy(out->address, found->address, sizeof out->address);
        vch_buffer_append(&out->certificate, (vouch_span) { found->certificate, found->size });
    }
    (void)pthread_mutex_unlock(&p->lock);
    return found != NULL;
}

/* False: it left while it was judged. */
static bool revoke(vch_present *p, uint64_t number)
{
    (void)pthread_mutex_lock(&p->lock);
    vch_presence *one = find(p, number);
    if (one != NULL) {
        atomic_store(&one->revoked, true);
        vch_roster_seat_revoke(one->seat);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return one != NULL;
}

void vch_present_judge(vch_present *p, const vch_admission_rules *rules, int64_t now_unix_s,
                       vch_present_told *each, void *context)
{
    copy one = { .certificate = vch_buffer_with_cap(VCH_RATLS_CERT_MAX_SIZE) };
    for (uint64_t below = UINT64_MAX; next_below(p, below, &one); below = one.number) {
        if (one.certificate.failed != VOUCH_OK)
            break; /* no memory says nothing of a peer; its certificate was admitted, so it fits */
        vch_admission verdict = { 0 };
        const vch_admission_request request = { .certificate = vch_buffer_span(&one.certificate),
                                                .role = one.role,
                                                .address = one.address,
                                                .stock = one.stock,
                                                .chain_trusted = !one.attested,
                                                .now_unix_s = now_unix_s };
        vch_admission_judge_anew(rules, &request, &verdict);
        if (!vch_admission_revokes(&verdict) || !revoke(p, one.number))
            continue;
        verdict.revoked = true;
        verdict.role = one.role; /* as it was admitted, whatever step refused it */
        memcpy(verdict.name, one.name, sizeof verdict.name);
        each(context, &verdict);
    }
    vch_buffer_drop(&one.certificate);
}
