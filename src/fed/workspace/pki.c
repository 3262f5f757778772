#include "fed/workspace/pki.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "codec/hex.h"
#include "crypto/cert_builder.h"
#include "crypto/csr.h"
#include "crypto/hash.h"
#include "crypto/key.h"
#include "crypto/pem.h"
#include "crypto/rand.h"
#include "host/file.h"

#define DAY_S INT64_C(86400)
#define BACKDATED_S INT64_C(600) /* a peer's clock may be behind */

enum { SERIAL_SIZE = 16 };

static const vch_name_part root_name[] = {
    { "DC", "org" },       { "DC", "simple" },         { "CN", "Simple Root CA" },
    { "O", "Simple Inc" }, { "OU", "Simple Root CA" },
};
static const vch_name_part signing_name[] = {
    { "DC", "org" },
    { "DC", "simple" },
    { "CN", "Simple Signing CA" },
    { "O", "Simple Inc" },
    { "OU", "Simple Signing CA" },
};
enum { NAME_PARTS = sizeof root_name / sizeof *root_name };

vouch_code vch_pki_path(const char *cert_dir, vch_pki_role role, const char *name,
                        const char *suffix, char *out, size_t size, vouch_error *err)
{
    int n = snprintf(out, size, "%s/%s%s%s", cert_dir,
                     role == VCH_PKI_AGGREGATOR ? "server/agg_" : "client/col_", name, suffix);
    if (n < 0 || (size_t)n >= size)
        return vouch_fail(err, VOUCH_E_LIMIT, "a path of more than %zu bytes", size);
    return VOUCH_OK;
}

static vouch_code write_under(const char *dir, const char *name, vouch_span bytes, mode_t mode,
                              vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    vouch_code rc = vch_path_join(dir, name, path, err);
    return rc == VOUCH_OK ? vch_file_write(path, bytes, mode, err) : rc;
}

static vouch_code write_pem(const char *path, const char *label, vouch_span der, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    vch_pem_encode(label, der, &pem);
    vouch_code rc = vch_buffer_finish(&pem, path, err);
    return rc == VOUCH_OK ? vch_file_write(path, vch_buffer_span(&pem), 0644, err) : rc;
}

static vouch_code write_key(const char *path, const vch_key *key, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret pem = { 0 };
    vouch_code rc = vch_key_private_pem(key, VCH_KEY_FORM_TRADITIONAL, &pem, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_file_write(path, (vouch_span) { pem.data, pem.size }, 0600, err);
}

/* A random number of 127 bits: positive, and never short. */
static vouch_code draw_serial(uint8_t out[static SERIAL_SIZE], vouch_error *err)
{
    vouch_code rc = vch_random_bytes(out, SERIAL_SIZE, err);
    out[0] = (uint8_t)((out[0] & 0x7F) | 0x40);
    return rc;
}

/* What certificates of all kinds have in common. */
static vch_cert_options options_at(int64_t now_unix_s, const uint8_t serial[static SERIAL_SIZE])
{
    return (vch_cert_options) { .alg = VCH_SIG_RSA_PKCS1_SHA384,
                                .serial = { serial, SERIAL_SIZE },
                                .not_before_unix_s = now_unix_s - BACKDATED_S,
                                .not_after_unix_s = now_unix_s + VCH_PKI_LIFE_DAYS * DAY_S,
                                .kind_critical = true,
                                .subject_key_id = true };
}

static vouch_code build_ca(const vch_key *key, const vch_name_part *name, const vch_key *signer,
                           vouch_span issuer, int64_t now_unix_s, vch_buffer *out, vouch_error *err)
{
    uint8_t serial[SERIAL_SIZE];
    vouch_code rc = draw_serial(serial, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_cert_options o = options_at(now_unix_s, serial);
    o.subject = name;
    o.subject_count = NAME_PARTS;
    o.public_key = key;
    o.signer = signer;
    o.issuer_cert = issuer;
    o.kind = VCH_CERT_CA;
    o.pathlen = VCH_PATHLEN_NONE;
    o.key_usage = VCH_USE_CERT_SIGN | VCH_USE_CRL_SIGN;
    o.authority_key_id = true;
    return vch_cert_build(&o, out, err);
}

/* The directories and book-keeping files that OpenFL has beside each authority. */
static vouch_code make_places(const char *cert_dir, const char *ca, vouch_error *err)
{
    static const struct {
        const char *suffix, *text;
    } books[] = { { ".db", "" }, { ".db.attr", "" }, { ".crt.srl", "01" }, { ".crl.srl", "01" } };
    char path[VCH_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/ca/%s/private", cert_dir, ca);
    vouch_code rc = vch_dir_make(path, 0700, err);
    (void)snprintf(path, sizeof path, "%s/ca/%s/db", cert_dir, ca);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(path, 0755, err);
    for (size_t i = 0; rc == VOUCH_OK && i < sizeof books / sizeof *books; i++) {
        (void)snprintf(path, sizeof path, "%s/ca/%s/db/%s%s", cert_dir, ca, ca, books[i].suffix);
        rc = vch_file_write(path, vch_span_str(books[i].text), 0644, err);
    }
    return rc;
}

typedef struct authority {
    vch_key *root_key, *signing_key;
    vch_buffer root, signing, request, chain; /* DER, DER, DER, PEM */
} authority;

static void authority_drop(authority *a)
{
    vch_key_free(a->root_key);
    vch_key_free(a->signing_key);
    vch_buffer_drop(&a->root);
    vch_buffer_drop(&a->signing);
    vch_buffer_drop(&a->request);
    vch_buffer_drop(&a->chain);
}

static vouch_code make_authority(authority *a, int64_t now_unix_s, vouch_error *err)
{
    a->root = a->signing = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    a->request = vch_buffer_with_cap(VCH_CSR_MAX_SIZE);
    a->chain = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    vouch_code rc = vch_key_generate(VCH_KEY_RSA3072, &a->root_key, err);
    if (rc == VOUCH_OK)
        rc = vch_key_generate(VCH_KEY_RSA3072, &a->signing_key, err);
    if (rc == VOUCH_OK)
        rc = build_ca(a->root_key, root_name, a->root_key, (vouch_span) { 0 }, now_unix_s, &a->root,
                      err);
    if (rc == VOUCH_OK)
        rc = build_ca(a->signing_key, signing_name, a->root_key, vch_buffer_span(&a->root),
                      now_unix_s, &a->signing, err);
    vch_csr_options csr = { .subject = signing_name,
                            .subject_count = NAME_PARTS,
                            .key = a->signing_key,
                            .alg = VCH_SIG_RSA_PKCS1_SHA384 };
    if (rc == VOUCH_OK)
        rc = vch_csr_build(&csr, &a->request, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&a->root), &a->chain);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&a->signing), &a->chain);
    return vch_buffer_finish(&a->chain, "cert_chain.crt", err);
}

