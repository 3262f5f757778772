#include "fed/plan/plan.h"

#include <math.h>
#include <stdio.h>

#include "check.h"
#include "config/yaml.h"
#include "fed/plan/plan_text.h"
#include "fed/vector_file.h"

static void hashes_uuids_and_ports_equal_openfls_of_each_release(void **state)
{
    (void)state;
    vch_buffer list = vector_file("plan_hashes.txt");
    vch_buffer cols = vector_file("plans/cols.yaml");
    const char *text = vch_buffer_text(&list);
    char release[8];
    char name[32];
    char uuid[64];
    char hash[97];
    int port = 0;
    int used = 0;
    int lines = 0;
    while (sscanf(text, "%7s %31s %63s %96s %d\n%n", release, name, uuid, hash, &port, &used)
           == 5) {
        char path[64];
        vouch_error err = { 0 };
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        (void)snprintf(path, sizeof path, "plans/%s", name);
        vch_buffer plan = vector_file(path);
        vch_plan_source source = { .plan_name = path,
                                   .plan = vch_buffer_span(&plan),
                                   .cols_name = "cols.yaml",
                                   .cols = vch_buffer_span(&cols),
                                   .host_name = "agg.example.org" };
        CHECK_OK(vch_release_find(release, &source.release, &err), &err);
        CHECK_OK(vch_plan_parse(&source, &faults, &p, &err), &err);
        const vch_plan_view *v = vch_plan_look(p);
        assert_string_equal(v->hash_hex, hash);
        assert_string_equal(v->federation_uuid, uuid);
        CHECK(v->agg_port == port);
        assert_string_equal(v->agg_addr, "agg.example.org");
        CHECK(strncmp(v->aggregator_uuid, "aggregator_", 11) == 0);
        assert_string_equal(v->aggregator_uuid + 11, uuid);
        vch_plan_free(p);
        vch_faults_done(&faults);
        vch_buffer_drop(&plan);
        text += used;
        lines++;
    }
    CHECK(lines == 15);
    vch_buffer_drop(&cols);
    vch_buffer_drop(&list);
}

static void a_plan_is_read_into_its_view(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_faults faults = { 0 };
    vch_plan *p = NULL;
    vch_buffer text = vector_file("plans/explicit.yaml");
    CHECK_OK(parse_plan(vch_buffer_span(&text), "collaborators: [col2, col1]\n", &faults, &p, &err),
             &err);
    const vch_plan_view *v = vch_plan_look(p);
    CHECK(v->rounds == 5 && v->aggregator_store_rounds == 2 && v->collaborator_store_rounds == 1);
    assert_string_equal(v->init_state_path, "save/init.pbuf");
    assert_string_equal(v->single_col_cert_common_name, "");
    CHECK(v->model_from_delta && !v->delta_updates && !v->write_logs);
    CHECK(!v->attest_aggregator && !v->attest_aggregator_given);
    CHECK(v->opt_treatment == VCH_OPT_CONTINUE_GLOBAL);
    CHECK(v->agg_port == 50051 && v->reconnect_s == 2 && !v->agg_addr_was_auto);
    assert_string_equal(v->cert_folder, "cert");
    assert_string_equal(v->task_runner_template, "vouch.Mlp");
    CHECK(vch_yaml_get(v->task_runner, "seed") != NULL);
    CHECK(v->straggler.policy == VCH_STRAGGLER_CUTOFF_TIME && v->straggler.cutoff_s == 20
          && v->straggler.minimum_reporting == 1);
    CHECK(v->member_count == 2); /* in the file's order */
    assert_string_equal(v->member[0], "col2");
    CHECK(vch_plan_member(p, vch_span_str("col1")) == 1);
    CHECK(vch_plan_member(p, vch_span_str("col3")) == -1);
    CHECK(v->task_count == 2);
    const vch_plan_task *train = vch_plan_task_find(p, vch_span_str("train"));
    const vch_plan_task *check = vch_plan_task_find(p, vch_span_str("aggregated_model_validation"));
    CHECK(train != NULL && train->trains && train->aggregation.function == VCH_AGGREGATION_MEDIAN);
    CHECK(vch_yaml_get(train->kwargs, "epochs") != NULL);
    CHECK(check != NULL && check->validates && !check->trains && !check->apply_local);
    CHECK(check->aggregation.function == VCH_AGGREGATION_WEIGHTED_AVERAGE);
    vch_plan_free(p);
    vch_faults_done(&faults);
    vch_buffer_drop(&text);
}

