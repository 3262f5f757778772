/* Children of this test are shell scripts that speak the channel, well or badly. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "codec/hex.h"
#include "config/yaml.h"
#include "crypto/hash.h"
#include "fed/runner/runner.h"
#include "host/clock.h"
#include "host/file.h"

#include "check.h"

/* A ready child with one tensor of two values, 1.0 and 0.0. */
#define READY                                                                                      \
    "read -r start\n"                                                                              \
    "printf '{\"type\":\"ready\",\"version\":1,\"samples\":{\"train\":3,\"validate\":2},'\n"       \
    "printf "                                                                                      \
    "'\"tensors\":[{\"name\":\"w\",\"dtype\":\"float32\",\"shape\":[2]}],\"bytes\":8}\\n'\n"       \
    "printf '\\000\\000\\200\\077\\000\\000\\000\\000'\n"
#define TASK "read -r task; head -c 8 >model\n"
#define RESULT(id, rest) "printf '{\"type\":\"result\",\"id\":" id ",\"metrics\":{}," rest "}\\n'\n"

typedef struct stage {
    char dir[VCH_PATH_SIZE], script[VCH_PATH_SIZE], list[VCH_PATH_SIZE];
    char plan_text[3 * VCH_PATH_SIZE];
    vch_yaml *doc;
    vch_plan_task task;
    vch_plan_view view;
    vch_runner_options options;
    vch_runner runner;
    vouch_error err;
} stage;

static void put(const char *path, const char *text)
{
    vouch_error err = { 0 };
    CHECK_OK(vch_file_write(path, vch_span_str(text), 0600, &err), &err);
}

/* A child that runs `script`, with more settings. */
static stage *stage_of(const char *script, const char *settings)
{
    stage *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    CHECK_OK(vch_dir_make_temporary(NULL, "vouch-runner-", s->dir, &s->err), &s->err);
    CHECK_OK(vch_path_join(s->dir, "child.sh", s->script, &s->err), &s->err);
    CHECK_OK(vch_path_join(s->dir, "list", s->list, &s->err), &s->err);
    char text[8192];
    (void)snprintf(text, sizeof text, "cd '%.1000s'\n%s", s->dir, script);
    put(s->script, text);
    (void)snprintf(s->plan_text, sizeof s->plan_text,
                   "task_runner: {command: [/bin/sh, '%s'], %s}\n", s->script, settings);
    CHECK_OK(vch_yaml_parse("plan.yaml", vch_span_str(s->plan_text), NULL, &s->doc, &s->err),
             &s->err);
    s->task = (vch_plan_task) { .name = "train", .function = "fit", .trains = true };
    s->view = (vch_plan_view) { .task_runner_template = "vouch.ProcessTaskRunner",
                                .data_loader_template = "vouch.PathDataLoader",
                                .task_runner = vch_yaml_get(vch_yaml_root(s->doc), "task_runner"),
                                .task = &s->task,
                                .task_count = 1 };
    s->options = (vch_runner_options) { .plan = &s->view,
                                        .name = "col1",
                                        .data_path = vch_span_str("data/x.csv") };
    return s;
}

static vouch_code open_stage(stage *s)
{
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    s->err = (vouch_error) { 0 };
    return vch_runner_open(&s->options, &faults, &s->runner, &s->err);
}

static void end(stage *s)
{
    vch_runner_drop(&s->runner);
    CHECK_OK(vch_dir_remove_tree(s->dir, &s->err), &s->err);
    vch_yaml_free(s->doc);
    free(s);
}

static vouch_code run(stage *s, vch_task_outcome *out)
{
    vch_model model = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(s->runner.ops->make_model(s->runner.self, &model, &err), &err);
    s->err = (vouch_error) { 0 };
    vouch_code rc = s->runner.ops->run(s->runner.self, &s->task, 5, &model, out, &s->err);
    vch_model_done(&model);
    return rc;
}

static const char *why(const stage *s)
{
    static char text[1024];
    return vouch_error_text(&s->err, text, sizeof text);
}

