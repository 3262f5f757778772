/* A collaborator's calls to an aggregator of the test's own, in the same loop. */
#ifndef VCH_TESTS_FED_COLLABORATOR_SCRIPTED_H
#define VCH_TESTS_FED_COLLABORATOR_SCRIPTED_H

#include "fed/collaborator/calls.h"
#include "fed/plan/plan_text.h"
#include "net/grpc_server.h"
#include "net/kit.h"

#define PATH(method) "/" VCH_WIRE_SERVICE "/" method

typedef struct scripted {
    vch_loop *loop;
    kit_gate server_gate, client_gate;
    vch_tls_settings *server_tls, *client_tls;
    vch_grpc_server *server;
    vch_faults faults;
    vch_plan *plan;
    vch_collaborator_options options;
    vch_calls calls;
    size_t connections;
    vouch_error err;
} scripted;

static inline vouch_code scripted_connect(void *context, vch_grpc_client **out, vouch_error *err)
{
    scripted *s = context;
    const vch_grpc_client_options how = { .loop = s->loop,
                                          .tls = s->client_tls,
                                          .host = "127.0.0.1",
                                          .port = vch_grpc_server_port(s->server) };
    s->connections++;
    return vch_grpc_client_connect(&how, out, err);
}

/* `context` is the methods'. */
static inline void scripted_start(scripted *s, const kit *keys, const char *plan,
                                  const vch_grpc_method *methods, size_t count, void *context)
{
    CHECK_OK(parse_plan(vch_span_str(plan), three_cols, &s->faults, &s->plan, &s->err), &s->err);
    CHECK_OK(vch_loop_new(&s->loop, &s->err), &s->err);
    s->server_tls = kit_settings(keys, &s->server_gate, true, true, true);
    s->client_tls = kit_settings(keys, &s->client_gate, false, true, false);
    const vch_grpc_server_options o = { .loop = s->loop,
                                        .tls = s->server_tls,
                                        .address = "127.0.0.1",
                                        .methods = methods,
                                        .method_count = count,
                                        .context = context };
    CHECK_OK(vch_grpc_server_new(&o, &s->server, &s->err), &s->err);
    s->options = (vch_collaborator_options) { .plan = s->plan,
                                              .name = "col1",
                                              .loop = s->loop,
                                              .connect = scripted_connect,
                                              .connect_context = s };
    s->calls = (vch_calls) { .options = &s->options, .view = vch_plan_look(s->plan) };
}

static inline void scripted_end(scripted *s)
{
    vch_calls_done(&s->calls);
    vch_grpc_server_free(s->server);
    vch_tls_settings_free(s->server_tls);
    vch_tls_settings_free(s->client_tls);
    vch_loop_free(s->loop);
    vch_plan_free(s->plan);
    vch_faults_done(&s->faults);
}

/* The header that its answers must have. */
static inline vch_wire_header scripted_header(const scripted *s)
{
    return (vch_wire_header) { .sender = vch_span_str(s->calls.view->aggregator_uuid),
                               .receiver = vch_span_str("col1"),
                               .federation_uuid = vch_span_str(s->calls.view->federation_uuid),
                               .single_col_cert_common_name =
                                   vch_span_str(s->calls.view->single_col_cert_common_name) };
}

/* GetAggregatedTensorResponse, whole. */
static inline void scripted_reply_tensor(vch_grpc_call *call, const vch_wire_header *header,
                                         const vch_named_tensor *tensor)
{
    vch_buffer out = vch_buffer_with_cap(1 << 16);
    vch_wire_tensor_response_head(header, tensor, &out);
    vch_buffer_append(&out, tensor->data);
    vch_grpc_call_reply_given(call, &out);
    vch_buffer_drop(&out);
}

#endif
