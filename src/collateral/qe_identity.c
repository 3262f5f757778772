#include "collateral/qe_identity.h"

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/scope.h"

/* Spec section 4, step 16: the schema allows the two configuration statuses, too. */
#define STATUSES                                                                                   \
    (1U << VOUCH_TCB_UP_TO_DATE | 1U << VOUCH_TCB_OUT_OF_DATE | 1U << VOUCH_TCB_REVOKED            \
     | 1U << VOUCH_TCB_CONFIGURATION_NEEDED | 1U << VOUCH_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED)

/* Members of enclaveIdentity; each must be there. */
enum {
    SEEN_ID = 1 << 0,
    SEEN_VERSION = 1 << 1,
    SEEN_ISSUED = 1 << 2,
    SEEN_NEXT = 1 << 3,
    SEEN_EVALUATION = 1 << 4,
    SEEN_MISC = 1 << 5,
    SEEN_MISC_MASK = 1 << 6,
    SEEN_ATTRIBUTES = 1 << 7,
    SEEN_ATTRIBUTES_MASK = 1 << 8,
    SEEN_MRSIGNER = 1 << 9,
    SEEN_PROD_ID = 1 << 10,
    SEEN_LEVELS = 1 << 11,
    SEEN_REQUIRED = (1 << 12) - 1
};

typedef struct reading {
    vch_qe_identity identity;
    uint64_t version;
    unsigned seen;
} reading;

static vch_enclave_id read_id(vch_json_pull *p)
{
    static const char *const names[] = { [VCH_ENCLAVE_QE] = "QE",
                                         [VCH_ENCLAVE_TD_QE] = "TD_QE",
                                         [VCH_ENCLAVE_QVE] = "QVE",
                                         [VCH_ENCLAVE_QAE] = "QAE" };
    vouch_span id = vch_json_pull_string(p);
    for (int i = VCH_ENCLAVE_QE; i <= VCH_ENCLAVE_QAE; i++) {
        if (vch_span_is(id, names[i]))
            return (vch_enclave_id)i;
    }
    vch_json_pull_refuse(p, "an unknown enclave id");
    return VCH_ENCLAVE_QAE;
}

/* The hex is the little-endian byte string of the report's field. */
static uint32_t read_u32le(vch_json_pull *p)
{
    uint8_t bytes[4];
    vch_json_pull_hex(p, bytes, sizeof bytes);
    vch_cursor c = vch_cursor_over((vouch_span) { bytes, sizeof bytes });
    return vch_cursor_u32le(&c);
}

static unsigned read_description(vch_json_pull *p, vouch_span name, reading *r)
{
    vch_qe_identity *q = &r->identity;
    if (vch_span_is(name, "id")) {
        q->id = read_id(p);
        return SEEN_ID;
    }
    if (vch_span_is(name, "version")) {
        r->version = vch_json_pull_uint(p, UINT32_MAX);
        return SEEN_VERSION;
    }
    if (vch_span_is(name, "issueDate")) {
        q->issued_unix_s = vch_json_pull_moment(p);
        return SEEN_ISSUED;
    }
    if (vch_span_is(name, "nextUpdate")) {
        q->next_update_unix_s = vch_json_pull_moment(p);
        return SEEN_NEXT;
    }
    if (vch_span_is(name, "tcbEvaluationDataNumber")) {
        q->evaluation_number = (uint32_t)vch_json_pull_uint(p, UINT32_MAX);
        return SEEN_EVALUATION;
    }
    return 0;
}

static unsigned read_expectation(vch_json_pull *p, vouch_span name, vch_qe_identity *q)
{
    if (vch_span_is(name, "miscselect")) {
        q->misc_select = read_u32le(p);
        return SEEN_MISC;
    }
    if (vch_span_is(name, "miscselectMask")) {
        q->misc_select_mask = read_u32le(p);
        return SEEN_MISC_MASK;
    }
    if (vch_span_is(name, "attributes")) {
        vch_json_pull_hex(p, q->attributes, sizeof q->attributes);
        return SEEN_ATTRIBUTES;
    }
    if (vch_span_is(name, "attributesMask")) {
        vch_json_pull_hex(p, q->attributes_mask, sizeof q->attributes_mask);
        return SEEN_ATTRIBUTES_MASK;
    }
    if (vch_span_is(name, "mrsigner")) {
        vch_json_pull_hex(p, q->mrsigner, sizeof q->mrsigner);
        return SEEN_MRSIGNER;
    }
    if (vch_span_is(name, "isvprodid")) {
        q->isv_prod_id = (uint16_t)vch_json_pull_uint(p, UINT16_MAX);
        return SEEN_PROD_ID;
    }
    return 0;
}

static void read_body(vch_json_pull *p, void *context)
{
    reading *r = context;
    vch_json_pull_object(p);
    for (vouch_span name; vch_json_pull_member(p, &name);) {
        unsigned seen = read_description(p, name, r);
        if (seen == 0)
            seen = read_expectation(p, name, &r->identity);
        if (seen == 0 && vch_span_is(name, "tcbLevels")) {
            vch_svn_levels_read(p, STATUSES, &r->identity.levels, &r->identity.advisories);
            seen = SEEN_LEVELS;
        }
        if (seen == 0)
            vch_json_pull_skip(p); /* Intel adds members; they stay inside the signed bytes */
        r->seen |= seen;
    }
}

static void drop_reading(reading *r)
{
    vch_qe_identity_drop(&r->identity);
}

vouch_code vch_qe_identity_parse(vouch_span document, vch_qe_identity *out, vouch_error *err)
{
    VCH_SCOPED(drop_reading) reading r = { 0 };
    vouch_code rc = vch_signed_document_read(document, "enclaveIdentity", read_body, &r,
                                             &r.identity.signed_bytes, r.identity.signature, err);
    if (rc != VOUCH_OK)
        return rc;
    if (r.seen != SEEN_REQUIRED)
        return vouch_fail(err, VOUCH_E_FORMAT,
                          "enclaveIdentity: a member that must be there is missing");
    if (r.version != 2)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "enclaveIdentity: version %llu; 2 is known",
                          (unsigned long long)r.version);
    *out = r.identity;
    r.identity = (vch_qe_identity) { 0 };
    return VOUCH_OK;
}

void vch_qe_identity_drop(vch_qe_identity *identity)
{
    vch_svn_levels_drop(&identity->levels);
    vch_advisories_drop(&identity->advisories);
    *identity = (vch_qe_identity) { 0 };
}
