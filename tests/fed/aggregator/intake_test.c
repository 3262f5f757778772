#include "fed/aggregator/intake.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "fed/wire/task_results.h"
#include "host/file.h"

#include "sample_plan.h"

enum { COL1 = 0, COL2 = 1, TASKS = 4, SENT_MAX = 80 };

/* One more task that trains, which no assigner hands out. */
#define OTHER_TRAINING "  tune_train: {function: train_batches, kwargs: {}}\n"

typedef struct fixture {
    vch_plan *plan;
    vch_model model;
    vch_round *round;
    vch_results *results;
    unsigned arriving[2];
    vch_intake intake;
} fixture;

static size_t task_index(const fixture *f, const char *name)
{
    const vch_plan_task *task = vch_plan_task_find(f->plan, vch_span_str(name));
    CHECK(task != NULL);
    return (size_t)(task - vch_plan_look(f->plan)->task);
}

static int set_up_with(void **state, const char *release, const char *plan_text)
{
    static fixture f;
    vouch_error err = { 0 };
    f = (fixture) { .plan = sample_plan_of(release, plan_text, "collaborators: [col1, col2]\n"),
                    .model = sample_model() };
    const vch_round_options options = { .member_count = 2,
                                        .task_count = TASKS,
                                        .end_round = 3,
                                        .policy = VCH_ROUND_WAIT_FOR_ALL,
                                        .cutoff_ms = -1 };
    CHECK_OK(vch_round_new(&options, &f.round, &err), &err);
    const uint64_t owed[2] = { 15, 15 };
    vch_round_assign(f.round, owed);
    CHECK_OK(vch_results_new(2, TASKS, &f.results, &err), &err);
    f.intake = (vch_intake) { .plan = f.plan,
                              .round = f.round,
                              .results = f.results,
                              .model = &f.model,
                              .pipeline = vch_pipeline_plain(),
                              .arriving = f.arriving };
    *state = &f;
    return 0;
}

static int set_up(void **state)
{
    return set_up_with(state, NULL, SAMPLE_PLAN_HEAD);
}

static int set_up_1_8(void **state)
{
    return set_up_with(state, "1.8", SAMPLE_PLAN_HEAD);
}

static int tear_down(void **state)
{
    fixture *f = *state;
    vch_results_free(f->results);
    vch_round_free(f->round);
    vch_model_done(&f->model);
    vch_plan_free(f->plan);
    return 0;
}

/* A result as a collaborator writes it, which each test then spoils in one way. */
typedef struct sent {
    vch_task_results_head head;
    size_t count;
    vch_named_tensor tensor[SENT_MAX];
    vch_buffer work[SENT_MAX];
    float loss;
} sent;

static const char *const trained[] = { "compressed", "trained", NULL };
static const char *const delta[] = { "compressed", "delta", "trained", NULL };
static const char *const metric[] = { "compressed", "metric", NULL };

static void add(sent *s, const char *name, const vch_shape *shape, const float *values,
                const char *const *tags, bool report)
{
    vouch_error err = { 0 };
    vch_named_tensor *t = &s->tensor[s->count];
    *t = (vch_named_tensor) { .name = vch_span_str(name),
                              .round = s->head.round,
                              .lossless = true,
                              .report = report,
                              .tags = vch_tags_of(tags) };
    s->work[s->count] = vch_buffer_with_cap(4096);
    CHECK_OK(vch_pipeline_encode_values(vch_pipeline_plain(), shape, values, &s->work[s->count], t,
                                        &err),
             &err);
    s->count++;
}

static void make_head(const fixture *f, sent *s, const char *task)
{
    const vch_plan_view *view = vch_plan_look(f->plan);
    *s = (sent) { .loss = 0.5F };
    s->head = (vch_task_results_head) { .header = { .sender = vch_span_str("col1"),
                                                    .receiver = vch_span_str(view->aggregator_uuid),
                                                    .federation_uuid =
                                                        vch_span_str(view->federation_uuid),
                                                    .single_col_cert_common_name = vch_span_str(
                                                        view->single_col_cert_common_name) },
                                        .task_name = vch_span_str(task),
                                        .data_size = 10 };
}

static void make_training(const fixture *f, sent *s)
{
    make_head(f, s, "train");
    vch_shape scalar;
    CHECK(vch_shape_make(NULL, 0, &scalar, NULL) == VOUCH_OK);
    add(s, "loss", &scalar, &s->loss, metric, true);
    for (size_t i = 0; i < f->model.count; i++)
        add(s, f->model.tensor[i].name, &f->model.tensor[i].shape, f->model.tensor[i].values,
            trained, false);
}

static void done_sent(sent *s)
{
    for (size_t i = 0; i < s->count; i++) {
        vch_named_tensor_done(&s->tensor[i]);
        vch_buffer_drop(&s->work[i]);
    }
}

/* Hand the result in under a certificate of that name, in pieces of `piece` bytes. */
static vouch_code hand_in_by(fixture *f, const sent *s, const char *peer, size_t piece,
                             vch_round_ruling *ruling, vouch_error *err)
{
    vch_task_results_writer *writer = NULL;
    vch_receipt *receipt = NULL;
    vch_buffer message = vch_buffer_with_cap(VCH_WIRE_PIECE_SIZE + 64);
    bool more = true;
    CHECK(vch_task_results_writer_new(&s->head, s->tensor, s->count, &writer, NULL) == VOUCH_OK);
    CHECK(vch_receipt_new(&f->intake, peer, &receipt, NULL) == VOUCH_OK);
    vouch_code rc = VOUCH_OK;
    while (rc == VOUCH_OK) {
        message.size = 0;
        CHECK(vch_task_results_writer_next(writer, &message, &more, NULL) == VOUCH_OK);
        if (!more)
            break;
        for (size_t at = 0; rc == VOUCH_OK && at < message.size; at += piece) {
            size_t n = message.size - at < piece ? message.size - at : piece;
            rc = vch_receipt_feed(receipt, (vouch_span) { message.data + at, n }, err);
        }
        if (rc == VOUCH_OK)
            rc = vch_receipt_message_end(receipt, err);
    }
    if (rc == VOUCH_OK)
        rc = vch_receipt_finish(receipt, ruling, err);
    if (rc == VOUCH_OK && *ruling == VCH_RESULT_TAKE)
        rc = vch_receipt_keep(receipt, ruling, err);
    vch_receipt_free(receipt);
    vch_task_results_writer_free(writer);
    vch_buffer_drop(&message);
    return rc;
}

