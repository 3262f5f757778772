#include "svc/verifyd_init.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "codec/base64.h"
#include "codec/hex.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "crypto/rand.h"
#include "policy/builder.h"
#include "policy/policy.h"
#include "store/verifier_store.h"
#include "svc/verifyd_attest.h"
#include "svc/verifyd_pki.h"

#define CONFIG_NAME "verifyd.yaml"
#define API_KEY_NAME "first"
#define API_KEY_RANDOM_SIZE 30 /* 40 characters of base64, as Intel's */

/* Where something is: absolute, so that the answer is of use from any directory. */
static vouch_code place(const vch_verifyd_init_options *o, const char *name,
                        char out[static VCH_PATH_SIZE], vouch_error *err)
{
    return vch_path_join(o->dir, name, out, err);
}

static vouch_code write_at(const vch_verifyd_init_options *o, const char *name, vouch_span bytes,
                           mode_t mode, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    vouch_code rc = place(o, name, path, err);
    return rc == VOUCH_OK ? vch_file_write(path, bytes, mode, err) : rc;
}

/* A key that every official client takes: standard base64, padded or whole, drawn until it holds
 * none of + and / (and so none of - and _ in the other alphabet). */
static vouch_code draw_api_key(vch_secret *out, vouch_error *err)
{
    uint8_t random[API_KEY_RANDOM_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(64);
    bool good = false;
    while (!good) {
        vouch_code rc = vch_random_bytes(random, sizeof random, err);
        if (rc != VOUCH_OK)
            return rc;
        text.size = 0;
        vch_base64_encode((vouch_span) { random, sizeof random }, &text);
        rc = vch_buffer_finish(&text, "API key", err);
        if (rc != VOUCH_OK)
            return rc;
        good =
            memchr(text.data, '+', text.size) == NULL && memchr(text.data, '/', text.size) == NULL;
    }
    vouch_code rc = vch_secret_alloc(out, text.size, err);
    if (rc == VOUCH_OK)
        memcpy(out->data, text.data, text.size);
    vch_wipe(random, sizeof random);
    vch_wipe(text.data, text.size);
    return rc;
}

static vouch_code make_api_key(const vch_verifyd_init_options *o, vch_verifyd_init_result *result,
                               vouch_error *err)
{
    char database[VCH_PATH_SIZE];
    uint8_t digest[VCH_SHA256_SIZE];
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    VCH_SCOPED(vch_verifier_store_drop) vch_verifier_store *store = NULL;
    vouch_code rc = draw_api_key(&key, err);
    if (rc == VOUCH_OK)
        rc = place(o, "state.db", database, err);
    if (rc == VOUCH_OK)
        rc = place(o, "api.key", result->api_key_file, err);
    if (rc != VOUCH_OK)
        return rc;
    const vouch_span text = { key.data, key.size };
    rc = vch_file_write(result->api_key_file, text, 0600, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(text, digest, err);
    if (rc == VOUCH_OK)
        rc = vch_verifier_store_open(database, &store, err);
    if (rc == VOUCH_OK)
        rc = vch_verifier_store_key_add(store, API_KEY_NAME, digest, o->now_unix_s, err);
    return rc;
}

static vouch_code copy_file(const char *from, const vch_verifyd_init_options *o, const char *to,
                            vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = { 0 };
    vouch_code rc = vch_file_read(from, VCH_PEM_MAX_SIZE, &bytes, err);
    return rc == VOUCH_OK ? write_at(o, to, vch_buffer_span(&bytes), 0644, err) : rc;
}

static vouch_code copy_roots(const vch_verifyd_init_options *o, vouch_error *err)
{
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; i < o->root_count && rc == VOUCH_OK; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "roots/%zu.pem", i + 1);
        rc = copy_file(o->roots[i], o, name, err);
    }
    return rc;
}

