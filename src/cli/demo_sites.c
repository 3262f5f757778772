#include <inttypes.h>
#include <string.h>

#include "base/moment.h"
#include "cli/demo_federation.h"
#include "cli/demo_steps.h"
#include "codec/hex.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "crypto/rand.h"
#include "host/clock.h"
#include "identity/ratls_cert.h"

#define TEXT_CAP ((size_t)1 << 16)

/* Without the last collaborator each round waits this long: time enough for the intruders. */
static int64_t cutoff_s(const vch_demo_federation *f)
{
    int64_t share = f->rounds > 1 ? 30 / (f->rounds - 1) : 30;
    return share < 2 ? 2 : share;
}

static void write_plan(const vch_demo_federation *f, vch_buffer *out)
{
    vch_buffer_append_fmt(
        out,
        "# OpenFL's plan, the same at every site. Its digest is a claim of every participant.\n"
        "aggregator:\n"
        "  template: openfl.component.Aggregator\n"
        "  settings:\n"
        "    init_state_path: save/init.pbuf\n"
        "    best_state_path: save/best.pbuf\n"
        "    last_state_path: save/last.pbuf\n"
        "    rounds_to_train: %" PRId64 "\n"
        "    db_store_rounds: 2\n"
        "    write_logs: false\n"
        "collaborator:\n"
        "  template: openfl.component.Collaborator\n"
        "  settings:\n"
        "    delta_updates: false\n"
        "    opt_treatment: RESET\n"
        "data_loader:\n"
        "  template: vouch.CsvDataLoader\n"
        "  settings: {}\n"
        "task_runner:\n"
        "  template: vouch.MlpTaskRunner\n"
        "  settings:\n"
        "    hidden: [64]\n"
        "    learning_rate: 0.1\n"
        "    batch_size: 32\n"
        "    epochs: 2\n"
        "    seed: 7\n"
        "network:\n"
        "  template: openfl.federation.Network\n"
        "  settings:\n"
        "    agg_addr: localhost\n"
        "    agg_port: 50051\n"
        "    cert_folder: cert\n"
        "assigner:\n"
        "  template: openfl.component.RandomGroupedAssigner\n"
        "  settings:\n"
        "    task_groups:\n"
        "    - name: train_and_validate\n"
        "      percentage: 1.0\n"
        "      tasks: [aggregated_model_validation, train, locally_tuned_model_validation]\n"
        "straggler_handling_policy:\n"
        "  template: openfl.component.aggregator.straggler_handling.CutoffTimePolicy\n"
        "  settings:\n"
        "    straggler_cutoff_time: %" PRId64 "\n"
        "    minimum_reporting: %zu\n"
        "compression_pipeline:\n"
        "  template: openfl.pipelines.NoCompressionPipeline\n"
        "  settings: {}\n"
        "tasks:\n"
        "  aggregated_model_validation:\n"
        "    function: validate\n"
        "    kwargs: {apply: global, metrics: [accuracy]}\n"
        "  locally_tuned_model_validation:\n"
        "    function: validate\n"
        "    kwargs: {apply: local, metrics: [accuracy]}\n"
        "  train:\n"
        "    function: train_batches\n"
        "    kwargs: {metrics: [loss]}\n",
        f->rounds, cutoff_s(f), f->collaborator_count - 1);
}

static void write_cols(const vch_demo_federation *f, vch_buffer *out)
{
    char name[32];
    vch_buffer_append_str(out, "collaborators:\n");
    for (size_t i = 0; i < f->collaborator_count; i++)
        vch_buffer_append_fmt(out, "- %s\n", vch_demo_collaborator_name(i, name));
}

static vouch_code write_inside(const vch_demo_scene *scene, const vch_demo_federation *f,
                               const char *site, const char *file,
                               void (*writer)(const vch_demo_federation *f, vch_buffer *out),
                               vouch_error *err)
{
    char inside[128];
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(TEXT_CAP);
    (void)snprintf(inside, sizeof inside, "%s/plan/%s", site, file);
    writer(f, &text);
    return vch_demo_write(scene, inside, &text, err);
}

