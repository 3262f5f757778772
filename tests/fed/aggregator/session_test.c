/* The aggregator's five methods over real sockets: every answer that a client may depend on. The
 * clock is the test's; the peer is admitted by identity, as one of OpenFL's PKI. */
#include "fed/aggregator/aggregator.h"
#include "fed/aggregator/model_file.h"
#include "fed/aggregator/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fed/collaborator/outgoing.h"
#include "fed/wire/message.h"
#include "host/file.h"
#include "identity/admit.h"
#include "net/grpc_client.h"
#include "net/kit.h"

#include "sample_plan.h"

#define PATH(method) "/" VCH_WIRE_SERVICE "/" method
#define NAME "client" /* the common name in the kit's client certificate */
#define PERCENTAGE                                                                                 \
    "straggler_handling_policy: {template: openfl.component.PercentagePolicy, settings: "          \
    "{percent_collaborators_needed: 0.5, minimum_reporting: 1}}\n"
#define DELTA "delta_updates: false"
#define PLAIN "NoCompressionPipeline"

static kit keys;
static kit_gate trusting;
static int64_t clock_ms;
/* What the gate makes of who comes. */
static struct {
    bool nobody;       /* no session at all, which no gate of ours does */
    vch_role role;     /* 0: a collaborator */
    int64_t at_unix_s; /* 0: now */
} admitting;

typedef struct fixture {
    const char *sender; /* of the next calls */
    char directory[VCH_PATH_SIZE];
    vch_loop *loop;
    vch_plan *plan;
    const vch_plan_view *view;
    vch_model model; /* as the aggregator started */
    vch_aggregator *aggregator;
    vch_workers *workers; /* NULL: the loop waits for the disk itself */
    int held[2];          /* of a worker that waits to be let go, see hold() */
    vch_tls_settings *server_tls, *client_tls;
    vch_grpc_server *server;
    vch_grpc_client *client; /* NAME */
    struct {
        vch_buffer certificate;
        vch_tls_settings *tls;
        vch_grpc_client *client;
    } other; /* another name */
    int done;
    vouch_code done_rc;
} fixture;

static int64_t now(void)
{
    return clock_ms;
}

static vouch_code admit(void *context, const vch_tls_peer *peer, vouch_span message, void **session,
                        vouch_error *err)
{
    (void)context;
    (void)message;
    static const vch_admission_rules pki = { .file = NULL };
    const vch_admission_request request = {
        .certificate = peer->certificate,
        .role = admitting.role != 0 ? admitting.role : VCH_ROLE_COLLABORATOR,
        .stock = true,
        .chain_trusted = true,
        .now_unix_s = admitting.at_unix_s != 0 ? admitting.at_unix_s : vch_clock_unix_s()
    };
    vch_admission verdict = { 0 };
    if (admitting.nobody) {
        *session = NULL;
        return VOUCH_OK;
    }
    vch_admitted_peer *admitted = NULL;
    vch_admit(&pki, &request, &verdict, &admitted);
    if (admitted == NULL)
        return vouch_fail(err, VOUCH_E_REFUSED, "%s", verdict.message);
    *session = admitted;
    return VOUCH_OK;
}

static void free_session(void *session)
{
    vch_admitted_peer_free(session);
}

static void on_done(void *context, vouch_code rc, const vouch_error *why)
{
    (void)why;
    fixture *f = context;
    f->done++;
    f->done_rc = rc;
}

static void connect_client(const fixture *f, vch_tls_settings *tls, vch_grpc_client **out)
{
    vouch_error err = { 0 };
    const vch_grpc_client_options to = {
        .loop = f->loop, .tls = tls, .host = "127.0.0.1", .port = vch_grpc_server_port(f->server)
    };
    CHECK_OK(vch_grpc_client_connect(&to, out, &err), &err);
}

static void make_server(fixture *f)
{
    vouch_error err = { 0 };
    size_t count = 0;
    vch_tls_gate gate = kit_functions(&trusting);
    gate.admit = admit;
    gate.session_free = free_session;
    const vch_tls_options tls = { .server = true, .gate = gate, .stock = &keys.server_identity };
    CHECK_OK(vch_tls_settings_new(&tls, &f->server_tls, &err), &err);
    const vch_grpc_method *methods = vch_aggregator_methods(&count);
    const vch_grpc_server_options how = { .loop = f->loop,
                                          .tls = f->server_tls,
                                          .address = "127.0.0.1",
                                          .methods = methods,
                                          .method_count = count,
                                          .context = f->aggregator };
    CHECK_OK(vch_grpc_server_new(&how, &f->server, &err), &err);
    f->client_tls = kit_settings(&keys, &trusting, false, false, true);
    connect_client(f, f->client_tls, &f->client);
}

/* Somebody else, with a certificate until then. */
static void connect_other(fixture *f, const char *name, int64_t not_after_unix_s)
{
    kit another = keys;
    kit_leaf_until(&keys, name, keys.client_key, not_after_unix_s, &f->other.certificate);
    another.client_identity.certificate = vch_buffer_span(&f->other.certificate);
    f->other.tls = kit_settings(&another, &trusting, false, false, true);
    connect_client(f, f->other.tls, &f->other.client);
}

static fixture *start_with(const char *release, const char *plan_text, const char *cols,
                           bool with_worker)
{
    static fixture f;
    vouch_error err = { 0 };
    f = (fixture) { .sender = NAME,
                    .plan = sample_plan_of(release, plan_text, cols),
                    .model = sample_model() };
    f.view = vch_plan_look(f.plan);
    clock_ms = 1000;
    CHECK_OK(vch_dir_make_temporary(NULL, "vouch-session-", f.directory, &err), &err);
    CHECK_OK(vch_loop_new(&f.loop, &err), &err);
    if (with_worker)
        CHECK_OK(vch_workers_new(f.loop, 1, 16, &f.workers, &err), &err);
    const vch_aggregator_options how = { .plan = f.plan,
                                         .loop = f.loop,
                                         .state_directory = with_worker ? f.directory : NULL,
                                         .workers = f.workers,
                                         .directory = f.directory,
                                         .keep_models = true,
                                         .now_ms = now,
                                         .done = on_done,
                                         .done_context = &f };
    vch_model given = sample_model();
    CHECK_OK(vch_aggregator_new(&how, &given, &f.aggregator, &err), &err);
    CHECK(given.count == 0);
    make_server(&f);
    vch_aggregator_start(f.aggregator);
    return &f;
}