/* A policy that cannot be read must not be found only by the first client that asks for it. */
static vouch_code check_policy(const char *path, vouch_span text, bool *out_json, vouch_error *err)
{
    VCH_SCOPED(vch_policy_drop) vouch_policy *policy = NULL;
    VCH_SCOPED(vch_builder_drop) vch_builder_policy *builder = NULL;
    *out_json = vch_policy_form_of(text) == VCH_POLICY_BUILDER;
    return *out_json ? vch_builder_parse(path, text, &builder, err)
                     : vouch_policy_parse(path, text, &policy, err);
}

static vouch_code copy_policies(const vch_verifyd_init_options *o, vch_verifyd_init_result *result,
                                vouch_error *err)
{
    for (size_t i = 0; i < o->policy_count; i++) {
        bool json = false;
        VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
        vouch_code rc = vch_uuid_draw(result->policy_ids[i], err);
        if (rc == VOUCH_OK)
            rc = vch_file_read(o->policies[i], VCH_YAML_MAX_SIZE, &text, err);
        if (rc == VOUCH_OK)
            rc = check_policy(o->policies[i], vch_buffer_span(&text), &json, err);
        if (rc != VOUCH_OK)
            return rc;
        (void)snprintf(result->policy_files[i], sizeof result->policy_files[i], "policies/%s.%s",
                       result->policy_ids[i], json ? "json" : "yaml");
        rc = write_at(o, result->policy_files[i], vch_buffer_span(&text), 0644, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

/* A text in YAML's double quotes. */
static void put_quoted(vch_buffer *out, const char *text)
{
    vch_buffer_append_str(out, "\"");
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            vch_buffer_append_str(out, "\\");
        vch_buffer_u8(out, (uint8_t)*c);
    }
    vch_buffer_append_str(out, "\"");
}

static void put_roots(const vch_verifyd_init_options *o, vch_buffer *out)
{
    vch_buffer_append_str(out, "# Whose platforms are trusted: 'intel' is the built-in root of "
                               "genuine hardware; any other\n# root makes verdicts and tokens that "
                               "say \"simulated\".\nroots:\n");
    if (o->root_count == 0)
        vch_buffer_append_str(out, "  - intel\n");
    for (size_t i = 0; i < o->root_count; i++)
        vch_buffer_append_fmt(out, "  - roots/%zu.pem\n", i + 1);
}

static void put_policies(const vch_verifyd_init_options *o, const vch_verifyd_init_result *result,
                         vch_buffer *out)
{
    vch_buffer_append_str(out,
                          "\n# Policies, Vouch's YAML or the JSON of Intel's Policy Builder; a "
                          "token names those that matched and those that "
                          "did not. A request may\n# ask for some by their ids and demand that "
                          "they match.\npolicies:");
    vch_buffer_append_str(out, o->policy_count == 0 ? " []\n" : "\n");
    for (size_t i = 0; i < o->policy_count; i++)
        vch_buffer_append_fmt(out, "  - {id: %s, file: %s}\n", result->policy_ids[i],
                              result->policy_files[i]);
}

static void put_service(const vch_verifyd_init_options *o, const vch_verifyd_init_result *result,
                        const char *instance, vch_buffer *out)
{
    vch_buffer_append_str(out,
                          "# Configuration of vouch-verifyd. Paths are relative to this file.\n"
                          "# Check it with: vouch-verifyd --config FILE --check-config\n"
                          "version: 1\n\n# Where it listens, and the address that clients use; "
                          "the latter stands in tokens, keys and CRLs.\nlisten: ");
    put_quoted(out, o->listen);
    vch_buffer_append_str(out, "\nbase_url: ");
    put_quoted(out, result->base_url);
    vch_buffer_append_fmt(out, "\n\n# This verifier's name in every token.\ninstance: %s\n",
                          instance);
    vch_buffer_append_str(
        out, "\n# API keys (as digests), used nonces, every decision.\nstate: "
             "state.db\n\ntls:\n  certificate: tls/server.crt\n  key: "
             "tls/server.key\n\n# Tokens live at most 300 s. Their keys stand in the ring, "
             "which `vouch-verifyd rotate` turns.\n");
    vch_buffer_append_fmt(
        out, "token:\n  lifetime_s: %lld\n  ring: token/ring.yaml\n\nnonce:\n  lifetime_s: %lld\n",
        (long long)o->token_lifetime_s, (long long)o->nonce_lifetime_s);
    vch_buffer_append_str(out, "\n# CRLs of the token certificates, signed at each start and again "
                               "at half of their life.\ncrl:\n  root_key: token/root.key\n  "
                               "signing_key: token/ca.key\n");
    if (o->crl_listen != NULL) {
        vch_buffer_append_str(out, "  listen: ");
        put_quoted(out, o->crl_listen);
        vch_buffer_append_str(out, " # plain HTTP: a CRL is signed\n");
    }
    vch_buffer_append_str(out, "\n");
}

static vouch_code write_config(const vch_verifyd_init_options *o,
                               const vch_verifyd_init_result *result, vouch_error *err)
{
    char instance[VCH_UUID_TEXT_SIZE + 1];
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(1 << 20);
    vouch_code rc = vch_uuid_draw(instance, err);
    if (rc != VOUCH_OK)
        return rc;
    put_service(o, result, instance, &text);
    put_roots(o, &text);
    vch_buffer_append_str(
        &text, "\n# One platform family's files, a directory for each family "
               "(<FMSPC>-<sgx|tdx>), or a bundle file.\n"
               "# Or services, asked when a platform is met and refreshed: in place of dir\n"
               "#   pccs: [https://pccs.example:8081]\n#   ca: pccs-ca.pem\n"
               "#   pcs: true # Intel's own, after them\n"
               "#   store: collateral.db\n#   update: standard # or early\n"
               "#   refresh_h: 24\ncollateral:\n  dir: ");
    put_quoted(&text, o->collateral_dir != NULL ? o->collateral_dir : "collateral");
    vch_buffer_append_str(&text, "\n");
    put_policies(o, result, &text);
    rc = vch_buffer_finish(&text, "configuration", err);
    return rc == VOUCH_OK ? vch_file_write(result->config, vch_buffer_span(&text), 0644, err) : rc;
}

/* "https://host:port" with brackets around an IPv6 address. */
static void put_origin(const char *scheme, const char *host, uint16_t port,
                       char out[static VCH_VERIFYD_URL_SIZE])
{
    bool v6 = strchr(host, ':') != NULL;
    (void)snprintf(out, VCH_VERIFYD_URL_SIZE, "%s://%s%s%s:%u", scheme, v6 ? "[" : "", host,
                   v6 ? "]" : "", (unsigned)port);
}

static vouch_code check_host(const char *host, vouch_error *err)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789.:-";
    size_t size = strlen(host);
    if (size == 0 || size > 200 || strspn(host, alphabet) != size)
        return vouch_fail(err, VOUCH_E_CONFIG, "'%.60s' is no host name and no IP address", host);
    return VOUCH_OK;
}

static vouch_code make_dirs(const vch_verifyd_init_options *o, vouch_error *err)
{
    static const char *const names[] = { "roots", "policies", "collateral" };
    vouch_code rc = vch_dir_make(o->dir, 0700, err);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && rc == VOUCH_OK; i++) {
        char path[VCH_PATH_SIZE];
        rc = place(o, names[i], path, err);
        if (rc == VOUCH_OK)
            rc = vch_dir_make(path, 0700, err);
    }
    return rc;
}