static void a_child_gets_the_model_and_gives_a_new_one(void **state)
{
    (void)state;
    stage *s = stage_of(
        READY TASK RESULT("1", "\"trained\":true,\"bytes\":8") "printf '\\000\\000\\000\\100'; "
                                                               "tail -c 4 model\nread -r more\n",
        "task_timeout_s: 20");
    CHECK_OK(open_stage(s), &s->err);
    CHECK(s->runner.ops->sample_count(s->runner.self, true) == 3);
    CHECK(s->runner.ops->sample_count(s->runner.self, false) == 2);
    vch_task_outcome out = { 0 };
    CHECK_OK(run(s, &out), &s->err);
    CHECK(out.trained && out.model.round == 5 && out.model.count == 1);
    CHECK(out.model.tensor[0].values[0] == 2.0F && out.model.tensor[0].values[1] == 0.0F);
    vch_task_outcome_done(&out);
    end(s);
}

static void
a_child_that_dies_fails_its_task_with_its_last_words_and_the_next_gets_a_new_one(void **state)
{
    (void)state;
    stage *s = stage_of(
        READY TASK "if ! test -e again; then touch again; echo out of luck >&2; "
                   "exit 3; fi\n" RESULT("2", "\"trained\":false,\"bytes\":0") "read -r more\n",
        "task_timeout_s: 20");
    CHECK_OK(open_stage(s), &s->err);
    vch_task_outcome out = { 0 };
    CHECK(run(s, &out) == VOUCH_E_IO);
    CHECK(strstr(why(s), "ended with status 3: out of luck") != NULL);
    CHECK_OK(run(s, &out), &s->err);
    CHECK(!out.trained);
    end(s);
}

/* Without the channel's help the write would end this process by a signal. */
static void a_child_that_closes_its_ears_fails_its_task(void **state)
{
    (void)state;
    stage *s = stage_of(READY "exec <&-\n: >deaf\nsleep 0.3\necho heard enough >&2\nexit 4\n",
                        "task_timeout_s: 20");
    CHECK_OK(open_stage(s), &s->err);
    char deaf[VCH_PATH_SIZE];
    CHECK_OK(vch_path_join(s->dir, "deaf", deaf, &s->err), &s->err);
    for (int i = 0; i < 2000 && access(deaf, F_OK) != 0; i++)
        (void)usleep(10000);
    vch_task_outcome out = { 0 };
    CHECK(run(s, &out) == VOUCH_E_IO);
    CHECK(strstr(why(s), "ended with status 4: heard enough") != NULL);
    end(s);
}

static void a_child_that_hangs_is_killed_when_its_time_is_over(void **state)
{
    (void)state;
    stage *s = stage_of(READY TASK "echo still here >&2; sleep 100\n", "task_timeout_s: 1");
    CHECK_OK(open_stage(s), &s->err);
    vch_task_outcome out = { 0 };
    CHECK(run(s, &out) == VOUCH_E_TIMEOUT);
    CHECK(strstr(why(s), "took too long; its last words: still here") != NULL);
    end(s);
}

static vouch_code stop(void *context, vouch_error *err)
{
    int *turns = context;
    return ++*turns < 3 ? VOUCH_OK : vouch_fail(err, VOUCH_E_TIMEOUT, "stopped");
}

static void the_programs_turn_can_end_a_task(void **state)
{
    (void)state;
    stage *s = stage_of(READY TASK "sleep 100\n", "task_timeout_s: 60");
    CHECK_OK(open_stage(s), &s->err);
    vch_runner_drop(&s->runner);
    int turns = -100000; /* not while it starts */
    s->options.turn = (vch_runner_turn) { &turns, stop };
    CHECK_OK(open_stage(s), &s->err);
    turns = 0;
    vch_task_outcome out = { 0 };
    CHECK(run(s, &out) == VOUCH_E_TIMEOUT);
    CHECK(turns == 3 && strstr(why(s), "stopped") != NULL);
    end(s);
}

