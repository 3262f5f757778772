#include "cli/quarantine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTES_MAX                                                                                  \
    4096 /* names between two drains; at the cap a note is lost, and the next one comes */

typedef struct note {
    char name[VCH_PARTICIPANT_NAME_SIZE];
    char reason[320]; /* empty: admitted */
} note;

struct vch_quarantine {
    pthread_mutex_t lock;
    note *notes;
    size_t count;
};

vouch_code vch_quarantine_new(vch_quarantine **out, vouch_error *err)
{
    vch_quarantine *q = calloc(1, sizeof *q);
    if (q == NULL || pthread_mutex_init(&q->lock, NULL) != 0) {
        free(q);
        return vouch_fail(err, VOUCH_E_MEMORY, "quarantine: out of memory");
    }
    *out = q;
    return VOUCH_OK;
}

void vch_quarantine_free(vch_quarantine *q)
{
    if (q == NULL)
        return;
    (void)pthread_mutex_destroy(&q->lock);
    free(q->notes);
    free(q);
}

static bool speaks_against(const vch_admission *v)
{
    return v->revoked
           || (v->enrolled
               && (v->code == VCH_REFUSED_MEASUREMENT || v->code == VCH_REFUSED_TCB
                   || v->code == VCH_REFUSED_PLATFORM || v->code == VCH_REFUSED_QUOTE));
}

/* The note of that name, or room for one; NULL at the cap. The caller holds the lock. */
static note *find(vch_quarantine *q, const char *name)
{
    for (size_t i = 0; i < q->count; i++) {
        if (strcmp(q->notes[i].name, name) == 0)
            return &q->notes[i];
    }
    if (q->count >= NOTES_MAX)
        return NULL;
    note *more = realloc(q->notes, (q->count + 1) * sizeof *more);
    if (more == NULL)
        return NULL;
    q->notes = more;
    return &q->notes[q->count++];
}

void vch_quarantine_note(void *quarantine, const vch_admission *verdict)
{
    vch_quarantine *q = quarantine;
    bool admitted = vch_admission_admits(verdict);
    if (verdict->role != VCH_ROLE_COLLABORATOR || (!admitted && !speaks_against(verdict)))
        return;
    (void)pthread_mutex_lock(&q->lock);
    note *n = find(q, verdict->name);
    if (n != NULL) {
        *n = (note) { 0 };
        (void)snprintf(n->name, sizeof n->name, "%s", verdict->name);
        if (!admitted)
            (void)snprintf(n->reason, sizeof n->reason, "%s: %s",
                           vch_admission_code_name(verdict->code), verdict->message);
    }
    (void)pthread_mutex_unlock(&q->lock);
}

void vch_quarantine_drain(vch_quarantine *q,
                          void (*each)(void *context, const char *name, const char *reason),
                          void *context)
{
    (void)pthread_mutex_lock(&q->lock);
    note *notes = q->notes;
    size_t count = q->count;
    q->notes = NULL;
    q->count = 0;
    (void)pthread_mutex_unlock(&q->lock);
    for (size_t i = 0; i < count; i++)
        each(context, notes[i].name, notes[i].reason[0] == '\0' ? NULL : notes[i].reason);
    free(notes);
}

bool vch_change_is_over(const vch_change *change)
{
    return change->switched_unix_s != 0
           && change->now_unix_s >= change->switched_unix_s + VCH_POLICY_CHANGE_S;
}

void vch_quarantine_laggards(const vch_federation *federation, vch_roster *roster,
                             const vch_members *members,
                             void (*each)(void *context, const char *name), void *context)
{
    for (size_t i = 0; i < members->count; i++) {
        const char *name = members->name[i];
        const vch_member *m = vch_federation_member(federation, name);
        if ((m == NULL || m->attested) && !vch_roster_was_admitted(roster, name))
            each(context, name);
    }
}