static void each_release_has_its_own_arithmetic(void **state)
{
    (void)state;
    static const struct {
        const char *release, *setting;
        bool from_delta;
    } cases[] = { { "1.6", "    use_delta_updates: false", true },
                  { "1.7", "    use_delta_updates: false", false },
                  { "1.9", "    use_delta_updates: false", false },
                  { "1.9", "    use_delta_updates: true", true } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vouch_error err = { 0 };
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        vch_buffer text = with_line(good_plan, 7, cases[i].setting);
        vch_plan_source source = { .plan_name = "plan.yaml", .plan = vch_buffer_span(&text) };
        CHECK_OK(vch_release_find(cases[i].release, &source.release, &err), &err);
        CHECK_OK(vch_plan_parse(&source, &faults, &p, &err), &err);
        CHECK(vch_plan_look(p)->model_from_delta == cases[i].from_delta);
        vch_plan_free(p);
        vch_faults_done(&faults);
        vch_buffer_drop(&text);
    }
}

static void what_weakens_the_federation_is_refused_at_its_line(void **state)
{
    (void)state;
    static const struct {
        size_t number;
        const char *line, *place, *says;
    } cases[] = {
        { 7, "    rounds_to_train: 0", "plan/plan.yaml:7:", "rounds_to_train" },
        { 7, "    rounds_to_tran: 4", "plan/plan.yaml:7:", "rounds_to_train" },
        { 7, "    secure_aggregation: true", "plan/plan.yaml:7:", "hides nothing" },
        { 7, "    write_logs: 3", "plan/plan.yaml:7:", "write_logs" },
        { 7, "    single_col_cert_common_name: 3", "plan/plan.yaml:7:", "must be text" },
        { 7, "    rounds_to_train: 3\n    rounds_to_train: 3", "plan/plan.yaml:8:", "" },
        { 4, "    write_logs: true", "plan/plan.yaml:4:", "init_state_path" },
        { 8, "collaborator: {settings: {secure_aggregation: true}}",
          "plan/plan.yaml:8:", "hides nothing" },
        { 8, "collaborator: {settings: {opt_treatment: KEEP}}", "plan/plan.yaml:8:", "RESET" },
        { 8, "collaborator: {settings: {delta_updates: true, use_delta_updates: false}}",
          "plan/plan.yaml:8:", "contradicts" },
        { 8, "collaborator: {settings: {interop_mode: true}}", "plan/plan.yaml:8:", "Flower" },
        { 8, "collaborator: {defaults: plan/defaults/colaborator.yaml}",
          "plan/plan.yaml:8:", "plan/defaults/collaborator.yaml" },
        { 8, "colaborator: {}", "plan/plan.yaml:8:", "did you mean 'collaborator'" },
        { 8, "collaborator: 5", "plan/plan.yaml:8:", "must be a mapping" },
        { 8, "collaborator: {settings: 5}", "plan/plan.yaml:8:", "must be a mapping" },
        { 15, "    agg_port: 0", "plan/plan.yaml:15:", "65535" },
        { 15, "    cert_folder: cert", "plan/plan.yaml:12:", "agg_port is missing" },
        { 15, "    agg_port: 65536", "plan/plan.yaml:15:", "65535" },
        { 15, "    agg_port: 50051\n    tls: false", "plan/plan.yaml:16:", "tls is false" },
        { 15, "    agg_port: 50051\n    use_tls: false", "plan/plan.yaml:16:", "use_tls is false" },
        { 15, "    agg_port: 50051\n    disable_tls: true",
          "plan/plan.yaml:16:", "disable_tls is true" },
        { 15, "    agg_port: 50051\n    disable_client_auth: true",
          "plan/plan.yaml:16:", "disable_client_auth is true" },
        { 15, "    agg_port: 50051\n    single_col_cert_common_name: all",
          "plan/plan.yaml:16:", "is 'all' here and '' in aggregator.settings" },
        { 15, "    agg_port: 50051\n    single_col_cert_common_name: 3",
          "plan/plan.yaml:16:", "must be text" },
        { 15, "    agg_port: 50051\n    require_client_auth: false",
          "plan/plan.yaml:16:", "require_client_auth is false" },
        { 15, "    agg_port: 50051\n    require_client_auth: maybe",
          "plan/plan.yaml:16:", "true or false" },
        { 15, "    agg_port: 50051\n    transport_protocol: rest", "plan/plan.yaml:16:", "grpc" },
        { 15, "    agg_port: 50051\n    transport_protocol: [grpc]",
          "plan/plan.yaml:16:", "must be grpc" },
        { 17, "  template: openfl.component.MyAssigner", "plan/plan.yaml:17:", "MyAssigner" },
        { 19, "    task_groups: [{name: g, percentage: 1.0, tasks: [trian]}]",
          "plan/plan.yaml:19:", "no task 'trian'" },
        { 19, "    task_groups: [{name: g, percentage: 0.5, tasks: [train]}]",
          "plan/plan.yaml:19:", "add up to 0.5" },
        { 19,
          "    task_groups: [{name: g, percentage: 0.5, tasks: [train]}, "
          "{name: h, percentage: 0.5, tasks: [train]}]",
          "plan/plan.yaml:19:", "2 of 3" },
        { 21, "  train: {kwargs: {epochs: 1}}", "plan/plan.yaml:21:", "names no function" },
        { 21, "  train: {function: f, aggregation_type: {template: a.b.Yogi}}",
          "plan/plan.yaml:21:", "Yogi" },
        { 21, "  train: {function: f, kwargs: {apply: both}}",
          "plan/plan.yaml:21:", "local or global" },
        { 21, "  train: {function: f, kwarg: {}}", "plan/plan.yaml:21:", "unknown key 'kwarg'" },
        { 21, "  train: {function: f}\nconnector: {}", "plan/plan.yaml:22:", "Flower" },
        { 21, "  train: {function: f}\nstraggler_handling_policy: {template: a.Mine}",
          "plan/plan.yaml:22:", "Mine" },
        { 21, "  train: {function: f}\nstraggler_handling_policy: plain",
          "plan/plan.yaml:22:", "mapping" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vouch_error err = { 0 };
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        vch_buffer text = with_line(good_plan, cases[i].number, cases[i].line);
        vouch_code rc = parse_plan(vch_buffer_span(&text), three_cols, &faults, &p, &err);
        bool told = false;
        for (size_t k = 0; k < faults.count; k++)
            told = told
                   || (!faults.item[k].warning && strstr(faults.item[k].text, cases[i].says) != NULL
                       && (strncmp(faults.item[k].text, cases[i].place, strlen(cases[i].place)) == 0
                           || cases[i].number == 4));
        if (rc != VOUCH_E_CONFIG || p != NULL || !told)
            fail_msg("'%s': %s, %zu faults, first '%s'", cases[i].line, vouch_code_name(rc),
                     faults.count, faults.count == 0 ? "" : faults.item[0].text);
        vch_faults_done(&faults);
        vch_buffer_drop(&text);
    }
}

static void all_faults_are_told_in_one_run(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_faults faults = { 0 };
    vch_plan *p = NULL;
    vch_buffer one =
        with_line(good_plan, 7, "    rounds_to_train: -1\n    secure_aggregation: true");
    vch_buffer two = with_line(vch_buffer_text(&one), 16, "    agg_port: 0\n    tls: false");
    CHECK(parse_plan(vch_buffer_span(&two), three_cols, &faults, &p, &err) == VOUCH_E_CONFIG);
    CHECK(faults.errors >= 3);
    vch_faults_done(&faults);
    vch_buffer_drop(&one);
    vch_buffer_drop(&two);
}

static void openfls_own_settings_are_warned_about(void **state)
{
    static const struct {
        size_t number;
        const char *line, *key;
    } cases[] = {
        { 7, "    log_memory_usage: true", "log_memory_usage" },
        { 7, "    callbacks: [a.B]", "callbacks" },
        { 15, "    agg_port: 50051\n    resend_data_on_reconnection: false",
          "resend_data_on_reconnection" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vouch_error err = { 0 };
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        char says[128];
        vch_buffer text = with_line(good_plan, cases[i].number, cases[i].line);
        CHECK_OK(parse_plan(vch_buffer_span(&text), three_cols, &faults, &p, &err), &err);
        CHECK(faults.count == 1 && faults.errors == 0 && faults.item[0].warning);
        (void)snprintf(says, sizeof says, " %s is OpenFL's own and has no effect here",
                       cases[i].key);
        CHECK(strncmp(faults.item[0].text, "plan/plan.yaml:", 15) == 0);
        CHECK(strstr(faults.item[0].text, says) != NULL);
        vch_plan_free(p);
        vch_faults_done(&faults);
        vch_buffer_drop(&text);
    }
}

static void one_certificate_for_all_is_warned_about_at_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *clients, *says;
    } cases[] = {
        { "    agg_port: 50051\n    single_col_cert_common_name: all", "as any other" },
        { "    agg_port: 50051", "in network.settings, where it is not" },
        { "    agg_port: 50051\n    single_col_cert_common_name: ''", "where it is not" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vouch_error err = { 0 };
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        vch_buffer one = with_line(good_plan, 15, cases[i].clients);
        vch_buffer two =
            with_line(vch_buffer_text(&one), 7, "    single_col_cert_common_name: all");
        CHECK_OK(parse_plan(vch_buffer_span(&two), three_cols, &faults, &p, &err), &err);
        assert_string_equal(vch_plan_look(p)->single_col_cert_common_name, "all");
        CHECK(faults.count == 1 && faults.item[0].warning);
        CHECK(strncmp(faults.item[0].text, "plan/plan.yaml:7:", 17) == 0);
        CHECK(strstr(faults.item[0].text, "single_col_cert_common_name") != NULL);
        CHECK(strstr(faults.item[0].text, cases[i].says) != NULL);
        vch_plan_free(p);
        vch_faults_done(&faults);
        vch_buffer_drop(&one);
        vch_buffer_drop(&two);
    }
}

static void missing_sections_are_named(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_faults faults = { 0 };
    vch_plan *p = NULL;
    vch_buffer text = with_line(good_plan, 9, "");
    CHECK(parse_plan(vch_buffer_span(&text), three_cols, &faults, &p, &err) == VOUCH_E_CONFIG);
    CHECK(faults.errors == 1 && strstr(faults.item[0].text, "'data_loader' is missing") != NULL);
    vch_faults_done(&faults);
    vch_buffer_drop(&text);
    faults = (vch_faults) { 0 };
    CHECK(parse_plan(vch_span_str("- 1\n"), NULL, &faults, &p, &err) == VOUCH_E_CONFIG);
    CHECK(parse_plan(vch_span_str(""), NULL, &faults, &p, &err) == VOUCH_E_CONFIG);
    vch_faults_done(&faults);
}

static void auto_is_filled_in_after_the_hash(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_faults faults = { 0 };
    vch_plan *p = NULL;
    vch_buffer text = with_line(good_plan, 14, "    agg_addr: auto");
    CHECK_OK(parse_plan(vch_buffer_span(&text), three_cols, &faults, &p, &err), &err);
    const vch_plan_view *v = vch_plan_look(p);
    CHECK(v->agg_addr_was_auto);
    assert_string_equal(v->agg_addr, "host.example.org");
    vouch_span dump = vch_plan_dump(p);
    CHECK(memmem(dump.data, dump.size, "agg_addr: auto\n", 15) != NULL);
    const struct vch_yaml_node *network = vch_yaml_get(vch_plan_resolved(p), "network");
    assert_string_equal(
        vch_yaml_string(vch_yaml_get(vch_yaml_get(network, "settings"), "agg_addr")),
        "host.example.org");
    vch_plan_free(p);
    vch_faults_done(&faults);
    vch_buffer_drop(&text);
}

static void a_federation_uuid_may_be_given(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_faults faults = { 0 };
    vch_plan *p = NULL;
    vch_plan_source source = { .plan_name = "plan.yaml",
                               .plan = vch_span_str(good_plan),
                               .federation_uuid = "plan.yaml_12345678" };
    CHECK_OK(vch_plan_parse(&source, &faults, &p, &err), &err);
    assert_string_equal(vch_plan_look(p)->aggregator_uuid, "aggregator_plan.yaml_12345678");
    vch_plan_free(p);
    p = NULL;
    source.federation_uuid = "";
    CHECK(vch_plan_parse(&source, &faults, &p, &err) == VOUCH_E_LIMIT);
    vch_faults_done(&faults);
}

#define COLLABORATOR(attested)                                                                     \
    "collaborator: {template: openfl.component.Collaborator, settings: "                           \
    "{enable_remote_attestation: " attested "}}"

static void attestation_is_held_against_the_plan(void **state)
{
    (void)state;
    static const vch_plan_attested both = { true, true };
    static const vch_plan_attested only_aggregator = { true, false };
    static const vch_plan_attested only_collaborator = { false, true };
    static const vch_plan_attested nobody = { false, false };
    static const struct {
        const char *line;
        size_t number;
        const vch_plan_attested *said; /* NULL: no attestation.yaml */
        const char *says;              /* NULL: accepted */
    } cases[] = {
        { "    rounds_to_train: 3", 7, &both, NULL },
        { "    enable_remote_attestation: true", 7, &both, NULL },
        { "    enable_remote_attestation: true", 7, &only_collaborator,
          "attestation.yaml says false" },
        { "    enable_remote_attestation: false", 7, &both, "attestation.yaml says true" },
        { "    enable_remote_attestation: false", 7, NULL, NULL },
        { "    enable_remote_attestation: true", 7, NULL, "attestation.yaml is missing" },
        { COLLABORATOR("true"), 8, &both, NULL },
        { COLLABORATOR("true"), 8, &only_aggregator, "attestation.yaml says false" },
        { COLLABORATOR("false"), 8, &both, "attestation.yaml says true" },
        { COLLABORATOR("true"), 8, NULL, "attestation.yaml is missing" },
        { "    single_col_cert_common_name: all", 7, NULL, NULL },
        { "    single_col_cert_common_name: all", 7, &nobody, "pins a key to each name" },
        { "    single_col_cert_common_name: all", 7, &only_aggregator, "pins a key to each name" },
        { "    single_col_cert_common_name: ''", 7, &both, NULL },
        { "    agg_addr: auto", 14, &both, "agg_addr is auto" },
        { "    agg_addr: auto", 14, &only_collaborator, NULL },
        { "    agg_addr: auto", 14, NULL, NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vouch_error err = { 0 };
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        vch_buffer text = with_line(good_plan, cases[i].number, cases[i].line);
        CHECK_OK(parse_plan(vch_buffer_span(&text), three_cols, &faults, &p, &err), &err);
        vouch_code rc = vch_plan_check_attested(p, cases[i].said, &faults, &err);
        CHECK(rc == (cases[i].says == NULL ? VOUCH_OK : VOUCH_E_CONFIG));
        const char *last = faults.count == 0 ? "" : faults.item[faults.count - 1].text;
        if (cases[i].says != NULL)
            CHECK(strstr(last, cases[i].says) != NULL && strncmp(last, "plan/plan.yaml:", 15) == 0);
        vch_plan_free(p);
        vch_faults_done(&faults);
        vch_buffer_drop(&text);
    }
}

static void flags_in_the_plan_itself_bring_the_same_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        size_t number;
        const char *says;
    } cases[] = {
        { "    enable_remote_attestation: true\n    single_col_cert_common_name: all", 7,
          "attested aggregator" },
        { "    enable_remote_attestation: perhaps", 7, "true or false" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vouch_error err = { 0 };
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        vch_buffer text = with_line(good_plan, cases[i].number, cases[i].line);
        CHECK(parse_plan(vch_buffer_span(&text), three_cols, &faults, &p, &err) == VOUCH_E_CONFIG);
        CHECK(strstr(faults.item[0].text, cases[i].says) != NULL);
        vch_faults_done(&faults);
        vch_buffer_drop(&text);
    }
}

static void a_plan_of_another_release_has_the_last_word_over_default_files(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_faults faults = { 0 };
    vch_plan *p = NULL;
    vch_buffer text = with_line(good_plan, 8,
                                "collaborator: {defaults: plan/defaults/collaborator.yaml, "
                                "settings: {delta_updates: false}}");
    CHECK_OK(parse_plan(vch_buffer_span(&text), three_cols, &faults, &p, &err), &err);
    CHECK(!vch_plan_look(p)->delta_updates); /* the default file of 1.9: use_delta_updates: true */
    vch_plan_free(p);
    vch_faults_done(&faults);
    vch_buffer_drop(&text);
}

static void straggler_policies_of_both_generations_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        vch_straggler policy;
    } cases[] = {
        { "x.CutoffTimeBasedStragglerHandling, settings: {straggler_cutoff_time: 1.5}",
          VCH_STRAGGLER_CUTOFF_TIME },
        { "x.CutoffTimePolicy", VCH_STRAGGLER_CUTOFF_TIME },
        { "x.PercentageBasedStragglerHandling", VCH_STRAGGLER_PERCENTAGE },
        { "x.PercentagePolicy, settings: {percent_collaborators_needed: 0.5}",
          VCH_STRAGGLER_PERCENTAGE },
        { "openfl.component.WaitForAllPolicy", VCH_STRAGGLER_WAIT_FOR_ALL },
        { "x.CutoffTimePolicy, settings: {straggler_cutoff_time: .inf}",
          VCH_STRAGGLER_CUTOFF_TIME },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[256];
        vouch_error err = { 0 };
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        (void)snprintf(line, sizeof line,
                       "  train: {function: f}\nstraggler_handling_policy: {template: %s}",
                       cases[i].line);
        vch_buffer text = with_line(good_plan, 21, line);
        CHECK_OK(parse_plan(vch_buffer_span(&text), three_cols, &faults, &p, &err), &err);
        const vch_plan_straggler *s = &vch_plan_look(p)->straggler;
        CHECK(s->policy == cases[i].policy);
        CHECK(i == 0 ? s->cutoff_s == 1.5 : isinf(s->cutoff_s) != 0);
        CHECK(s->percent_needed == (i == 3 ? 0.5 : 1.0));
        vch_plan_free(p);
        vch_faults_done(&faults);
        vch_buffer_drop(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hashes_uuids_and_ports_equal_openfls_of_each_release),
        TEST(a_plan_is_read_into_its_view),
        TEST(each_release_has_its_own_arithmetic),
        TEST(what_weakens_the_federation_is_refused_at_its_line),
        TEST(all_faults_are_told_in_one_run),
        TEST(openfls_own_settings_are_warned_about),
        TEST(one_certificate_for_all_is_warned_about_at_its_line),
        TEST(missing_sections_are_named),
        TEST(auto_is_filled_in_after_the_hash),
        TEST(a_federation_uuid_may_be_given),
        TEST(attestation_is_held_against_the_plan),
        TEST(flags_in_the_plan_itself_bring_the_same_refusals),
        TEST(a_plan_of_another_release_has_the_last_word_over_default_files),
        TEST(straggler_policies_of_both_generations_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