static vouch_code hand_in(fixture *f, const sent *s, size_t member, size_t piece,
                          vch_round_ruling *ruling, vouch_error *err)
{
    static const char *const names[] = { "col1", "col2" };
    return hand_in_by(f, s, names[member], piece, ruling, err);
}

static void check_spooled(const fixture *f, size_t member, float add_to_each)
{
    vouch_error err = { 0 };
    float values[9];
    const vch_result *r = vch_results_look(f->results, member, task_index(f, "train"));
    CHECK(r != NULL && r->update != NULL && r->data_size == 10);
    for (size_t i = 0, at = 0; i < f->model.count; i++) {
        size_t count = f->model.tensor[i].shape.count;
        CHECK_OK(vch_sealed_read(r->update, vch_result_offset(r, &f->model, i), values + at,
                                 count * sizeof *values, &err),
                 &err);
        at += count;
    }
    for (size_t i = 0; i < 6; i++)
        CHECK(values[i] == (float)i + add_to_each * (float)i);
    for (size_t i = 0; i < 3; i++)
        CHECK(values[6 + i] == (float)i + add_to_each * (float)i);
}

static void a_result_is_taken_in_pieces_of_any_size(void **state)
{
    for (size_t piece = 1; piece < 300; piece = piece * 3 + 1) {
        vouch_error err = { 0 };
        sent s;
        vch_round_ruling ruling = VCH_RESULT_OVER;
        fixture *f = *state;
        make_training(f, &s);
        CHECK_OK(hand_in(f, &s, COL1, piece, &ruling, &err), &err);
        CHECK(ruling == VCH_RESULT_TAKE);
        check_spooled(f, COL1, 0.0F);
        const vch_result *r = vch_results_look(f->results, COL1, task_index(f, "train"));
        CHECK(r->metric_count == 1 && r->metric[0].value == 0.5F);
        CHECK(vch_round_judge(f->round, COL1, 0, task_index(f, "train")) == VCH_RESULT_DUPLICATE);
        done_sent(&s);
        (void)tear_down(state);
        (void)set_up(state);
    }
}

static void tensors_may_come_in_any_order(void **state)
{
    fixture *f = *state;
    vouch_error err = { 0 };
    vch_round_ruling ruling = VCH_RESULT_OVER;
    sent s;
    make_training(f, &s);
    vch_named_tensor first = s.tensor[1];
    s.tensor[1] = s.tensor[2];
    s.tensor[2] = first;
    CHECK_OK(hand_in(f, &s, COL1, 7, &ruling, &err), &err);
    CHECK(vch_results_look(f->results, COL1, task_index(f, "train"))->order_count == 2);
    check_spooled(f, COL1, 0.0F);
    done_sent(&s);
}

/* Stored, but too late: the round went on while the disk was waited for. */
static void what_is_stored_after_its_round_is_not_kept(void **state)
{
    fixture *f = *state;
    vouch_error err = { 0 };
    vch_round_ruling ruling = VCH_RESULT_OVER;
    sent s;
    make_training(f, &s);
    vch_receipt *receipt = NULL;
    vch_task_results_writer *writer = NULL;
    vch_buffer message = vch_buffer_with_cap(4096);
    CHECK_OK(vch_task_results_writer_new(&s.head, s.tensor, s.count, &writer, &err), &err);
    bool more = true;
    CHECK_OK(vch_task_results_writer_next(writer, &message, &more, &err), &err);
    CHECK_OK(vch_receipt_new(&f->intake, "col1", &receipt, &err), &err);
    CHECK_OK(vch_receipt_feed(receipt, vch_buffer_span(&message), &err), &err);
    CHECK_OK(vch_receipt_message_end(receipt, &err), &err);
    CHECK_OK(vch_receipt_finish(receipt, &ruling, &err), &err);
    CHECK(ruling == VCH_RESULT_TAKE);
    CHECK(vch_results_update_task(f->results) == -1); /* not before it is stored */
    CHECK(vch_round_judge(f->round, COL1, 0, task_index(f, "train")) == VCH_RESULT_TAKE);
    vch_round_advance(f->round, 0);
    CHECK_OK(vch_receipt_keep(receipt, &ruling, &err), &err);
    CHECK(ruling == VCH_RESULT_OTHER_ROUND);
    CHECK(vch_results_update_task(f->results) == -1);
    vch_receipt_free(receipt);
    vch_task_results_writer_free(writer);
    vch_buffer_drop(&message);
    done_sent(&s);
}

static void a_delta_is_added_to_the_model_of_its_round(void **state)
{
    fixture *f = *state;
    vouch_error err = { 0 };
    sent s;
    vch_round_ruling ruling = VCH_RESULT_OVER;
    make_training(f, &s);
    s.tensor[1].tags = vch_tags_of(delta);
    s.tensor[2].tags = vch_tags_of(delta);
    CHECK_OK(hand_in(f, &s, COL1, 7, &ruling, &err), &err);
    check_spooled(f, COL1, 1.0F);
    done_sent(&s);
}

/* OpenFL's task runner for PyTorch, until 1.8. */
static void an_optimisers_state_that_stays_at_its_site_is_dropped_when_it_is_sent(void **state)
{
    for (size_t piece = 1; piece < 300; piece = piece * 3 + 1) {
        fixture *f = *state;
        vouch_error err = { 0 };
        sent s;
        vch_round_ruling ruling = VCH_RESULT_OVER;
        char name[70][32];
        make_head(f, &s, "train");
        for (size_t i = 0; i < 70; i++) { /* before, between and after what the model has */
            (void)snprintf(name[i], sizeof name[i], "__opt_state_0_%zu_istensor_step", i);
            add(&s, name[i], &f->model.tensor[0].shape, f->model.tensor[0].values, trained, false);
            if (i < f->model.count)
                add(&s, f->model.tensor[i].name, &f->model.tensor[i].shape,
                    f->model.tensor[i].values, trained, false);
        }
        CHECK_OK(hand_in(f, &s, COL1, piece, &ruling, &err), &err);
        CHECK(ruling == VCH_RESULT_TAKE);
        check_spooled(f, COL1, 0.0F);
        done_sent(&s);
        (void)tear_down(state);
        (void)set_up(state);
    }
}

