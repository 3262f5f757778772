#include "cli/demo_federation.h"

#include <string.h>

#include "cli/demo_steps.h"
#include "codec/hex.h"
#include "crypto/hash.h"
#include "crypto/pem.h"

#define READY_MS INT64_C(30000)
#define TEXT_CAP ((size_t)1 << 16)

static const vch_json_limits answer_limits = { .size = TEXT_CAP, .depth = 8 };

const char *vch_demo_collaborator_name(size_t index, char out[static 32])
{
    (void)snprintf(out, 32, "hospital%zu", index + 1);
    return out;
}

/* Run a command that prints one JSON object. */
vouch_code vch_demo_ask(const vch_demo_scene *scene, const char *inside, const char *const *argv,
                        vch_json **out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(TEXT_CAP);
    vouch_code rc = vch_demo_run(scene, inside, argv, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_json_parse(vch_buffer_span(&text), &answer_limits, out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "asking %s %s", argv[0], argv[1]);
}

vouch_code vch_demo_copy_member(const vch_json *object, const char *name, char *out, size_t size,
                                vouch_error *err)
{
    const char *text = NULL;
    vouch_code rc = vch_json_get_string(object, name, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    if (strlen(text) >= size)
        return vouch_fail(err, VOUCH_E_LIMIT, "'%s' is longer than %zu bytes", name, size - 1);
    memcpy(out, text, strlen(text) + 1);
    return VOUCH_OK;
}

/* SHA-256 of the DER of the first certificate in a PEM file, in hex. */
static vouch_code certificate_digest(const char *path, char out[static 65], vouch_error *err)
{
    uint8_t digest[32];
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(TEXT_CAP);
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(TEXT_CAP);
    vouch_code rc = vch_file_read(path, TEXT_CAP, &pem, err);
    if (rc == VOUCH_OK)
        rc = vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_NO_TEXT, &der,
                                err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(vch_buffer_span(&der), digest, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "'%s'", path);
    vch_hex_encode((vouch_span) { digest, sizeof digest }, out);
    return VOUCH_OK;
}

static vouch_code make_platform(const vch_demo_scene *scene, const char *tee, const char *name,
                                const char *vendor, vouch_error *err)
{
    char dir[VCH_PATH_SIZE];
    char vendor_dir[VCH_PATH_SIZE];
    vouch_code rc = vch_demo_path(scene, dir, "platforms/%s", err, name);
    if (rc == VOUCH_OK)
        rc = vch_demo_path(scene, vendor_dir, "platforms/%s", err, vendor);
    if (rc != VOUCH_OK)
        return rc;
    return vch_demo_run(
        scene, "platforms",
        ARGV("vouch-sim", "platform", "create", dir, "--vendor", vendor_dir, "--tee", tee), NULL,
        err);
}

/* What `vouch-sim run` will measure, asked of vouch-sim itself. */
static vouch_code measure(const vch_demo_scene *scene, vch_demo_federation *f, vouch_error *err)
{
    char program[VCH_PATH_SIZE];
    VCH_SCOPED(vch_json_drop) vch_json *answer = NULL;
    vouch_code rc = vch_path_join(scene->programs, "vouch", program, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_ask(scene, "platforms", ARGV("vouch-sim", "measure", "--json", "--", program),
                          &answer, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_copy_member(answer, strcmp(f->tee, "sgx") == 0 ? "mrenclave" : "mrtd",
                                  f->measurement, sizeof f->measurement, err);
    return rc;
}

vouch_code vch_demo_make_platforms(const vch_demo_scene *scene, vch_demo_federation *f,
                                   vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    char name[32];
    vouch_code rc = vch_demo_path(scene, path, "platforms", err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(path, 0700, err);
    if (rc == VOUCH_OK)
        rc = make_platform(scene, f->tee, VCH_DEMO_AGGREGATOR, "vendor", err);
    for (size_t i = 0; rc == VOUCH_OK && i < f->collaborator_count; i++)
        rc = make_platform(scene, f->tee, vch_demo_collaborator_name(i, name), "vendor", err);
    if (rc == VOUCH_OK)
        rc = make_platform(scene, f->tee, "stranger", "vendor", err);
    if (rc == VOUCH_OK)
        rc = vch_demo_path(scene, path, "platforms/%s/root.pem", err, VCH_DEMO_AGGREGATOR);
    if (rc == VOUCH_OK)
        rc = certificate_digest(path, f->vendor_root, err);
    return rc == VOUCH_OK ? measure(scene, f, err) : rc;
}

static vouch_code init_verifier(const vch_demo_scene *scene, vch_demo_federation *f,
                                vouch_error *err)
{
    char dir[VCH_PATH_SIZE];
    char root[VCH_PATH_SIZE];
    char collateral[VCH_PATH_SIZE];
    char token_root[VCH_PATH_SIZE];
    char listen[32];
    uint16_t port = 0;
    VCH_SCOPED(vch_json_drop) vch_json *answer = NULL;
    vouch_code rc = vch_demo_free_port(&port, err);
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", port);
    if (rc == VOUCH_OK)
        rc = vch_demo_path(scene, dir, "verifier", err);
    if (rc == VOUCH_OK)
        rc = vch_demo_path(scene, root, "platforms/%s/root.pem", err, VCH_DEMO_AGGREGATOR);
    if (rc == VOUCH_OK)
        rc = vch_demo_path(scene, collateral, "platforms/%s/collateral", err, VCH_DEMO_AGGREGATOR);
    if (rc == VOUCH_OK)
        rc = vch_demo_ask(scene, ".",
                          ARGV("vouch-verifyd", "init", dir, "--host", "127.0.0.1", "--listen",
                               listen, "--root", root, "--collateral-dir", collateral,
                               "--token-lifetime", VCH_DEMO_TOKEN_LIFE_TEXT, "--json"),
                          &answer, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_copy_member(answer, "config", f->verifier_config, sizeof f->verifier_config,
                                  err);
    if (rc == VOUCH_OK)
        rc = vch_demo_copy_member(answer, "tls_ca", f->verifier_ca, sizeof f->verifier_ca, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_copy_member(answer, "api_key_file", f->api_key_file, sizeof f->api_key_file,
                                  err);
    if (rc == VOUCH_OK)
        rc = vch_demo_copy_member(answer, "token_root", token_root, sizeof token_root, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_copy_member(answer, "base_url", f->verifier_url, sizeof f->verifier_url, err);
    return rc == VOUCH_OK ? certificate_digest(token_root, f->token_root, err) : rc;
}

vouch_code vch_demo_start_verifier(const vch_demo_scene *scene, vch_demo_federation *f,
                                   vouch_error *err)
{
    VCH_SCOPED(vch_json_drop) vch_json *ready = NULL;
    vouch_code rc = init_verifier(scene, f, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_start(scene, "verifier", "verifier",
                            ARGV("vouch-verifyd", "--config", f->verifier_config, "--log-format",
                                 "json", "--log-level", "info"),
                            NULL, &f->verifier, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_event_wait(&f->verifier, "verifyd.listening", READY_MS, &ready, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "starting the verification service");
}
