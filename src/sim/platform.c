#include "sim/platform.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "crypto/hkdf.h"
#include "crypto/pem.h"
#include "crypto/rand.h"
#include "host/file.h"
#include "sim/collateral_make.h"
#include "sim/key_file.h"
#include "sim/pck_extension.h"
#include "sim/svn.h"
#include "sim/vendor.h"

#define PLATFORM_FILE "platform.json"
#define PLATFORM_MAX_SIZE ((size_t)16 << 10)
#define CHAIN_MAX_SIZE ((size_t)64 << 10)
#define DAY_S (INT64_C(86400))

void vch_sim_platform_free(vch_sim_platform *p)
{
    if (p == NULL)
        return;
    vch_key_free(p->pck_key);
    vch_key_free(p->attestation_key);
    vch_secret_drop(&p->device_secret);
    vch_buffer_drop(&p->pck_chain);
    free(p);
}

static vch_sim_platform *platform_new(void)
{
    vch_sim_platform *p = calloc(1, sizeof *p);
    if (p != NULL)
        p->pck_chain = vch_buffer_with_cap(CHAIN_MAX_SIZE);
    return p;
}

/* Keys and identifiers of a new machine. */
static vouch_code draw(vch_sim_platform *p, vouch_error *err)
{
    vouch_code rc = vch_key_generate(VCH_KEY_P256, &p->pck_key, err);
    if (rc == VOUCH_OK)
        rc = vch_key_generate(VCH_KEY_P256, &p->attestation_key, err);
    if (rc == VOUCH_OK)
        rc = vch_secret_alloc(&p->device_secret, VCH_SIM_DEVICE_SECRET_SIZE, err);
    if (rc == VOUCH_OK)
        rc = vch_random_bytes(p->device_secret.data, p->device_secret.size, err);
    if (rc == VOUCH_OK)
        rc = vch_random_bytes(p->ppid, sizeof p->ppid, err);
    if (rc == VOUCH_OK)
        rc = vch_random_bytes(p->piid, sizeof p->piid, err);
    if (rc == VOUCH_OK)
        rc = vch_random_bytes(p->qe_id, sizeof p->qe_id, err);
    return rc;
}

static vouch_code certify(vch_sim_platform *p, const vch_sim_vendor *vendor,
                          const uint8_t serial[static VCH_SIM_SERIAL_SIZE], int64_t now_unix_s,
                          vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer extension = vch_buffer_with_cap(PLATFORM_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer pck = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    vouch_code rc = vch_sim_pck_extension(p, &extension, err);
    if (rc == VOUCH_OK)
        rc = vch_sim_vendor_certify_pck(vendor, p->pck_key, serial, vch_buffer_span(&extension),
                                        now_unix_s, &pck, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&pck), &p->pck_chain);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&vendor->ca), &p->pck_chain);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&vendor->root), &p->pck_chain);
    return vch_buffer_finish(&p->pck_chain, "PCK chain", err);
}