static void what_is_dropped_has_a_limit(void **state)
{
    fixture *f = *state;
    const int32_t dims[2] = { 1024, 1024 };
    vch_shape shape;
    CHECK(vch_shape_make(dims, 2, &shape, NULL) == VOUCH_OK);
    sample_tensor(&f->model, "large", dims[0], dims[1]);
    for (size_t states = 3; states <= 6; states += 3) {
        vouch_error err = { 0 };
        sent s;
        vch_round_ruling ruling = VCH_RESULT_OVER;
        char name[6][32];
        make_training(f, &s);
        if (states > 3)
            s.head.header.sender = vch_span_str("col2");
        for (size_t i = 0; i < states; i++) {
            (void)snprintf(name[i], sizeof name[i], "__opt_state_0_0_istensor_%zu", i);
            add(&s, name[i], &shape, f->model.tensor[2].values, trained, false);
        }
        vouch_code rc = hand_in(f, &s, states == 3 ? COL1 : COL2, 65536, &ruling, &err);
        CHECK(rc == (states == 3 ? VOUCH_OK : VOUCH_E_REFUSED));
        done_sent(&s);
    }
}

static void sharing_plan(char out[static sizeof SAMPLE_PLAN_HEAD + 16])
{
    const char *at = strstr(SAMPLE_PLAN_HEAD, "RESET");
    (void)snprintf(out, sizeof SAMPLE_PLAN_HEAD + 16, "%.*sCONTINUE_GLOBAL%s",
                   (int)(at - SAMPLE_PLAN_HEAD), SAMPLE_PLAN_HEAD, at + strlen("RESET"));
}

static int set_up_sharing(void **state)
{
    char text[sizeof SAMPLE_PLAN_HEAD + 16];
    sharing_plan(text);
    return set_up_with(state, NULL, text);
}

static int set_up_sharing_1_8(void **state)
{
    char text[sizeof SAMPLE_PLAN_HEAD + 16];
    sharing_plan(text);
    return set_up_with(state, "1.8", text);
}

/* A training result of col1 with one tensor more. */
static vouch_code hand_in_with(fixture *f, const char *name, vouch_error *err)
{
    sent s;
    vch_round_ruling ruling = VCH_RESULT_OVER;
    make_training(f, &s);
    add(&s, name, &f->model.tensor[0].shape, f->model.tensor[0].values, trained, false);
    vouch_code rc = hand_in(f, &s, COL1, 64, &ruling, err);
    CHECK(rc != VOUCH_OK || ruling == VCH_RESULT_TAKE);
    done_sent(&s);
    return rc;
}

static void a_state_of_any_name_is_dropped_where_the_releases_task_runners_send_it(void **state)
{
    fixture *f = *state;
    vouch_error err = { 0 };
    CHECK_OK(hand_in_with(f, "Adam/conv2d/kernel/m:0", &err), &err);
    check_spooled(f, COL1, 0.0F);
}

static void a_tensor_that_the_model_does_not_have_is_refused(void **state)
{
    vouch_error err = { 0 };
    CHECK(hand_in_with(*state, "Adam/conv2d/kernel/m:0", &err) == VOUCH_E_REFUSED);
    CHECK(strstr(err.frame[0], "the model has no such tensor") != NULL);
}

static void a_shared_state_that_the_model_does_not_declare_is_refused_with_the_remedy(void **state)
{
    static const struct {
        const char *name, *says;
    } unknown[] = { { "__opt_state_0_0_istensor_step", "vouch plan initialize -i save/init.pbuf" },
                    { "__opt_", "the model has no such tensor" },
                    { "momentum", "the model has no such tensor" } };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        vouch_error err = { 0 };
        sent s;
        vch_round_ruling ruling = VCH_RESULT_OVER;
        make_training(f, &s);
        add(&s, unknown[i].name, &f->model.tensor[0].shape, f->model.tensor[0].values, trained,
            false);
        CHECK(hand_in(f, &s, COL1, 64, &ruling, &err) == VOUCH_E_REFUSED);
        CHECK(strstr(err.frame[0], unknown[i].says) != NULL);
        done_sent(&s);
    }
}

/* One way to spoil a training result each; all of them must be refused for good. */
static float spoiled[6];

static void make_metric(const fixture *f, sent *s, const char *task, const vch_pipeline *through)
{
    static const char *const tags[] = { "compressed", "metric", "validate_agg", NULL };
    vouch_error err = { 0 };
    vch_shape scalar;
    make_head(f, s, task);
    s->work[0] = vch_buffer_with_cap(4096);
    s->tensor[0] = (vch_named_tensor) { .name = vch_span_str("accuracy"),
                                        .report = true,
                                        .tags = vch_tags_of(tags) };
    CHECK(vch_shape_make(NULL, 0, &scalar, NULL) == VOUCH_OK);
    CHECK_OK(
        vch_pipeline_encode_values(through, &scalar, &s->loss, &s->work[0], &s->tensor[0], &err),
        &err);
    s->count = 1;
}

static void expect_refused_metric(fixture *f, const sent *s, const char *reason)
{
    vouch_error err = { 0 };
    char why[1024];
    vch_round_ruling ruling = VCH_RESULT_OVER;
    CHECK(hand_in(f, s, COL1, 7, &ruling, &err) == VOUCH_E_REFUSED);
    if (strstr(vouch_error_text(&err, why, sizeof why), reason) == NULL)
        fail_msg("not '%s': %s", reason, why);
}

