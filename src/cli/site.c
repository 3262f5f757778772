#include "cli/site.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "crypto/rand.h"
#include "host/environment.h"
#include "host/file.h"

/* A file that a participant was told to use and cannot read is a wrong setting of its own. */
static vouch_code as_configuration(vouch_code rc, const char *what, vouch_error *err)
{
    if (rc != VOUCH_E_NOT_FOUND && rc != VOUCH_E_IO)
        return rc;
    return vouch_wrap(err, VOUCH_E_CONFIG, "%s", what);
}

static vouch_code read_plan(const vch_site_options *o, vch_site *site, vouch_error *err)
{
    char host[256];
    const vch_release *release = NULL;
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    vouch_code rc = vch_release_find(
        o->openfl_release == NULL ? VCH_RELEASE_DEFAULT : o->openfl_release, &release, err);
    if (rc == VOUCH_OK)
        rc = vch_environment_host_name(host, sizeof host, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_plan_source source = { .release = release,
                                     .host_name = host,
                                     .federation_uuid = o->federation_uuid,
                                     .task_group = o->task_group };
    rc = vch_plan_load(o->plan_path, o->cols_path, &source, &faults, &site->plan, err);
    vch_command_faults(o->rt, &faults);
    if (rc == VOUCH_OK)
        site->view = vch_plan_look(site->plan);
    return as_configuration(rc, "the plan", err);
}

/* Where a service manager puts secrets (systemd's LoadCredential=ita-api-key:FILE). */
static const char *find_credential(const vch_runtime *rt, char path[static VCH_PATH_SIZE])
{
    const char *dir = rt->environment(NULL, "CREDENTIALS_DIRECTORY");
    bool there = dir != NULL && vch_path_join(dir, "ita-api-key", path, NULL) == VOUCH_OK
                 && vch_file_exists(path);
    return there ? path : NULL;
}

vouch_code vch_site_attestation_load(const vch_site_options *o, const char *path,
                                     vch_faults *faults, vch_attestation_file **out,
                                     vouch_error *err)
{
    char credential[VCH_PATH_SIZE];
    const vch_local_overrides overrides = { .api_key_file = find_credential(o->rt, credential),
                                            .attestation_dir =
                                                o->rt->environment(NULL, "VOUCH_ATTESTATION_DIR"),
                                            .verifier_url = o->rt->environment(NULL, "AVS_URL") };
    return vch_attestation_file_load(path, &overrides, faults, out, err);
}

static vouch_code read_attestation(const vch_site_options *o, vch_site *site, vouch_error *err)
{
    const char *path = o->attestation_path;
    if (path == NULL) {
        if (!vch_file_exists(VCH_SITE_ATTESTATION))
            return VOUCH_OK;
        path = VCH_SITE_ATTESTATION;
    }
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    vouch_code rc = vch_site_attestation_load(o, path, &faults, &site->attestation, err);
    vch_command_faults(o->rt, &faults);
    return as_configuration(rc, "what the federation agreed on", err);
}

static vouch_code name_aggregator(vch_site *site, vouch_error *err)
{
    const vch_federation *f = vch_attestation_file_federation(site->attestation);
    for (size_t i = 0; i < f->member_count; i++) {
        if (f->members[i].role == VCH_ROLE_AGGREGATOR) {
            (void)snprintf(site->name, sizeof site->name, "%s", f->members[i].name);
            return VOUCH_OK;
        }
    }
    return vouch_fail(err, VOUCH_E_CONFIG, "attestation.yaml names no aggregator");
}

static vouch_code find_name(const vch_site_options *o, vch_site *site, vouch_error *err)
{
    const char *name = o->name == NULL ? site->view->agg_addr : o->name;
    if (strlen(name) >= sizeof site->name)
        return vouch_fail(err, VOUCH_E_CONFIG, "the name '%.40s...' has more than %zu bytes", name,
                          sizeof site->name - 1);
    (void)snprintf(site->name, sizeof site->name, "%s", name);
    if (site->attestation == NULL)
        return VOUCH_OK;
    if (o->role == VCH_ROLE_AGGREGATOR)
        return name_aggregator(site, err);
    const vch_federation *f = vch_attestation_file_federation(site->attestation);
    const vch_member *member = vch_federation_member(f, name);
    if (member == NULL)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "attestation.yaml: '%s' is not among the participants", name);
    return VOUCH_OK;
}

