/*
 * Verdicts that take a collaborator out of the round, carried from the gate's threads to the loop's:
 * its own site's signature was verified, and its evidence is not accepted (measurement, TCB, platform,
 * quote). Nobody else can bring that about in its name. Admission takes it back in. Internally locked.
 */
#ifndef VCH_CLI_QUARANTINE_H
#define VCH_CLI_QUARANTINE_H

#include "base/scope.h"
#include "identity/admit.h"
#include "vouch/error.h"

typedef struct vch_quarantine vch_quarantine;

VOUCH_MUST_CHECK vouch_code vch_quarantine_new(vch_quarantine **out, vouch_error *err);
void vch_quarantine_free(vch_quarantine *q);

/* For vch_gate_options.on_verdict, with the quarantine as observer. Any thread. */
void vch_quarantine_note(void *quarantine, const vch_admission *verdict);

/* The newest word on each name since the last call; `reason` NULL: admitted. Loop's thread. */
void vch_quarantine_drain(vch_quarantine *q,
                          void (*each)(void *context, const char *name, const char *reason),
                          void *context);

#endif