static vouch_code write_key_under(const char *cert_dir, const char *name, const vch_key *key,
                                  vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    vouch_code rc = vch_path_join(cert_dir, name, path, err);
    return rc == VOUCH_OK ? write_key(path, key, err) : rc;
}

static vouch_code write_pem_under(const char *cert_dir, const char *name, const char *label,
                                  const vch_buffer *der, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    vouch_code rc = vch_path_join(cert_dir, name, path, err);
    return rc == VOUCH_OK ? write_pem(path, label, vch_buffer_span(der), err) : rc;
}

static vouch_code write_authority(const char *cert_dir, const authority *a, vouch_error *err)
{
    vouch_code rc = make_places(cert_dir, "root-ca", err);
    if (rc == VOUCH_OK)
        rc = make_places(cert_dir, "signing-ca", err);
    if (rc == VOUCH_OK)
        rc = write_key_under(cert_dir, "ca/root-ca/private/root-ca.key", a->root_key, err);
    if (rc == VOUCH_OK)
        rc = write_key_under(cert_dir, "ca/signing-ca/private/signing-ca.key", a->signing_key, err);
    if (rc == VOUCH_OK)
        rc = write_pem_under(cert_dir, "ca/root-ca.crt", VCH_PEM_CERTIFICATE, &a->root, err);
    if (rc == VOUCH_OK)
        rc = write_pem_under(cert_dir, "ca/signing-ca.csr", VCH_PEM_CSR, &a->request, err);
    if (rc == VOUCH_OK)
        rc = write_pem_under(cert_dir, "ca/signing-ca.crt", VCH_PEM_CERTIFICATE, &a->signing, err);
    if (rc == VOUCH_OK)
        rc = write_under(cert_dir, "cert_chain.crt", vch_buffer_span(&a->chain), 0644, err);
    return rc;
}

vouch_code vch_pki_create(const char *cert_dir, int64_t now_unix_s, bool replace, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(authority_drop) authority a = { 0 };
    if (strlen(cert_dir) > VCH_PATH_SIZE / 2)
        return vouch_fail(err, VOUCH_E_LIMIT, "the directory's path is too long");
    vouch_code rc = vch_path_join(cert_dir, "ca/root-ca.crt", path, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!replace && vch_file_exists(path))
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "'%s' is there; with --force a new authority replaces it, and every "
                          "certificate of the old one becomes worthless",
                          path);
    rc = make_authority(&a, now_unix_s, err);
    return rc == VOUCH_OK ? write_authority(cert_dir, &a, err) : rc;
}

