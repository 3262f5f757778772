#include "cli/token_view.h"

#include "base/moment.h"
#include "codec/hex.h"

#define TEE_TYPE_TDX 0x81u

/* The step that a reason belongs to, in the words of `quote verify`. */
static const char *step_of(vouch_token_reason reason)
{
    switch (reason) {
    case VOUCH_TOKEN_MALFORMED:
        return "structure";
    case VOUCH_TOKEN_KEY_UNKNOWN:
    case VOUCH_TOKEN_ROOT:
    case VOUCH_TOKEN_CHAIN:
    case VOUCH_TOKEN_REVOKED:
        return "chain";
    case VOUCH_TOKEN_SIGNATURE:
        return "signature";
    case VOUCH_TOKEN_ISSUER:
        return "issuer";
    case VOUCH_TOKEN_TIME:
        return "time";
    case VOUCH_TOKEN_NONCE:
        return "nonce";
    case VOUCH_TOKEN_HELD_DATA:
        return "held_data";
    case VOUCH_TOKEN_TCB:
        return "tcb";
    case VOUCH_TOKEN_MEASUREMENT:
    case VOUCH_TOKEN_DEBUG:
    case VOUCH_TOKEN_SIMULATED:
    case VOUCH_TOKEN_POLICY:
        return "policy";
    }
    return "structure";
}

static void put_reason(vch_json_writer *w, const char *step, const char *code, const char *message)
{
    vch_json_begin_object(w);
    vch_json_put_string(w, "step", step);
    vch_json_put_string(w, "code", code);
    vch_json_put_string(w, "message", message);
    vch_json_end(w);
}

static void put_reasons(vch_json_writer *w, const vch_token_view *view)
{
    vch_json_key(w, "reasons");
    vch_json_begin_array(w);
    if (view->verdict == NULL)
        put_reason(w, view->step, view->code, view->message);
    for (size_t i = 0; view->verdict != NULL && i < vouch_token_verdict_reason_count(view->verdict);
         i++) {
        const char *sentence = NULL;
        vouch_token_reason reason = vouch_token_verdict_reason(view->verdict, i, &sentence);
        put_reason(w, step_of(reason), vouch_token_reason_name(reason), sentence);
    }
    vch_json_end(w);
}

static void put_list(vch_json_writer *w, const char *name, const char *const *list, size_t count)
{
    vch_json_key(w, name);
    vch_json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        vch_json_string(w, list[i]);
    vch_json_end(w);
}

static void put_claims(vch_json_writer *w, const vouch_token_claims *c)
{
    bool tdx = c->tee_type == TEE_TYPE_TDX;
    vch_json_key(w, "claims");
    vch_json_begin_object(w);
    vch_json_put_string(w, "ver", c->version == 2 ? "2.0.0" : "1.0.0");
    vch_json_put_string(w, "iss", c->issuer);
    vch_json_put_string(w, "jti", c->id);
    vch_json_put_string(w, "kid", c->key_id);
    vch_json_put_moment(w, "issued_at", c->issued_at_unix_s);
    vch_json_put_moment(w, "expires_at", c->expires_at_unix_s);
    vch_json_put_hex(w, tdx ? "mrtd" : "mrenclave", c->measurement);
    vch_json_put_hex(w, tdx ? "mrsignerseam" : "mrsigner", c->signer);
    if (!tdx) {
        vch_json_put_uint(w, "isv_prod_id", c->prod_id);
        vch_json_put_uint(w, "isv_svn", c->svn);
    }
    vch_json_put_hex(w, "report_data", c->report_data);
    vch_json_key(w, "held_data");
    vch_json_base64(w, c->held_data);
    put_list(w, "policies_matched", c->policies_matched, c->policies_matched_count);
    put_list(w, "policies_unmatched", c->policies_unmatched, c->policies_unmatched_count);
    vch_json_end(w);
}

/* What is only known once the signature holds. */
static void put_established(vch_json_writer *w, const vouch_token_claims *c)
{
    vch_json_put_string(w, "tcb_status", c != NULL ? c->tcb_status : NULL);
    put_list(w, "advisory_ids", c != NULL ? c->advisory_ids : NULL,
             c != NULL ? c->advisory_count : 0);
    if (c == NULL)
        return;
    vch_json_key(w, "tcb_date");
    if (c->tcb_date_unix_s != 0)
        vch_json_moment(w, c->tcb_date_unix_s);
    else
        vch_json_null(w);
    vch_json_put_string(w, "tee", c->tee_type == TEE_TYPE_TDX ? "tdx" : "sgx");
    vch_json_put_bool(w, "debug", c->debug);
    vch_json_put_bool(w, "simulated", c->simulated);
    put_claims(w, c);
}

