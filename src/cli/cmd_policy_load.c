/* vouch policy load: the next attestation.yaml of running participants. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/moment.h"
#include "base/scope.h"
#include "cli/commands.h"
#include "cli/site_policy.h"
#include "codec/hex.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "host/clock.h"
#include "host/file.h"

#define COMMAND "vouch policy load"
#define ANSWER_MAX ((size_t)16 << 10)
#define OUTPUT_CAP ((size_t)1 << 20)
#define LOOK_MS 100
#define QUIET_MS 3000 /* after the last answer: several participants may share the workspace */

typedef struct values {
    vch_common_options common;
    const char *attestation;
    int64_t wait_s;
} values;

static const vch_option options[] = {
    VCH_COMMON_OPTIONS(values),
    { .name = "attestation",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, attestation),
      .argument = "FILE",
      .help = "the file that the participants were started with",
      .fallback = VCH_SITE_ATTESTATION },
    { .name = "wait",
      .kind = VCH_OPTION_INTEGER,
      .offset = offsetof(values, wait_s),
      .argument = "S",
      .min = 0,
      .max = 3600,
      .fallback = "30",
      .help = "seconds to wait for an answer" },
};

static const vch_usage usage = {
    .command = COMMAND,
    .operands = "FILE",
    .summary = "Hand the next attestation.yaml to the participants that run in this workspace.",
    .details =
        "Checks FILE, lays it beside the one in force (attestation.next.yaml) and prints what "
        "each\n"
        "running participant says to it. They prepare their certificates at once and switch at\n"
        "`from`. An attested participant follows only a policy that names the digest it replaces\n"
        "and is signed by the key that the one in force pins as successor (vouch policy sign);\n"
        "any other needs a restart and is a new identity.\n\n"
        "Exit status 1: a participant refused it; 3: nobody answered (it stays there for the\n"
        "next one that looks).",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = 1
};

/* The answers beside the file. */
typedef struct answers {
    char dir[VCH_PATH_SIZE];
    const char *prefix; /* the staged file's name */
    bool forget;        /* old answers are removed */
    size_t count, refused;
    bool json;
    FILE *out;
    vch_json_writer *writer;
} answers;

static vouch_code show(answers *a, vouch_span text, vouch_error *err)
{
    static const vch_json_limits limits = { .size = ANSWER_MAX, .depth = 4 };
    VCH_SCOPED(vch_json_drop) vch_json *tree = NULL;
    const char *name = "", *role = "", *result = "", *reason = "";
    vouch_code rc = vch_json_parse(text, &limits, &tree, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(tree, "name", &name, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(tree, "role", &role, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(tree, "result", &result, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(tree, "reason", &reason, err);
    if (rc != VOUCH_OK)
        return rc;
    a->count++;
    a->refused += strcmp(result, "refused") == 0 ? 1 : 0;
    if (a->json)
        vch_json_value(a->writer, tree);
    else
        (void)fprintf(a->out, "%s %s: %s%s%s\n", role, name, result, reason[0] == '\0' ? "" : ": ",
                      reason);
    return VOUCH_OK;
}

/* Each answer once: it is removed when it was read. */
static vouch_code take(void *context, const char *name, vouch_error *err)
{
    answers *a = context;
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    size_t size = strlen(a->prefix);
    size_t length = strlen(name);
    if (strncmp(name, a->prefix, size) != 0 || name[size] != '.' || length < size + 6
        || strcmp(name + length - 5, ".json") != 0)
        return VOUCH_OK;
    vouch_code rc = vch_path_join(a->dir, name, path, err);
    if (rc == VOUCH_OK && !a->forget)
        rc = vch_file_read(path, ANSWER_MAX, &text, err);
    if (rc == VOUCH_OK && !a->forget)
        rc = show(a, vch_buffer_span(&text), err);
    return rc == VOUCH_OK ? vch_file_remove(path, err) : rc;
}

static vouch_code await(answers *a, int64_t wait_s, vouch_error *err)
{
    const struct timespec nap = { 0, LOOK_MS * 1000000L };
    int64_t until = vch_clock_monotonic_ms() + wait_s * 1000;
    for (;;) {
        size_t before = a->count;
        vouch_code rc = vch_dir_list(a->dir, take, a, err);
        int64_t now = vch_clock_monotonic_ms();
        if (rc != VOUCH_OK)
            return rc;
        if (a->count > before)
            until = now + QUIET_MS;
        if (now >= until)
            return VOUCH_OK;
        (void)nanosleep(&nap, NULL);
    }
}

/* Is it a file that can be loaded at all? All its faults are printed. */
static vouch_code check(const vch_runtime *rt, const char *path, const vch_buffer *text,
                        vouch_error *err)
{
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    VCH_SCOPED(vch_attestation_file_drop) vch_attestation_file *file = NULL;
    vouch_code rc =
        vch_attestation_file_parse(vch_buffer_span(text), path, NULL, &faults, &file, err);
    vch_command_faults(rt, &faults);
    return rc;
}

static vouch_code stage(const vch_runtime *rt, const values *v, const char *path, answers *a,
                        char next[static VCH_PATH_SIZE], vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    vouch_code rc = vch_file_read(path, VCH_ATTESTATION_FILE_MAX_SIZE, &text, err);
    if (rc == VOUCH_OK)
        rc = check(rt, path, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_site_policy_next_path(v->attestation, next, err);
    if (rc == VOUCH_OK)
        rc = vch_path_directory(next, a->dir, err);
    if (rc != VOUCH_OK)
        return rc;
    const char *slash = strrchr(next, '/');
    a->prefix = slash == NULL ? next : slash + 1;
    a->forget = true;
    rc = vch_dir_list(a->dir, take, a, err);
    a->forget = false;
    return rc == VOUCH_OK ? vch_file_write(next, vch_buffer_span(&text), 0644, err) : rc;
}

int vch_cmd_policy_load(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    vouch_error err = { 0 };
    int status = 0;
    char next[VCH_PATH_SIZE];
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    answers a = { .json = v.common.json, .out = rt->out, .writer = &w };
    vch_json_begin_object(&w);
    vouch_code rc = stage(rt, &v, operands.item[0], &a, next, &err);
    vch_json_key(&w, "answers");
    vch_json_begin_array(&w);
    if (rc == VOUCH_OK)
        rc = await(&a, v.wait_s, &err);
    if (rc != VOUCH_OK)
        return vch_command_fail(rt, COMMAND, rc, &err);
    vch_json_end(&w);
    vch_json_end(&w);
    status = a.count == 0 ? VCH_EXIT_UNKNOWN : a.refused > 0 ? VCH_EXIT_NO : VCH_EXIT_DONE;
    if (a.count == 0)
        (void)fprintf(rt->err,
                      "%s: no running participant answered within %lld s; the file lies in '%s'\n",
                      COMMAND, (long long)v.wait_s, next);
    return v.common.json ? vch_command_answer(rt, COMMAND, &out, status) : status;
}