static fixture *start_release(const char *release, const char *plan_text, const char *cols)
{
    return start_with(release, plan_text, cols, false);
}

static fixture *start(const char *plan_text, const char *cols)
{
    return start_release(NULL, plan_text, cols);
}

static void stop(fixture *f)
{
    vch_grpc_client_free(f->client);
    vch_grpc_client_free(f->other.client);
    vch_grpc_server_free(f->server);
    vch_workers_free(f->workers);
    vch_tls_settings_free(f->other.tls);
    vch_buffer_drop(&f->other.certificate);
    vch_tls_settings_free(f->client_tls);
    vch_tls_settings_free(f->server_tls);
    vch_aggregator_free(f->aggregator);
    vch_loop_free(f->loop);
    vch_model_done(&f->model);
    vch_plan_free(f->plan);
    CHECK(vch_dir_remove_tree(f->directory, NULL) == VOUCH_OK);
}

static vch_wire_header header_of(const fixture *f)
{
    return (vch_wire_header) { .sender = vch_span_str(f->sender),
                               .receiver = vch_span_str(f->view->aggregator_uuid),
                               .federation_uuid = vch_span_str(f->view->federation_uuid),
                               .single_col_cert_common_name =
                                   vch_span_str(f->view->single_col_cert_common_name) };
}

static vch_grpc_answer ask(fixture *f, const char *path, vouch_span message)
{
    vouch_error err = { 0 };
    vch_grpc_answer answer = { 0 };
    const vch_grpc_request request = { .path = path, .message = message, .timeout_ms = 10000 };
    CHECK_OK(vch_grpc_client_call(f->client, &request, &answer, &err), &err);
    return answer;
}

static vch_grpc_answer ask_with_header(fixture *f, const char *path, const vch_wire_header *header)
{
    vch_buffer message = vch_buffer_with_cap(4096);
    vch_wire_header_write(header, &message);
    vch_grpc_answer answer = ask(f, path, vch_buffer_span(&message));
    vch_buffer_drop(&message);
    return answer;
}

/* GetTasks; the tasks borrow from what is kept here until the next call. */
static const vch_wire_tasks *get_tasks(fixture *f)
{
    static vch_wire_tasks tasks;
    static vch_grpc_answer answer;
    vouch_error err = { 0 };
    vch_wire_header header = header_of(f);
    vch_grpc_answer_drop(&answer);
    answer = ask_with_header(f, PATH("GetTasks"), &header);
    CHECK(answer.status.code == VCH_GRPC_OK);
    CHECK_OK(vch_wire_tasks_parse(vch_buffer_span(&answer.message), &tasks, &err), &err);
    CHECK(vch_span_is(tasks.header.sender, f->view->aggregator_uuid));
    CHECK(vch_span_is(tasks.header.receiver, f->sender));
    CHECK(vch_span_is(tasks.header.single_col_cert_common_name,
                      f->view->single_col_cert_common_name));
    return &tasks;
}

static vch_grpc_answer get_tensor(fixture *f, const char *name, int32_t round,
                                  const char *const *tags)
{
    vch_buffer message = vch_buffer_with_cap(4096);
    vch_wire_header header = header_of(f);
    const vch_wire_tensor_spec spec = { .name = vch_span_str(name),
                                        .round = round,
                                        .tags = vch_tags_of(tags),
                                        .require_lossless = true };
    vch_wire_get_tensor_write(&header, &spec, &message);
    vch_grpc_answer answer = ask(f, PATH("GetAggregatedTensor"), vch_buffer_span(&message));
    vch_buffer_drop(&message);
    return answer;
}

static const char *const model_tags[] = { "model", NULL };

/* The tensor comes, with these tags and these values. */
static void check_tensor(fixture *f, const char *name, int32_t round, const char *const *tags,
                         const char *want_tags, const float *values, size_t count)
{
    vouch_error err = { 0 };
    vch_wire_header header = { 0 };
    vch_named_tensor t = { 0 };
    int32_t said = -1;
    char text[256];
    vch_grpc_answer answer = get_tensor(f, name, round, tags);
    assert_int_equal(answer.status.code, VCH_GRPC_OK);
    CHECK_OK(
        vch_wire_tensor_response_parse(vch_buffer_span(&answer.message), &header, &said, &t, &err),
        &err);
    CHECK(said == round && t.round == round && t.lossless && !t.report);
    CHECK(vch_span_is(t.name, name));
    assert_string_equal(vch_tags_text(&t.tags, text, sizeof text), want_tags);
    CHECK(t.data.size == count * sizeof(float));
    CHECK(memcmp(t.data.data, values, t.data.size) == 0);
    vch_named_tensor_done(&t);
    vch_grpc_answer_drop(&answer);
}

typedef struct pieces {
    vch_task_results_writer *writer;
    vch_buffer piece;
} pieces;

static vouch_code next_piece(void *context, bool *out_more, vouch_span *out, vouch_error *err)
{
    pieces *p = context;
    p->piece.size = 0;
    vouch_code rc = vch_task_results_writer_next(p->writer, &p->piece, out_more, err);
    *out = vch_buffer_span(&p->piece);
    return rc;
}

/* The model with 1 added to every value. */
static vch_model trained(const fixture *f, float step)
{
    vch_model m = sample_model();
    for (size_t i = 0; i < f->model.count; i++) {
        for (size_t j = 0; j < f->model.tensor[i].shape.count; j++)
            m.tensor[i].values[j] += step;
    }
    return m;
}