/* OpenFL sends metrics through the plan's pipeline too, unless that loses something. */
static void a_metric_comes_through_a_pipeline_that_loses_nothing(void **state)
{
    static const char first[] = "aggregated_model_validation";
    static const char second[] = "locally_tuned_model_validation";
    fixture *f = *state;
    sent s;
    vouch_error err = { 0 };
    vch_round_ruling ruling = VCH_RESULT_OVER;
    const vch_plan_pipeline how = { .kind = VCH_COMPRESSION_RANDOM_SHIFT };
    const vch_pipeline shift = vch_pipeline_make(&how, 1);
    f->intake.pipeline = &shift;
    make_metric(f, &s, first, &shift);
    CHECK_OK(hand_in(f, &s, COL1, 7, &ruling, &err), &err);
    const vch_result *r = vch_results_look(f->results, COL1, task_index(f, first));
    CHECK(r != NULL && r->metric_count == 1);
    CHECK(fabsf(r->metric[0].value - s.loss) < 1e-5F);
    done_sent(&s);
    make_metric(f, &s, second, &shift); /* but what its one value was shifted by is not told */
    s.tensor[0].metadata[0].pairs[0].key = 1;
    expect_refused_metric(f, &s, "metric 'accuracy'");
    done_sent(&s);
    f->intake.pipeline = vch_pipeline_plain(); /* and not through another pipeline */
    make_metric(f, &s, second, &shift);
    expect_refused_metric(f, &s, "transformer_metadata");
    done_sent(&s);
}

static void spoil_nan(sent *s)
{
    memcpy(spoiled, s->tensor[1].data.data, sizeof spoiled);
    spoiled[4] = NAN;
    s->tensor[1].data.data = (const uint8_t *)spoiled;
}

static void spoil_infinity(sent *s)
{
    spoil_nan(s);
    spoiled[4] = -INFINITY;
}

static void spoil_huge(sent *s)
{
    spoil_nan(s);
    spoiled[4] = 2e30F;
}

static void spoil_shape(sent *s)
{
    int32_t *dims = s->tensor[1].metadata[0].ints;
    dims[0] = 3;
    dims[1] = 2;
}

static void spoil_size(sent *s)
{
    s->tensor[1].data.size -= 4;
}

static void spoil_odd_size(sent *s)
{
    s->tensor[1].data.size -= 1;
}

static void spoil_missing(sent *s)
{
    s->count--;
    vch_named_tensor_done(&s->tensor[2]);
    vch_buffer_drop(&s->work[2]);
}

static void spoil_no_update(sent *s)
{
    spoil_missing(s);
    s->count--;
    vch_named_tensor_done(&s->tensor[1]);
    vch_buffer_drop(&s->work[1]);
}

static void spoil_extra(sent *s)
{
    s->tensor[2].name = vch_span_str("c");
}

static void spoil_twice(sent *s)
{
    vch_shape shape;
    const int32_t three = 3;
    CHECK(vch_shape_make(&three, 1, &shape, NULL) == VOUCH_OK);
    static const float values[3] = { 1.0F, 2.0F, 3.0F }; /* the pipeline borrows them */
    add(s, "b", &shape, values, trained, false);
}

static void spoil_tags(sent *s)
{
    static const char *const model[] = { "compressed", "model", NULL };
    s->tensor[1].tags = vch_tags_of(model);
}

static void spoil_no_transport_tag(sent *s)
{
    static const char *const bare[] = { "trained", NULL };
    s->tensor[1].tags = vch_tags_of(bare);
}

static void spoil_lossy(sent *s)
{
    static const char *const lossy[] = { "delta", "lossy_compressed", "trained", NULL };
    s->tensor[1].tags = vch_tags_of(lossy);
}

static void spoil_metadata(sent *s)
{
    vch_metadata_done(&s->tensor[1].metadata[0]);
    s->tensor[1].metadata_count = 0;
}

static void spoil_tensor_round(sent *s)
{
    s->tensor[2].round = 1;
}

static void spoil_weight_zero(sent *s)
{
    s->head.data_size = 0;
}

static void spoil_weight_negative(sent *s)
{
    s->head.data_size = -5;
}

static void spoil_metric_nan(sent *s)
{
    s->loss = NAN;
}

static void spoil_metric_twice(sent *s)
{
    vch_shape scalar;
    CHECK(vch_shape_make(NULL, 0, &scalar, NULL) == VOUCH_OK);
    add(s, "loss", &scalar, &s->loss, metric, true);
}

static void spoil_metric_no_name(sent *s)
{
    s->tensor[0].name = (vouch_span) { 0 };
}

static void spoil_metric_long_name(sent *s)
{
    static char name[VCH_METRIC_NAME_SIZE + 1];
    memset(name, 'm', VCH_METRIC_NAME_SIZE);
    s->tensor[0].name = vch_span_str(name);
}

/* Metadata of a shape that holds so many values. */
static void give_metric_shape(sent *s, int32_t count)
{
    static float values[2];
    vch_shape shape;
    vch_named_tensor_done(&s->tensor[0]);
    vch_buffer_drop(&s->work[0]);
    CHECK(vch_shape_make(&count, 1, &shape, NULL) == VOUCH_OK);
    s->count = 0;
    add(s, "loss", &shape, values, metric, true);
    s->count = 3;
}

static void spoil_metric_shape(sent *s)
{
    give_metric_shape(s, 2);
    s->tensor[0].data.size = 4;
}

static void spoil_metric_size(sent *s)
{
    give_metric_shape(s, 1);
    s->tensor[0].data.size = 8;
}

static void spoil_metric_metadata(sent *s)
{
    vch_metadata_done(&s->tensor[0].metadata[0]);
    s->tensor[0].metadata_count = 0;
}

static void spoil_metric_vector(sent *s)
{
    s->tensor[1].tags = vch_tags_of(metric);
    s->tensor[1].report = true;
}

static void spoil_with_too_many_bytes(sent *s)
{
    static const uint8_t more_than_the_model[10 * sizeof(float)];
    s->tensor[1].data = (vouch_span) { more_than_the_model, sizeof more_than_the_model };
}

static void spoil_task_name(sent *s)
{
    static char name[VCH_WIRE_NAME_MAX + 2];
    memset(name, 't', sizeof name - 1);
    s->head.task_name = vch_span_str(name);
}

static void spoil_sender(sent *s)
{
    s->head.header.sender = vch_span_str("col2");
}

static void spoil_receiver(sent *s)
{
    s->head.header.receiver = vch_span_str("aggregator_x");
}

static void spoil_federation(sent *s)
{
    s->head.header.federation_uuid = vch_span_str("plan.yaml_00000000");
}

static void spoil_common_name(sent *s)
{
    s->head.header.single_col_cert_common_name = vch_span_str("anyone");
}