static vouch_code make_addresses(const vch_verifyd_init_options *o, vch_verifyd_init_result *result,
                                 char crl_url[static VCH_VERIFYD_URL_SIZE], vouch_error *err)
{
    vch_verifyd_listen listen = { 0 };
    vouch_code rc = check_host(o->host, err);
    if (rc == VOUCH_OK)
        rc = vch_verifyd_listen_parse(o->listen, &listen, err);
    if (rc != VOUCH_OK)
        return rc;
    put_origin("https", o->host, listen.port, result->base_url);
    memcpy(crl_url, result->base_url, VCH_VERIFYD_URL_SIZE);
    if (o->crl_listen == NULL)
        return VOUCH_OK;
    rc = vch_verifyd_listen_parse(o->crl_listen, &listen, err);
    if (rc == VOUCH_OK)
        put_origin("http", o->host, listen.port, crl_url);
    return rc;
}

static vouch_code digest_root(vch_verifyd_init_result *result, vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    vouch_code rc = vch_file_read(result->token_root, VCH_PEM_MAX_SIZE, &pem, err);
    if (rc == VOUCH_OK)
        rc = vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_NO_TEXT, &der,
                                err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(vch_buffer_span(&der), digest, err);
    if (rc == VOUCH_OK)
        (void)vch_hex_encode((vouch_span) { digest, sizeof digest }, result->token_root_sha256);
    return rc;
}

