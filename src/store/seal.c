#include "store/seal.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "codec/cbor.h"
#include "codec/utf8.h"
#include "crypto/hkdf.h"

#define DEVICE_KEY_MIN_SIZE ((size_t)16)
#define INFORMATION_CAP ((size_t)1024)
#define DIGEST_SIZE ((size_t)32)

struct vch_seal_root {
    vch_secret device_key;
    uint8_t plan[DIGEST_SIZE];
    uint8_t policy[DIGEST_SIZE];
    char role[VCH_SEAL_TEXT_MAX_SIZE + 1];
    char name[VCH_SEAL_TEXT_MAX_SIZE + 1];
};

static vouch_code check_text(const char *what, const char *text, vouch_error *err)
{
    size_t size = text == NULL ? 0 : strlen(text);
    if (size == 0 || size > VCH_SEAL_TEXT_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "sealing: a %s of %zu bytes; 1 to %zu are possible",
                          what, size, VCH_SEAL_TEXT_MAX_SIZE);
    if (!vch_utf8_valid(vch_span_str(text)))
        return vouch_fail(err, VOUCH_E_FORMAT, "sealing: the %s is not UTF-8", what);
    return VOUCH_OK;
}

static vouch_code keep_text(const char *what, const char *text,
                            char out[static VCH_SEAL_TEXT_MAX_SIZE + 1], vouch_error *err)
{
    vouch_code rc = check_text(what, text, err);
    if (rc == VOUCH_OK)
        memcpy(out, text, strlen(text) + 1);
    return rc;
}

static vouch_code keep_key(vouch_span device_key, vch_secret *out, vouch_error *err)
{
    if (device_key.size < DEVICE_KEY_MIN_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "sealing: a device key of %zu bytes, below %zu",
                          device_key.size, DEVICE_KEY_MIN_SIZE);
    if (vch_span_is_zero(device_key))
        return vouch_fail(err, VOUCH_E_CRYPTO, "sealing: the device key is all zero");
    vouch_code rc = vch_secret_alloc(out, device_key.size, err);
    if (rc == VOUCH_OK)
        memcpy(out->data, device_key.data, device_key.size);
    return rc;
}

vouch_code vch_seal_root_new(vouch_span device_key, const vch_seal_context *context,
                             vch_seal_root **out, vouch_error *err)
{
    VCH_SCOPED(vch_seal_root_drop) vch_seal_root *r = calloc(1, sizeof *r);
    if (r == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "sealing: out of memory");
    memcpy(r->plan, context->plan_digest, sizeof r->plan);
    memcpy(r->policy, context->policy_digest, sizeof r->policy);
    vouch_code rc = keep_text("role", context->role, r->role, err);
    if (rc == VOUCH_OK)
        rc = keep_text("name", context->name, r->name, err);
    if (rc == VOUCH_OK)
        rc = keep_key(device_key, &r->device_key, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(r);
    return VOUCH_OK;
}

void vch_seal_root_free(vch_seal_root *r)
{
    if (r == NULL)
        return;
    vch_secret_drop(&r->device_key);
    free(r);
}

static vouch_code put_information(const vch_seal_root *r, const char *purpose, vch_buffer *out,
                                  vouch_error *err)
{
    vch_cbor_put_array(out, 6);
    vch_cbor_put_text(out, "vouch-seal-1");
    vch_cbor_put_bytes(out, (vouch_span) { r->plan, sizeof r->plan });
    vch_cbor_put_bytes(out, (vouch_span) { r->policy, sizeof r->policy });
    vch_cbor_put_text(out, r->role);
    vch_cbor_put_text(out, r->name);
    vch_cbor_put_text(out, purpose);
    return vch_buffer_finish(out, "sealing context", err);
}

vouch_code vch_seal_root_derive(const vch_seal_root *r, const char *purpose,
                                const uint8_t salt[static VCH_SEAL_SALT_SIZE], vch_secret *out_key,
                                vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer information = vch_buffer_with_cap(INFORMATION_CAP);
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    vouch_code rc = check_text("purpose", purpose, err);
    if (rc == VOUCH_OK)
        rc = put_information(r, purpose, &information, err);
    if (rc == VOUCH_OK)
        rc = vch_secret_alloc(&key, VCH_SEAL_KEY_SIZE, err);
    if (rc == VOUCH_OK)
        rc = vch_hkdf(VCH_HASH_SHA256, (vouch_span) { r->device_key.data, r->device_key.size },
                      (vouch_span) { salt, VCH_SEAL_SALT_SIZE }, vch_buffer_span(&information),
                      key.data, key.size, err);
    if (rc != VOUCH_OK)
        return rc;
    *out_key = key;
    key = (vch_secret) { 0 };
    return VOUCH_OK;
}