/* What a call that is held leaves when it ends. */
typedef struct held {
    bool ended;
    int code;
    char text[512];
} held;

static void on_held(void *context, vouch_code rc, vch_grpc_answer *answer, const vouch_error *why)
{
    (void)why;
    held *h = context;
    h->ended = true;
    h->code = rc == VOUCH_OK ? answer->status.code : -1;
    if (rc == VOUCH_OK)
        (void)snprintf(h->text, sizeof h->text, "%s", answer->status.text);
}

/* A result of a task on its way, as our collaborator sends it. */
typedef struct sending {
    vch_task_outcome outcome;
    vch_outgoing_update update;
    vch_task_results_head head;
    vch_outgoing *outgoing;
    pieces p;
    vch_grpc_source source;
    held answer;
} sending;

static void start_result(fixture *f, const char *name, const char *task_name, int32_t round,
                         const vch_model *update, sending *s)
{
    vouch_error err = { 0 };
    const vch_plan_task *task = vch_plan_task_find(f->plan, vch_span_str(task_name));
    *s = (sending) { .outcome = { .metric_count = 1, .metric = { { "accuracy", 0.5F } } },
                     .update = { .model = update,
                                 .pipeline = vch_pipeline_plain(),
                                 .lossless = vch_pipeline_plain() },
                     .head = { .header = header_of(f),
                               .round = round,
                               .task_name = vch_span_str(task_name),
                               .data_size = 10 },
                     .p = { .piece = vch_buffer_with_cap(VCH_WIRE_PIECE_SIZE + 64) } };
    s->head.header.sender = vch_span_str(name);
    CHECK_OK(vch_outgoing_new(&s->head, task, &s->outcome, &s->update, &s->outgoing, &err), &err);
    s->p.writer = vch_outgoing_writer(s->outgoing);
    s->source = (vch_grpc_source) { .context = &s->p, .next = next_piece };
    const vch_grpc_request request = { .path = PATH("SendLocalTaskResults"),
                                       .source = &s->source,
                                       .timeout_ms = 10000 };
    vch_grpc_client *client = strcmp(name, f->sender) == 0 ? f->client : f->other.client;
    CHECK_OK(vch_grpc_client_start(client, &request, on_held, &s->answer, &err), &err);
}

/* The status that it was answered with. */
static int end_result(fixture *f, sending *s)
{
    vouch_error err = { 0 };
    CHECK_OK(vch_loop_run_until(f->loop, &s->answer.ended, 10000, &err), &err);
    vch_buffer_drop(&s->p.piece);
    vch_outgoing_free(s->outgoing);
    return s->answer.code;
}

static int send_result(fixture *f, const char *task_name, int32_t round, const vch_model *update)
{
    sending s;
    start_result(f, f->sender, task_name, round, update, &s);
    return end_result(f, &s);
}

static void report_all(fixture *f, int32_t round, const vch_model *update)
{
    CHECK(send_result(f, "aggregated_model_validation", round, NULL) == VCH_GRPC_OK);
    CHECK(send_result(f, "train", round, update) == VCH_GRPC_OK);
    CHECK(send_result(f, "locally_tuned_model_validation", round, NULL) == VCH_GRPC_OK);
}

static void a_ping_is_answered_with_our_header(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [client, col2]\n");
    vch_wire_header header = header_of(f);
    vch_grpc_answer answer = ask_with_header(f, PATH("Ping"), &header);
    CHECK(answer.status.code == VCH_GRPC_OK);
    CHECK_OK(vch_wire_header_parse(vch_buffer_span(&answer.message), "PingResponse", &header, &err),
             &err);
    CHECK(vch_span_is(header.receiver, NAME)
          && vch_span_is(header.federation_uuid, f->view->federation_uuid));
    vch_grpc_answer_drop(&answer);
    stop(f);
}

static void a_header_that_is_not_ours_is_unauthenticated(void **state)
{
    (void)state;
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [client, col2]\n");
    static const char *const paths[] = { PATH("Ping"), PATH("GetTasks"),
                                         PATH("GetAggregatedTensor"),
                                         PATH("GetAggregatedTensors") };
    for (size_t p = 0; p < sizeof paths / sizeof paths[0]; p++) {
        for (size_t i = 0; i < 5; i++) {
            vch_wire_header header = header_of(f);
            vouch_span *const field[] = { &header.sender, &header.receiver, &header.federation_uuid,
                                          &header.single_col_cert_common_name };
            if (i < 4)
                *field[i] = vch_span_str("col2");
            vch_buffer empty = { 0 };
            vch_grpc_answer answer = i < 4 ? ask_with_header(f, paths[p], &header)
                                           : ask(f, paths[p], vch_buffer_span(&empty));
            bool headless = strstr(answer.status.text, "reading the header") != NULL;
            if (answer.status.code != VCH_GRPC_UNAUTHENTICATED || headless != (i == 4))
                fail_msg("%s, field %zu: %d %s", paths[p], i, answer.status.code,
                         answer.status.text);
            vch_grpc_answer_drop(&answer);
        }
    }
    stop(f);
}

/* Whatever the caller asks for, and before a byte of a result is looked at. */
static void expect_no_answer(fixture *f, int code, const char *reason)
{
    static const char *const paths[] = { PATH("Ping"), PATH("GetTasks"),
                                         PATH("GetAggregatedTensor"),
                                         PATH("GetAggregatedTensors") };
    vch_model update = trained(f, 1.0F);
    sending s;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        vch_wire_header header = header_of(f);
        vch_grpc_answer answer = ask_with_header(f, paths[i], &header);
        if (answer.status.code != code || strstr(answer.status.text, reason) == NULL)
            fail_msg("%s: %d %s", paths[i], answer.status.code, answer.status.text);
        vch_grpc_answer_drop(&answer);
    }
    start_result(f, NAME, "train", 0, &update, &s);
    assert_int_equal(end_result(f, &s), code);
    CHECK(strstr(s.answer.text, reason) != NULL);
    vch_model_done(&update);
}

