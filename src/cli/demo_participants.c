#include <string.h>

#include "cli/demo_federation.h"
#include "cli/demo_steps.h"

#define READY_MS INT64_C(30000)

/* Words of a command line, collected; more than fit are an internal fault that resolve() would see. */
typedef struct command_line {
    const char *item[64];
    size_t count;
} command_line;

static void say(command_line *line, const char *const *argv)
{
    for (size_t i = 0; argv[i] != NULL && line->count < 63; i++)
        line->item[line->count++] = argv[i];
    line->item[line->count] = NULL;
}

/* What `gramine-sgx PROGRAM` would be on real hardware. */
static void say_tee(command_line *line, const vch_demo_federation *f, const char *platform)
{
    say(line, ARGV("vouch-sim", "run", "--platform", platform, "--tee", f->tee));
    if (strcmp(f->tee, "sgx")
        == 0) /* a TD runs the machine's own kernel: nothing is missing there */
        say(line, ARGV("--gramine-limits"));
    say(line, ARGV("--"));
}

static const char *or_else(const char *given, const char *otherwise)
{
    return given == NULL ? otherwise : given;
}

/* "NAME=" and a path inside the stage. */
static vouch_code environment_path(const vch_demo_scene *scene, const char *name, const char *site,
                                   const char *inside, char out[static VCH_PATH_SIZE],
                                   vouch_error *err)
{
    int size = snprintf(out, VCH_PATH_SIZE, "%s=%s/%s/%s", name, scene->dir, site, inside);
    if (size < 0 || size >= VCH_PATH_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "a path of more than %d bytes", VCH_PATH_SIZE);
    return VOUCH_OK;
}

vouch_code vch_demo_start_aggregator(const vch_demo_scene *scene, vch_demo_federation *f,
                                     vch_demo_actor *out, vch_json **self, vouch_error *err)
{
    char platform[VCH_PATH_SIZE];
    char program[VCH_PATH_SIZE];
    char reports[VCH_PATH_SIZE];
    char root[VCH_PATH_SIZE];
    command_line line = { 0 };
    VCH_SCOPED(vch_json_drop) vch_json *listening = NULL;
    vouch_code rc = vch_demo_path(scene, platform, "platforms/%s", err, VCH_DEMO_AGGREGATOR);
    if (rc == VOUCH_OK)
        rc = vch_path_join(scene->programs, "vouch", program, err);
    if (rc == VOUCH_OK)
        rc = environment_path(scene, "ATTESTATION_REPORT_PATH", VCH_DEMO_AGGREGATOR, "reports",
                              reports, err);
    if (rc == VOUCH_OK)
        rc = environment_path(scene, "ROOT_CERT_PATH", VCH_DEMO_AGGREGATOR, "reports", root, err);
    if (rc != VOUCH_OK)
        return rc;
    say_tee(&line, f, platform);
    say(&line, ARGV(program, "aggregator", "start", "--listen", "127.0.0.1:0", "--attestation",
                    "plan/attestation.yaml", "--log-format", "json", "--log-level", "info"));
    rc = vch_demo_start(scene, VCH_DEMO_AGGREGATOR, VCH_DEMO_AGGREGATOR, line.item,
                        ARGV(reports, root), out, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_event_wait(out, "participant.ready", READY_MS, self, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_event_wait(out, "aggregator.listening", READY_MS, &listening, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_copy_member(listening, "address", f->aggregator_address,
                                  sizeof f->aggregator_address, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "starting the aggregator");
}

vouch_code vch_demo_start_collaborator(const vch_demo_scene *scene, const vch_demo_federation *f,
                                       const char *actor_name, const char *site,
                                       const vch_demo_disguise *disguise, vch_demo_actor *out,
                                       vouch_error *err)
{
    char platform[VCH_PATH_SIZE];
    char program[VCH_PATH_SIZE];
    char reports[VCH_PATH_SIZE];
    char verifier[160];
    command_line line = { 0 };
    vouch_code rc = vch_demo_path(scene, platform, "platforms/%s", err, site);
    if (rc == VOUCH_OK)
        rc = vch_path_join(scene->programs, "vouch", program, err);
    if (rc == VOUCH_OK)
        rc = environment_path(scene, "ATTESTATION_REPORT_PATH", site,
                              strcmp(actor_name, site) == 0 ? "reports" : "intruder", reports, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)snprintf(verifier, sizeof verifier, "AVS_URL=%s",
                   or_else(disguise->verifier_url, f->verifier_url));
    say_tee(&line, f, platform);
    say(&line, ARGV(or_else(disguise->program, program), "collaborator", "start", "-n",
                    or_else(disguise->name, site), "-p", or_else(disguise->plan, "plan/plan.yaml"),
                    "--attestation", "plan/attestation.yaml", "--connect",
                    or_else(disguise->connect, f->aggregator_address), "--log-format", "json",
                    "--log-level", "info", "--state",
                    strcmp(actor_name, site) == 0 ? "state" : actor_name));
    rc = vch_demo_start(scene, actor_name, site, line.item, ARGV(reports, verifier), out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "starting %s", actor_name);
}
