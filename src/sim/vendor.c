#include "sim/vendor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/bytes.h"
#include "crypto/rand.h"
#include "host/file.h"
#include "sim/key_file.h"
#include "sim/vendor_state.h"

#define YEAR_S (INT64_C(365) * 86400)
#define ROOT_CRL_URL "https://simulated.invalid/IntelSGXRootCA.der"
#define PCK_CRL_URL "https://simulated.invalid/sgx/certification/v4/pckcrl?ca=platform&encoding=der"

const uint8_t vch_sim_fmspc[6] = { 'S', 'I', 'M', 0, 0, 0 };
const uint8_t vch_sim_pceid[2] = { 0, 0 };

typedef struct profile {
    const char *common_name;
    vch_cert_kind kind;
    int pathlen;
    unsigned key_usage;
    const char *crl_url;
    int64_t years;
} profile;

static const profile root_profile = {
    "Intel SGX Root CA", VCH_CERT_CA, 1, VCH_USE_CERT_SIGN | VCH_USE_CRL_SIGN, ROOT_CRL_URL, 30
};
static const profile ca_profile = { "Intel SGX PCK Platform CA",          VCH_CERT_CA,  0,
                                    VCH_USE_CERT_SIGN | VCH_USE_CRL_SIGN, ROOT_CRL_URL, 15 };
static const profile signing_profile = {
    "Intel SGX TCB Signing",
    VCH_CERT_LEAF,
    VCH_PATHLEN_NONE,
    VCH_USE_DIGITAL_SIGNATURE | VCH_USE_NON_REPUDIATION,
    ROOT_CRL_URL,
    7,
};
static const profile pck_profile = {
    "Intel SGX PCK Certificate",
    VCH_CERT_LEAF,
    VCH_PATHLEN_NONE,
    VCH_USE_DIGITAL_SIGNATURE | VCH_USE_NON_REPUDIATION,
    PCK_CRL_URL,
    7,
};

vouch_code vch_sim_serial(uint8_t out[static VCH_SIM_SERIAL_SIZE], vouch_error *err)
{
    vouch_code rc = vch_random_bytes(out, VCH_SIM_SERIAL_SIZE, err);
    out[0] = (uint8_t)((out[0] & 0x3f) | 0x40); /* positive, and 20 bytes without a leading zero */
    return rc;
}

/* What one certificate is made of, besides its profile. */
typedef struct issuance {
    const vch_key *public_key;
    const vch_key *signer;
    vouch_span issuer; /* DER; empty: self-signed */
    vouch_span serial;
    const vch_cert_extension *extension; /* or NULL */
    int64_t now_unix_s;
} issuance;

static vouch_code issue(const profile *p, const issuance *i, vch_buffer *out, vouch_error *err)
{
    const vch_name_part subject[] = { { "CN", p->common_name },
                                      { "O", "Intel Corporation" },
                                      { "L", "Santa Clara" },
                                      { "ST", "CA" },
                                      { "C", "US" } };
    const vch_cert_options options = {
        .subject = subject,
        .subject_count = sizeof subject / sizeof subject[0],
        .public_key = i->public_key,
        .signer = i->signer,
        .issuer_cert = i->issuer,
        .serial = i->serial,
        .not_before_unix_s = i->now_unix_s - YEAR_S,
        .not_after_unix_s = i->now_unix_s + p->years * YEAR_S,
        .kind = p->kind,
        .kind_critical = true,
        .pathlen = p->pathlen,
        .key_usage = p->key_usage,
        .crl_url = p->crl_url,
        .subject_key_id = true,
        .authority_key_id = true,
        .extensions = i->extension,
        .extension_count = i->extension == NULL ? 0 : 1,
    };
    vouch_code rc = vch_cert_build(&options, out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "simulated %s", p->common_name);
}

static vouch_code issue_own(const profile *p, const vch_key *key, const vch_sim_vendor *v,
                            int64_t now_unix_s, vch_buffer *out, vouch_error *err)
{
    uint8_t serial[VCH_SIM_SERIAL_SIZE];
    vouch_code rc = vch_sim_serial(serial, err);
    if (rc != VOUCH_OK)
        return rc;
    issuance i = { .public_key = key,
                   .signer = v->root_key,
                   .serial = { serial, sizeof serial },
                   .now_unix_s = now_unix_s };
    if (key != v->root_key)
        i.issuer = vch_buffer_span(&v->root);
    return issue(p, &i, out, err);
}

vouch_code vch_sim_vendor_certify_pck(const vch_sim_vendor *v, const vch_key *pck_key,
                                      const uint8_t serial[static VCH_SIM_SERIAL_SIZE],
                                      vouch_span extension, int64_t now_unix_s, vch_buffer *out,
                                      vouch_error *err)
{
    const vch_cert_extension sgx = { "1.2.840.113741.1.13.1", false, extension };
    const issuance i = {
        pck_key, v->ca_key, vch_buffer_span(&v->ca), { serial, VCH_SIM_SERIAL_SIZE },
        &sgx,    now_unix_s
    };
    return issue(&pck_profile, &i, out, err);
}

