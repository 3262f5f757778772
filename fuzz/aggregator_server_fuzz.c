/*
 * Bytes of an admitted but hostile collaborator into the whole server side: HTTP/2, gRPC, OpenFL's
 * methods, intake, the round itself. The client's preface is given. Every call that began must
 * end, and a model of the aggregator must stay finite whatever came.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "crypto/cert_builder.h"
#include "fed/aggregator/aggregator.h"
#include "host/clock.h"
#include "identity/admit.h"
#include "net/grpc_server_internal.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* As in tests/fed/aggregator/sample_plan.h; the seeds carry its federation's uuid. */
static const char plan_text[] =
    "aggregator:\n"
    "  template: openfl.component.Aggregator\n"
    "  settings: {init_state_path: save/init.pbuf, best_state_path: save/best.pbuf,\n"
    "             last_state_path: save/last.pbuf, rounds_to_train: 3}\n"
    "collaborator:\n"
    "  template: openfl.component.Collaborator\n"
    "  settings: {delta_updates: false, opt_treatment: RESET}\n"
    "data_loader: {template: vouch.CsvDataLoader, settings: {}}\n"
    "task_runner: {template: vouch.MlpTaskRunner, settings: {}}\n"
    "network:\n"
    "  template: openfl.federation.Network\n"
    "  settings: {agg_addr: localhost, agg_port: 50051, cert_folder: cert}\n"
    "assigner:\n"
    "  template: openfl.component.RandomGroupedAssigner\n"
    "  settings:\n"
    "    task_groups: [{name: all, percentage: 1.0, tasks: [check_valid, train]}]\n"
    "compression_pipeline: {template: openfl.pipelines.NoCompressionPipeline, settings: {}}\n"
    "tasks:\n"
    "  check_valid: {function: validate, kwargs: {apply: global}}\n"
    "  train: {function: train_batches, kwargs: {}}\n";

typedef struct rig {
    vch_grpc_conn conn;
    vouch_span parts[2];
    bool read; /* in this turn of the loop */
    int idle;  /* turns of the loop since the last byte */
    bool closed;
    int done;
} rig;

static vch_plan *plan;
static vch_admitted_peer *peer;
static int64_t clock_ms;

static int64_t now(void)
{
    return clock_ms;
}

static void must(bool good)
{
    if (!good)
        abort();
}

/* The one that is admitted: "col1", by OpenFL's PKI. */
static void admit(void)
{
    static const uint8_t serial[] = { 0x11 };
    static const vch_name_part subject[] = { { "CN", "col1" } };
    static const vch_admission_rules pki = { .file = NULL };
    vch_key *key = NULL;
    vch_buffer certificate = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    int64_t now_s = vch_clock_unix_s();
    must(vch_key_generate(VCH_KEY_P256, &key, NULL) == VOUCH_OK);
    const vch_cert_options o = { .subject = subject,
                                 .subject_count = 1,
                                 .signer = key,
                                 .serial = { serial, sizeof serial },
                                 .not_before_unix_s = now_s - 60,
                                 .not_after_unix_s = now_s + INT64_C(20) * 365 * 86400,
                                 .kind = VCH_CERT_LEAF };
    must(vch_cert_build(&o, &certificate, NULL) == VOUCH_OK);
    const vch_admission_request request = { .certificate = vch_buffer_span(&certificate),
                                            .role = VCH_ROLE_COLLABORATOR,
                                            .stock = true,
                                            .chain_trusted = true,
                                            .now_unix_s = now_s };
    vch_admission verdict = { 0 };
    vch_admit(&pki, &request, &verdict, &peer);
    must(peer != NULL);
    vch_buffer_drop(&certificate);
    vch_key_free(key);
}

static void prepare(void)
{
    if (plan != NULL)
        return;
    vch_faults faults = { 0 };
    const vch_plan_source source = { .plan_name = "plan.yaml",
                                     .plan = vch_span_str(plan_text),
                                     .cols_name = "cols.yaml",
                                     .cols = vch_span_str("collaborators: [col1, col2]\n") };
    must(vch_plan_parse(&source, &faults, &plan, NULL) == VOUCH_OK);
    vch_faults_done(&faults);
    admit();
}

