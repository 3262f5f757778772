#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/demo_report.h"
#include "host/clock.h"

typedef struct values {
    vch_common_options common;
    int64_t collaborators;
    int64_t rounds;
    const char *tee;
    const char *keep;
    const char *data;
} values;

static const vch_option options[] = {
    { .name = "collaborators",
      .kind = VCH_OPTION_INTEGER,
      .offset = offsetof(values, collaborators),
      .argument = "N",
      .fallback = "3",
      .min = 2,
      .max = VCH_DEMO_COLLABORATORS_MAX,
      .help = "hospitals that train" },
    { .name = "rounds",
      .kind = VCH_OPTION_INTEGER,
      .offset = offsetof(values, rounds),
      .argument = "N",
      .fallback = "10",
      .min = 2,
      .max = VCH_DEMO_ROUNDS_MAX,
      .help = "rounds of training" },
    { .name = "tee",
      .kind = VCH_OPTION_CHOICE,
      .offset = offsetof(values, tee),
      .argument = "sgx|tdx",
      .choices = "sgx|tdx",
      .fallback = "sgx",
      .help = "kind of the simulated platforms" },
    { .name = "keep",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, keep),
      .argument = "DIR",
      .help = "play in DIR and leave everything there" },
    { .name = "data",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, data),
      .argument = "CSV",
      .help = "the data to train on (default: the handwritten digits that come with Vouch)" },
    VCH_COMMON_OPTIONS(values),
};

static const vch_usage usage = {
    .command = "vouch demo",
    .operands = "",
    .summary = "Play a whole attested federation on this machine, with intruders.",
    .details = "Starts a verification service, an aggregator and collaborators as processes of "
               "their own, on\n"
               "simulated platforms (every line says so); trains on real data; lets intruders try "
               "to get in.\n"
               "Exit status 1 if an intruder was admitted or the federation did not finish.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

/* The digits: beside an installed program, or in the checkout that it was built in. */
static vouch_code find_data(const vch_demo_scene *scene, const char *given, char out[VCH_PATH_SIZE],
                            vouch_error *err)
{
    static const char *const places[] = { "../share/vouch/data/optdigits.csv",
                                          "../../examples/data/optdigits.csv" };
    char path[VCH_PATH_SIZE];
    for (size_t i = 0; given == NULL && i < sizeof places / sizeof *places; i++) {
        vouch_code rc = vch_path_join(scene->programs, places[i], path, err);
        if (rc != VOUCH_OK)
            return rc;
        if (vch_file_exists(path))
            given = path;
    }
    if (given == NULL)
        return vouch_fail(err, VOUCH_E_NOT_FOUND,
                          "optdigits.csv is not where Vouch is installed; name "
                          "it with --data");
    char *real = realpath(given, NULL);
    if (real == NULL || strlen(real) >= VCH_PATH_SIZE) {
        free(real);
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "--data is '%s'; there is no such file", given);
    }
    memcpy(out, real, strlen(real) + 1);
    free(real);
    return VOUCH_OK;
}

static vouch_code set_the_stage(const vch_demo_scene *scene, vch_demo_federation *f,
                                const vch_demo_reporter *r, const char *data, vouch_error *err)
{
    vouch_code rc = vch_demo_make_platforms(scene, f, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_demo_say(r,
                 "simulated %zu %s platforms under one simulated vendor (no TEE hardware is used)",
                 f->collaborator_count + 2, f->tee);
    rc = vch_demo_start_verifier(scene, f, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_demo_say(r, "started a verification service at %s", f->verifier_url);
    rc = vch_demo_make_sites(scene, f, data, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_demo_say(r, "made %zu sites: plan, keys, policy, and a share of the data each",
                 f->collaborator_count + 1);
    return VOUCH_OK;
}

static vouch_code report(const vch_runtime *rt, const vch_demo_reporter *r,
                         const vch_demo_scene *scene, const vch_demo_federation *f,
                         const vch_demo_play *play, bool json, vouch_error *err)
{
    if (!json) {
        vch_demo_report_tables(r, scene, f, play);
        return VOUCH_OK;
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap((size_t)1 << 20);
    vouch_code rc = vch_demo_report_json(scene, f, play, &text, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "%.*s\n", (int)text.size, (const char *)text.data);
    return rc;
}

static vouch_code play_all(const vch_runtime *rt, const values *v, vch_demo_scene *scene,
                           bool *ended_well, vouch_error *err)
{
    char data[VCH_PATH_SIZE];
    vch_demo_reporter r = { v->common.json ? rt->err : rt->out, v->rounds };
    VCH_SCOPED(vch_free_drop) vch_demo_play *play = calloc(1, sizeof *play);
    vch_demo_federation f = { .collaborator_count = (size_t)v->collaborators,
                              .rounds = v->rounds,
                              .tee = v->tee };
    const vch_demo_watcher watcher = vch_demo_reporter_watcher(&r);
    int64_t began_ms = vch_clock_monotonic_ms();
    if (play == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the play");
    vouch_code rc = find_data(scene, v->data, data, err);
    if (rc == VOUCH_OK)
        rc = set_the_stage(scene, &f, &r, data, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_play_run(scene, &f, &watcher, play, err);
    vch_demo_actor_drop(&f.verifier);
    if (rc == VOUCH_OK)
        rc = report(rt, &r, scene, &f, play, v->common.json, err);
    if (rc != VOUCH_OK)
        return rc;
    *ended_well = vch_demo_play_ended_well(play, &f);
    vch_demo_say(&r, "\n%s in %.1f s",
                 *ended_well ? "The federation finished; every intruder was refused"
                             : "FAILED: an intruder was admitted, or the federation did not finish",
                 (double)(vch_clock_monotonic_ms() - began_ms) / 1000.0);
    return VOUCH_OK;
}

int vch_cmd_demo(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    vch_demo_scene scene = { 0 };
    vouch_error err = { 0 };
    bool ended_well = false;
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    vouch_code rc = vch_demo_scene_open(rt, v.keep, &scene, &err);
    if (rc == VOUCH_OK)
        rc = play_all(rt, &v, &scene, &ended_well, &err);
    vch_demo_scene_close(&scene);
    if (rc != VOUCH_OK)
        return vch_command_fail(rt, usage.command, rc, &err);
    return ended_well ? VCH_EXIT_DONE : VCH_EXIT_NO;
}