/* A site's directory: plan, cols, and one shard of the data. */
static vouch_code make_site(const vch_demo_scene *scene, const vch_demo_federation *f,
                            const char *site, const char *data, vouch_error *err)
{
    char name[32];
    char inside[128];
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(TEXT_CAP);
    vouch_code rc = write_inside(scene, f, site, "plan.yaml", write_plan, err);
    if (rc == VOUCH_OK)
        rc = write_inside(scene, f, site, "cols.yaml", write_cols, err);
    (void)snprintf(inside, sizeof inside, "%s/plan/data.yaml", site);
    /* the aggregator has a line, too: an intruder will start the collaborator's program there */
    vch_buffer_append_fmt(&text, "# collaborator,path of its data#shard/of\n%s,%s#0/%zu\n",
                          VCH_DEMO_AGGREGATOR, data, f->collaborator_count);
    for (size_t i = 0; i < f->collaborator_count; i++)
        vch_buffer_append_fmt(&text, "%s,%s#%zu/%zu\n", vch_demo_collaborator_name(i, name), data,
                              i, f->collaborator_count);
    return rc == VOUCH_OK ? vch_demo_write(scene, inside, &text, err) : rc;
}

static vouch_code make_directories(const vch_demo_scene *scene, const char *site, vouch_error *err)
{
    static const char *const inside[] = { "plan", "cert", "data", "save", "logs" };
    vouch_code rc = VOUCH_OK;
    char path[VCH_PATH_SIZE];
    for (size_t i = 0; rc == VOUCH_OK && i < sizeof inside / sizeof *inside; i++) {
        rc = vch_demo_path(scene, path, "%s/%s", err, site, inside[i]);
        if (rc == VOUCH_OK)
            rc = vch_dir_make(path, 0755, err);
    }
    return rc;
}