static void a_name_that_is_not_in_cols_is_unauthenticated(void **state)
{
    (void)state;
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [col1, col2]\n");
    expect_no_answer(f, VCH_GRPC_UNAUTHENTICATED, "not in cols.yaml");
    stop(f);
}

static void a_peer_that_the_gate_did_not_admit_is_unauthenticated(void **state)
{
    (void)state;
    admitting.nobody = true;
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [client, col2]\n");
    expect_no_answer(f, VCH_GRPC_UNAUTHENTICATED, "not admitted");
    stop(f);
    admitting.nobody = false;
}

static void one_that_is_no_collaborator_is_unauthenticated(void **state)
{
    (void)state;
    admitting.role = VCH_ROLE_AGGREGATOR;
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [client, col2]\n");
    expect_no_answer(f, VCH_GRPC_UNAUTHENTICATED, "not a collaborator");
    stop(f);
    admitting.role = 0;
}

/* A client waits UNAVAILABLE out and connects anew; there it hears what is the matter. */
static void one_whose_certificate_has_run_out_is_told_to_connect_anew(void **state)
{
    (void)state;
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [client, col2]\n");
    vch_grpc_client *good = f->client;
    admitting.at_unix_s = KIT_NOW + 5;
    connect_other(f, NAME, KIT_NOW + 10);
    f->client = f->other.client;
    expect_no_answer(f, VCH_GRPC_UNAVAILABLE, "is to be appraised anew");
    admitting.at_unix_s = 0;
    f->client = good;
    CHECK(get_tasks(f)->task_count == 3);
    stop(f);
}

/* The kit's client certificate is everybody's. */
static fixture *start_shared(const char *plan_end)
{
    char text[sizeof SAMPLE_PLAN_HEAD + 512];
    const char *at = strstr(SAMPLE_PLAN_HEAD, "rounds_to_train");
    CHECK(at != NULL);
    (void)snprintf(text, sizeof text, "%.*ssingle_col_cert_common_name: " NAME ", %s%s",
                   (int)(at - SAMPLE_PLAN_HEAD), SAMPLE_PLAN_HEAD, at, plan_end);
    return start(text, "collaborators: [col1, col2]\n");
}

static void under_one_certificate_a_connection_speaks_for_every_member(void **state)
{
    (void)state;
    static const char *const own[] = { "col1", "trained", NULL };
    fixture *f = start_shared("");
    vch_model update[2] = { trained(f, 1.0F), trained(f, 3.0F) };
    static const char *const names[] = { "col1", "col2" };
    for (size_t i = 0; i < 2; i++) {
        f->sender = names[i];
        CHECK(get_tasks(f)->task_count == 3); /* of each its own */
        CHECK(send_result(f, "train", 0, &update[i]) == VCH_GRPC_OK);
        CHECK(get_tasks(f)->task_count == 2);
    }
    f->sender = "col1";
    check_tensor(f, "b", 0, own, "col1,compressed,trained", update[0].tensor[1].values, 3);
    for (size_t i = 0; i < 2; i++) {
        f->sender = names[i];
        CHECK(send_result(f, "aggregated_model_validation", 0, NULL) == VCH_GRPC_OK);
        CHECK(send_result(f, "locally_tuned_model_validation", 0, NULL) == VCH_GRPC_OK);
    }
    vch_model mean = trained(f, 2.0F);
    CHECK(get_tasks(f)->round == 1);
    check_tensor(f, "w", 1, model_tags, "compressed,model", mean.tensor[0].values, 6);
    vch_model_done(&mean);
    for (size_t i = 0; i < 2; i++)
        vch_model_done(&update[i]);
    stop(f);
}

static void
under_one_certificate_a_stranger_and_another_common_name_are_unauthenticated(void **state)
{
    (void)state;
    fixture *f = start_shared("");
    static const struct {
        const char *sender, *field;
        int want;
    } cases[] = {
        { "col2", NAME, VCH_GRPC_OK },
        { "col3", NAME, VCH_GRPC_UNAUTHENTICATED },
        { NAME, NAME, VCH_GRPC_UNAUTHENTICATED },
        { "col2", "", VCH_GRPC_UNAUTHENTICATED },
        { "col2", "col2", VCH_GRPC_UNAUTHENTICATED },
    };
    static const char *const paths[] = { PATH("Ping"), PATH("GetTasks") };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t p = 0; p < 2; p++) {
            vch_wire_header header = header_of(f);
            header.sender = vch_span_str(cases[i].sender);
            header.single_col_cert_common_name = vch_span_str(cases[i].field);
            vch_grpc_answer answer = ask_with_header(f, paths[p], &header);
            if ((int)answer.status.code != cases[i].want)
                fail_msg("%s, case %zu: %d", paths[p], i, answer.status.code);
            vch_grpc_answer_drop(&answer);
        }
    }
    stop(f);
}

static void a_certificate_that_is_not_the_one_of_all_is_unauthenticated(void **state)
{
    (void)state;
    char text[sizeof SAMPLE_PLAN_HEAD + 64];
    const char *at = strstr(SAMPLE_PLAN_HEAD, "rounds_to_train");
    (void)snprintf(text, sizeof text, "%.*ssingle_col_cert_common_name: all, %s",
                   (int)(at - SAMPLE_PLAN_HEAD), SAMPLE_PLAN_HEAD, at);
    fixture *f = start(text, "collaborators: [" NAME ", col2]\n"); /* its own name is listed */
    vch_wire_header header = header_of(f);
    vch_grpc_answer answer = ask_with_header(f, PATH("GetTasks"), &header);
    CHECK(answer.status.code == VCH_GRPC_UNAUTHENTICATED);
    CHECK(strstr(answer.status.text, "not of 'all'") != NULL);
    vch_grpc_answer_drop(&answer);
    CHECK(send_result(f, "train", 0, NULL) == VCH_GRPC_UNAUTHENTICATED);
    stop(f);
}

