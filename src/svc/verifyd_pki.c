#include "svc/verifyd_pki.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "crypto/cert_builder.h"
#include "crypto/key.h"
#include "crypto/pem.h"
#include "crypto/rand.h"
#include "host/file.h"
#include "svc/verifyd_ring.h"

#define DAY INT64_C(86400)
#define YEAR (365 * DAY)
#define NAME_MAX_SIZE 65 /* X.520's limit for a common name, and a NUL */
#define URL_SIZE 512

/* One certificate, its key, and who signed it. */
typedef struct node {
    vch_key *key;
    vch_buffer der;
} node;

static void drop_node(node *n)
{
    vch_key_free(n->key);
    vch_buffer_drop(&n->der);
}

typedef struct plan {
    const char *name; /* what the common name ends with */
    vch_key_kind key_kind;
    vch_sig_alg alg;
    int64_t life_s;
    vch_cert_kind kind;
    int pathlen;
    unsigned key_usage;
    unsigned ext_key_usage;
    const char *crl_path; /* NULL: no distribution point */
    bool names_host;
} plan;

vouch_code vch_verifyd_pki_serial(uint8_t out[static 16], vouch_error *err)
{
    vouch_code rc = vch_random_bytes(out, 16, err);
    out[0] = (uint8_t)((out[0] & 0x3f) | 0x40); /* positive, and never shorter */
    return rc;
}

static bool is_ip_literal(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* "Vouch <host> Root CA"; a host that does not fit in is cut, the end is what clients look at. */
static void common_name(const char *host, const char *end, char out[static NAME_MAX_SIZE])
{
    size_t room = NAME_MAX_SIZE - sizeof "Vouch  " - strlen(end);
    (void)snprintf(out, NAME_MAX_SIZE, "Vouch %.*s %s", (int)room, host, end);
}

static vouch_code make_node(const vch_verifyd_pki_options *o, const plan *p, const node *issuer,
                            node *out, vouch_error *err)
{
    char name[NAME_MAX_SIZE];
    char url[URL_SIZE] = "";
    uint8_t serial[16];
    const vch_name_part cn = { "CN", name };
    vouch_code rc = vch_verifyd_pki_serial(serial, err);
    if (rc == VOUCH_OK)
        rc = vch_key_generate(p->key_kind, &out->key, err);
    if (rc != VOUCH_OK)
        return rc;
    common_name(o->host, p->name, name);
    if (p->crl_path != NULL)
        (void)snprintf(url, sizeof url, "%s%s", o->crl_url, p->crl_path);
    bool ip = is_ip_literal(o->host);
    const vch_cert_options options = {
        .subject = &cn,
        .subject_count = 1,
        .public_key = out->key,
        .signer = issuer != NULL ? issuer->key : out->key,
        .alg = p->alg,
        .issuer_cert = issuer != NULL ? vch_buffer_span(&issuer->der) : (vouch_span) { 0 },
        .serial = { serial, sizeof serial },
        .not_before_unix_s = o->now_unix_s - VCH_VERIFYD_BACK_DATE_S,
        .not_after_unix_s = o->now_unix_s + p->life_s,
        .kind = p->kind,
        .pathlen = p->pathlen,
        .kind_critical = true,
        .key_usage = p->key_usage,
        .ext_key_usage = p->ext_key_usage,
        .alt = { .dns = &o->host,
                 .dns_count = p->names_host && !ip ? 1 : 0,
                 .ip = &o->host,
                 .ip_count = p->names_host && ip ? 1 : 0 },
        .crl_url = url[0] != '\0' ? url : NULL,
        .subject_key_id = true,
        .authority_key_id = issuer != NULL,
    };
    out->der = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    rc = vch_cert_build(&options, &out->der, err);
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "certificate '%s'", name);
}

static vouch_code write_key(const char *dir, const char *file, const node *n, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_secret_drop) vch_secret pem = { 0 };
    vouch_code rc = vch_path_join(dir, file, path, err);
    if (rc == VOUCH_OK)
        rc = vch_key_private_pem(n->key, VCH_KEY_FORM_PKCS8, &pem, err);
    if (rc == VOUCH_OK)
        rc = vch_file_write(path, (vouch_span) { pem.data, pem.size }, 0600, err);
    return rc;
}

