/*
 * Verdicts that take a collaborator out of the round, carried from the gate's threads to the loop's:
 * its own site's signature was verified, and its evidence is not accepted (measurement, TCB, platform,
 * quote), or it was admitted and is refused now. Nobody else can bring that about in its name.
 * Admission takes it back in. Internally locked.
 */
#ifndef VCH_CLI_QUARANTINE_H
#define VCH_CLI_QUARANTINE_H

#include "base/scope.h"
#include "identity/admit.h"
#include "identity/roster.h"
#include "vouch/error.h"

/* Seconds: so long before and after `from` a refusal for `policy` may pass, and a peer may be missing. */
#define VCH_POLICY_CHANGE_S 600

typedef struct vch_quarantine vch_quarantine;

VOUCH_MUST_CHECK vouch_code vch_quarantine_new(vch_quarantine **out, vouch_error *err);
void vch_quarantine_free(vch_quarantine *q);

/* For vch_gate_options.on_verdict, with the quarantine as observer. Any thread. */
void vch_quarantine_note(void *quarantine, const vch_admission *verdict);

/* The newest word on each name since the last call; `reason` NULL: admitted. Loop's thread. */
void vch_quarantine_drain(vch_quarantine *q,
                          void (*each)(void *context, const char *name, const char *reason),
                          void *context);

/*
 * docs/protocol.md section 6: ten minutes after a change of policy nobody waits for who has not come
 * back. Is that moment there? No change, no laggards.
 */
typedef struct vch_change {
    int64_t switched_unix_s; /* 0: none so far */
    int64_t now_unix_s;
} vch_change;
bool vch_change_is_over(const vch_change *change);

/* Of the plan's members: whoever owes evidence, or is not listed any more, and of whom `roster`, which
 * began with the change, has admitted nothing. */
typedef struct vch_members {
    const char *const *name;
    size_t count;
} vch_members;
void vch_quarantine_laggards(const vch_federation *federation, vch_roster *roster,
                             const vch_members *members,
                             void (*each)(void *context, const char *name), void *context);

#endif
