/*
 * Who is connected through a gate, each with the certificate that it was admitted with, so that all
 * can be judged anew when what they are held to has changed: collateral (a revocation), or the
 * policy. Internally locked. Spec: docs/protocol.md section 6, "a revocation ends it at once".
 */
#ifndef VCH_IDENTITY_PRESENT_H
#define VCH_IDENTITY_PRESENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/scope.h"
#include "identity/admit.h"
#include "identity/roster.h"
#include "vouch/error.h"

typedef struct vch_present vch_present;
typedef struct vch_presence vch_presence; /* one connection's place in it */

VOUCH_MUST_CHECK vouch_code vch_present_new(vch_present **out, vouch_error *err);
void vch_present_free(vch_present *p); /* after everybody has left */
VCH_DEFINE_DROP(vch_present_drop, vch_present, vch_present_free)

/* An admitted peer comes; its certificate is copied, its seat (may be NULL) kept until it leaves. */
VOUCH_MUST_CHECK vouch_code vch_present_enter(vch_present *p, const vch_admission_request *request,
                                              const vch_admission *verdict, vch_roster_seat *seat,
                                              vch_presence **out, vouch_error *err);
void vch_presence_leave(vch_presence *one);

bool vch_presence_is_revoked(const vch_presence *one);

/*
 * Judge everybody anew. Who is refused now is marked, gives its seat in the roster back, and `each`
 * is told. A millisecond or so for each, without the lock: any thread, while others come and go.
 */
typedef void vch_present_told(void *context, const vch_admission *verdict);
void vch_present_judge(vch_present *p, const vch_admission_rules *rules, int64_t now_unix_s,
                       vch_present_told *each, void *context);

#endif