static const struct {
    const char *name;
    void (*spoil)(sent *s);
    const char *reason;
} hostile[] = {
    { "NaN", spoil_nan, "element 4 is nan" },
    { "infinity", spoil_infinity, "element 4 is -inf" },
    { "a huge value", spoil_huge, "element 4 is 2e+30" },
    { "another shape of the same size", spoil_shape, "shape" },
    { "fewer bytes than the shape", spoil_size, "bytes" },
    { "bytes that are no floats", spoil_odd_size, "bytes" },
    { "a tensor is missing", spoil_missing, "tensor 'b' is missing" },
    { "training without an update", spoil_no_update, "came without an update" },
    { "a tensor that the model does not have", spoil_extra, "the model has no such tensor" },
    { "a tensor twice", spoil_twice, "came twice" },
    { "tags of something else", spoil_tags, "neither a metric nor an update: tags model" },
    { "no transport tag", spoil_no_transport_tag, "tags" },
    { "lossy where the plan is lossless", spoil_lossy, "the plan's pipeline is not" },
    { "no metadata", spoil_metadata, "metadata" },
    { "a tensor of another round", spoil_tensor_round, "it is of round 1" },
    { "a weight of zero", spoil_weight_zero, "data_size 0 for task 'train'" },
    { "a negative weight", spoil_weight_negative, "data_size -5" },
    { "a metric that is not finite", spoil_metric_nan, "metric 'loss' is not finite" },
    { "a metric twice", spoil_metric_twice, "metric 'loss' twice" },
    { "a metric without a name", spoil_metric_no_name, "a metric's name must be" },
    { "a metric's name that is too long", spoil_metric_long_name, "a metric's name must be" },
    { "a metric of many numbers", spoil_metric_vector, "a metric must be one number" },
    { "a metric of two numbers in one's bytes", spoil_metric_shape, "a metric must be one number" },
    { "a metric of one number in two's bytes", spoil_metric_size, "a metric must be one number" },
    { "a metric without metadata", spoil_metric_metadata, "metric: " },
    { "a tensor of more bytes than the model", spoil_with_too_many_bytes, "at most 36" },
    { "a task's name without end", spoil_task_name, "more than is ever taken" },
    { "another sender", spoil_sender, "not the admitted peer 'col1'" },
    { "another receiver", spoil_receiver, "receiver is" },
    { "another federation", spoil_federation, "federation_uuid is" },
    { "another common name", spoil_common_name, "single_col_cert_common_name is" },
};

static void a_hostile_result_is_refused_and_leaves_nothing(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        vouch_error err = { 0 };
        char why[1024];
        sent s;
        vch_round_ruling ruling = VCH_RESULT_OVER;
        make_training(f, &s);
        hostile[i].spoil(&s);
        vouch_code rc = hand_in(f, &s, COL1, 64, &ruling, &err);
        (void)vouch_error_text(&err, why, sizeof why);
        if (rc != VOUCH_E_REFUSED || strstr(why, hostile[i].reason) == NULL)
            fail_msg("%s: %s: %s", hostile[i].name, vouch_code_name(rc), why);
        CHECK(vch_results_look(f->results, COL1, task_index(f, "train")) == NULL);
        CHECK(vch_round_judge(f->round, COL1, 0, task_index(f, "train")) == VCH_RESULT_TAKE);
        done_sent(&s);
    }
}

/* SAMPLE_PLAN_HEAD with one certificate for all. */
static int set_up_shared(void **state)
{
    char text[sizeof SAMPLE_PLAN_HEAD + 64];
    const char *at = strstr(SAMPLE_PLAN_HEAD, "rounds_to_train");
    CHECK(at != NULL);
    (void)snprintf(text, sizeof text, "%.*ssingle_col_cert_common_name: all, %s",
                   (int)(at - SAMPLE_PLAN_HEAD), SAMPLE_PLAN_HEAD, at);
    return set_up_with(state, NULL, text);
}

static void under_one_certificate_for_all_the_header_says_whose_result_it_is(void **state)
{
    fixture *f = *state;
    static const char *const names[] = { "col2", "col1" };
    static const size_t members[] = { COL2, COL1 };
    for (size_t i = 0; i < 2; i++) {
        vouch_error err = { 0 };
        sent s;
        vch_round_ruling ruling = VCH_RESULT_OVER;
        make_training(f, &s);
        s.head.header.sender = vch_span_str(names[i]);
        CHECK_OK(hand_in_by(f, &s, "all", 64, &ruling, &err), &err);
        CHECK(ruling == VCH_RESULT_TAKE);
        check_spooled(f, members[i], 0.0F);
        CHECK((vch_results_look(f->results, COL1, task_index(f, "train")) != NULL) == (i == 1));
        done_sent(&s);
    }
}

static void under_one_certificate_for_all_no_other_and_nobody_else_is_heard(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *peer, *sender, *field, *says;
    } cases[] = {
        { "col1", "col1", "all", "the certificate is of 'col1', not of 'all'" },
        { "All", "col1", "all", "the certificate is of 'All'" },
        { "", "col1", "all", "the certificate is of ''" },
        { "all", "col3", "all", "'col3' is not in cols.yaml" },
        { "all", "all", "all", "'all' is not in cols.yaml" },
        { "all", "", "all", "'' is not in cols.yaml" },
        { "all", "col1", "", "single_col_cert_common_name is ''" },
        { "all", "col1", "col1", "single_col_cert_common_name is 'col1'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vouch_error err = { 0 };
        char text[512];
        sent s;
        vch_round_ruling ruling = VCH_RESULT_OVER;
        make_training(f, &s);
        s.head.header.sender = vch_span_str(cases[i].sender);
        s.head.header.single_col_cert_common_name = vch_span_str(cases[i].field);
        CHECK(hand_in_by(f, &s, cases[i].peer, 64, &ruling, &err) == VOUCH_E_REFUSED);
        if (strstr(vouch_error_text(&err, text, sizeof text), cases[i].says) == NULL)
            fail_msg("case %zu: %s", i, text);
        CHECK(vch_results_update_task(f->results) == -1);
        done_sent(&s);
    }
}