static void other_methods_are_unimplemented(void **state)
{
    (void)state;
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [client, col2]\n");
    vch_wire_header header = header_of(f);
    vch_grpc_answer answer = ask_with_header(f, PATH("GetMetricStream"), &header);
    CHECK(answer.status.code == VCH_GRPC_UNIMPLEMENTED);
    vch_grpc_answer_drop(&answer);
    stop(f);
}

static void tasks_come_in_the_assigners_order_by_name_only(void **state)
{
    (void)state;
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [client, col2]\n");
    const vch_wire_tasks *tasks = get_tasks(f);
    CHECK(tasks->round == 0 && tasks->task_count == 3 && !tasks->quit && tasks->sleep_s == 0);
    CHECK(vch_span_is(tasks->task[0].name, "aggregated_model_validation"));
    CHECK(vch_span_is(tasks->task[1].name, "train"));
    CHECK(vch_span_is(tasks->task[2].name, "locally_tuned_model_validation"));
    CHECK(tasks->task[0].function_name.size == 0);
    stop(f);
}

static void the_model_is_served_as_openfl_serves_it(void **state)
{
    (void)state;
    static const char *const compressed[] = { "compressed", "model", NULL };
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [client, col2]\n");
    check_tensor(f, "w", 0, model_tags, "compressed,model", f->model.tensor[0].values, 6);
    check_tensor(f, "b", 0, compressed, "compressed,model", f->model.tensor[1].values, 3);
    stop(f);
}

static void several_tensors_come_in_one_answer(void **state)
{
    (void)state;
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [client, col2]\n");
    vch_buffer message = vch_buffer_with_cap(4096);
    vch_wire_header header = header_of(f);
    const vch_wire_tensor_spec specs[2] = {
        { .name = vch_span_str("b"), .tags = vch_tags_of(model_tags) },
        { .name = vch_span_str("w"), .tags = vch_tags_of(model_tags) }
    };
    vch_wire_get_tensors_write(&header, specs, 2, &message);
    vch_grpc_answer answer = ask(f, PATH("GetAggregatedTensors"), vch_buffer_span(&message));
    CHECK(answer.status.code == VCH_GRPC_OK);
    CHECK(answer.message.size > 9 * sizeof(float));
    const vch_tensor *last = &f->model.tensor[0]; /* its data ends the message */
    CHECK(memcmp(answer.message.data + answer.message.size - 6 * sizeof(float), last->values,
                 6 * sizeof(float))
          == 0);
    vch_grpc_answer_drop(&answer);
    vch_buffer_drop(&message);
    stop(f);
}

/* A call that is answered with UNKNOWN, and only after a while. */
static void expect_nothing_from(fixture *f, const char *path, vouch_span message)
{
    vouch_error err = { 0 };
    held h = { 0 };
    const vch_grpc_request request = { .path = path, .message = message };
    CHECK_OK(vch_grpc_client_start(f->client, &request, on_held, &h, &err), &err);
    (void)get_tasks(f);
    CHECK(!h.ended);
    clock_ms += VCH_AGGREGATOR_MISSING_MS;
    (void)get_tasks(f);
    CHECK_OK(vch_loop_run_until(f->loop, &h.ended, 5000, &err), &err);
    assert_int_equal(h.code, VCH_GRPC_UNKNOWN);
}

static void expect_nothing(fixture *f, const char *name, int32_t round, const char *const *tags)
{
    vch_buffer message = vch_buffer_with_cap(4096);
    vch_wire_header header = header_of(f);
    const vch_wire_tensor_spec spec = { .name = vch_span_str(name),
                                        .round = round,
                                        .tags = vch_tags_of(tags) };
    vch_wire_get_tensor_write(&header, &spec, &message);
    expect_nothing_from(f, PATH("GetAggregatedTensor"), vch_buffer_span(&message));
    vch_buffer_drop(&message);
}

static void what_is_not_there_is_answered_only_after_a_while(void **state)
{
    (void)state;
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [client, col2]\n");
    static const struct {
        const char *name;
        int32_t round;
        const char *const tags[4];
    } absent[] = {
        { "c", 0, { "model" } },         { "w", 1, { "model" } },
        { "w", -1, { "model" } },        { "w", 0, { "aggregated", "delta" } },
        { "w", 0, { "trained", NAME } }, { "w", 0, { "trained", "col2" } },
    };
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        expect_nothing(f, absent[i].name, absent[i].round, absent[i].tags);
    stop(f);
}

static void one_that_is_not_there_among_several_is_never_answered_ok(void **state)
{
    (void)state;
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [client, col2]\n");
    vch_buffer message = vch_buffer_with_cap(4096);
    vch_wire_header header = header_of(f);
    const vch_wire_tensor_spec specs[] = {
        { .name = vch_span_str("w"), .tags = vch_tags_of(model_tags) },
        { .name = vch_span_str("c"), .tags = vch_tags_of(model_tags) },
        { .name = vch_span_str("b"), .tags = vch_tags_of(model_tags) },
    };
    vch_wire_get_tensors_write(&header, specs, sizeof specs / sizeof *specs, &message);
    expect_nothing_from(f, PATH("GetAggregatedTensors"), vch_buffer_span(&message));
    vch_buffer_drop(&message);
    stop(f);
}

static vouch_code no_piece(void *context, bool *out_more, vouch_span *out, vouch_error *err)
{
    (void)err;
    vouch_span *rest = context; /* one message, then none */
    *out = *rest;
    *out_more = rest->data != NULL;
    *rest = (vouch_span) { 0 };
    return VOUCH_OK;
}

static int send_bytes(fixture *f, vouch_span message)
{
    vouch_error err = { 0 };
    vch_grpc_answer answer = { 0 };
    const vch_grpc_source source = { .context = &message, .next = no_piece };
    const vch_grpc_request request = { .path = PATH("SendLocalTaskResults"),
                                       .source = &source,
                                       .timeout_ms = 10000 };
    CHECK_OK(vch_grpc_client_call(f->client, &request, &answer, &err), &err);
    int code = answer.status.code;
    vch_grpc_answer_drop(&answer);
    return code;
}