static const struct {
    const char *name, *answer, *want;
} bad[] = {
    { "no JSON", "echo hello\n", "what the task runner said" },
    { "an answer to another task", RESULT("9", "\"trained\":false,\"bytes\":0"),
      "an answer to task 9" },
    { "a model of another size", RESULT("1", "\"trained\":true,\"bytes\":4") "printf aaaa\n",
      "4 bytes; the model has 8" },
    { "a model of a task that trained none", RESULT("1", "\"trained\":false,\"bytes\":8"),
      "8 bytes; the model has 0" },
    { "a value that is not finite",
      RESULT("1",
             "\"trained\":true,\"bytes\":8") "printf '\\000\\000\\000\\000\\000\\000\\300\\177'\n",
      "element 1 is not finite" },
    { "half a model", RESULT("1", "\"trained\":true,\"bytes\":8") "printf abcd; exit 0\n",
      "ended with status 0" },
    { "an endless line", "head -c 5000000 /dev/zero | tr '\\000' x\n", "a line of more than" },
    { "a failed task", "printf '{\"type\":\"error\",\"id\":1,\"message\":\"no luck\"}\\n'\n",
      "the task runner says: no luck" },
};

static void what_a_child_says_wrong_fails_its_task_with_the_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char script[4096];
        (void)snprintf(script, sizeof script, "%s%sread -r more\n", READY TASK, bad[i].answer);
        stage *s = stage_of(script, "task_timeout_s: 20");
        CHECK_OK(open_stage(s), &s->err);
        vch_task_outcome out = { 0 };
        vouch_code rc = run(s, &out);
        if (rc == VOUCH_OK || out.trained || strstr(why(s), bad[i].want) == NULL)
            fail_msg("%s: %s: %s", bad[i].name, vouch_code_name(rc), why(s));
        end(s);
    }
}

static void a_child_that_comes_back_with_another_model_is_refused(void **state)
{
    (void)state;
    stage *s = stage_of("if test -e again; then\nread -r start\n"
                        "printf '{\"type\":\"ready\",\"version\":1,\"samples\":{\"train\":3,"
                        "\"validate\":2},\"tensors\":[{\"name\":\"v\",\"dtype\":\"float32\","
                        "\"shape\":[2]}],\"bytes\":8}\\n'; printf 00000000; read -r more; fi\n"
                        "touch again\n" READY "read -r task; exit 1\n",
                        "task_timeout_s: 20");
    CHECK_OK(open_stage(s), &s->err);
    vch_task_outcome out = { 0 };
    CHECK(run(s, &out) == VOUCH_E_IO);
    CHECK(run(s, &out) == VOUCH_E_FORMAT);
    CHECK(strstr(why(s), "has another model") != NULL);
    end(s);
}

static void a_child_is_given_the_plans_environment_and_no_other(void **state)
{
    (void)state;
    CHECK(setenv("ITA_API_KEY", "secret", 1) == 0);
    stage *s = stage_of(READY "env | cut -d= -f1 | sort | tr '\\n' ' ' >names\nread -r more\n",
                        "environment: {MODE: 3}");
    CHECK_OK(open_stage(s), &s->err);
    char path[VCH_PATH_SIZE];
    CHECK_OK(vch_path_join(s->dir, "names", path, &s->err), &s->err);
    VCH_SCOPED(vch_buffer_drop) vch_buffer names = { 0 };
    int64_t until = vch_clock_monotonic_ms() + 10000;
    while (names.size < 4 && vch_clock_monotonic_ms() < until) {
        vch_buffer_drop(&names);
        (void)!vch_file_read(path, 4096, &names, NULL);
    }
    CHECK(vch_span_is(vch_buffer_span(&names), "HOME LANG MODE OLDPWD PATH PWD ")
          || vch_span_is(vch_buffer_span(&names), "HOME LANG MODE PATH PWD "));
    end(s);
}