static vch_receipt *begin_receipt(const fixture *f, const sent *s, const char *peer,
                                  vouch_code want)
{
    vch_receipt *receipt = NULL;
    vch_task_results_writer *writer = NULL;
    vch_buffer message = vch_buffer_with_cap(VCH_WIRE_PIECE_SIZE + 64);
    bool more = true;
    CHECK(vch_task_results_writer_new(&s->head, s->tensor, s->count, &writer, NULL) == VOUCH_OK);
    CHECK(vch_task_results_writer_next(writer, &message, &more, NULL) == VOUCH_OK);
    CHECK(vch_receipt_new(&f->intake, peer, &receipt, NULL) == VOUCH_OK);
    CHECK(vch_receipt_member(receipt) == -1);
    CHECK(vch_receipt_feed(receipt, vch_buffer_span(&message), NULL) == want);
    vch_task_results_writer_free(writer);
    vch_buffer_drop(&message);
    return receipt;
}

static void a_member_has_four_results_on_their_way_and_not_five(void **state)
{
    fixture *f = *state;
    vch_receipt *open[VCH_RECEIPTS_MAX];
    sent s;
    make_training(f, &s);
    for (size_t i = 0; i < VCH_RECEIPTS_MAX; i++) {
        open[i] = begin_receipt(f, &s, "col1", VOUCH_OK);
        CHECK(vch_receipt_member(open[i]) == COL1);
    }
    vch_receipt *fifth = begin_receipt(f, &s, "col1", VOUCH_E_IO);
    vch_receipt_free(fifth); /* was not counted, so it gives nothing back */
    vch_receipt_free(begin_receipt(f, &s, "col1", VOUCH_E_IO));
    s.head.header.sender = vch_span_str("col2");
    vch_receipt_free(begin_receipt(f, &s, "col2", VOUCH_OK));
    s.head.header.sender = vch_span_str("col1");
    vch_receipt_free(open[0]);
    open[0] = begin_receipt(f, &s, "col1", VOUCH_OK);
    for (size_t i = 0; i < VCH_RECEIPTS_MAX; i++)
        vch_receipt_free(open[i]);
    CHECK(f->arriving[COL1] == 0 && f->arriving[COL2] == 0);
    done_sent(&s);
}

/* Not even text on the wire, where the peer is not to blame for what a broken line makes of it. */
static void a_metrics_name_with_a_nul_is_unreadable(void **state)
{
    fixture *f = *state;
    sent s;
    vch_round_ruling ruling = VCH_RESULT_OVER;
    make_training(f, &s);
    s.tensor[0].name = (vouch_span) { (const uint8_t *)"a\0b", 3 };
    CHECK(hand_in(f, &s, COL1, 64, &ruling, NULL) == VOUCH_E_FORMAT);
    done_sent(&s);
}

/* A result of so many metrics, "m0" and on. */
static vouch_code hand_in_metrics(fixture *f, size_t count, vouch_error *err)
{
    static sent s;
    static char names[VCH_METRIC_MAX + 1][8];
    vch_shape scalar;
    vch_round_ruling ruling = VCH_RESULT_OVER;
    CHECK(vch_shape_make(NULL, 0, &scalar, NULL) == VOUCH_OK);
    make_head(f, &s, "aggregated_model_validation");
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof names[i], "m%zu", i);
        add(&s, names[i], &scalar, &s.loss, metric, true);
    }
    vouch_code rc = hand_in(f, &s, COL1, 64, &ruling, err);
    done_sent(&s);
    return rc;
}

static void a_result_has_as_many_metrics_as_there_is_room_for(void **state)
{
    fixture *f = *state;
    vouch_error err = { 0 };
    CHECK(hand_in_metrics(f, VCH_METRIC_MAX + 1, &err) == VOUCH_E_REFUSED);
    CHECK(strstr(err.frame[0], "more than 32 metrics") != NULL);
    err = (vouch_error) { 0 };
    CHECK_OK(hand_in_metrics(f, VCH_METRIC_MAX, &err), &err);
}

static void an_update_keeps_to_the_limits_of_the_plan(void **state)
{
    /* the update's values are 0 to 5 and 0 to 2: their norm is 7.746; its weight is 10 */
    static const struct {
        const char *limits;
        vouch_code want;
    } cases[] = {
        { "update_norm_max: 7.74", VOUCH_E_REFUSED }, { "update_norm_max: 7.75", VOUCH_OK },
        { "value_max: 4.9", VOUCH_E_REFUSED },        { "value_max: 5", VOUCH_OK },
        { "data_size_max: 9", VOUCH_E_REFUSED },      { "data_size_max: 10", VOUCH_OK },
    };
    (void)tear_down(state);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char plan[4096];
        sent s;
        vch_round_ruling ruling = VCH_RESULT_OVER;
        (void)snprintf(plan, sizeof plan, "%slimits: {settings: {%s}}\n", SAMPLE_PLAN_HEAD,
                       cases[i].limits);
        (void)set_up_with(state, NULL, plan);
        fixture *f = *state;
        make_training(f, &s);
        vouch_code rc = hand_in(f, &s, COL1, 64, &ruling, NULL);
        if (rc != cases[i].want)
            fail_msg("%s: %s", cases[i].limits, vouch_code_name(rc));
        done_sent(&s);
        (void)tear_down(state);
    }
    (void)set_up(state);
}

static void a_validation_must_not_carry_an_update(void **state)
{
    fixture *f = *state;
    sent s;
    vch_round_ruling ruling = VCH_RESULT_OVER;
    make_training(f, &s);
    s.head.task_name = vch_span_str("aggregated_model_validation");
    CHECK(hand_in(f, &s, COL1, 64, &ruling, NULL) == VOUCH_E_REFUSED);
    done_sent(&s);
}

/* There is one new model in a round, and all updates of it come under one task. */
static void a_rounds_updates_come_under_one_task(void **state)
{
    (void)tear_down(state);
    (void)set_up_with(state, NULL, SAMPLE_PLAN_HEAD OTHER_TRAINING);
    fixture *f = *state;
    vouch_error err = { 0 };
    sent s;
    vch_round_ruling ruling = VCH_RESULT_OVER;
    make_training(f, &s);
    CHECK_OK(hand_in(f, &s, COL1, 64, &ruling, &err), &err);
    s.head.header.sender = vch_span_str("col2");
    s.head.task_name = vch_span_str("tune_train");
    CHECK(hand_in(f, &s, COL2, 64, &ruling, &err) == VOUCH_E_REFUSED);
    CHECK(strstr(err.frame[0], "come under another task") != NULL);
    s.head.task_name = vch_span_str("train");
    CHECK_OK(hand_in(f, &s, COL2, 64, &ruling, &err), &err);
    done_sent(&s);
}