static vouch_code check_attested(const vch_site_options *o, vch_site *site, vouch_error *err)
{
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    const vch_federation *f =
        site->attestation == NULL ? NULL : vch_attestation_file_federation(site->attestation);
    vch_plan_attested said = { 0 };
    if (f != NULL) {
        const vch_member *member = vch_federation_member(f, site->name);
        said = (vch_plan_attested) { f->aggregator_attested, f->collaborator_attested };
        site->attested = member != NULL && member->attested;
    }
    vouch_code rc = vch_plan_check_attested(site->plan, f == NULL ? NULL : &said, &faults, err);
    vch_command_faults(o->rt, &faults);
    return rc;
}

vouch_code vch_site_read(const vch_site_options *options, vch_site *out, vouch_error *err)
{
    VCH_SCOPED(vch_site_drop) vch_site site = { 0 };
    vouch_code rc = read_plan(options, &site, err);
    if (rc == VOUCH_OK)
        rc = read_attestation(options, &site, err);
    if (rc == VOUCH_OK)
        rc = find_name(options, &site, err);
    if (rc == VOUCH_OK)
        rc = check_attested(options, &site, err);
    if (rc == VOUCH_OK && options->secure && !site.attested)
        rc = vouch_fail(err, VOUCH_E_CONFIG,
                        "--secure: '%s' is not attested; plan/attestation.yaml is where it is made "
                        "so, and says how",
                        site.name);
    if (rc != VOUCH_OK)
        return rc;
    *out = site;
    site = (vch_site) { 0 };
    return VOUCH_OK;
}

void vch_site_drop(vch_site *site)
{
    vch_tls_settings_free(site->tls);
    vch_gate_free(site->gate);
    vch_participant_free(site->participant);
    vch_seal_root_free(site->own_root);
    vch_roster_free(site->roster);
    vch_attestation_file_free(site->attestation);
    vch_plan_free(site->plan);
    *site = (vch_site) { 0 };
}

static void log_ready(const vch_runtime *rt, const vch_site *site, vch_role role)
{
    const vch_credentials *c = vch_participant_credentials(site->participant);
    const vch_admission *v = &c->appraisal;
    vch_log(&rt->log, VCH_LOG_INFO, "participant.ready", VCH_STR("name", site->name),
            VCH_STR("role", vch_role_name(role)),
            VCH_STR("code", site->attested ? vch_admission_code_name(v->code) : "pki"),
            VCH_BOOL("attested", site->attested), VCH_STR("tee", v->tee),
            VCH_STR("measurement", v->measurement), VCH_STR("tcb_status", v->tcb_status),
            VCH_BOOL("simulated", v->simulated), VCH_BOOL("token", c->token.size > 0));
    vch_credentials_unref(c);
}

/* Where passport and root go; an attested participant must have been told. */
typedef struct places {
    const char *reports;
    const char *roots;
} places;

static vouch_code find_places(const vch_site_options *o, const vch_site *site, places *out,
                              vouch_error *err)
{
    bool serves = o->role == VCH_ROLE_AGGREGATOR;
    out->reports = out->roots = o->documents;
    if (o->documents == NULL) {
        out->reports = o->rt->environment(NULL, "ATTESTATION_REPORT_PATH");
        out->roots = o->rt->environment(NULL, "ROOT_CERT_PATH");
    }
    bool no_reports = out->reports == NULL || out->reports[0] == '\0';
    bool no_roots = serves && (out->roots == NULL || out->roots[0] == '\0');
    if (!site->attested || (!no_reports && !no_roots))
        return VOUCH_OK;
    return vouch_fail(err, VOUCH_E_CONFIG, "the %s is attested, but lacks: %s%s%s",
                      vch_role_name(o->role),
                      no_reports ? "ATTESTATION_REPORT_PATH (a directory for the passport)" : "",
                      no_reports && no_roots ? "; " : "",
                      no_roots ? "ROOT_CERT_PATH (a directory for the federation's root)" : "");
}