/* The certificates one after the other in one PEM file. */
static vouch_code write_certificates(const char *dir, const char *file, const node *const *nodes,
                                     size_t count, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    for (size_t i = 0; i < count; i++)
        vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&nodes[i]->der), &pem);
    vouch_code rc = vch_buffer_finish(&pem, "PEM file", err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(dir, file, path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_write(path, vch_buffer_span(&pem), 0644, err);
    return rc;
}

static vouch_code write_node(const char *dir, const char *crt, const char *key, const node *n,
                             vouch_error *err)
{
    vouch_code rc = write_key(dir, key, n, err);
    return rc == VOUCH_OK ? write_certificates(dir, crt, &n, 1, err) : rc;
}

/* RSA throughout; exactly root, signing CA and leaf; no extended key usage on the leaf. */
static const plan token_root = { .name = "Root CA",
                                 .key_kind = VCH_KEY_RSA3072,
                                 .alg = VCH_SIG_RSA_PKCS1_SHA384,
                                 .life_s = 10 * YEAR,
                                 .kind = VCH_CERT_CA,
                                 .pathlen = 1,
                                 .key_usage = VCH_USE_CERT_SIGN | VCH_USE_CRL_SIGN };
static const plan token_ca = { .name = "Signing CA",
                               .key_kind = VCH_KEY_RSA3072,
                               .alg = VCH_SIG_RSA_PKCS1_SHA384,
                               .life_s = VCH_VERIFYD_TOKEN_CA_LIFE_S,
                               .kind = VCH_CERT_CA,
                               .pathlen = 0,
                               .key_usage = VCH_USE_CERT_SIGN | VCH_USE_CRL_SIGN,
                               .crl_path = "/crl/root-ca-crl.der" };
static const plan token_leaf = { .name = "Attestation Token Signing",
                                 .key_kind = VCH_KEY_RSA3072,
                                 .alg = VCH_SIG_RSA_PKCS1_SHA384,
                                 .life_s = VCH_VERIFYD_TOKEN_LEAF_LIFE_S,
                                 .kind = VCH_CERT_LEAF,
                                 .pathlen = VCH_PATHLEN_NONE,
                                 .key_usage = VCH_USE_DIGITAL_SIGNATURE,
                                 .crl_path = "/crl/ats-ca-crl.der" };
static const plan tls_ca = { .name = "TLS CA",
                             .key_kind = VCH_KEY_P384,
                             .life_s = 10 * YEAR,
                             .kind = VCH_CERT_CA,
                             .pathlen = 0,
                             .key_usage = VCH_USE_CERT_SIGN | VCH_USE_CRL_SIGN };
static const plan tls_server = { .name = "TLS",
                                 .key_kind = VCH_KEY_P256,
                                 .life_s = 397 * DAY,
                                 .kind = VCH_CERT_LEAF,
                                 .pathlen = VCH_PATHLEN_NONE,
                                 .key_usage = VCH_USE_DIGITAL_SIGNATURE,
                                 .ext_key_usage = VCH_EKU_SERVER_AUTH,
                                 .names_host = true };

static vouch_code write_ring(const char *dir, int64_t now_unix_s, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    const vch_ring ring = { .key = { { .key = VCH_VERIFYD_FIRST_KEY,
                                       .chain = VCH_VERIFYD_FIRST_CHAIN,
                                       .signs_from_unix_s = now_unix_s - VCH_VERIFYD_BACK_DATE_S,
                                       .until_unix_s = VCH_RING_NO_END } },
                            .count = 1 };
    vouch_code rc = vch_path_join(dir, "ring.yaml", path, err);
    return rc == VOUCH_OK ? vch_ring_write(path, &ring, err) : rc;
}

static vouch_code make_token_keys(const vch_verifyd_pki_options *o, const char *dir,
                                  vouch_error *err)
{
    VCH_SCOPED(drop_node) node root = { 0 };
    VCH_SCOPED(drop_node) node ca = { 0 };
    VCH_SCOPED(drop_node) node leaf = { 0 };
    const node *const chain[] = { &leaf, &ca, &root };
    vouch_code rc = make_node(o, &token_root, NULL, &root, err);
    if (rc == VOUCH_OK)
        rc = make_node(o, &token_ca, &root, &ca, err);
    if (rc == VOUCH_OK)
        rc = make_node(o, &token_leaf, &ca, &leaf, err);
    if (rc == VOUCH_OK)
        rc = write_node(dir, "root.crt", "root.key", &root, err);
    if (rc == VOUCH_OK)
        rc = write_node(dir, "ca.crt", "ca.key", &ca, err);
    if (rc == VOUCH_OK)
        rc = write_node(dir, "token.crt", VCH_VERIFYD_FIRST_KEY, &leaf, err);
    if (rc == VOUCH_OK)
        rc = write_certificates(dir, VCH_VERIFYD_FIRST_CHAIN, chain, 3, err);
    return rc == VOUCH_OK ? write_ring(dir, o->now_unix_s, err) : rc;
}

static vouch_code make_tls_keys(const vch_verifyd_pki_options *o, const char *dir, vouch_error *err)
{
    VCH_SCOPED(drop_node) node ca = { 0 };
    VCH_SCOPED(drop_node) node server = { 0 };
    vouch_code rc = make_node(o, &tls_ca, NULL, &ca, err);
    if (rc == VOUCH_OK)
        rc = make_node(o, &tls_server, &ca, &server, err);
    if (rc == VOUCH_OK)
        rc = write_node(dir, "ca.crt", "ca.key", &ca, err);
    if (rc == VOUCH_OK)
        rc = write_node(dir, "server.crt", "server.key", &server, err);
    return rc;
}

vouch_code vch_verifyd_pki_make(const vch_verifyd_pki_options *options, vouch_error *err)
{
    char token_dir[VCH_PATH_SIZE];
    char tls_dir[VCH_PATH_SIZE];
    vouch_code rc = vch_path_join(options->dir, "token", token_dir, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(options->dir, "tls", tls_dir, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(token_dir, 0700, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(tls_dir, 0700, err);
    if (rc == VOUCH_OK)
        rc = make_token_keys(options, token_dir, err);
    if (rc == VOUCH_OK)
        rc = make_tls_keys(options, tls_dir, err);
    return rc;
}