static void an_empty_or_unreadable_stream_is_unknown_and_never_ok(void **state)
{
    (void)state;
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [client, col2]\n");
    CHECK(send_bytes(f, (vouch_span) { 0 }) == VCH_GRPC_UNKNOWN);
    CHECK(send_bytes(f, vch_span_str("\xff\xff\xff\xff")) == VCH_GRPC_UNKNOWN);
    CHECK(send_bytes(f, vch_span_str("\x12\x02\xff\xff")) == VCH_GRPC_UNKNOWN);
    CHECK(get_tasks(f)->task_count == 3);
    stop(f);
}

static void a_hostile_update_is_unauthenticated_and_the_round_goes_on(void **state)
{
    (void)state;
    fixture *f = start(SAMPLE_PLAN_HEAD PERCENTAGE, "collaborators: [client, col2]\n");
    vch_model update = trained(f, NAN);
    CHECK(send_result(f, "train", 0, &update) == VCH_GRPC_UNAUTHENTICATED);
    CHECK(send_result(f, "train", 0, NULL) == VCH_GRPC_UNAUTHENTICATED);
    vch_model_done(&update);
    update = trained(f, 1.0F);
    report_all(f, 0, &update);
    CHECK(get_tasks(f)->round == 1);
    vch_model_done(&update);
    stop(f);
}

static void a_round_ends_with_the_mean_and_the_old_model_stays_for_stragglers(void **state)
{
    (void)state;
    fixture *f = start(SAMPLE_PLAN_HEAD PERCENTAGE, "collaborators: [client, col2]\n");
    vch_model update = trained(f, 1.0F);
    report_all(f, 0, &update);
    const vch_wire_tasks *tasks = get_tasks(f);
    CHECK(tasks->round == 1 && tasks->task_count == 3);
    check_tensor(f, "w", 1, model_tags, "compressed,model", update.tensor[0].values, 6);
    check_tensor(f, "w", 0, model_tags, "compressed,model", f->model.tensor[0].values, 6);
    /* late, double and foreign results are dropped with OK */
    CHECK(send_result(f, "train", 0, &update) == VCH_GRPC_OK);
    CHECK(get_tasks(f)->task_count == 3);
    vch_model_done(&update);
    stop(f);
}

static void the_own_update_comes_back_and_nobody_elses(void **state)
{
    (void)state;
    static const char *const own[] = { NAME, "trained", NULL };
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [client, col2]\n");
    vch_model update = trained(f, 1.0F);
    CHECK(send_result(f, "train", 0, &update) == VCH_GRPC_OK);
    check_tensor(f, "b", 0, own, "client,compressed,trained", update.tensor[1].values, 3);
    vch_model_done(&update);
    stop(f);
}

/* A plan with delta updates through that pipeline, whose name is no longer than what stands there. */
static fixture *start_with_deltas(const char *pipeline)
{
    char text[sizeof SAMPLE_PLAN_HEAD PERCENTAGE];
    memcpy(text, SAMPLE_PLAN_HEAD PERCENTAGE, sizeof text);
    char *at = strstr(text, DELTA);
    CHECK(at != NULL);
    memcpy(at, "delta_updates: true ", sizeof DELTA - 1);
    at = strstr(text, PLAIN);
    CHECK(at != NULL && strlen(pipeline) <= sizeof PLAIN - 1);
    memset(at, ' ', sizeof PLAIN - 1);
    memcpy(at, pipeline, strlen(pipeline));
    fixture *f = start(text, "collaborators: [client, col2]\n");
    CHECK(f->view->delta_updates);
    return f;
}

static void deltas_are_served_where_the_plan_has_them(void **state)
{
    (void)state;
    static const char *const delta[] = { "aggregated", "compressed", "delta", NULL };
    fixture *f = start_with_deltas(PLAIN);
    vch_model update = trained(f, 2.0F);
    report_all(f, 0, &update);
    CHECK(get_tasks(f)->round == 1);
    /* there is none of a tensor that there is not, nor of the first round, nor of one to come */
    expect_nothing(f, "c", 1, delta);
    expect_nothing(f, "w", 0, delta);
    expect_nothing(f, "w", 2, delta);
    const float twos[6] = { 2.0F, 2.0F, 2.0F, 2.0F, 2.0F, 2.0F };
    check_tensor(f, "w", 1, delta, "aggregated,compressed,delta", twos, 6);
    vch_model_done(&update);
    stop(f);
}

/* Asked for as clients ask: what was lost on the way may be lost. */
static vch_buffer get_lossy_delta(fixture *f, const char *name, vch_named_tensor *out)
{
    static const char *const lossy[] = { "aggregated", "delta", "lossy_compressed", NULL };
    vouch_error err = { 0 };
    int32_t round = -1;
    char text[256];
    vch_buffer message = vch_buffer_with_cap(4096);
    vch_wire_header header = header_of(f);
    const vch_wire_tensor_spec spec = { .name = vch_span_str(name),
                                        .round = 1,
                                        .tags = vch_tags_of(lossy) };
    vch_wire_get_tensor_write(&header, &spec, &message);
    vch_grpc_answer answer = ask(f, PATH("GetAggregatedTensor"), vch_buffer_span(&message));
    vch_buffer_drop(&message);
    CHECK(answer.status.code == VCH_GRPC_OK);
    CHECK_OK(vch_wire_tensor_response_parse(vch_buffer_span(&answer.message), &header, &round, out,
                                            &err),
             &err);
    assert_string_equal(vch_tags_text(&out->tags, text, sizeof text),
                        "aggregated,delta,lossy_compressed");
    return answer.message;
}