vouch_code vch_site_write_documents(const vch_site_options *o, const vch_site *site,
                                    vouch_error *err)
{
    places where = { 0 };
    if (!site->attested)
        return VOUCH_OK;
    vouch_code rc = find_places(o, site, &where, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(where.reports, 0755, err);
    if (rc == VOUCH_OK)
        rc = vch_participant_write_passport(site->participant, where.reports, err);
    if (rc != VOUCH_OK || o->role != VCH_ROLE_AGGREGATOR)
        return rc;
    rc = vch_dir_make(where.roots, 0755, err);
    return rc == VOUCH_OK ? vch_participant_write_root(site->participant, where.roots, err) : rc;
}

static bool format_path(char out[static VCH_PATH_SIZE], const char *folder, const char *middle,
                        const char *name, const char *end)
{
    int size = snprintf(out, VCH_PATH_SIZE, "%s/%s%s%s", folder, middle, name, end);
    return size > 0 && size < VCH_PATH_SIZE;
}

/* OpenFL's places; an aggregator's file carries its address in lower case. */
static vouch_code find_pki(const vch_site_options *o, const vch_site *site, vch_site_pki *out,
                           vouch_error *err)
{
    const char *folder = site->view->cert_folder;
    char address[VCH_PATH_SIZE] = "";
    bool serves = o->role == VCH_ROLE_AGGREGATOR;
    (void)snprintf(address, sizeof address, "%s", site->view->agg_addr);
    for (char *c = address; *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    const char *middle = serves ? "server/agg_" : "client/col_";
    const char *name = serves ? address : site->name;
    if (format_path(out->cert, folder, middle, name, ".crt")
        && format_path(out->key, folder, middle, name, ".key")
        && format_path(out->chain, folder, "cert_chain", "", ".crt"))
        return VOUCH_OK;
    return vouch_fail(err, VOUCH_E_CONFIG, "network.settings.cert_folder: name too long");
}

static void name_missing(vch_buffer *list, const char *path)
{
    if (!vch_file_exists(path))
        vch_buffer_append_fmt(list, "%s'%s'", list->size == 0 ? "" : ", ", path);
}

/* Without attestation these files are all there is: name every one that is missing at once. */
static vouch_code check_pki(const vch_site *site, const vch_site_pki *pki, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer list = vch_buffer_with_cap((size_t)4 * VCH_PATH_SIZE);
    if (site->attestation != NULL)
        return VOUCH_OK; /* local.enrolment may name others; identity says what it lacks */
    name_missing(&list, pki->cert);
    name_missing(&list, pki->key);
    name_missing(&list, pki->chain);
    const char *text = vch_buffer_text(&list);
    if (list.size == 0 || text == NULL)
        return VOUCH_OK;
    return vouch_fail(err, VOUCH_E_CONFIG, "the PKI of '%s' lacks %s", site->name, text);
}

vouch_code vch_site_participant_options(const vch_site_options *o, const vch_site *site,
                                        const vch_attestation_file *file, vch_site_pki *pki,
                                        vch_participant_options *out, vouch_error *err)
{
    vouch_code rc = find_pki(o, site, pki, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = (vch_participant_options) {
        .file = file,
        .role = o->role,
        .name = site->name,
        .address = o->role == VCH_ROLE_AGGREGATOR ? site->view->agg_addr : NULL,
        .plan_digest = site->view->claim,
        .pki_cert = vch_file_exists(pki->cert) ? pki->cert : NULL,
        .pki_key = vch_file_exists(pki->key) ? pki->key : NULL,
        .pki_chain = vch_file_exists(pki->chain) ? pki->chain : NULL,
        .api_key = o->rt->environment(NULL, "ITA_API_KEY"),
        .state = file == NULL ? NULL : vch_attestation_file_local(file)->state,
        .log = &o->rt->log
    };
    return VOUCH_OK;
}

vouch_code vch_site_enter(const vch_site_options *o, vch_site *site, vouch_error *err)
{
    places where = { 0 };
    vch_site_pki pki;
    vch_participant_options options = { 0 };
    vouch_code rc = find_places(o, site, &where, err);
    if (rc == VOUCH_OK)
        rc = vch_site_participant_options(o, site, site->attestation, &pki, &options, err);
    if (rc == VOUCH_OK)
        rc = check_pki(site, &pki, err);
    if (rc == VOUCH_OK)
        rc = vch_participant_new(&options, &site->participant, err);
    if (rc == VOUCH_OK)
        rc = vch_site_write_documents(o, site, err);
    if (rc == VOUCH_OK && site->attestation != NULL)
        rc = vch_roster_new(vch_attestation_file_federation(site->attestation), &site->roster, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_gate_options gate = { .participant = site->participant,
                                    .roster = site->roster,
                                    .on_verdict = o->on_verdict,
                                    .observer = o->observer };
    rc = vch_gate_new(&gate, &site->gate, err);
    if (rc == VOUCH_OK)
        rc = vch_gate_tls_settings(site->gate, &site->tls, err);
    if (rc == VOUCH_OK)
        rc = vch_participant_keep_fresh(site->participant, err);
    if (rc == VOUCH_OK)
        log_ready(o->rt, site, o->role);
    return rc;
}

const uint8_t *vch_site_policy_digest(const vch_site *site)
{
    if (site->attestation == NULL)
        return NULL;
    return vch_attestation_file_federation(site->attestation)->digest;
}

vouch_code vch_site_seal(vch_site *site, const vch_seal_root **out, bool *out_fleeting,
                         vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    *out = NULL;
    *out_fleeting = false;
    if (!site->attested)
        return VOUCH_OK;
    *out = vch_participant_seal_root(site->participant);
    if (*out != NULL)
        return VOUCH_OK;
    *out_fleeting = true;
    if (site->own_root != NULL) {
        *out = site->own_root;
        return VOUCH_OK;
    }
    const vch_seal_context context = { .plan_digest = site->view->claim,
                                       .policy_digest = vch_site_policy_digest(site),
                                       .role = "fleeting",
                                       .name = site->name };
    vouch_code rc = vch_secret_alloc(&key, VCH_SEAL_KEY_SIZE, err);
    if (rc == VOUCH_OK)
        rc = vch_random_bytes(key.data, key.size, err);
    if (rc == VOUCH_OK)
        rc = vch_seal_root_new((vouch_span) { key.data, key.size }, &context, &site->own_root, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "a key for this process's state");
    *out = site->own_root;
    return VOUCH_OK;
}

size_t vch_site_rules_before(const vch_site *site, vch_state_rules out[static VCH_STATE_BEFORE_MAX])
{
    size_t count = 0;
    const uint8_t *digest = NULL;
    if (site->attestation == NULL)
        return 0;
    const vch_federation *f = vch_attestation_file_federation(site->attestation);
    if (vch_participant_seal_root(site->participant) == NULL) {
        out[0] = (vch_state_rules) { .digest = f->replaces };
        return f->has_replaces ? 1 : 0;
    }
    while (count < VCH_STATE_BEFORE_MAX
           && (digest = vch_participant_previous_policy(site->participant, count)) != NULL) {
        out[count] =
            (vch_state_rules) { digest,
                                vch_participant_previous_seal_root(site->participant, count) };
        count++;
    }
    return count;
}
