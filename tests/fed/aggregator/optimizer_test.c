/* What an aggregator says at its start about an optimiser's state that is to go round. */
#include "fed/aggregator/aggregator.h"

#include <stdio.h>
#include <string.h>

#include "sample_plan.h"

#define GLOBAL "opt_treatment: CONTINUE_GLOBAL"

/* The sample plan with that treatment, which has a line of its own there. */
static const char *plan_with(const char *treatment)
{
    static char text[8192];
    const char *at = strstr(SAMPLE_PLAN_HEAD, "opt_treatment: RESET");
    CHECK(at != NULL);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - SAMPLE_PLAN_HEAD), SAMPLE_PLAN_HEAD,
                   treatment, at + strlen("opt_treatment: RESET"));
    return text;
}

static void keep_line(void *sink, const char *line, size_t size)
{
    char *said = sink;
    size_t has = strlen(said);
    CHECK(has + size < 4096);
    memcpy(said + has, line, size);
    said[has + size] = '\0';
}

static int64_t now(void)
{
    return 0;
}

static void on_done(void *context, vouch_code rc, const vouch_error *why)
{
    (void)context;
    (void)rc;
    (void)why;
}

/* The warnings of a start with that treatment and, besides the sample model's, that tensor. */
static const char *said_of(const char *treatment, const char *tensor)
{
    static char said[4096];
    vouch_error err = { 0 };
    vch_plan *plan = sample_plan(plan_with(treatment), "collaborators: [col1]\n");
    vch_model model = sample_model();
    vch_loop *loop = NULL;
    vch_aggregator *a = NULL;
    const vch_log log = { .level = VCH_LOG_WARN, .write_line = keep_line, .sink = said };
    said[0] = '\0';
    if (tensor != NULL)
        sample_tensor(&model, tensor, 1, 0);
    CHECK_OK(vch_loop_new(&loop, &err), &err);
    const vch_aggregator_options how = {
        .plan = plan, .loop = loop, .now_ms = now, .done = on_done, .log = &log
    };
    CHECK_OK(vch_aggregator_new(&how, &model, &a, &err), &err);
    vch_aggregator_free(a);
    vch_loop_free(loop);
    vch_model_done(&model);
    vch_plan_free(plan);
    return said;
}

static void a_shared_state_that_the_model_does_not_declare_is_told_at_its_line(void **state)
{
    (void)state;
    const char *said = said_of(GLOBAL, NULL);
    CHECK(strstr(said, "optimizer.not_declared") != NULL);
    CHECK(strstr(said, "plan.yaml:7:") != NULL);
    CHECK(strstr(said, "vouch plan initialize -i save/init.pbuf") != NULL);
    CHECK(said_of(GLOBAL, "other")[0] != '\0');
}

static void nothing_is_told_of_a_state_that_is_declared_or_stays_at_its_site(void **state)
{
    (void)state;
    assert_string_equal(said_of(GLOBAL, "__opt_group_lengths"), "");
    assert_string_equal(said_of("opt_treatment: RESET", NULL), "");
    assert_string_equal(said_of("opt_treatment: CONTINUE_LOCAL", NULL), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_shared_state_that_the_model_does_not_declare_is_told_at_its_line),
        TEST(nothing_is_told_of_a_state_that_is_declared_or_stays_at_its_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