/* OpenFL encodes anew for each who asks, so that no two end with one model, and none with its own. */
static void a_lossy_delta_is_one_for_all_and_leads_to_the_aggregators_own_model(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    float values[6];
    vch_named_tensor first = { 0 };
    vch_named_tensor second = { 0 };
    fixture *f = start_with_deltas("SKCPipeline");
    vch_model update = sample_model();
    for (size_t i = 0; i < 6; i++)
        update.tensor[0].values[i] += (float)(i * i) - 7.5F;
    report_all(f, 0, &update);
    CHECK(get_tasks(f)->round == 1);
    vch_buffer one = get_lossy_delta(f, "w", &first);
    vch_buffer another = get_lossy_delta(f, "w", &second);
    CHECK(one.size == another.size && memcmp(one.data, another.data, one.size) == 0);
    const vch_pipeline how = vch_pipeline_make(&f->view->pipeline, 1);
    const vch_tensor *before = &f->model.tensor[0];
    CHECK_OK(vch_pipeline_decode_values(&how, &first, &before->shape, values, &err), &err);
    for (size_t i = 0; i < 6; i++)
        values[i] += before->values[i];
    CHECK(memcmp(values, update.tensor[0].values, sizeof values) != 0); /* something was lost */
    check_tensor(f, "w", 1, model_tags, "compressed,model", values, 6);
    vch_named_tensor_done(&first);
    vch_named_tensor_done(&second);
    vch_buffer_drop(&one);
    vch_buffer_drop(&another);
    vch_model_done(&update);
    stop(f);
}

/* The worker does nothing else until let_go(): what is to be stored waits behind this. */
static void wait_to_be_let_go(void *context)
{
    const fixture *f = context;
    char byte = 0;
    CHECK(read(f->held[0], &byte, 1) == 1);
}

static void was_let_go(void *context, bool worked)
{
    (void)context;
    (void)worked;
}

static void hold(fixture *f)
{
    vouch_error err = { 0 };
    const vch_job job = { .context = f, .work = wait_to_be_let_go, .done = was_let_go };
    CHECK_OK(vch_workers_submit(f->workers, job, &err), &err);
}

static void let_go(const fixture *f)
{
    CHECK(write(f->held[1], "", 1) == 1);
}

static fixture *start_with_a_worker(const char *plan_text)
{
    fixture *f = start_with(NULL, plan_text, "collaborators: [client, col2]\n", true);
    CHECK(pipe(f->held) == 0);
    return f;
}

static void stop_with_its_worker(fixture *f)
{
    (void)close(f->held[0]);
    (void)close(f->held[1]);
    stop(f);
}

static void a_result_that_is_being_stored_is_not_taken_a_second_time(void **state)
{
    (void)state;
    sending first;
    sending second;
    fixture *f = start_with_a_worker(SAMPLE_PLAN_HEAD);
    vch_model update = trained(f, 1.0F);
    hold(f);
    start_result(f, NAME, "train", 0, &update, &first);
    start_result(f, NAME, "train", 0, &update, &second);
    assert_int_equal(end_result(f, &second), VCH_GRPC_UNAVAILABLE);
    CHECK(strstr(second.answer.text, "being stored already") != NULL);
    CHECK(!first.answer.ended); /* told when it is on disk, and not before */
    let_go(f);
    assert_int_equal(end_result(f, &first), VCH_GRPC_OK);
    assert_int_equal(send_result(f, "train", 0, &update), VCH_GRPC_OK); /* dropped */
    vch_model_done(&update);
    stop_with_its_worker(f);
}

/* Else the journal would have a result of a round behind the end of that round. */
static void while_a_round_is_being_closed_no_result_is_taken(void **state)
{
    static const char early[] = "aggregated_model_validation";
    (void)state;
    sending last;
    sending late;
    fixture *f = start_with_a_worker(SAMPLE_PLAN_HEAD PERCENTAGE);
    vch_model update = trained(f, 1.0F);
    connect_other(f, "col2", KIT_NOW + 20 * KIT_YEAR);
    CHECK(send_result(f, early, 0, NULL) == VCH_GRPC_OK);
    CHECK(send_result(f, "train", 0, &update) == VCH_GRPC_OK);
    hold(f);
    start_result(f, NAME, "locally_tuned_model_validation", 0, NULL, &last);
    CHECK(get_tasks(f)->round == 0); /* it has come: its storing is the worker's next job */
    hold(f);
    let_go(f);
    assert_int_equal(end_result(f, &last), VCH_GRPC_OK);
    start_result(f, "col2", early, 0, NULL, &late);
    assert_int_equal(end_result(f, &late), VCH_GRPC_UNAVAILABLE);
    CHECK(strstr(late.answer.text, "being closed") != NULL);
    let_go(f);
    while (get_tasks(f)->round == 0)
        continue;
    start_result(f, "col2", early, 0, NULL, &late);
    assert_int_equal(end_result(f, &late), VCH_GRPC_OK); /* dropped: it is late */
    CHECK(get_tasks(f)->round == 1);
    vch_model_done(&update);
    stop_with_its_worker(f);
}

static void one_that_is_done_waits_in_a_long_poll_that_ends(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    fixture *f = start(SAMPLE_PLAN_HEAD, "collaborators: [client, col2]\n"); /* waits for both */
    vch_model update = trained(f, 1.0F);
    report_all(f, 0, &update);
    held h = { 0 };
    vch_buffer message = vch_buffer_with_cap(4096);
    vch_wire_header header = header_of(f);
    vch_wire_header_write(&header, &message);
    const vch_grpc_request request = { .path = PATH("GetTasks"),
                                       .message = vch_buffer_span(&message) };
    CHECK_OK(vch_grpc_client_start(f->client, &request, on_held, &h, &err), &err);
    CHECK(send_result(f, "train", 0, &update) == VCH_GRPC_OK); /* a double one; time passes */
    CHECK(!h.ended);
    clock_ms += VCH_AGGREGATOR_LONG_POLL_MS;
    CHECK(send_result(f, "train", 0, &update) == VCH_GRPC_OK);
    CHECK_OK(vch_loop_run_until(f->loop, &h.ended, 5000, &err), &err);
    CHECK(h.code == VCH_GRPC_OK);
    vch_buffer_drop(&message);
    vch_model_done(&update);
    stop(f);
}

