#include "evidence/header.h"

#include <string.h>

#define KEY_TYPE_ECDSA_P256 2
#define TEE_TYPE_SGX 0x00000000U
#define TEE_TYPE_TDX 0x00000081U

static const uint8_t intel_vendor_id[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                             0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };

static vouch_code check(uint16_t version, uint16_t key_type, uint32_t tee_type,
                        const uint8_t vendor_id[static 16], vouch_error *err)
{
    if (version < 3 || version > 5)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "quote version %u; 3, 4 and 5 are known",
                          version);
    if (key_type != KEY_TYPE_ECDSA_P256)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED,
                          "attestation key type %u; only 2 (ECDSA P-256) is known", key_type);
    if (tee_type != TEE_TYPE_SGX && tee_type != TEE_TYPE_TDX)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "unknown TEE type 0x%08x", tee_type);
    if (version == 3 && tee_type != TEE_TYPE_SGX)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "a version 3 quote is of SGX only");
    if (memcmp(vendor_id, intel_vendor_id, sizeof intel_vendor_id) != 0)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "the quoting enclave's vendor is not Intel");
    return VOUCH_OK;
}

vouch_code vch_quote_header_read(vch_cursor *c, vch_quote_header *out, vouch_error *err)
{
    vch_quote_header h = { 0 };
    uint8_t vendor_id[16];

    h.version = vch_cursor_u16le(c);
    uint16_t key_type = vch_cursor_u16le(c);
    uint32_t tee_type = vch_cursor_u32le(c);
    (void)vch_cursor_take(c,
                          4); /* QE and PCE SVN in v3, reserved from v4 on: never a trust input */
    vch_cursor_copy(c, vendor_id, sizeof vendor_id);
    vch_cursor_copy(c, h.user_data, sizeof h.user_data);
    if (c->failed)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "quote header: shorter than %d bytes",
                          VCH_QUOTE_HEADER_SIZE);

    vouch_code rc = check(h.version, key_type, tee_type, vendor_id, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "quote header");
    h.tee = tee_type == TEE_TYPE_SGX ? VOUCH_TEE_SGX : VOUCH_TEE_TDX;
    *out = h;
    return VOUCH_OK;
}