static void a_program_that_is_not_there_is_named(void **state)
{
    (void)state;
    stage *s = stage_of("", "memory_mb: 0");
    char text[] = "task_runner: {command: [/nonexistent/program]}\n";
    vch_yaml_free(s->doc);
    s->doc = NULL;
    CHECK_OK(vch_yaml_parse("plan.yaml", vch_span_str(text), NULL, &s->doc, &s->err), &s->err);
    s->view.task_runner = vch_yaml_get(vch_yaml_root(s->doc), "task_runner");
    CHECK(open_stage(s) == VOUCH_E_NOT_FOUND);
    CHECK(strstr(why(s), "/nonexistent/program") != NULL);
    end(s);
}

static const struct {
    const char *settings, *want;
} bad_settings[] = {
    { "command: []", "plan.yaml:1:" },
    { "command: [3]", "word 1 must be a string" },
    { "command: [x], shell: true", "unknown key 'shell'" },
    { "command: [x], task_timeout_s: 0", "task_timeout_s is 0" },
    { "command: [x], environment: {A: [1]}", "a variable is NAME: text" },
    { "command: [x], trusted_files: list", "go together" },
};

static void settings_that_are_wrong_are_told_with_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_settings / sizeof bad_settings[0]; i++) {
        VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
        stage *s = stage_of("", "memory_mb: 0");
        char text[512];
        (void)snprintf(text, sizeof text, "task_runner: {%s}\n", bad_settings[i].settings);
        vch_yaml_free(s->doc);
        s->doc = NULL;
        CHECK_OK(vch_yaml_parse("plan.yaml", vch_span_str(text), NULL, &s->doc, &s->err), &s->err);
        s->view.task_runner = vch_yaml_get(vch_yaml_root(s->doc), "task_runner");
        vouch_code rc = vch_runner_open(&s->options, &faults, &s->runner, &s->err);
        if (rc != VOUCH_E_CONFIG || faults.count == 0
            || strstr(faults.item[0].text, bad_settings[i].want) == NULL)
            fail_msg("%s: %s: %s", bad_settings[i].settings, vouch_code_name(rc),
                     faults.count == 0 ? "" : faults.item[0].text);
        end(s);
    }
}

/* Lines of sha256sum for two files; `wrong` spoils the digest of that one. */
static void list_files(const stage *s, const char *const *files, size_t count, size_t wrong)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(8192);
    for (size_t i = 0; i < count; i++) {
        vouch_error err = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = { 0 };
        uint8_t digest[VCH_SHA256_SIZE];
        char hex[2 * VCH_SHA256_SIZE + 1];
        CHECK_OK(vch_file_read(files[i], 1 << 24, &bytes, &err), &err);
        CHECK_OK(vch_sha256(vch_buffer_span(&bytes), digest, &err), &err);
        digest[0] ^= i == wrong ? 1 : 0;
        vch_buffer_append_fmt(&text, "%s  %s\n",
                              vch_hex_encode((vouch_span) { digest, sizeof digest }, hex),
                              files[i]);
    }
    put(s->list, vch_buffer_text(&text));
}

/* Name the list in the plan, its digest changed by `change`. */
static void trust(stage *s, const char *command, uint8_t change)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer list = { 0 };
    uint8_t digest[VCH_SHA256_SIZE];
    char hex[2 * VCH_SHA256_SIZE + 1];
    CHECK_OK(vch_file_read(s->list, 8192, &list, &s->err), &s->err);
    CHECK_OK(vch_sha256(vch_buffer_span(&list), digest, &s->err), &s->err);
    digest[0] ^= change;
    (void)snprintf(s->plan_text, sizeof s->plan_text,
                   "task_runner: {command: [%s, '%s'], trusted_files: '%s', "
                   "trusted_files_sha256: '%s'}\n",
                   command, s->script, s->list,
                   vch_hex_encode((vouch_span) { digest, sizeof digest }, hex));
    vch_yaml_free(s->doc);
    s->doc = NULL;
    CHECK_OK(vch_yaml_parse("plan.yaml", vch_span_str(s->plan_text), NULL, &s->doc, &s->err),
             &s->err);
    s->view.task_runner = vch_yaml_get(vch_yaml_root(s->doc), "task_runner");
}