static bool revocation_checked(const vch_token_view *view)
{
    return view->verdict != NULL && vouch_token_verdict_revocation_checked(view->verdict);
}

void vch_token_view_json(const vch_token_view *view, vch_buffer *out)
{
    vch_json_writer w = vch_json_writer_over(out, true);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "result", vouch_token_verdict_admits(view->verdict) ? "ok" : "reject");
    put_established(&w, view->verdict != NULL ? vouch_token_verdict_claims(view->verdict) : NULL);
    put_reasons(&w, view);
    vch_json_put_bool(&w, "revocation_checked", revocation_checked(view));
    vch_json_put_bool(&w, "nonce_compared", view->nonce_compared);
    vch_json_put_bool(&w, "held_data_compared", view->held_data_compared);
    vch_json_put_moment(&w, "verified_at", view->at_unix_s);
    vch_json_end(&w);
    vch_buffer_append_str(out, "\n");
}

static void text_claims(const vouch_token_claims *c, vch_buffer *out)
{
    char hex[97] = "";
    char from[VCH_MOMENT_TEXT_SIZE];
    char until[VCH_MOMENT_TEXT_SIZE];
    if (c->measurement.size <= 48)
        (void)vch_hex_encode(c->measurement, hex);
    vch_buffer_append_fmt(out, "issuer       %.200s\n", c->issuer);
    vch_buffer_append_fmt(out, "life         %s to %s\n",
                          vch_moment_format(c->issued_at_unix_s, from),
                          vch_moment_format(c->expires_at_unix_s, until));
    vch_buffer_append_fmt(out, "platform     %s%s%s\n", c->tee_type == TEE_TYPE_TDX ? "TDX" : "SGX",
                          c->simulated ? ", SIMULATED" : "", c->debug ? ", DEBUG" : "");
    vch_buffer_append_fmt(out, "measurement  %s\n", hex);
    vch_buffer_append_fmt(out, "TCB          %.60s", c->tcb_status);
    for (size_t i = 0; i < c->advisory_count; i++)
        vch_buffer_append_fmt(out, "%s%.60s", i == 0 ? " (" : ", ", c->advisory_ids[i]);
    vch_buffer_append_str(out, c->advisory_count > 0 ? ")\n" : "\n");
}

/* Texts of a token whose signature holds are still somebody else's: no control bytes to a terminal. */
static void tame(vch_buffer *out)
{
    for (size_t i = 0; i < out->size; i++) {
        if ((out->data[i] < 0x20 && out->data[i] != '\n') || out->data[i] == 0x7f)
            out->data[i] = '?';
    }
}

void vch_token_view_text(const vch_token_view *view, vch_buffer *out)
{
    const vouch_token_verdict *v = view->verdict;
    char at[VCH_MOMENT_TEXT_SIZE];
    vch_buffer_append_fmt(out, "%s at %s\n", vouch_token_verdict_admits(v) ? "ACCEPTED" : "REFUSED",
                          vch_moment_format(view->at_unix_s, at));
    if (v == NULL)
        vch_buffer_append_fmt(out, "  %s: %s: %s\n", view->step, view->code, view->message);
    for (size_t i = 0; v != NULL && i < vouch_token_verdict_reason_count(v); i++) {
        const char *sentence = NULL;
        vouch_token_reason reason = vouch_token_verdict_reason(v, i, &sentence);
        vch_buffer_append_fmt(out, "  %s: %s: %s\n", step_of(reason),
                              vouch_token_reason_name(reason), sentence);
    }
    const vouch_token_claims *claims = v != NULL ? vouch_token_verdict_claims(v) : NULL;
    if (claims != NULL)
        text_claims(claims, out);
    if (!revocation_checked(view))
        vch_buffer_append_str(out, "revocation was not checked: no CRLs were given\n");
    if (!view->nonce_compared)
        vch_buffer_append_str(out, "freshness was not checked: no nonce was given\n");
    if (!view->held_data_compared)
        vch_buffer_append_str(out, "the data was not compared: none was given\n");
    tame(out);
}