static vouch_code hash_request(vouch_span der, char out[static VCH_PKI_HASH_SIZE], vouch_error *err)
{
    uint8_t digest[VCH_SHA384_SIZE] = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    vch_pem_encode(VCH_PEM_CSR, der, &pem);
    vouch_code rc = vch_buffer_finish(&pem, "certificate request", err);
    if (rc == VOUCH_OK)
        rc = vch_sha384(vch_buffer_span(&pem), digest, err);
    if (rc == VOUCH_OK)
        (void)vch_hex_encode((vouch_span) { digest, sizeof digest }, out);
    return rc;
}

/* Room for the files of a participant, whose key is not in use (or may be replaced). */
static vouch_code check_unused(const char *cert_dir, vch_pki_role role, const char *name,
                               bool replace, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    char dir[VCH_PATH_SIZE];
    vouch_code rc = vch_pki_path(cert_dir, role, name, ".crt", path, sizeof path, err);
    if (rc == VOUCH_OK && !replace && vch_file_exists(path))
        return vouch_fail(
            err, VOUCH_E_CONFIG,
            "'%s' is there; with --force a new key replaces the one it was issued for", path);
    if (rc == VOUCH_OK)
        rc = vch_path_directory(path, dir, err);
    return rc == VOUCH_OK ? vch_dir_make(dir, 0755, err) : rc;
}

vouch_code vch_pki_request(const char *cert_dir, vch_pki_role role, const char *name, bool replace,
                           char out_hash[static VCH_PKI_HASH_SIZE], vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_CSR_MAX_SIZE);
    vouch_code rc = check_unused(cert_dir, role, name, replace, err);
    if (rc == VOUCH_OK)
        rc = vch_key_generate(VCH_KEY_RSA3072, &key, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_name_part subject = { "CN", name };
    vch_csr_options o = { .subject = &subject,
                          .subject_count = 1,
                          .alt = { .dns = &name, .dns_count = 1 },
                          .key = key,
                          .alg = VCH_SIG_RSA_PKCS1_SHA384 };
    rc = vch_csr_build(&o, &der, err);
    if (rc == VOUCH_OK)
        rc = vch_pki_path(cert_dir, role, name, ".key", path, sizeof path, err);
    if (rc == VOUCH_OK)
        rc = write_key(path, key, err);
    if (rc == VOUCH_OK)
        rc = vch_pki_path(cert_dir, role, name, ".csr", path, sizeof path, err);
    if (rc == VOUCH_OK)
        rc = write_pem(path, VCH_PEM_CSR, vch_buffer_span(&der), err);
    return rc == VOUCH_OK ? hash_request(vch_buffer_span(&der), out_hash, err) : rc;
}

void vch_pki_pending_done(vch_pki_pending *p)
{
    vch_buffer_drop(&p->der);
}

static vouch_code check_request(const vch_csr *csr, char name[static VCH_PARTICIPANT_NAME_MAX + 1],
                                vouch_error *err)
{
    const char *common_name = vch_csr_common_name(csr);
    vch_alt_names alt = vch_csr_alt_names(csr);
    vouch_code rc = vch_participant_name(common_name, name, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, VOUCH_E_FORMAT, "the request's common name");
    if (strcmp(common_name, name) != 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "the request's common name is not in lower case");
    /* A signature over a name that nobody looked at would be a certificate for that name. */
    for (size_t i = 0; i < alt.dns_count; i++) {
        if (strcmp(alt.dns[i], name) != 0)
            return vouch_fail(err, VOUCH_E_FORMAT,
                              "the request of '%s' asks for a second name as well", name);
    }
    for (size_t i = 0; i < alt.ip_count; i++) {
        if (strcmp(alt.ip[i], name) != 0)
            return vouch_fail(err, VOUCH_E_FORMAT, "the request of '%s' asks for an address", name);
    }
    return VOUCH_OK;
}