static void an_attested_participant_starts_only_what_the_plan_trusts(void **state)
{
    (void)state;
    stage *s = stage_of(READY "read -r more\n", "memory_mb: 0");
    s->options.attested = true;
    CHECK(open_stage(s) == VOUCH_E_REFUSED); /* nothing is trusted */
    CHECK(strstr(why(s), "trusted_files") != NULL);

    const char *const both[] = { "/bin/sh", s->script };
    list_files(s, both, 2, 9);
    trust(s, "/bin/sh", 0);
    CHECK_OK(open_stage(s), &s->err);
    vch_runner_drop(&s->runner);

    s->options.local = s->view.task_runner; /* the same, but in a file of the site's own */
    CHECK(open_stage(s) == VOUCH_E_REFUSED);
    CHECK(strstr(why(s), "from the plan") != NULL);
    s->options.local = NULL;

    trust(s, "/bin/sh", 1); /* the list is another than the plan's */
    CHECK(open_stage(s) == VOUCH_E_REFUSED);
    CHECK(strstr(why(s), "/list' is not the file that the plan trusts") != NULL);

    list_files(s, both, 2, 1); /* a file is another than the list's */
    trust(s, "/bin/sh", 0);
    CHECK(open_stage(s) == VOUCH_E_REFUSED);
    CHECK(strstr(why(s), "child.sh' is not the file that the plan trusts") != NULL);

    list_files(s, both, 1, 9); /* the script is not listed */
    trust(s, "/bin/sh", 0);
    CHECK(open_stage(s) == VOUCH_E_REFUSED);
    CHECK(strstr(why(s), "child.sh' is not in the list") != NULL);

    list_files(s, both + 1, 1, 9); /* the interpreter is not */
    trust(s, "/bin/sh", 0);
    CHECK(open_stage(s) == VOUCH_E_REFUSED);

    list_files(s, both, 2, 9); /* PATH would say which it is */
    trust(s, "sh", 0);
    CHECK(open_stage(s) == VOUCH_E_REFUSED);
    CHECK(strstr(why(s), "must be a path") != NULL);

    put(s->list, "no list of files\n");
    trust(s, "/bin/sh", 0);
    CHECK(open_stage(s) == VOUCH_E_FORMAT);
    end(s);
}

static void a_site_says_itself_how_a_runner_of_openfl_is_run(void **state)
{
    (void)state;
    stage *s = stage_of("read -r start\ncase $start in *'\"template\":\"src.Runner\"'*'\"lr\":3'*) "
                        ";; *) exit 1; esac\n"
                        "printf '{\"type\":\"ready\",\"version\":1,\"samples\":{\"train\":3,"
                        "\"validate\":2},\"tensors\":[{\"name\":\"w\",\"dtype\":\"float32\","
                        "\"shape\":[]}],\"bytes\":4}\\n'; printf 0000; read -r more\n",
                        "memory_mb: 0");
    VCH_SCOPED(vch_yaml_drop) vch_yaml *plan = NULL;
    CHECK_OK(vch_yaml_parse("plan.yaml", vch_span_str("{lr: 3}"), NULL, &plan, &s->err), &s->err);
    s->options.local = s->view.task_runner;
    s->view.task_runner = vch_yaml_root(plan);
    s->view.task_runner_template = "src.Runner";
    s->view.data_loader_template = "src.Loader";
    CHECK_OK(open_stage(s), &s->err);
    end(s);
}

static void the_initial_model_is_made_without_data(void **state)
{
    (void)state;
    stage *s =
        stage_of("read -r start\ncase $start in *'\"name\":null,\"data\":null'*) ;; *) exit 1; "
                 "esac\nprintf '%s\\n' \"$start\" >/dev/null\n"
                 "printf '{\"type\":\"ready\",\"version\":1,\"samples\":{\"train\":0,"
                 "\"validate\":0},\"tensors\":[{\"name\":\"w\",\"dtype\":\"float32\","
                 "\"shape\":[]}],\"bytes\":4}\\n'; printf '\\000\\000\\200\\077'; read -r m\n",
                 "memory_mb: 0");
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    VCH_SCOPED(vch_model_done) vch_model model = { 0 };
    CHECK_OK(vch_runner_initial_model(&s->options, &faults, &model, &s->err), &s->err);
    CHECK(model.count == 1 && model.tensor[0].values[0] == 1.0F);
    end(s);
}

