#include "svc/verifyd_nonce.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/moment.h"
#include "base/scope.h"
#include "codec/base64.h"
#include "codec/json_writer.h"

#define CLOCK_STEP_S 5 /* our own clock may have been set back a little since */

/* Each part's size stands before it: a byte that moves across the border changes the message. The
 * first word keeps it apart from a token, which the same key signs. */
static void signed_message(vouch_span val, vouch_span iat, vch_buffer *out)
{
    vch_buffer_append_str(out, "vouch-nonce-1");
    vch_buffer_u32be(out, (uint32_t)val.size);
    vch_buffer_append(out, val);
    vch_buffer_u32be(out, (uint32_t)iat.size);
    vch_buffer_append(out, iat);
}

static void format_iat(int64_t unix_s, vch_buffer *out)
{
    char text[VCH_MOMENT_TEXT_SIZE];
    (void)vch_moment_format(unix_s, text);
    vch_buffer_append_fmt(out, "%.10s %.8s +0000 UTC", text, text + 11);
}

static vouch_code parse_iat(vouch_span iat, int64_t *out, vouch_error *err)
{
    vch_cursor c = vch_cursor_over(iat);
    vouch_span date = vch_cursor_take(&c, 10);
    vouch_span blank = vch_cursor_take(&c, 1);
    vouch_span time = vch_cursor_take(&c, 8);
    vouch_span zone = vch_cursor_take(&c, 10);
    vouch_code rc = vch_cursor_finish(&c, "the nonce's iat", err);
    if (rc != VOUCH_OK)
        return rc;
    if (!vch_span_is(blank, " ") || !vch_span_is(zone, " +0000 UTC"))
        return vouch_fail(err, VOUCH_E_FORMAT, "the nonce's iat is no UTC time");
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(VCH_MOMENT_TEXT_SIZE);
    vch_buffer_append(&text, date);
    vch_buffer_append_str(&text, "T");
    vch_buffer_append(&text, time);
    vch_buffer_append_str(&text, "Z");
    rc = vch_buffer_finish(&text, "the nonce's iat", err);
    return rc == VOUCH_OK ? vch_moment_parse_utc(vch_buffer_span(&text), out, err) : rc;
}

static void write_json(const vch_buffer *val, const vch_buffer *iat, const vch_buffer *signature,
                       vch_buffer *out)
{
    vch_json_writer w = vch_json_writer_over(out, false);
    vch_json_begin_object(&w);
    vch_json_key(&w, "val");
    vch_json_base64(&w, vch_buffer_span(val));
    vch_json_key(&w, "iat");
    vch_json_base64(&w, vch_buffer_span(iat));
    vch_json_key(&w, "signature");
    vch_json_base64(&w, vch_buffer_span(signature));
    vch_json_end(&w);
}

vouch_code vch_verifyd_nonce_make(const vch_key *key, int64_t now_unix_s,
                                  const uint8_t random[static VCH_NONCE_RANDOM_SIZE],
                                  vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer val = vch_buffer_with_cap(128);
    VCH_SCOPED(vch_buffer_drop) vch_buffer iat = vch_buffer_with_cap(64);
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = vch_buffer_with_cap(512);
    VCH_SCOPED(vch_buffer_drop) vch_buffer signature = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
    vch_base64_encode((vouch_span) { random, VCH_NONCE_RANDOM_SIZE }, &val);
    format_iat(now_unix_s, &iat);
    signed_message(vch_buffer_span(&val), vch_buffer_span(&iat), &message);
    vouch_code rc = vch_buffer_finish(&message, "nonce", err);
    if (rc == VOUCH_OK)
        rc = vch_key_sign(key, VCH_SIG_RSA_PSS_SHA384, vch_buffer_span(&message), &signature, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "signing a nonce");
    write_json(&val, &iat, &signature, out);
    return vch_buffer_finish(out, "nonce", err);
}

vouch_code vch_verifyd_nonce_judge(const vch_key *key, const vch_verifyd_nonce *nonce,
                                   int64_t now_unix_s, int64_t lifetime_s, vch_nonce_state *out,
                                   int64_t *out_expires, vouch_error *err)
{
    int64_t issued = 0;
    *out = VCH_NONCE_FORGED;
    if (nonce->val.size > VCH_NONCE_PART_MAX_SIZE
        || parse_iat(nonce->iat, &issued, NULL) != VOUCH_OK)
        return VOUCH_OK;
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = vch_buffer_with_cap(1024);
    signed_message(nonce->val, nonce->iat, &message);
    bool valid = false;
    vouch_code rc = vch_buffer_finish(&message, "nonce", err);
    if (rc == VOUCH_OK)
        rc = vch_key_verify(key, VCH_SIG_RSA_PSS_SHA384, vch_buffer_span(&message),
                            nonce->signature, &valid, err);
    if (rc != VOUCH_OK || !valid)
        return rc;
    *out_expires = issued + lifetime_s;
    if (now_unix_s >= *out_expires)
        *out = VCH_NONCE_EXPIRED;
    else
        *out = issued > now_unix_s + CLOCK_STEP_S ? VCH_NONCE_FUTURE : VCH_NONCE_GOOD;
    return VOUCH_OK;
}