vouch_code vch_pki_pending_parse(vouch_span pem, const char *expected, vch_pki_pending *out,
                                 vouch_error *err)
{
    vch_pki_pending p = { 0 };
    VCH_SCOPED(vch_csr_drop) vch_csr *csr = NULL;
    p.der = vch_buffer_with_cap(VCH_CSR_MAX_SIZE);
    vouch_code rc = vch_pem_decode_one(pem, VCH_PEM_CSR, VCH_PEM_NO_TEXT, &p.der, err);
    if (rc == VOUCH_OK)
        rc = vch_csr_parse(vch_buffer_span(&p.der), &csr, err);
    if (rc == VOUCH_OK)
        rc = check_request(csr, p.name, err);
    if (rc == VOUCH_OK && expected != NULL && strcmp(expected, p.name) != 0)
        rc = vouch_fail(err, VOUCH_E_FORMAT, "the request is of '%s', not of '%s'", p.name,
                        expected);
    if (rc == VOUCH_OK)
        rc = hash_request(vch_buffer_span(&p.der), p.hash, err);
    if (rc != VOUCH_OK) {
        vch_pki_pending_done(&p);
        return rc;
    }
    *out = p;
    return VOUCH_OK;
}

typedef struct signer {
    vch_key *key;
    vch_buffer cert; /* DER */
} signer;

static void signer_drop(signer *s)
{
    vch_key_free(s->key);
    vch_buffer_drop(&s->cert);
}

static vouch_code load_signer(const char *cert_dir, signer *s, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_secret_drop) vch_secret pem = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer cert = { 0 };
    s->cert = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    vouch_code rc = vch_path_join(cert_dir, "ca/signing-ca/private/signing-ca.key", path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read_secret(path, VCH_KEY_PEM_MAX_SIZE, &pem, err);
    if (rc == VOUCH_OK)
        rc = vch_key_from_private_pem((vouch_span) { pem.data, pem.size }, &s->key, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(cert_dir, "ca/signing-ca.crt", path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(path, VCH_PEM_MAX_SIZE, &cert, err);
    if (rc == VOUCH_OK)
        rc = vch_pem_decode_one(vch_buffer_span(&cert), VCH_PEM_CERTIFICATE, VCH_PEM_TEXT_BEFORE,
                                &s->cert, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the signing CA (is this where `workspace certify` was run?)");
    return VOUCH_OK;
}

/* Is `name` an address? Then strict clients look for it among the addresses. */
static bool is_address(const char *name)
{
    uint8_t room[16];
    return inet_pton(AF_INET, name, room) == 1 || inet_pton(AF_INET6, name, room) == 1;
}

static vouch_code build_leaf(vch_pki_role role, const vch_csr *csr, const char *name,
                             const signer *s, int64_t now_unix_s, vch_buffer *out, vouch_error *err)
{
    uint8_t serial[SERIAL_SIZE];
    vouch_code rc = draw_serial(serial, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_cert_options o = options_at(now_unix_s, serial);
    o.subject_der = vch_csr_subject_der(csr);
    o.public_key = vch_csr_key(csr);
    o.signer = s->key;
    o.issuer_cert = vch_buffer_span(&s->cert);
    o.kind = VCH_CERT_LEAF;
    o.key_usage = VCH_USE_DIGITAL_SIGNATURE | VCH_USE_KEY_ENCIPHERMENT;
    o.ext_key_usage = role == VCH_PKI_AGGREGATOR ? VCH_EKU_SERVER_AUTH : VCH_EKU_CLIENT_AUTH;
    o.alt = (vch_alt_names) { .dns = &name, .dns_count = 1 };
    if (is_address(name)) {
        o.alt.ip = &name;
        o.alt.ip_count = 1;
    }
    o.authority_key_id = true;
    rc = vch_cert_build(&o, out, err);
    if (rc != VOUCH_E_FORMAT)
        return rc;
    /* A signing CA that OpenFL made has no key identifier to point at. */
    out->size = 0;
    if (err != NULL)
        *err = (vouch_error) { 0 };
    o.authority_key_id = false;
    return vch_cert_build(&o, out, err);
}

vouch_code vch_pki_sign(const char *cert_dir, vch_pki_role role, const vch_pki_pending *pending,
                        int64_t now_unix_s, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    char dir[VCH_PATH_SIZE];
    VCH_SCOPED(signer_drop) signer s = { 0 };
    VCH_SCOPED(vch_csr_drop) vch_csr *csr = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer cert = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    vouch_code rc = vch_csr_parse(vch_buffer_span(&pending->der), &csr, err);
    if (rc == VOUCH_OK)
        rc = load_signer(cert_dir, &s, err);
    if (rc == VOUCH_OK)
        rc = build_leaf(role, csr, pending->name, &s, now_unix_s, &cert, err);
    if (rc == VOUCH_OK)
        rc = vch_pki_path(cert_dir, role, pending->name, ".crt", path, sizeof path, err);
    if (rc == VOUCH_OK)
        rc = vch_path_directory(path, dir, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(dir, 0755, err);
    return rc == VOUCH_OK ? write_pem(path, VCH_PEM_CERTIFICATE, vch_buffer_span(&cert), err) : rc;
}
