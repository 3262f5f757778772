#include "evidence/quote.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"

static vouch_code read_body_type(vch_cursor *c, const vch_quote_header *header, uint16_t *out,
                                 vouch_error *err)
{
    if (header->version < 5) {
        *out = header->tee == VOUCH_TEE_SGX ? VCH_BODY_SGX : VCH_BODY_TD_10;
        return VOUCH_OK;
    }
    uint16_t type = vch_cursor_u16le(c);
    uint32_t size = vch_cursor_u32le(c);
    if (c->failed)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "quote: no body descriptor");
    if (vch_body_size(type) == 0)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "quote: unknown body type %u", type);
    if (size != vch_body_size(type))
        return vouch_fail(err, VOUCH_E_FORMAT, "quote: body of %u bytes; type %u has %zu", size,
                          type, vch_body_size(type));
    if ((type == VCH_BODY_SGX) != (header->tee == VOUCH_TEE_SGX))
        return vouch_fail(err, VOUCH_E_FORMAT, "quote: body type %u does not fit the TEE type",
                          type);
    *out = type;
    return VOUCH_OK;
}

static vouch_code read_body(const vch_quote *q, vouch_claims *claims, vouch_error *err)
{
    vouch_claims c = { .tee = q->header.tee,
                       .quote_version = q->header.version,
                       .padding_size = q->padding_size };
    memcpy(c.qe_user_data, q->header.user_data, sizeof c.qe_user_data);
    vouch_code rc = q->body_type == VCH_BODY_SGX
                        ? vch_sgx_report_parse(q->body, &c.sgx, c.report_data, err)
                        : vch_td_report_parse(q->body, q->body_type, &c.tdx, c.report_data, err);
    if (rc != VOUCH_OK)
        return rc;
    c.debug = c.tee == VOUCH_TEE_SGX ? (c.sgx.attribute_flags & VOUCH_SGX_ATTRIBUTE_DEBUG) != 0
                                     : (c.tdx.td_attributes & VOUCH_TD_ATTRIBUTE_TUD_MASK) != 0;
    *claims = c;
    return VOUCH_OK;
}

/* What follows the body: the section by its length, then nothing but zeros (configfs-tsm and cloud
 * agents pad quotes). */
static vouch_code read_section(vch_cursor *c, vch_quote *q, vouch_error *err)
{
    vouch_span section = vch_cursor_take(c, vch_cursor_u32le(c));
    if (c->failed)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "quote: ends before its signature section does");
    if (!vch_span_is_zero(c->rest))
        return vouch_fail(err, VOUCH_E_FORMAT,
                          "quote: %zu bytes after the signature section that are "
                          "not zero padding",
                          c->rest.size);
    q->padding_size = c->rest.size;
    return vch_quote_sig_parse(section, q->header.version, &q->sig, err);
}

vouch_code vch_quote_parse(vouch_span in, vch_quote *out, vouch_claims *claims, vouch_error *err)
{
    if (in.size > VOUCH_QUOTE_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "quote: %zu bytes exceed %zu", in.size,
                          VOUCH_QUOTE_MAX_SIZE);
    vch_cursor c = vch_cursor_over(in);
    vch_quote q = { 0 };
    vouch_code rc = vch_quote_header_read(&c, &q.header, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = read_body_type(&c, &q.header, &q.body_type, err);
    if (rc != VOUCH_OK)
        return rc;
    q.body = vch_cursor_take(&c, vch_body_size(q.body_type));
    if (c.failed)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "quote: ends inside its body");
    q.signed_bytes = (vouch_span) { in.data, in.size - c.rest.size };
    rc = read_section(&c, &q, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = read_body(&q, claims, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = q;
    return VOUCH_OK;
}

vouch_code vouch_quote_read(vouch_span quote, vouch_claims *out, vouch_error *err)
{
    vch_quote q;
    return vch_quote_parse(quote, &q, out, err);
}
