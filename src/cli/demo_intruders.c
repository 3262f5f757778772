#include "cli/demo_intruders.h"

#include <string.h>

#include "cli/demo_steps.h"
#include "host/clock.h"

#define PROGRAM_CAP ((size_t)64 << 20)
#define READY_MS INT64_C(20000)

/*
 * The site whose operator plays the intruder: he holds a genuine platform and his own enrolment key.
 * Its own collaborator is there meanwhile: a site that only shows evidence which is refused would be
 * put out, and no round would wait for it.
 */
#define INTRUDING_SITE "hospital1"
#define INTRUDING_CERTIFICATE "cert/client/col_hospital1.crt"
#define INTRUDING_KEY "cert/client/col_hospital1.key"
#define VICTIM "hospital2"

static vch_demo_actor *next_actor(vch_demo_intrusion *intrusion)
{
    return &intrusion->actor[intrusion->count++];
}

static vouch_code knock(const vch_demo_scene *scene, const vch_demo_federation *f, const char *name,
                        const char *site, const vch_demo_disguise *disguise,
                        vch_demo_intrusion *out, vouch_error *err)
{
    return vch_demo_start_collaborator(scene, f, name, site, disguise, next_actor(out), err);
}

/* Byte 15 of an ELF file is padding: the altered program runs exactly as the genuine one does. */
static vouch_code copy_altered(const char *from, const char *to, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer program = vch_buffer_with_cap(PROGRAM_CAP);
    vouch_code rc = vch_file_read(from, PROGRAM_CAP, &program, err);
    if (rc != VOUCH_OK)
        return rc;
    if (program.size < 64)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s' is no program", from);
    program.data[15] ^= 1;
    return vch_file_write(to, vch_buffer_span(&program), 0755, err);
}

