/* What the methods of session.c and uploads.c share. */
#ifndef VCH_FED_AGGREGATOR_SESSION_H
#define VCH_FED_AGGREGATOR_SESSION_H

#include <stddef.h>

#include "fed/aggregator/aggregator.h"
#include "identity/admit.h"
#include "net/grpc_server.h"
#include "vouch/error.h"
#include "vouch/span.h"

/* May an admitted peer of this standing and role call? VOUCH_E_IO: not before it is appraised anew;
 * VOUCH_E_REFUSED: never. */
VOUCH_MUST_CHECK vouch_code vch_session_judge_peer(vch_standing standing, vch_role role,
                                                   vouch_error *err);

/* The admitted peer stands and is a collaborator; `out` is its name, borrowed. Whether it may speak
 * for the member that it speaks for is vch_intake_check_header's to say. */
VOUCH_MUST_CHECK vouch_code vch_session_find_peer(vch_grpc_call *call, const char **out,
                                                  vouch_error *err);

/* End a call with the status that follows from `code`, and say so in the log. `member`: who called;
 * NULL: not known, and the log has the certificate's name. */
void vch_session_refuse(vch_aggregator *a, vch_grpc_call *call, const char *member, vouch_code code,
                        const vouch_error *err);

/* Answer with our header, to `name`, and nothing else. */
void vch_session_reply_header(vch_aggregator *a, vch_grpc_call *call, const char *name);

/* SendLocalTaskResults, as vch_grpc_method wants it. */
void vch_upload_begin(void *context, vch_grpc_call *call);
void vch_upload_bytes(void *context, vch_grpc_call *call, vouch_span bytes);
void vch_upload_message_end(void *context, vch_grpc_call *call);
void vch_upload_half_close(void *context, vch_grpc_call *call);
void vch_upload_ended(void *context, vch_grpc_call *call);

#endif