/* A child with the tensors `a` and `b`, a value each, that was asked whether it saves. */
#define READY_TO_SAVE(saves)                                                                       \
    "read -r start\ncase $start in *'\"name\":null,\"data\":null,\"save\":true'*) ;; *) exit 1; "  \
    "esac\n"                                                                                       \
    "printf '{\"type\":\"ready\",\"version\":1,\"samples\":{\"train\":0,\"validate\":0},'\n"       \
    "printf '" saves "\"tensors\":[{\"name\":\"a\",\"dtype\":\"float32\",\"shape\":[]},'\n"        \
    "printf '{\"name\":\"b\",\"dtype\":\"float32\",\"shape\":[]}],\"bytes\":8}\\n'\n"              \
    "printf '\\000\\000\\000\\000\\000\\000\\000\\000'\n"

static void add_value(vch_model *m, const char *name, int32_t dims, float value)
{
    vch_shape shape;
    vch_tensor t = { 0 };
    CHECK(vch_shape_make(&dims, dims == 0 ? 0 : 1, &shape, NULL) == VOUCH_OK);
    CHECK(vch_tensor_init(&t, vch_span_str(name), &shape, NULL) == VOUCH_OK);
    t.values[0] = value;
    CHECK(vch_model_add(m, &t, NULL) == VOUCH_OK);
}

/* Have the child save `b`, with 2.0, and `other`, with 1.0: in another order than its own. */
static vouch_code save_by(stage *s, const char *other, int32_t dims, bool *out_saved)
{
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    VCH_SCOPED(vch_model_done) vch_model model = { .round = 6 };
    add_value(&model, "b", 0, 2.0F);
    add_value(&model, other, dims, 1.0F);
    s->err = (vouch_error) { 0 };
    return vch_runner_save(&s->options, &model, "/to/here", &faults, out_saved, &s->err);
}

static void a_child_is_given_the_model_to_save_in_its_own_order(void **state)
{
    (void)state;
    stage *s =
        stage_of(READY_TO_SAVE("\"saves\":true,") "read -r save; head -c 8 >model\n"
                                                  "printf '\\000\\000\\200\\077\\000\\000"
                                                  "\\000\\100' | cmp - model || exit 2\n"
                                                  "case $save in *'\"path\":\"/to/here\",\"round"
                                                  "\":6,\"bytes\":8}') ;; *) exit 3; esac\n"
                                                  "printf '{\"type\":\"saved\",\"id\":1}\\n'\n"
                                                  "read -r more\n",
                 "memory_mb: 0");
    bool saved = false;
    CHECK_OK(save_by(s, "a", 0, &saved), &s->err);
    CHECK(saved);
    end(s);
}

static void a_child_that_cannot_save_is_not_asked_to(void **state)
{
    (void)state;
    static const char *const children[] = { READY_TO_SAVE("") "read -r more && exit 4\n",
                                            READY_TO_SAVE(
                                                "\"saves\":false,") "read -r more && exit 4\n" };
    for (size_t i = 0; i < sizeof children / sizeof *children; i++) {
        stage *s = stage_of(children[i], "memory_mb: 0");
        bool saved = true;
        CHECK_OK(save_by(s, "a", 0, &saved), &s->err);
        CHECK(!saved);
        end(s);
    }
}