static void after_the_last_round_everybody_is_told_and_the_models_are_saved(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    fixture *f = start(SAMPLE_PLAN_HEAD PERCENTAGE, "collaborators: [client, col2]\n");
    vch_model update = trained(f, 1.0F);
    for (int32_t round = 0; round < 3; round++) {
        CHECK(get_tasks(f)->round == round);
        report_all(f, round, &update);
    }
    CHECK(f->done == 0);
    CHECK(get_tasks(f)->quit);
    bool never = false;
    CHECK(vch_loop_run_until(f->loop, &never, 50, &err) == VOUCH_E_TIMEOUT);
    CHECK(f->done == 1 && f->done_rc == VOUCH_OK);
    static const char *const files[] = { "save/best.pbuf", "save/last.pbuf", "save/final.pbuf" };
    for (size_t i = 0; i < 3; i++) {
        char path[VCH_PATH_SIZE];
        CHECK_OK(vch_path_join(f->directory, files[i], path, &err), &err);
        CHECK(vch_file_exists(path));
    }
    vch_model_done(&update);
    stop(f);
}

static vch_model saved(const fixture *f, const char *name)
{
    vouch_error err = { 0 };
    vch_model m = { 0 };
    CHECK_OK(vch_model_file_read(f->directory, name, vch_pipeline_plain(), &m, &err), &err);
    return m;
}

static void last_is_what_the_round_made_until_1_6_and_what_it_started_from_since(void **state)
{
    (void)state;
    static const struct {
        const char *release;
        int32_t round;
    } cases[] = { { "1.5.1", 3 }, { "1.6", 3 }, { "1.7.1", 2 }, { "1.8", 2 }, { "1.9", 2 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture *f = start_release(cases[i].release, SAMPLE_PLAN_HEAD, "collaborators: [client]\n");
        for (int32_t round = 0; round < 3; round++) {
            vch_model update = trained(f, (float)(round + 1));
            CHECK(get_tasks(f)->round == round);
            report_all(f, round, &update);
            vch_model_done(&update);
        }
        CHECK(get_tasks(f)->quit);
        vch_model last = saved(f, "save/last.pbuf");
        vch_model final = saved(f, "save/final.pbuf");
        CHECK(final.round == 3 && last.round == cases[i].round);
        bool same = memcmp(last.tensor[0].values, final.tensor[0].values,
                           last.tensor[0].shape.count * sizeof(float))
                    == 0;
        CHECK(same == (cases[i].round == 3));
        vch_model_done(&last);
        vch_model_done(&final);
        stop(f);
    }
}

static int make_keys(void **state)
{
    (void)state;
    kit_make(&keys);
    return 0;
}

static int drop_keys(void **state)
{
    (void)state;
    kit_drop(&keys);
    return 0;
}

static void only_a_collaborator_that_stands_may_call(void **state)
{
    (void)state;
    static const struct {
        vch_standing standing;
        vch_role role;
        vouch_code code;
    } cases[] = {
        { VCH_STANDING_GOOD, VCH_ROLE_COLLABORATOR, VOUCH_OK },
        { VCH_STANDING_REATTEST, VCH_ROLE_COLLABORATOR, VOUCH_OK },
        { VCH_STANDING_EXPIRED, VCH_ROLE_COLLABORATOR, VOUCH_E_IO },
        { VCH_STANDING_REVOKED, VCH_ROLE_COLLABORATOR, VOUCH_E_IO },
        { VCH_STANDING_REPLACED, VCH_ROLE_COLLABORATOR, VOUCH_E_REFUSED },
        { VCH_STANDING_GONE, VCH_ROLE_COLLABORATOR, VOUCH_E_REFUSED },
        { VCH_STANDING_GOOD, VCH_ROLE_AGGREGATOR, VOUCH_E_REFUSED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vouch_error err = { 0 };
        CHECK(vch_session_judge_peer(cases[i].standing, cases[i].role, &err) == cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_ping_is_answered_with_our_header),
        TEST(a_header_that_is_not_ours_is_unauthenticated),
        TEST(only_a_collaborator_that_stands_may_call),
        TEST(a_name_that_is_not_in_cols_is_unauthenticated),
        TEST(under_one_certificate_a_connection_speaks_for_every_member),
        TEST(under_one_certificate_a_stranger_and_another_common_name_are_unauthenticated),
        TEST(a_certificate_that_is_not_the_one_of_all_is_unauthenticated),
        TEST(a_peer_that_the_gate_did_not_admit_is_unauthenticated),
        TEST(one_that_is_no_collaborator_is_unauthenticated),
        TEST(one_whose_certificate_has_run_out_is_told_to_connect_anew),
        TEST(other_methods_are_unimplemented),
        TEST(tasks_come_in_the_assigners_order_by_name_only),
        TEST(the_model_is_served_as_openfl_serves_it),
        TEST(several_tensors_come_in_one_answer),
        TEST(what_is_not_there_is_answered_only_after_a_while),
        TEST(one_that_is_not_there_among_several_is_never_answered_ok),
        TEST(an_empty_or_unreadable_stream_is_unknown_and_never_ok),
        TEST(a_hostile_update_is_unauthenticated_and_the_round_goes_on),
        TEST(a_round_ends_with_the_mean_and_the_old_model_stays_for_stragglers),
        TEST(the_own_update_comes_back_and_nobody_elses),
        TEST(deltas_are_served_where_the_plan_has_them),
        TEST(a_lossy_delta_is_one_for_all_and_leads_to_the_aggregators_own_model),
        TEST(a_result_that_is_being_stored_is_not_taken_a_second_time),
        TEST(while_a_round_is_being_closed_no_result_is_taken),
        TEST(one_that_is_done_waits_in_a_long_poll_that_ends),
        TEST(after_the_last_round_everybody_is_told_and_the_models_are_saved),
        TEST(last_is_what_the_round_made_until_1_6_and_what_it_started_from_since),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
