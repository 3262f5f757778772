#include "cli/quote_view.h"

#include <string.h>

#include "base/scope.h"
#include "cli/claims_view.h"
#include "collateral/chain.h"
#include "evidence/quote.h"

/* What the PCK certificate in the quote says, if there is one that can be read. */
static void add_platform(const vch_quote *q, vouch_claims *claims)
{
    VCH_SCOPED(vch_chain_drop) vch_chain chain = { 0 };
    vch_pck_ext ext = { 0 };
    if (q->sig.cert_type != VCH_CERT_DATA_PCK_CHAIN
        || vch_chain_parse(q->sig.cert_data, VCH_CHAIN_PCK, &chain, NULL) != VOUCH_OK
        || vch_pck_ext_parse(chain.leaf.sgx_extension, chain.ca, &ext, NULL) != VOUCH_OK)
        return;
    claims->has_platform = true;
    memcpy(claims->ppid, ext.ppid, sizeof claims->ppid);
    memcpy(claims->fmspc, ext.fmspc, sizeof claims->fmspc);
    memcpy(claims->pceid, ext.pceid, sizeof claims->pceid);
    memcpy(claims->pck_svn, ext.svn, sizeof claims->pck_svn);
    claims->pce_svn = ext.pce_svn;
    claims->has_piid = ext.has_piid;
    memcpy(claims->piid, ext.piid, sizeof claims->piid);
    claims->smt_enabled = ext.smt_enabled;
    claims->dynamic_platform = ext.dynamic_platform;
    claims->cached_keys = ext.cached_keys;
}

static void put_json(const vch_quote *q, const vouch_claims *claims, vch_buffer *json)
{
    vch_json_writer w = vch_json_writer_over(json, true);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "tee", vouch_tee_name(claims->tee));
    vch_json_put_bool(&w, "debug", claims->debug);
    vch_json_put_uint(&w, "certification_data_type", q->sig.cert_type);
    vch_json_put_uint(&w, "qe_isv_svn", q->sig.qe.isv_svn);
    vch_json_put_bool(&w, "verified", false);
    vch_json_key(&w, "claims");
    vch_claims_json(&w, claims);
    vch_json_end(&w);
}

vouch_code vch_quote_view(vouch_span quote, bool as_json, FILE *out, vch_buffer *json,
                          vouch_error *err)
{
    vch_quote q;
    vouch_claims claims;
    vouch_code rc = vch_quote_parse(quote, &q, &claims, err);
    if (rc != VOUCH_OK)
        return rc;
    add_platform(&q, &claims);
    if (as_json) {
        put_json(&q, &claims, json);
        return VOUCH_OK;
    }
    (void)fprintf(out,
                  "%s quote version %u%s, certification data type %u; nothing of it is verified\n",
                  vouch_tee_name(claims.tee), claims.quote_version, claims.debug ? ", DEBUG" : "",
                  q.sig.cert_type);
    vch_claims_print(out, &claims);
    return VOUCH_OK;
}