static void the_second_of_two_equal_results_is_dropped(void **state)
{
    fixture *f = *state;
    vouch_error err = { 0 };
    sent s;
    vch_round_ruling ruling = VCH_RESULT_OVER;
    make_training(f, &s);
    CHECK_OK(hand_in(f, &s, COL1, 64, &ruling, &err), &err);
    s.head.data_size = 99;
    CHECK_OK(hand_in(f, &s, COL1, 64, &ruling, &err), &err);
    CHECK(ruling == VCH_RESULT_DUPLICATE);
    check_spooled(f, COL1, 0.0F); /* the first one stands */
    s.head.header.sender = vch_span_str("col2");
    s.head.data_size = 10;
    CHECK_OK(hand_in(f, &s, COL2, 64, &ruling, &err), &err);
    CHECK(ruling == VCH_RESULT_TAKE);
    done_sent(&s);
}

static void late_early_and_unknown_results_are_dropped(void **state)
{
    fixture *f = *state;
    vouch_error err = { 0 };
    sent s;
    vch_round_ruling ruling = VCH_RESULT_TAKE;
    make_training(f, &s);
    s.head.task_name = vch_span_str("no such task");
    CHECK_OK(hand_in(f, &s, COL1, 64, &ruling, &err), &err);
    CHECK(ruling == VCH_RESULT_NOT_OWED);
    s.head.task_name = vch_span_str("train");
    s.head.round = 1;
    CHECK_OK(hand_in(f, &s, COL1, 64, &ruling, &err), &err);
    CHECK(ruling == VCH_RESULT_OTHER_ROUND);
    s.head.round = 0;
    vch_round_advance(f->round, 0);
    CHECK_OK(hand_in(f, &s, COL1, 64, &ruling, &err), &err);
    CHECK(ruling == VCH_RESULT_OTHER_ROUND);
    CHECK(vch_results_update_task(f->results) == -1);
    done_sent(&s);
}

static void a_round_that_ends_while_a_result_arrives_drops_it(void **state)
{
    fixture *f = *state;
    vouch_error err = { 0 };
    sent s;
    vch_task_results_writer *writer = NULL;
    vch_receipt *receipt = NULL;
    vch_buffer message = vch_buffer_with_cap(4096);
    bool more = true;
    vch_round_ruling ruling = VCH_RESULT_TAKE;
    make_training(f, &s);
    CHECK_OK(vch_task_results_writer_new(&s.head, s.tensor, s.count, &writer, &err), &err);
    CHECK_OK(vch_receipt_new(&f->intake, "col1", &receipt, &err), &err);
    CHECK_OK(vch_task_results_writer_next(writer, &message, &more, &err), &err);
    CHECK_OK(vch_receipt_feed(receipt, vch_buffer_span(&message), &err), &err);
    CHECK_OK(vch_receipt_message_end(receipt, &err), &err);
    vch_round_advance(f->round, 0);
    CHECK_OK(vch_receipt_finish(receipt, &ruling, &err), &err);
    CHECK(ruling == VCH_RESULT_OTHER_ROUND);
    CHECK(vch_results_update_task(f->results) == -1);
    vch_receipt_free(receipt);
    vch_task_results_writer_free(writer);
    vch_buffer_drop(&message);
    done_sent(&s);
}

/* A client until 1.6 repeats a broken stream with an iterator that is used up: if that were
 * answered OK, its update would be lost without a word. */
static void an_empty_or_half_stream_is_an_error_but_no_refusal(void **state)
{
    fixture *f = *state;
    vouch_error err = { 0 };
    vch_round_ruling ruling = VCH_RESULT_TAKE;
    vch_receipt *receipt = NULL;
    CHECK_OK(vch_receipt_new(&f->intake, "col1", &receipt, &err), &err);
    vouch_code rc = vch_receipt_finish(receipt, &ruling, &err);
    CHECK(rc != VOUCH_OK && rc != VOUCH_E_REFUSED && rc != VOUCH_E_IO);
    vch_receipt_free(receipt);

    sent s;
    vch_task_results_writer *writer = NULL;
    vch_buffer message = vch_buffer_with_cap(4096);
    bool more = true;
    make_training(f, &s);
    CHECK_OK(vch_task_results_writer_new(&s.head, s.tensor, s.count, &writer, &err), &err);
    CHECK_OK(vch_task_results_writer_next(writer, &message, &more, &err), &err);
    for (size_t n = 1; n < message.size; n++) {
        err = (vouch_error) { 0 };
        CHECK_OK(vch_receipt_new(&f->intake, "col1", &receipt, &err), &err);
        rc = vch_receipt_feed(receipt, (vouch_span) { message.data, n }, &err);
        if (rc == VOUCH_OK)
            rc = vch_receipt_message_end(receipt, &err);
        if (rc == VOUCH_OK)
            rc = vch_receipt_finish(receipt, &ruling, &err);
        if (rc == VOUCH_OK || rc == VOUCH_E_REFUSED || rc == VOUCH_E_IO)
            fail_msg("cut at %zu of %zu: %s", n, message.size, vouch_code_name(rc));
        vch_receipt_free(receipt);
    }
    CHECK(vch_results_update_task(f->results) == -1);
    vch_task_results_writer_free(writer);
    vch_buffer_drop(&message);
    done_sent(&s);
}

static void a_spool_that_cannot_be_made_is_our_trouble(void **state)
{
    fixture *f = *state;
    sent s;
    vch_round_ruling ruling = VCH_RESULT_TAKE;
    vouch_error err = { 0 };
    char directory[VCH_PATH_SIZE];
    uint8_t digest[VCH_SHA256_SIZE] = { 0 };
    vch_loop *loop = NULL;
    vch_ledger *ledger = NULL;
    CHECK_OK(vch_dir_make_temporary(NULL, "vouch-intake-", directory, &err), &err);
    CHECK_OK(vch_loop_new(&loop, &err), &err);
    const vch_ledger_options how = {
        .parent = directory, .plan = f->plan, .model_digest = digest, .loop = loop
    };
    CHECK_OK(vch_ledger_open(&how, &ledger, &err), &err);
    CHECK(vch_dir_remove_tree(directory, NULL) == VOUCH_OK);
    f->intake.ledger = ledger;
    make_training(f, &s);
    CHECK(hand_in(f, &s, COL1, 64, &ruling, NULL) == VOUCH_E_IO);
    done_sent(&s);
    vch_ledger_close(ledger);
    vch_loop_free(loop);
}