static void add_tensor(vch_model *model, const char *name, int32_t rows)
{
    vch_shape shape;
    vch_tensor t = { 0 };
    const int32_t dims[2] = { rows, 3 };
    must(vch_shape_make(dims, 2, &shape, NULL) == VOUCH_OK);
    must(vch_tensor_init(&t, vch_span_str(name), &shape, NULL) == VOUCH_OK);
    must(vch_model_add(model, &t, NULL) == VOUCH_OK);
}

static vch_tls_io wire_read(void *context, void *to, size_t room, size_t *out_size)
{
    rig *r = context;
    vouch_span *from = r->parts[0].size > 0 ? &r->parts[0] : &r->parts[1];
    if (from->size == 0 && r->idle++ > 3)
        return VCH_TLS_IO_CLOSED;
    if (r->read || from->size == 0) /* a little a turn: what follows a commit comes after it */
        return VCH_TLS_IO_WAIT;
    r->read = true;
    room = room < 256 ? room : 256;
    *out_size = from->size < room ? from->size : room;
    memcpy(to, from->data, *out_size);
    *from = (vouch_span) { from->data + *out_size, from->size - *out_size };
    return VCH_TLS_IO_DONE;
}

static vch_tls_io wire_write(void *context, const void *from, size_t size, size_t *out_size)
{
    (void)context;
    (void)from;
    *out_size = size;
    return VCH_TLS_IO_DONE;
}

static void wire_want_write(void *context, bool want)
{
    (void)context;
    (void)want;
}

static void wire_kick(void *context)
{
    (void)context;
}

static void on_closed(void *context, const vouch_error *why)
{
    vch_grpc_conn *conn = context;
    rig *r = (rig *)(void *)((char *)conn - offsetof(rig, conn));
    r->closed = true;
    if (why->depth == 0)
        __builtin_trap(); /* ended without a reason */
    vch_grpc_conn_end_calls(conn);
    vch_h2_free(conn->h2);
    conn->h2 = NULL;
}

static size_t call_count(void *context)
{
    return ((vch_grpc_conn *)context)->call_count;
}

static void on_done(void *context, vouch_code rc, const vouch_error *why)
{
    rig *r = context;
    (void)why;
    if (rc != VOUCH_OK && ++r->done > 1)
        __builtin_trap(); /* it may end once */
}

static void serve(vch_loop *loop, rig *r, vch_aggregator *aggregator)
{
    vch_grpc_server_options options = { .loop = loop, .context = aggregator };
    options.methods = vch_aggregator_methods(&options.method_count);
    r->conn.o = &options;
    r->conn.address = "fuzz";
    r->conn.session = peer;
    const vch_h2_options o = { .loop = loop,
                               .wire = { r, wire_read, wire_write, wire_want_write, wire_kick },
                               .server = true,
                               .streams_max = 10,
                               .keepalive_ms = 60000,
                               .events = &vch_grpc_server_events,
                               .context = &r->conn,
                               .call_count = call_count,
                               .closed = on_closed };
    if (vch_h2_new(&o, &r->conn.h2, NULL) != VOUCH_OK)
        return;
    while (!r->closed) {
        vch_loop_turn(loop);
        clock_ms += 1000;
        r->read = false;
        vch_h2_turn(r->conn.h2); /* ends: the wire closes behind the last byte */
    }
    if (r->conn.call_count != 0)
        __builtin_trap(); /* a handler was not told that its call is over */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    prepare();
    vch_loop *loop = NULL;
    if (vch_loop_new(&loop, NULL) != VOUCH_OK)
        return 0;
    rig r = { .parts = { { (const uint8_t *)preface, sizeof preface - 1 }, { data, size } } };
    vch_model model = { 0 };
    add_tensor(&model, "w", 2);
    add_tensor(&model, "b", 1);
    clock_ms = 1000;
    const vch_aggregator_options how = {
        .plan = plan, .loop = loop, .now_ms = now, .done = on_done, .done_context = &r
    };
    vch_aggregator *aggregator = NULL;
    must(vch_aggregator_new(&how, &model, &aggregator, NULL) == VOUCH_OK);
    vch_aggregator_start(aggregator);
    serve(loop, &r, aggregator);
    vch_aggregator_free(aggregator);
    vch_model_done(&model);
    vch_loop_free(loop);
    return 0;
}
