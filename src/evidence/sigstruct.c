#include "evidence/sigstruct.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "crypto/hash.h"
#include "vouch/evidence.h"

#define HEADER_SIZE 16
#define SIGNED_FIRST 128 /* bytes 0 to 127 */
#define SIGNED_SECOND_AT 900
#define SIGNED_SECOND 128 /* bytes 900 to 1027 */
#define INTEL 0x8086U

static const uint8_t header_1[HEADER_SIZE] = {
    0x06, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0
};
static const uint8_t header_2[HEADER_SIZE] = {
    1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1, 0, 0, 0
};

/* What is constant or reserved, and judged after all is read. */
typedef struct fixed {
    vouch_span header_1, header_2, reserved[4];
    uint32_t exponent;
} fixed;

static bool is_date(uint32_t bcd)
{
    for (unsigned shift = 0; shift < 32; shift += 4) {
        if (((bcd >> shift) & 0xf) > 9)
            return false;
    }
    uint32_t month = bcd >> 8 & 0xff;
    uint32_t day = bcd & 0xff;
    return month >= 0x01 && month <= 0x12 && day >= 0x01 && day <= 0x31;
}

static vouch_code check_fixed(const fixed *f, const vch_sigstruct *s, vouch_error *err)
{
    if (memcmp(f->header_1.data, header_1, HEADER_SIZE) != 0
        || memcmp(f->header_2.data, header_2, HEADER_SIZE) != 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "SIGSTRUCT: not the header of one");
    for (size_t i = 0; i < sizeof f->reserved / sizeof *f->reserved; i++) {
        if (!vch_span_is_zero(f->reserved[i]))
            return vouch_fail(err, VOUCH_E_FORMAT, "SIGSTRUCT: reserved bytes are not zero");
    }
    if (s->vendor != 0 && s->vendor != INTEL)
        return vouch_fail(err, VOUCH_E_FORMAT, "SIGSTRUCT: vendor %08x", (unsigned)s->vendor);
    if (!is_date(s->date_bcd))
        return vouch_fail(err, VOUCH_E_FORMAT, "SIGSTRUCT: %08x is no date", (unsigned)s->date_bcd);
    if (f->exponent != 3)
        return vouch_fail(err, VOUCH_E_FORMAT, "SIGSTRUCT: the exponent is %u, not 3",
                          (unsigned)f->exponent);
    return VOUCH_OK;
}

static void read_signer(vch_cursor *c, fixed *f, vch_sigstruct *s)
{
    f->header_1 = vch_cursor_take(c, HEADER_SIZE);
    s->vendor = vch_cursor_u32le(c);
    s->date_bcd = vch_cursor_u32le(c);
    f->header_2 = vch_cursor_take(c, HEADER_SIZE);
    s->sw_defined = vch_cursor_u32le(c);
    f->reserved[0] = vch_cursor_take(c, 84);
    vch_cursor_copy(c, s->numbers.modulus, sizeof s->numbers.modulus);
    f->exponent = vch_cursor_u32le(c);
    vch_cursor_copy(c, s->numbers.signature, sizeof s->numbers.signature);
}

static void read_enclave(vch_cursor *c, fixed *f, vch_sigstruct *s)
{
    s->misc_select = vch_cursor_u32le(c);
    s->misc_mask = vch_cursor_u32le(c);
    (void)vch_cursor_take(c, 2); /* CET attributes and their mask */
    f->reserved[1] = vch_cursor_take(c, 2);
    vch_cursor_copy(c, s->isv_family_id, sizeof s->isv_family_id);
    s->attribute_flags = vch_cursor_u64le(c);
    s->xfrm = vch_cursor_u64le(c);
    s->attribute_flags_mask = vch_cursor_u64le(c);
    s->xfrm_mask = vch_cursor_u64le(c);
    vch_cursor_copy(c, s->mrenclave, sizeof s->mrenclave);
    f->reserved[2] = vch_cursor_take(c, 16);
    vch_cursor_copy(c, s->isv_ext_prod_id, sizeof s->isv_ext_prod_id);
    s->isv_prod_id = vch_cursor_u16le(c);
    s->isv_svn = vch_cursor_u16le(c);
    f->reserved[3] = vch_cursor_take(c, 12);
    vch_cursor_copy(c, s->numbers.q1, sizeof s->numbers.q1);
    vch_cursor_copy(c, s->numbers.q2, sizeof s->numbers.q2);
}

static void read_signed(vouch_span in, uint8_t out[static SIGNED_FIRST + SIGNED_SECOND])
{
    vch_cursor c = vch_cursor_over(in);
    vch_cursor_copy(&c, out, SIGNED_FIRST);
    (void)vch_cursor_take(&c, SIGNED_SECOND_AT - SIGNED_FIRST);
    vch_cursor_copy(&c, out + SIGNED_FIRST, SIGNED_SECOND);
}

vouch_code vch_sigstruct_parse(vouch_span in, vch_sigstruct *out, vouch_error *err)
{
    vch_cursor c = vch_cursor_over(in);
    vch_sigstruct s = { 0 };
    fixed f = { 0 };
    read_signer(&c, &f, &s);
    read_enclave(&c, &f, &s);
    vouch_code rc = vch_cursor_finish(&c, "SIGSTRUCT", err);
    if (rc == VOUCH_OK)
        rc = check_fixed(&f, &s, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256((vouch_span) { s.numbers.modulus, sizeof s.numbers.modulus }, s.mrsigner,
                        err);
    if (rc != VOUCH_OK)
        return rc;
    read_signed(in, s.signed_bytes);
    *out = s;
    return VOUCH_OK;
}

vouch_code vch_sigstruct_verify(const vch_sigstruct *s, bool *out_valid, vouch_error *err)
{
    return vch_rsa_cube_verify(
        &s->numbers, (vouch_span) { s->signed_bytes, sizeof s->signed_bytes }, out_valid, err);
}

const char *vch_sigstruct_debug(const vch_sigstruct *s)
{
    if ((s->attribute_flags_mask & VOUCH_SGX_ATTRIBUTE_DEBUG) == 0)
        return "possible"; /* the mask leaves the bit to who starts it */
    return (s->attribute_flags & VOUCH_SGX_ATTRIBUTE_DEBUG) != 0 ? "always" : "never";
}