/* A collaborator's PKI certificate: request at the site, signature at the aggregator, import. */
static vouch_code certify_collaborator(const vch_demo_scene *scene, const char *site,
                                       vouch_error *err)
{
    char request[VCH_PATH_SIZE];
    char answer[VCH_PATH_SIZE];
    vouch_code rc =
        vch_demo_path(scene, request, "%s/col_%s_to_agg_cert_request.zip", err, site, site);
    if (rc == VOUCH_OK)
        rc = vch_demo_path(scene, answer, "%s/agg_to_col_%s_signed_cert.zip", err,
                           VCH_DEMO_AGGREGATOR, site);
    if (rc == VOUCH_OK)
        rc = vch_demo_run(scene, site,
                          ARGV("vouch", "collaborator", "generate-cert-request", "-n", site, "-s"),
                          NULL, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_run(scene, VCH_DEMO_AGGREGATOR,
                          ARGV("vouch", "collaborator", "certify", "--request-pkg", request, "-s"),
                          NULL, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_run(scene, site, ARGV("vouch", "collaborator", "certify", "--import", answer),
                          NULL, err);
    return rc;
}

static vouch_code certify_all(const vch_demo_scene *scene, const vch_demo_federation *f,
                              vouch_error *err)
{
    char site[32];
    vouch_code rc =
        vch_demo_run(scene, VCH_DEMO_AGGREGATOR, ARGV("vouch", "workspace", "certify"), NULL, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_run(
            scene, VCH_DEMO_AGGREGATOR,
            ARGV("vouch", "aggregator", "generate-cert-request", "--fqdn", "localhost"), NULL, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_run(scene, VCH_DEMO_AGGREGATOR,
                          ARGV("vouch", "aggregator", "certify", "--fqdn", "localhost", "-s"), NULL,
                          err);
    for (size_t i = 0; rc == VOUCH_OK && i < f->collaborator_count; i++)
        rc = certify_collaborator(scene, vch_demo_collaborator_name(i, site), err);
    return rc;
}

/* What the policy pins for a name: the digest of its site's public key. */
static vouch_code enrolment_digest(const vch_demo_scene *scene, const char *site, const char *cert,
                                   char out[static 65], vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    uint8_t digest[32];
    vch_ratls_cert parsed = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(TEXT_CAP);
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(TEXT_CAP);
    vouch_code rc = vch_demo_path(scene, path, "%s/%s", err, site, cert);
    if (rc == VOUCH_OK)
        rc = vch_file_read(path, TEXT_CAP, &pem, err);
    if (rc == VOUCH_OK)
        rc = vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_NO_TEXT, &der,
                                err);
    if (rc == VOUCH_OK)
        rc = vch_ratls_cert_parse(vch_buffer_span(&der), &parsed, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(parsed.spki, digest, err);
    if (rc == VOUCH_OK)
        vch_hex_encode((vouch_span) { digest, sizeof digest }, out);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "'%s/%s'", site, cert);
}

static vouch_code write_participants(const vch_demo_scene *scene, const vch_demo_federation *f,
                                     vch_buffer *out, vouch_error *err)
{
    char digest[65];
    char name[32];
    char cert[64];
    vouch_code rc =
        enrolment_digest(scene, VCH_DEMO_AGGREGATOR, "cert/server/agg_localhost.crt", digest, err);
    vch_buffer_append_str(out, "  participants:\n");
    if (rc == VOUCH_OK)
        vch_buffer_append_fmt(out, "    - {name: %s, role: aggregator, enrolment: %s}\n",
                              VCH_DEMO_AGGREGATOR, digest);
    for (size_t i = 0; rc == VOUCH_OK && i < f->collaborator_count; i++) {
        (void)vch_demo_collaborator_name(i, name);
        (void)snprintf(cert, sizeof cert, "cert/client/col_%s.crt", name);
        rc = enrolment_digest(scene, name, cert, digest, err);
        if (rc == VOUCH_OK)
            vch_buffer_append_fmt(out, "    - {name: %s, role: collaborator, enrolment: %s}\n",
                                  name, digest);
    }
    return rc;
}

/* The digest of save/init.pbuf, which every participant demands of round 0. */
static vouch_code initial_model(const vch_demo_scene *scene, char out[static 65], vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    uint8_t digest[32];
    VCH_SCOPED(vch_buffer_drop) vch_buffer model = vch_buffer_with_cap((size_t)64 << 20);
    vouch_code rc = vch_demo_path(scene, path, "%s/save/init.pbuf", err, VCH_DEMO_AGGREGATOR);
    if (rc == VOUCH_OK)
        rc = vch_file_read(path, (size_t)64 << 20, &model, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(vch_buffer_span(&model), digest, err);
    if (rc == VOUCH_OK)
        vch_hex_encode((vouch_span) { digest, sizeof digest }, out);
    return rc;
}

/* `federation:`, the same bytes at every site. */
static vouch_code write_federation(const vch_demo_scene *scene, const vch_demo_federation *f,
                                   vch_buffer *out, vouch_error *err)
{
    char model[65];
    char id[33];
    uint8_t random[16];
    char from[VCH_MOMENT_TEXT_SIZE];
    const char *kind = strcmp(f->tee, "sgx") == 0 ? "mrenclave" : "mrtd";
    vouch_code rc = initial_model(scene, model, err);
    if (rc == VOUCH_OK)
        rc = vch_random_bytes(random, sizeof random, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_hex_encode((vouch_span) { random, sizeof random }, id);
    vch_buffer_append_fmt(
        out,
        "version: 1\n"
        "federation:   # shared by all; its digest is a claim of every participant\n"
        "  id: '%s'\n"
        "  from: %s\n"
        "  enable: {aggregator: true, collaborator: true}\n"
        "  initial_model: '%s'\n",
        id, vch_moment_format(vch_clock_unix_s() - 3600, from), model);
    rc = write_participants(scene, f, out, err);
    vch_buffer_append_fmt(out,
                          "  measurements:\n"
                          "    aggregator: [{%s: '%s'}]\n"
                          "    collaborator: [{%s: '%s'}]\n"
                          "  tcb: {accept: [UpToDate]}\n"
                          "  token: required\n"
                          "  token_issuers: [{base_url: '%s', root: '%s'}]\n"
                          "  channel: key\n"
                          "  roots: ['%s']   # a simulated vendor: every verdict says so\n"
                          "  model_export: clear\n"
                          "  certificate_life_h: 24\n"
                          "  reattest_min: 60\n",
                          kind, f->measurement, kind, f->measurement, f->verifier_url,
                          f->token_root, f->vendor_root);
    return rc;
}

/* `local:`, each site's own. */
static vouch_code write_attestation(const vch_demo_scene *scene, const vch_demo_federation *f,
                                    const char *site, const vch_buffer *federation,
                                    vouch_error *err)
{
    char inside[128];
    char collateral[VCH_PATH_SIZE];
    bool serves = strcmp(site, VCH_DEMO_AGGREGATOR) == 0;
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(TEXT_CAP);
    vouch_code rc = vch_demo_path(scene, collateral, "platforms/%s/collateral", err, site);
    if (rc != VOUCH_OK)
        return rc;
    (void)snprintf(inside, sizeof inside, "%s/plan/attestation.yaml", site);
    vch_buffer_append(&text, vch_buffer_span(federation));
    vch_buffer_append_fmt(&text,
                          "local:        # this host's own\n"
                          "  collateral: {dir: '%s'}\n"
                          "  verifier: {url: '%s', ca: '%s', api_key_file: '%s'}\n"
                          "  enrolment: {cert: cert/%s_%s.crt, key: cert/%s_%s.key}\n"
                          "  clock_skew_s: 1\n",
                          collateral, f->verifier_url, f->verifier_ca, f->api_key_file,
                          serves ? "server/agg" : "client/col", serves ? "localhost" : site,
                          serves ? "server/agg" : "client/col", serves ? "localhost" : site);
    return vch_demo_write(scene, inside, &text, err);
}

static vouch_code write_all_attestation(const vch_demo_scene *scene, const vch_demo_federation *f,
                                        vouch_error *err)
{
    char site[32];
    VCH_SCOPED(vch_buffer_drop) vch_buffer federation = vch_buffer_with_cap(TEXT_CAP);
    vouch_code rc = write_federation(scene, f, &federation, err);
    if (rc == VOUCH_OK)
        rc = write_attestation(scene, f, VCH_DEMO_AGGREGATOR, &federation, err);
    for (size_t i = 0; rc == VOUCH_OK && i < f->collaborator_count; i++)
        rc = write_attestation(scene, f, vch_demo_collaborator_name(i, site), &federation, err);
    return rc;
}

vouch_code vch_demo_make_sites(const vch_demo_scene *scene, vch_demo_federation *f,
                               const char *data, vouch_error *err)
{
    char site[32];
    vouch_code rc = make_directories(scene, VCH_DEMO_AGGREGATOR, err);
    if (rc == VOUCH_OK)
        rc = make_site(scene, f, VCH_DEMO_AGGREGATOR, data, err);
    for (size_t i = 0; rc == VOUCH_OK && i < f->collaborator_count; i++) {
        (void)vch_demo_collaborator_name(i, site);
        rc = make_directories(scene, site, err);
        if (rc == VOUCH_OK)
            rc = make_site(scene, f, site, data, err);
    }
    if (rc == VOUCH_OK)
        rc = certify_all(scene, f, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_run(scene, VCH_DEMO_AGGREGATOR, ARGV("vouch", "plan", "initialize"), NULL,
                          err);
    return rc == VOUCH_OK ? write_all_attestation(scene, f, err) : rc;
}
