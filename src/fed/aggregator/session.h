/* What the methods of session.c and uploads.c share. */
#ifndef VCH_FED_AGGREGATOR_SESSION_H
#define VCH_FED_AGGREGATOR_SESSION_H

#include <stddef.h>

#include "fed/aggregator/aggregator.h"
#include "net/grpc_server.h"
#include "vouch/error.h"
#include "vouch/span.h"

/* Who is calling, and as which member. */
typedef struct vch_caller {
    const char *name; /* of the admitted peer */
    size_t member;
} vch_caller;

/* The admitted peer stands, is a collaborator, and is one of this plan's. */
VOUCH_MUST_CHECK vouch_code vch_session_find_peer(const vch_aggregator *a, vch_grpc_call *call,
                                                  vch_caller *out, vouch_error *err);

/* End a call with the status that follows from `code`, and say so in the log. */
void vch_session_refuse(vch_aggregator *a, vch_grpc_call *call, vouch_code code,
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