static vouch_code altered_program(const vch_demo_scene *scene, const vch_demo_federation *f,
                                  vch_demo_intrusion *out, vouch_error *err)
{
    char genuine[VCH_PATH_SIZE];
    char altered[VCH_PATH_SIZE];
    vouch_code rc = vch_path_join(scene->programs, "vouch", genuine, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_path(scene, altered, "%s/vouch-altered", err, INTRUDING_SITE);
    if (rc == VOUCH_OK)
        rc = copy_altered(genuine, altered, err);
    if (rc == VOUCH_OK)
        rc = knock(scene, f, "intruder-altered-program", INTRUDING_SITE,
                   &(vch_demo_disguise) { .program = altered }, out, err);
    return rc;
}

/* Copy a file of the intruding site with one text replaced. */
static vouch_code copy_changed(const vch_demo_scene *scene, const char *from, const char *to,
                               const char *old_text, const char *new_text, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap((size_t)1 << 20);
    VCH_SCOPED(vch_buffer_drop) vch_buffer changed = vch_buffer_with_cap((size_t)1 << 20);
    vouch_code rc = vch_demo_path(scene, path, "%s/%s", err, INTRUDING_SITE, from);
    if (rc == VOUCH_OK)
        rc = vch_file_read(path, (size_t)1 << 20, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    const char *whole = vch_buffer_text(&text);
    const char *at = whole == NULL ? NULL : strstr(whole, old_text);
    if (at == NULL)
        return vouch_fail(err, VOUCH_E_INTERNAL, "'%s' has no '%s'", path, old_text);
    vch_buffer_append(&changed, (vouch_span) { text.data, (size_t)(at - whole) });
    vch_buffer_append_str(&changed, new_text);
    vch_buffer_append_str(&changed, at + strlen(old_text));
    (void)snprintf(path, sizeof path, "%s/%s", INTRUDING_SITE, to);
    return vch_demo_write(scene, path, &changed, err);
}

static vouch_code other_plan(const vch_demo_scene *scene, const vch_demo_federation *f,
                             vch_demo_intrusion *out, vouch_error *err)
{
    vouch_code rc =
        copy_changed(scene, "plan/plan.yaml", "plan/other-plan.yaml", "epochs: ", "epochs: 1", err);
    if (rc == VOUCH_OK)
        rc = knock(scene, f, "intruder-other-plan", INTRUDING_SITE,
                   &(vch_demo_disguise) { .plan = "plan/other-plan.yaml" }, out, err);
    return rc;
}

static vouch_code other_key(const vch_demo_scene *scene, const vch_demo_federation *f,
                            vch_demo_intrusion *out, vouch_error *err)
{
    char certificate[VCH_PATH_SIZE];
    vouch_code rc = vch_demo_path(scene, certificate, "%s/reports/%s_pubkey.pem", err,
                                  INTRUDING_SITE, INTRUDING_SITE);
    if (rc == VOUCH_OK)
        rc = vch_demo_start(scene, "intruder-other-key", INTRUDING_SITE,
                            ARGV("vouch-sim", "impostor", "--certificate", certificate, "--connect",
                                 f->aggregator_address, "--log-format", "json"),
                            NULL, next_actor(out), err);
    return rc;
}

static vouch_code other_site(const vch_demo_scene *scene, const vch_demo_federation *f,
                             vch_demo_intrusion *out, vouch_error *err)
{
    return knock(scene, f, "intruder-other-site", INTRUDING_SITE,
                 &(vch_demo_disguise) { .name = VICTIM }, out, err);
}

static vouch_code other_role(const vch_demo_scene *scene, const vch_demo_federation *f,
                             vch_demo_intrusion *out, vouch_error *err)
{
    return knock(scene, f, "intruder-other-role", VCH_DEMO_AGGREGATOR, &(vch_demo_disguise) { 0 },
                 out, err);
}

/* The site's own PKI certificate and key, as OpenFL alone would accept them. */
static vouch_code no_evidence(const vch_demo_scene *scene, const vch_demo_federation *f,
                              vch_demo_intrusion *out, vouch_error *err)
{
    return vch_demo_start(scene, "intruder-no-evidence", INTRUDING_SITE,
                          ARGV("vouch-sim", "impostor", "--certificate", INTRUDING_CERTIFICATE,
                               "--key", INTRUDING_KEY, "--connect", f->aggregator_address,
                               "--log-format", "json"),
                          NULL, next_actor(out), err);
}

/* A relay that obeys a file of the intruding site, and the address at which it listens. */
static vouch_code start_relay(const vch_demo_scene *scene, const char *name, const char *to,
                              const char *option, const char *file, vch_demo_intrusion *out,
                              char address[static 64], vouch_error *err)
{
    int64_t port = 0;
    VCH_SCOPED(vch_json_drop) vch_json *event = NULL;
    vch_demo_actor *relay = next_actor(out);
    vouch_code rc = vch_demo_start(scene, name, INTRUDING_SITE,
                                   ARGV("vouch-sim", "relay", "--to", to, option, file,
                                        "--log-format", "json", "--log-level", "info"),
                                   NULL, relay, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_event_wait(relay, "relay.listening", READY_MS, &event, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)vch_json_to_int(vch_json_member(event, "port"), &port);
    (void)snprintf(address, 64, "127.0.0.1:%d", (int)port);
    return VOUCH_OK;
}

static vouch_code raise_flag(const vch_demo_scene *scene, const char *file, vouch_error *err)
{
    char path[128];
    VCH_SCOPED(vch_buffer_drop) vch_buffer empty = vch_buffer_with_cap(1);
    (void)snprintf(path, sizeof path, "%s/%s", INTRUDING_SITE, file);
    return vch_demo_write(scene, path, &empty, err);
}

/*
 * The network is the intruder's: it lets the genuine program get its token, then cuts it off from the
 * verifier, and holds its connection to the aggregator back until the token has expired.
 */
static vouch_code get_token(const vch_demo_scene *scene, const vch_demo_federation *f,
                            vch_demo_intrusion *out, vouch_error *err)
{
    char late[64];
    char cut[64];
    char url[80];
    VCH_SCOPED(vch_json_drop) vch_json *ready = NULL;
    vouch_code rc = start_relay(scene, "intruder-late-network", f->aggregator_address,
                                "--hold-until", "release", out, late, err);
    if (rc == VOUCH_OK)
        rc = start_relay(scene, "intruder-cut-network", f->verifier_url + strlen("https://"),
                         "--cut-when", "cut", out, cut, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)snprintf(url, sizeof url, "https://%s", cut);
    vch_demo_actor *intruder = &out->actor[out->count];
    rc = knock(scene, f, "intruder-expired-token", INTRUDING_SITE,
               &(vch_demo_disguise) { .connect = late, .verifier_url = url }, out, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_event_wait(intruder, "participant.ready", READY_MS, &ready, err);
    if (rc == VOUCH_OK)
        rc = raise_flag(scene, "cut", err);
    out->prepared_ms = vch_clock_monotonic_ms();
    return rc;
}

static vouch_code expired_token(const vch_demo_scene *scene, const vch_demo_federation *f,
                                vch_demo_intrusion *out, vouch_error *err)
{
    (void)f;
    int64_t expired_ms = out->prepared_ms + (VCH_DEMO_TOKEN_LIFE_S + 2) * INT64_C(1000);
    vouch_code rc = VOUCH_OK;
    while (rc == VOUCH_OK && vch_clock_monotonic_ms() < expired_ms)
        rc = vch_demo_pause(err);
    return rc == VOUCH_OK ? raise_flag(scene, "release", err) : rc;
}

const vch_demo_intruder_kind vch_demo_intruder_kinds[] = {
    { "altered-program", "an executable altered by one byte", NULL, altered_program },
    { "other-plan", "the genuine program with another plan", NULL, other_plan },
    { "other-key", "a participant's genuine certificate with another key", NULL, other_key },
    { "other-site", "the genuine program on another site under a participant's name", NULL,
      other_site },
    { "other-role", "the genuine program in the other role", NULL, other_role },
    { "no-evidence", "a participant's PKI certificate, and no evidence at all", NULL, no_evidence },
    { "expired-token", "the genuine program with a token that expired", get_token, expired_token },
};
const size_t vch_demo_intruder_kind_count =
    sizeof vch_demo_intruder_kinds / sizeof *vch_demo_intruder_kinds;

void vch_demo_intrusion_drop(vch_demo_intrusion *intrusion)
{
    for (size_t i = 0; i < intrusion->count; i++)
        vch_demo_actor_drop(&intrusion->actor[i]);
    intrusion->count = 0;
}