/* The whole path of a directory that exists, so that what is printed holds from anywhere. */
static vouch_code absolute(const char *path, char out[static VCH_PATH_SIZE], vouch_error *err)
{
    char *whole = realpath(path, NULL);
    if (whole == NULL || strlen(whole) >= VCH_PATH_SIZE) {
        free(whole);
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' is no directory", path);
    }
    memcpy(out, whole, strlen(whole) + 1);
    free(whole);
    return VOUCH_OK;
}

static vouch_code fill_dir(const vch_verifyd_init_options *o, vch_verifyd_init_result *result,
                           vouch_error *err)
{
    char crl_url[VCH_VERIFYD_URL_SIZE];
    vouch_code rc = make_addresses(o, result, crl_url, err);
    if (rc == VOUCH_OK)
        rc = place(o, "tls/ca.crt", result->tls_ca, err);
    if (rc == VOUCH_OK)
        rc = place(o, "token/root.crt", result->token_root, err);
    if (rc == VOUCH_OK)
        rc = copy_roots(o, err);
    if (rc == VOUCH_OK)
        rc = copy_policies(o, result, err);
    const vch_verifyd_pki_options pki = { o->dir, o->host, crl_url, o->now_unix_s };
    if (rc == VOUCH_OK)
        rc = vch_verifyd_pki_make(&pki, err);
    if (rc == VOUCH_OK)
        rc = digest_root(result, err);
    if (rc == VOUCH_OK)
        rc = make_api_key(o, result, err);
    return rc == VOUCH_OK ? write_config(o, result, err) : rc; /* last: its presence means done */
}

vouch_code vch_verifyd_init(const vch_verifyd_init_options *options, vch_verifyd_init_result *out,
                            vouch_error *err)
{
    char dir[VCH_PATH_SIZE];
    char collateral[VCH_PATH_SIZE];
    vch_verifyd_init_options o = *options;
    if (o.policy_count > VCH_VERIFYD_INIT_POLICIES_MAX || o.root_count > VCH_VERIFYD_ROOTS_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "at most %d policies and %d roots",
                          VCH_VERIFYD_INIT_POLICIES_MAX, VCH_VERIFYD_ROOTS_MAX);
    vouch_code rc = make_dirs(&o, err);
    if (rc == VOUCH_OK)
        rc = absolute(o.dir, dir, err);
    o.dir = dir;
    if (rc == VOUCH_OK && o.collateral_dir != NULL)
        rc = absolute(o.collateral_dir, collateral, err);
    if (rc == VOUCH_OK)
        rc = place(&o, CONFIG_NAME, out->config, err);
    if (rc != VOUCH_OK)
        return rc;
    if (o.collateral_dir != NULL)
        o.collateral_dir = collateral;
    if (vch_file_exists(out->config))
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' is there already", out->config);
    return fill_dir(&o, out, err);
}