static vouch_code write_platform_json(const vch_sim_platform *p, const char *dir, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(PLATFORM_MAX_SIZE);
    vch_json_writer w = vch_json_writer_over(&text, true);
    vch_json_begin_object(&w);
    vch_json_put_uint(&w, "version", 1);
    vch_json_put_bool(&w, "simulated", true);
    vch_json_put_string(&w, "tee", vouch_tee_name(p->tee));
    vch_json_put_uint(&w, "svn", p->svn);
    vch_json_put_hex(&w, "ppid", (vouch_span) { p->ppid, sizeof p->ppid });
    vch_json_put_hex(&w, "piid", (vouch_span) { p->piid, sizeof p->piid });
    vch_json_put_hex(&w, "qe_id", (vouch_span) { p->qe_id, sizeof p->qe_id });
    vch_json_end(&w);
    vouch_code rc = vch_buffer_finish(&text, PLATFORM_FILE, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_sim_file_write(dir, PLATFORM_FILE, vch_buffer_span(&text), 0600, err);
}

static vouch_code write_files(const vch_sim_platform *p, const vch_sim_vendor *vendor,
                              const char *dir, vouch_error *err)
{
    vouch_code rc = vch_sim_key_write(dir, "pck.key", p->pck_key, err);
    if (rc == VOUCH_OK)
        rc = vch_sim_key_write(dir, "attestation.key", p->attestation_key, err);
    if (rc == VOUCH_OK)
        rc = vch_sim_file_write(dir, "device.secret",
                                (vouch_span) { p->device_secret.data, p->device_secret.size }, 0600,
                                err);
    if (rc == VOUCH_OK)
        rc = vch_sim_file_write(dir, "pck_chain.pem", vch_buffer_span(&p->pck_chain), 0644, err);
    if (rc == VOUCH_OK)
        rc = vch_sim_cert_write(dir, "root.pem", vch_buffer_span(&vendor->root), err);
    if (rc == VOUCH_OK) /* last: a directory without it holds no platform yet */
        rc = write_platform_json(p, dir, err);
    return rc;
}

static vouch_code write_collateral(const vch_sim_vendor *vendor, const char *dir,
                                   const vch_sim_platform_options *o, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    vouch_code rc = vch_path_join(dir, "collateral", path, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_sim_dates fresh = { o->now_unix_s - DAY_S, o->now_unix_s + 29 * DAY_S,
                                  o->now_unix_s + 364 * DAY_S };
    const vch_sim_dates stale = { o->now_unix_s - 60 * DAY_S, o->now_unix_s - 30 * DAY_S,
                                  o->now_unix_s - 30 * DAY_S };
    return vch_sim_collateral_write(vendor, o->tee, o->expired ? &stale : &fresh, path, err);
}

/* The vendor's side of a new platform: a level, a certificate, a revocation if asked for. */
static vouch_code join_vendor(vch_sim_platform *p, vch_sim_vendor *vendor,
                              const vch_sim_platform_options *o, vouch_error *err)
{
    uint8_t serial[VCH_SIM_SERIAL_SIZE];
    vouch_code rc =
        vch_sim_vendor_level(vendor, o->status, o->advisories, o->advisory_count, &p->svn, err);
    if (rc == VOUCH_OK)
        rc = vch_sim_serial(serial, err);
    if (rc == VOUCH_OK)
        rc = certify(p, vendor, serial, o->now_unix_s, err);
    if (rc == VOUCH_OK && o->revoke == VCH_SIM_REVOKE_PCK)
        rc = vch_sim_vendor_revoke_pck(vendor, serial, err);
    if (rc == VOUCH_OK && o->revoke == VCH_SIM_REVOKE_INTERMEDIATE)
        vch_sim_vendor_revoke_ca(vendor);
    if (rc == VOUCH_OK)
        rc = vch_sim_vendor_save(vendor, err);
    return rc;
}

static vouch_code refuse_existing(const char *dir, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    vouch_code rc = vch_path_join(dir, PLATFORM_FILE, path, err);
    if (rc == VOUCH_OK && vch_file_exists(path))
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "'%s' holds a simulated platform already; name another directory", dir);
    return rc;
}

vouch_code vch_sim_platform_create(const char *dir, const vch_sim_platform_options *o,
                                   vouch_error *err)
{
    char vendor_dir[VCH_PATH_SIZE];
    VCH_SCOPED(vch_sim_vendor_drop) vch_sim_vendor *vendor = NULL;
    VCH_SCOPED(vch_sim_platform_drop) vch_sim_platform *p = platform_new();
    if (p == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a simulated platform");
    vouch_code rc = refuse_existing(dir, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(dir, 0700, err);
    if (rc == VOUCH_OK)
        rc = o->vendor_dir != NULL ? vch_path_join(NULL, o->vendor_dir, vendor_dir, err)
                                   : vch_path_join(dir, "vendor", vendor_dir, err);
    if (rc == VOUCH_OK)
        rc = vch_sim_vendor_open(vendor_dir, o->now_unix_s, &vendor, err);
    if (rc != VOUCH_OK)
        return rc;
    p->tee = o->tee;
    rc = draw(p, err);
    if (rc == VOUCH_OK)
        rc = join_vendor(p, vendor, o, err);
    if (rc == VOUCH_OK)
        rc = write_collateral(vendor, dir, o, err);
    if (rc == VOUCH_OK)
        rc = write_files(p, vendor, dir, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "simulated platform '%s'", dir);
}

static vouch_code read_platform_json(const char *dir, vch_sim_platform *p, vouch_error *err)
{
    static const vch_json_limits limits = { PLATFORM_MAX_SIZE, 4 };
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(PLATFORM_MAX_SIZE);
    VCH_SCOPED(vch_json_drop) vch_json *json = NULL;
    const char *tee = NULL;
    uint64_t svn = 0;
    vouch_code rc = vch_path_join(dir, PLATFORM_FILE, path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(path, PLATFORM_MAX_SIZE, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_json_parse(vch_buffer_span(&text), &limits, &json, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(json, "tee", &tee, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_uint(json, "svn", UINT8_MAX, &svn, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_hex(json, "ppid", p->ppid, sizeof p->ppid, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_hex(json, "piid", p->piid, sizeof p->piid, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_hex(json, "qe_id", p->qe_id, sizeof p->qe_id, err);
    if (rc != VOUCH_OK)
        return rc;
    p->svn = (uint8_t)svn;
    p->tee = strcmp(tee, "tdx") == 0 ? VOUCH_TEE_TDX : VOUCH_TEE_SGX;
    if (strcmp(tee, vouch_tee_name(p->tee)) != 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s': tee is '%s'", path, tee);
    return VOUCH_OK;
}

vouch_code vch_sim_platform_open(const char *dir, vch_sim_platform **out, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_sim_platform_drop) vch_sim_platform *p = platform_new();
    if (p == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a simulated platform");
    vouch_code rc = read_platform_json(dir, p, err);
    if (rc == VOUCH_OK)
        rc = vch_sim_key_read(dir, "pck.key", &p->pck_key, err);
    if (rc == VOUCH_OK)
        rc = vch_sim_key_read(dir, "attestation.key", &p->attestation_key, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(dir, "device.secret", path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read_secret(path, VCH_SIM_DEVICE_SECRET_SIZE, &p->device_secret, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(dir, "pck_chain.pem", path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(path, CHAIN_MAX_SIZE, &p->pck_chain, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "simulated platform '%s'", dir);
    *out = VCH_MOVE(p);
    return VOUCH_OK;
}

vouch_code vch_sim_platform_sealing_key(const vch_sim_platform *p,
                                        const uint8_t mrenclave[static 32],
                                        uint8_t out[static VCH_SIM_SEALING_KEY_SIZE],
                                        vouch_error *err)
{
    uint8_t info[16 + 32];
    vch_sim_cpu_svn(p->svn, info);
    memcpy(info + 16, mrenclave, 32);
    return vch_hkdf(VCH_HASH_SHA256, (vouch_span) { p->device_secret.data, p->device_secret.size },
                    vch_span_str("vouch-sim sealing key"), (vouch_span) { info, sizeof info }, out,
                    VCH_SIM_SEALING_KEY_SIZE, err);
}