static void on_followed(void *context, vouch_code rc, const vouch_error *err)
{
    (void)err;
    CHECK(rc == VOUCH_OK);
    *(bool *)context = true;
}

/* The rules change when so many bytes of a result have come: what the rest of it is answered. */
static vouch_code go_on_after_a_change(fixture *f, vch_ledger *ledger, size_t at)
{
    vouch_error err = { 0 };
    sent s;
    bool more = true;
    bool followed = false;
    vch_receipt *receipt = NULL;
    vch_task_results_writer *writer = NULL;
    vch_round_ruling ruling = VCH_RESULT_OVER;
    vch_buffer message = vch_buffer_with_cap(4096);
    const uint8_t next[VCH_SHA256_SIZE] = { (uint8_t)at, (uint8_t)(at >> 8), 1 };
    make_training(f, &s);
    CHECK_OK(vch_task_results_writer_new(&s.head, s.tensor, s.count, &writer, &err), &err);
    CHECK_OK(vch_task_results_writer_next(writer, &message, &more, &err), &err);
    at = at < message.size ? at : message.size;
    CHECK_OK(vch_receipt_new(&f->intake, "col1", &receipt, &err), &err);
    CHECK_OK(vch_receipt_feed(receipt, (vouch_span) { message.data, at }, &err), &err);
    const vch_ledger_rules rules = { .digest = next, .done = on_followed, .context = &followed };
    vch_ledger_reseal(ledger, &rules);
    vch_ledger_flush(ledger);
    CHECK(followed);
    vouch_code rc = VOUCH_OK;
    if (at < message.size)
        rc = vch_receipt_feed(receipt, (vouch_span) { message.data + at, message.size - at }, &err);
    if (rc == VOUCH_OK)
        rc = vch_receipt_message_end(receipt, &err);
    if (rc == VOUCH_OK)
        rc = vch_receipt_finish(receipt, &ruling, &err);
    vch_receipt_free(receipt);
    vch_task_results_writer_free(writer);
    vch_buffer_drop(&message);
    done_sent(&s);
    return rc;
}

static void what_arrives_while_the_rules_change_is_sent_again(void **state)
{
    fixture *f = *state;
    vouch_error err = { 0 };
    char directory[VCH_PATH_SIZE];
    uint8_t digest[VCH_SHA256_SIZE] = { 0 };
    vch_loop *loop = NULL;
    vch_ledger *ledger = NULL;
    CHECK_OK(vch_dir_make_temporary(NULL, "vouch-intake-", directory, &err), &err);
    CHECK_OK(vch_loop_new(&loop, &err), &err);
    const vch_ledger_options how = {
        .parent = directory, .plan = f->plan, .model_digest = digest, .loop = loop
    };
    CHECK_OK(vch_ledger_open(&how, &ledger, &err), &err);
    f->intake.ledger = ledger;
    CHECK(go_on_after_a_change(f, ledger, 10) == VOUCH_OK); /* nothing of it lies anywhere yet */
    CHECK(go_on_after_a_change(f, ledger, 300) == VOUCH_E_IO);
    CHECK(go_on_after_a_change(f, ledger, SIZE_MAX) == VOUCH_E_IO); /* all of it had come */
    vch_ledger_close(ledger);
    vch_loop_free(loop);
    CHECK(vch_dir_remove_tree(directory, NULL) == VOUCH_OK);
}

#define FRESH(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_result_is_taken_in_pieces_of_any_size),
        FRESH(tensors_may_come_in_any_order),
        FRESH(what_is_stored_after_its_round_is_not_kept),
        FRESH(a_delta_is_added_to_the_model_of_its_round),
        FRESH(a_metric_comes_through_a_pipeline_that_loses_nothing),
        FRESH(an_optimisers_state_that_stays_at_its_site_is_dropped_when_it_is_sent),
        FRESH(what_is_dropped_has_a_limit),
        cmocka_unit_test_setup_teardown(
            a_shared_state_that_the_model_does_not_declare_is_refused_with_the_remedy,
            set_up_sharing, tear_down),
        cmocka_unit_test_setup_teardown(
            a_shared_state_that_the_model_does_not_declare_is_refused_with_the_remedy,
            set_up_sharing_1_8, tear_down),
        cmocka_unit_test_setup_teardown(
            a_state_of_any_name_is_dropped_where_the_releases_task_runners_send_it, set_up_1_8,
            tear_down),
        FRESH(a_tensor_that_the_model_does_not_have_is_refused),
        FRESH(a_hostile_result_is_refused_and_leaves_nothing),
        cmocka_unit_test_setup_teardown(
            under_one_certificate_for_all_the_header_says_whose_result_it_is, set_up_shared,
            tear_down),
        cmocka_unit_test_setup_teardown(
            under_one_certificate_for_all_no_other_and_nobody_else_is_heard, set_up_shared,
            tear_down),
        FRESH(a_member_has_four_results_on_their_way_and_not_five),
        FRESH(a_metrics_name_with_a_nul_is_unreadable),
        FRESH(a_result_has_as_many_metrics_as_there_is_room_for),
        FRESH(an_update_keeps_to_the_limits_of_the_plan),
        FRESH(a_validation_must_not_carry_an_update),
        FRESH(a_rounds_updates_come_under_one_task),
        FRESH(the_second_of_two_equal_results_is_dropped),
        FRESH(late_early_and_unknown_results_are_dropped),
        FRESH(a_round_that_ends_while_a_result_arrives_drops_it),
        FRESH(an_empty_or_half_stream_is_an_error_but_no_refusal),
        FRESH(a_spool_that_cannot_be_made_is_our_trouble),
        FRESH(what_arrives_while_the_rules_change_is_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