static void a_model_is_not_saved_by_a_child_whose_model_is_another(void **state)
{
    (void)state;
    stage *s = stage_of(READY_TO_SAVE("\"saves\":true,") "read -r more\n", "memory_mb: 0");
    bool saved = false;
    CHECK(save_by(s, "c", 0, &saved) == VOUCH_E_FORMAT && strstr(why(s), "no tensor 'a'") != NULL);
    CHECK(save_by(s, "a", 2, &saved) == VOUCH_E_FORMAT && strstr(why(s), "no tensor 'a'") != NULL);
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    VCH_SCOPED(vch_model_done) vch_model small = { 0 };
    add_value(&small, "a", 0, 1.0F);
    s->err = (vouch_error) { 0 };
    CHECK(vch_runner_save(&s->options, &small, "/x", &faults, &saved, &s->err) == VOUCH_E_FORMAT);
    CHECK(strstr(why(s), "1 tensors; the task runner's 2") != NULL);
    CHECK(!saved);
    end(s);
}

static void what_answers_to_something_else_is_no_answer(void **state)
{
    (void)state;
    bool saved = false;
    stage *s = stage_of(READY_TO_SAVE("\"saves\":true,") "read -r save; head -c 8 >model\n" RESULT(
                            "1", "\"trained\":false,\"bytes\":0") "read -r more\n",
                        "memory_mb: 0");
    CHECK(save_by(s, "a", 0, &saved) == VOUCH_E_FORMAT && !saved);
    CHECK(strstr(why(s), "answers to something else") != NULL);
    end(s);
    s = stage_of(READY TASK "printf '{\"type\":\"saved\",\"id\":1}\\n'\nread -r more\n",
                 "memory_mb: 0");
    CHECK_OK(open_stage(s), &s->err);
    vch_task_outcome outcome = { 0 };
    CHECK(run(s, &outcome) == VOUCH_E_FORMAT && !outcome.trained);
    CHECK(strstr(why(s), "answers to something else") != NULL);
    end(s);
}

static void why_a_child_did_not_save_is_told(void **state)
{
    (void)state;
    bool saved = false;
    stage *s =
        stage_of(READY_TO_SAVE("\"saves\":true,") "read -r save; head -c 8 >model\n"
                                                  "printf '{\"type\":\"error\",\"id\":1,"
                                                  "\"message\":\"no room\"}\\n'; read -r m\n",
                 "memory_mb: 0");
    CHECK(save_by(s, "a", 0, &saved) == VOUCH_E_REFUSED && !saved);
    CHECK(strstr(why(s), "no room") != NULL);
    end(s);
}

static void the_built_in_runner_has_no_form_of_its_own(void **state)
{
    (void)state;
    const vch_plan_view plan = { .task_runner_template = "vouch.MlpTaskRunner" };
    const vch_runner_options options = { .plan = &plan };
    const vch_model model = { 0 };
    vch_faults faults = { 0 };
    bool saved = true;
    CHECK(!vch_runner_is_child(&options));
    CHECK(vch_runner_save(&options, &model, "/x", &faults, &saved, NULL) == VOUCH_OK && !saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_child_gets_the_model_and_gives_a_new_one),
        TEST(a_child_that_dies_fails_its_task_with_its_last_words_and_the_next_gets_a_new_one),
        TEST(a_child_that_closes_its_ears_fails_its_task),
        TEST(a_child_that_hangs_is_killed_when_its_time_is_over),
        TEST(the_programs_turn_can_end_a_task),
        TEST(what_a_child_says_wrong_fails_its_task_with_the_reason),
        TEST(a_child_that_comes_back_with_another_model_is_refused),
        TEST(a_child_is_given_the_plans_environment_and_no_other),
        TEST(a_program_that_is_not_there_is_named),
        TEST(settings_that_are_wrong_are_told_with_their_place),
        TEST(an_attested_participant_starts_only_what_the_plan_trusts),
        TEST(a_site_says_itself_how_a_runner_of_openfl_is_run),
        TEST(the_initial_model_is_made_without_data),
        TEST(a_child_is_given_the_model_to_save_in_its_own_order),
        TEST(a_child_that_cannot_save_is_not_asked_to),
        TEST(a_model_is_not_saved_by_a_child_whose_model_is_another),
        TEST(what_answers_to_something_else_is_no_answer),
        TEST(why_a_child_did_not_save_is_told),
        TEST(the_built_in_runner_has_no_form_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