/* The three certificates of the vendor itself, with how each is kept. */
static const struct {
    const char *key_file;
    const char *cert_file;
    const profile *profile;
    size_t key_offset;
    size_t cert_offset;
} own[] = {
    { "root.key", "root.pem", &root_profile, offsetof(vch_sim_vendor, root_key),
      offsetof(vch_sim_vendor, root) },
    { "ca.key", "ca.pem", &ca_profile, offsetof(vch_sim_vendor, ca_key),
      offsetof(vch_sim_vendor, ca) },
    { "signing.key", "signing.pem", &signing_profile, offsetof(vch_sim_vendor, signing_key),
      offsetof(vch_sim_vendor, signing) },
};
#define OWN_COUNT (sizeof own / sizeof own[0])

static vch_key **own_key(vch_sim_vendor *v, size_t i)
{
    return (vch_key **)(void *)((char *)v + own[i].key_offset);
}

static vch_buffer *own_cert(vch_sim_vendor *v, size_t i)
{
    return (vch_buffer *)(void *)((char *)v + own[i].cert_offset);
}

static vouch_code make_own(vch_sim_vendor *v, size_t i, int64_t now_unix_s, vouch_error *err)
{
    vouch_code rc = vch_key_generate(VCH_KEY_P256, own_key(v, i), err);
    if (rc == VOUCH_OK)
        rc = issue_own(own[i].profile, *own_key(v, i), v, now_unix_s, own_cert(v, i), err);
    if (rc == VOUCH_OK)
        rc = vch_sim_key_write(v->dir, own[i].key_file, *own_key(v, i), err);
    if (rc == VOUCH_OK)
        rc = vch_sim_cert_write(v->dir, own[i].cert_file, vch_buffer_span(own_cert(v, i)), err);
    return rc;
}

static vouch_code make(vch_sim_vendor *v, int64_t now_unix_s, vouch_error *err)
{
    for (size_t i = 0; i < OWN_COUNT; i++) {
        vouch_code rc = make_own(v, i, now_unix_s, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    vch_sim_levels_default(v);
    v->crl_number = 1;
    return vch_sim_vendor_save(v, err); /* last: a directory without it holds no vendor yet */
}

static vouch_code load(vch_sim_vendor *v, vouch_error *err)
{
    for (size_t i = 0; i < OWN_COUNT; i++) {
        vouch_code rc = vch_sim_key_read(v->dir, own[i].key_file, own_key(v, i), err);
        if (rc == VOUCH_OK)
            rc = vch_sim_cert_read(v->dir, own[i].cert_file, own_cert(v, i), err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return vch_sim_vendor_state_read(v, err);
}

static vouch_code take_lock(vch_sim_vendor *v, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    vouch_code rc = vch_path_join(v->dir, "lock", path, err);
    if (rc != VOUCH_OK)
        return rc;
    v->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (v->lock_fd < 0)
        return vouch_fail(err, VOUCH_E_IO, "'%s': %s", path, strerror(errno));
    while (flock(v->lock_fd, LOCK_EX) != 0) {
        if (errno != EINTR)
            return vouch_fail(err, VOUCH_E_IO, "locking '%s': %s", path, strerror(errno));
    }
    return VOUCH_OK;
}

vouch_code vch_sim_vendor_open(const char *dir, int64_t now_unix_s, vch_sim_vendor **out,
                               vouch_error *err)
{
    vouch_code rc = vch_dir_make(dir, 0700, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_sim_vendor_drop) vch_sim_vendor *v = calloc(1, sizeof *v);
    if (v == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a simulated vendor");
    v->lock_fd = -1;
    v->dir = strdup(dir);
    v->root = v->ca = v->signing = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    if (v->dir == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a simulated vendor");
    rc = take_lock(v, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = vch_sim_vendor_state_exists(dir) ? load(v, err) : make(v, now_unix_s, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "simulated vendor '%s'", dir);
    *out = VCH_MOVE(v);
    return VOUCH_OK;
}

void vch_sim_vendor_free(vch_sim_vendor *v)
{
    if (v == NULL)
        return;
    for (size_t i = 0; i < OWN_COUNT; i++) {
        vch_key_free(*own_key(v, i));
        vch_buffer_drop(own_cert(v, i));
    }
    if (v->lock_fd >= 0)
        (void)close(v->lock_fd);
    free(v->dir);
    free(v);
}

vouch_code vch_sim_vendor_revoke_pck(vch_sim_vendor *v,
                                     const uint8_t serial[static VCH_SIM_SERIAL_SIZE],
                                     vouch_error *err)
{
    if (v->revoked_pck_count == VCH_SIM_MAX_REVOKED)
        return vouch_fail(err, VOUCH_E_LIMIT, "this vendor has revoked %zu platforms already",
                          VCH_SIM_MAX_REVOKED);
    memcpy(v->revoked_pck[v->revoked_pck_count++], serial, VCH_SIM_SERIAL_SIZE);
    v->crl_number++;
    return VOUCH_OK;
}

void vch_sim_vendor_revoke_ca(vch_sim_vendor *v)
{
    v->ca_revoked = true;
    v->crl_number++;
}
