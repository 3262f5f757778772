#include "result/token_exports.h"

#include <string.h>

/* One claim's value under any name, as the token's own members have it. */
typedef struct source {
    const char *claim;
    vouch_tee tee;
    enum {
        SOURCE_BYTES,
        SOURCE_U16,
        SOURCE_SEAMSVN,
        SOURCE_DEBUG,
        SOURCE_DATE,
        SOURCE_STATUS,
        SOURCE_ADVISORIES
    } kind;
    size_t offset, size; /* in vouch_claims */
} source;

#define CLAIM(member) offsetof(vouch_claims, member), sizeof(((vouch_claims *)NULL)->member)

static const source sources[] = {
    { "sgx_mrsigner", VOUCH_TEE_SGX, SOURCE_BYTES, CLAIM(sgx.mrsigner) },
    { "sgx_mrenclave", VOUCH_TEE_SGX, SOURCE_BYTES, CLAIM(sgx.mrenclave) },
    { "sgx_isvprodid", VOUCH_TEE_SGX, SOURCE_U16, CLAIM(sgx.isv_prod_id) },
    { "sgx_isvsvn", VOUCH_TEE_SGX, SOURCE_U16, CLAIM(sgx.isv_svn) },
    { "sgx_is_debuggable", VOUCH_TEE_SGX, SOURCE_DEBUG, 0, 0 },
    { "tdx_seamsvn", VOUCH_TEE_TDX, SOURCE_SEAMSVN, 0, 0 },
    { "tdx_rtmr0", VOUCH_TEE_TDX, SOURCE_BYTES, CLAIM(tdx.rtmr[0]) },
    { "tdx_rtmr1", VOUCH_TEE_TDX, SOURCE_BYTES, CLAIM(tdx.rtmr[1]) },
    { "tdx_rtmr2", VOUCH_TEE_TDX, SOURCE_BYTES, CLAIM(tdx.rtmr[2]) },
    { "tdx_rtmr3", VOUCH_TEE_TDX, SOURCE_BYTES, CLAIM(tdx.rtmr[3]) },
    { "tdx_mrtd", VOUCH_TEE_TDX, SOURCE_BYTES, CLAIM(tdx.mrtd) },
    { "tdx_mrseam", VOUCH_TEE_TDX, SOURCE_BYTES, CLAIM(tdx.mrseam) },
    { "tdx_mrsignerseam", VOUCH_TEE_TDX, SOURCE_BYTES, CLAIM(tdx.mrsigner_seam) },
    { "tdx_is_debuggable", VOUCH_TEE_TDX, SOURCE_DEBUG, 0, 0 },
    { "attester_tcb_date", VOUCH_TEE_NONE, SOURCE_DATE, 0, 0 },
    { "attester_tcb_status", VOUCH_TEE_NONE, SOURCE_STATUS, 0, 0 },
    { "attester_advisory_ids", VOUCH_TEE_NONE, SOURCE_ADVISORIES, 0, 0 },
};

static const source *find(const char *claim, vouch_tee tee)
{
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        if (strcmp(sources[i].claim, claim) == 0
            && (sources[i].tee == VOUCH_TEE_NONE || sources[i].tee == tee))
            return &sources[i];
    }
    return NULL;
}

void vch_token_put_advisories(vch_json_writer *w, const vouch_claims *c)
{
    vch_json_begin_array(w);
    for (size_t i = 0; i < c->advisory_count; i++)
        vch_json_string(w, c->advisory_ids[i]);
    vch_json_end(w);
}

static void put_value(vch_json_writer *w, const source *from, const vouch_claims *c)
{
    const uint8_t *at = (const uint8_t *)c + from->offset;
    uint16_t number = 0;
    switch (from->kind) {
    case SOURCE_BYTES:
        vch_json_hex(w, (vouch_span) { at, from->size });
        return;
    case SOURCE_U16:
        memcpy(&number, at, sizeof number);
        vch_json_uint(w, number);
        return;
    case SOURCE_SEAMSVN:
        vch_json_uint(w, (uint64_t)(c->tdx.tee_tcb_svn[0] | (unsigned)c->tdx.tee_tcb_svn[1] << 8));
        return;
    case SOURCE_DEBUG:
        vch_json_bool(w, c->debug);
        return;
    case SOURCE_DATE:
        vch_json_moment(w, c->tcb_date_unix_s);
        return;
    case SOURCE_STATUS:
        vch_json_string(w, vouch_tcb_status_name(c->tcb_status));
        return;
    case SOURCE_ADVISORIES:
        vch_token_put_advisories(w, c);
        return;
    }
}

static bool is_taken(const vch_token_statement *s, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(s->exports[i].name, s->exports[index].name) == 0)
            return true;
    }
    return false;
}

void vch_token_put_exports(vch_json_writer *w, const vch_token_statement *s)
{
    for (size_t i = 0; i < s->export_count; i++) {
        const source *from = find(s->exports[i].claim, s->claims->tee);
        if (from == NULL || is_taken(s, i))
            continue;
        vch_json_key(w, s->exports[i].name);
        put_value(w, from, s->claims);
    }
}
