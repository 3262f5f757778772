#include "policy/builder_claims.h"

#include <string.h>

#include "base/bytes.h"
#include "base/moment.h"
#include "codec/hex.h"
#include "evidence/claims.h"

#define MONTHS_MAX 1200
#define BYTES_MAX 48
#define CLAIM(member) offsetof(vouch_claims, member), sizeof(((vouch_claims *)NULL)->member)

static const vch_builder_claim table[] = {
    { "sgx_mrsigner", VOUCH_TEE_SGX, VCH_BUILDER_BYTES, CLAIM(sgx.mrsigner) },
    { "sgx_mrenclave", VOUCH_TEE_SGX, VCH_BUILDER_BYTES, CLAIM(sgx.mrenclave) },
    { "sgx_isvprodid", VOUCH_TEE_SGX, VCH_BUILDER_NUMBER, 0, 0 },
    { "sgx_isvsvn", VOUCH_TEE_SGX, VCH_BUILDER_NUMBER, 0, 0 },
    { "sgx_isvsvn_min", VOUCH_TEE_SGX, VCH_BUILDER_LEAST, 0, 0 },
    { "sgx_is_debuggable", VOUCH_TEE_SGX, VCH_BUILDER_FLAG, 0, 0 },
    { "tdx_seamsvn", VOUCH_TEE_TDX, VCH_BUILDER_NUMBER, 0, 0 },
    { "tdx_rtmr0", VOUCH_TEE_TDX, VCH_BUILDER_BYTES, CLAIM(tdx.rtmr[0]) },
    { "tdx_rtmr1", VOUCH_TEE_TDX, VCH_BUILDER_BYTES, CLAIM(tdx.rtmr[1]) },
    { "tdx_rtmr2", VOUCH_TEE_TDX, VCH_BUILDER_BYTES, CLAIM(tdx.rtmr[2]) },
    { "tdx_rtmr3", VOUCH_TEE_TDX, VCH_BUILDER_BYTES, CLAIM(tdx.rtmr[3]) },
    { "tdx_mrtd", VOUCH_TEE_TDX, VCH_BUILDER_BYTES, CLAIM(tdx.mrtd) },
    { "tdx_mrseam", VOUCH_TEE_TDX, VCH_BUILDER_BYTES, CLAIM(tdx.mrseam) },
    { "tdx_mrsignerseam", VOUCH_TEE_TDX, VCH_BUILDER_BYTES, CLAIM(tdx.mrsigner_seam) },
    { "tdx_is_debuggable", VOUCH_TEE_TDX, VCH_BUILDER_FLAG, 0, 0 },
    { "tdx_tee_is_debuggable", VOUCH_TEE_TDX, VCH_BUILDER_FLAG, 0, 0 }, /* the tool's other name */
    { "min_tcb_date", VOUCH_TEE_NONE, VCH_BUILDER_DATE, 0, 0 },
    { "ttl_period", VOUCH_TEE_NONE, VCH_BUILDER_MONTHS, 0, 0 },
    { "tcb_status_allowed", VOUCH_TEE_NONE, VCH_BUILDER_STATUSES, 0, 0 },
    { "allowed_advisory_ids", VOUCH_TEE_NONE, VCH_BUILDER_ADVISORIES, 0, 0 },
};

const vch_builder_claim *vch_builder_claim_find(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}

bool vch_builder_claim_exports(const char *name, vouch_tee tee)
{
    static const char *const common[] = { "attester_tcb_date", "attester_tcb_status",
                                          "attester_advisory_ids" };
    for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
        if (strcmp(common[i], name) == 0)
            return true;
    }
    const vch_builder_claim *claim = vch_builder_claim_find(name);
    return claim != NULL && claim->tee == tee && claim->rule != VCH_BUILDER_LEAST
           && strcmp(name, "tdx_tee_is_debuggable") != 0;
}

/* --- is it a value? --- */

static bool is_hex_of(const vch_json *value, size_t size)
{
    uint8_t bytes[BYTES_MAX];
    const char *text = vch_json_text(value);
    return text != NULL && strlen(text) == 2 * size
           && vch_hex_decode(vch_span_str(text), bytes, size, NULL) == VOUCH_OK;
}

static bool is_status(const vch_json *value)
{
    const char *text = vch_json_text(value);
    vouch_tcb_status status =
        text == NULL ? VOUCH_TCB_NONE : vch_tcb_status_from_name(vch_span_str(text));
    return status != VOUCH_TCB_NONE && status != VOUCH_TCB_REVOKED;
}

static bool is_advisory(const vch_json *value)
{
    const char *text = vch_json_text(value);
    return text != NULL && text[0] != '\0' && strlen(text) <= 64;
}

static bool is_number(const vch_json *value, int64_t min, int64_t max)
{
    int64_t number = 0;
    return vch_json_to_int(value, &number) && number >= min && number <= max;
}

static bool is_date(const vch_json *value)
{
    int64_t moment = 0;
    const char *text = vch_json_text(value);
    return text != NULL && vch_moment_parse_utc(vch_span_str(text), &moment, NULL) == VOUCH_OK;
}

/* One text or a list of them; a list only where `single` is false. */
static bool all_are(const vch_builder_claim *claim, const vch_json *value)
{
    bool list = vch_json_kind_of(value) == VCH_JSON_ARRAY;
    if (!list && claim->rule != VCH_BUILDER_BYTES)
        return false;
    for (size_t i = 0; i < (list ? vch_json_count(value) : 1); i++) {
        const vch_json *one = list ? vch_json_at(value, i) : value;
        bool good = claim->rule == VCH_BUILDER_BYTES      ? is_hex_of(one, claim->size)
                    : claim->rule == VCH_BUILDER_STATUSES ? is_status(one)
                                                          : is_advisory(one);
        if (!good)
            return false;
    }
    return true;
}

vouch_code vch_builder_claim_check(const vch_builder_claim *claim, const vch_json *value,
                                   vouch_error *err)
{
    bool flag = false;
    bool good = false;
    const char *want = "";
    switch (claim->rule) {
    case VCH_BUILDER_BYTES:
        good = all_are(claim, value);
        want = claim->size == 32 ? "64 hex digits, or a list of such texts"
                                 : "96 hex digits, or a list of such texts";
        break;
    case VCH_BUILDER_NUMBER:
    case VCH_BUILDER_LEAST:
        good = is_number(value, 0, UINT16_MAX);
        want = "a number of 0 to 65535";
        break;
    case VCH_BUILDER_FLAG:
        good = vch_json_to_bool(value, &flag);
        want = "true or false";
        break;
    case VCH_BUILDER_DATE:
        good = is_date(value);
        want = "a date like 2023-03-15T00:00:00Z";
        break;
    case VCH_BUILDER_MONTHS:
        good = is_number(value, 1, MONTHS_MAX);
        want = "a number of months, 1 to 1200";
        break;
    case VCH_BUILDER_STATUSES:
        good = all_are(claim, value);
        want = "a list of TCB statuses; Revoked is none that can be accepted";
        break;
    case VCH_BUILDER_ADVISORIES:
        good = all_are(claim, value);
        want = "a list of advisories";
        break;
    }
    return good ? VOUCH_OK : vouch_fail(err, VOUCH_E_CONFIG, "'%s' must be %s", claim->name, want);
}

/* --- does it hold? --- */

static bool bytes_are(const vch_json *value, const uint8_t *bytes, size_t size)
{
    uint8_t want[BYTES_MAX];
    const char *text = vch_json_text(value);
    return text != NULL && vch_hex_decode(vch_span_str(text), want, size, NULL) == VOUCH_OK
           && memcmp(want, bytes, size) == 0;
}

static bool bytes_among(const vch_builder_claim *claim, const vch_json *value,
                        const vouch_claims *claims)
{
    const uint8_t *bytes = (const uint8_t *)claims + claim->offset;
    if (vch_json_kind_of(value) != VCH_JSON_ARRAY)
        return bytes_are(value, bytes, claim->size);
    for (size_t i = 0; i < vch_json_count(value); i++) {
        if (bytes_are(vch_json_at(value, i), bytes, claim->size))
            return true;
    }
    return false;
}

static bool text_among(const char *text, const vch_json *list)
{
    for (size_t i = 0; i < vch_json_count(list); i++) {
        const char *one = vch_json_text(vch_json_at(list, i));
        if (one != NULL && strcmp(one, text) == 0)
            return true;
    }
    return false;
}

static bool advisories_among(const char *const *ids, size_t count, const vch_json *list)
{
    for (size_t i = 0; i < count; i++) {
        if (!text_among(ids[i], list))
            return false;
    }
    return true;
}

static int64_t number_of(const vch_builder_claim *claim, const vouch_claims *c)
{
    if (claim->tee == VOUCH_TEE_TDX) /* the first two bytes, as in a token */
        return (int64_t)(c->tdx.tee_tcb_svn[0] | (unsigned)c->tdx.tee_tcb_svn[1] << 8);
    return strcmp(claim->name, "sgx_isvprodid") == 0 ? c->sgx.isv_prod_id : c->sgx.isv_svn;
}

static int two_digits(const char *text)
{
    return (text[0] - '0') * 10 + (text[1] - '0');
}

/* The same day so many months later; a day that the month lacks runs into the next one, as in Rego's
 * time.add_date. Past the calendar's end: never over. */
static int64_t add_months(int64_t moment, int64_t months)
{
    char text[VCH_MOMENT_TEXT_SIZE];
    vch_moment_format(moment, text);
    int64_t month = two_digits(text + 5) - 1 + months;
    int64_t year = two_digits(text) * 100 + two_digits(text + 2) + month / 12;
    int64_t first = 0;
    if (year > 9999
        || vch_moment_from_utc((int)year, (int)(month % 12) + 1, 1, two_digits(text + 11),
                               two_digits(text + 14), two_digits(text + 17), &first, NULL)
               != VOUCH_OK)
        return INT64_MAX;
    return first + (two_digits(text + 8) - 1) * INT64_C(86400);
}

static bool date_holds(const vch_builder_claim *claim, const vch_json *value, const vouch_claims *c,
                       int64_t now_unix_s)
{
    int64_t number = 0;
    if (claim->rule == VCH_BUILDER_MONTHS)
        return vch_json_to_int(value, &number)
               && add_months(c->tcb_date_unix_s, number) >= now_unix_s;
    const char *text = vch_json_text(value);
    return text != NULL && vch_moment_parse_utc(vch_span_str(text), &number, NULL) == VOUCH_OK
           && c->tcb_date_unix_s >= number;
}

/* A TD report 1.5 has a status and advisories of its launch and of now: both are judged. */
static bool tcb_holds(const vch_builder_claim *claim, const vch_json *value, const vouch_claims *c)
{
    if (claim->rule == VCH_BUILDER_STATUSES)
        return text_among(vouch_tcb_status_name(c->tcb_status), value)
               && (c->current_tcb_status == VOUCH_TCB_UP_TO_DATE
                   || text_among(vouch_tcb_status_name(c->current_tcb_status), value));
    return advisories_among(c->advisory_ids, c->advisory_count, value)
           && advisories_among(c->current_advisory_ids, c->current_advisory_count, value);
}

bool vch_builder_claim_holds(const vch_builder_claim *claim, const vch_json *value,
                             const vouch_claims *claims, int64_t now_unix_s)
{
    int64_t number = 0;
    bool flag = false;
    switch (claim->rule) {
    case VCH_BUILDER_BYTES:
        return bytes_among(claim, value, claims);
    case VCH_BUILDER_NUMBER:
        return vch_json_to_int(value, &number) && number_of(claim, claims) == number;
    case VCH_BUILDER_LEAST:
        return vch_json_to_int(value, &number) && number_of(claim, claims) >= number;
    case VCH_BUILDER_FLAG:
        return vch_json_to_bool(value, &flag) && claims->debug == flag;
    case VCH_BUILDER_DATE:
    case VCH_BUILDER_MONTHS:
        return date_holds(claim, value, claims, now_unix_s);
    case VCH_BUILDER_STATUSES:
    case VCH_BUILDER_ADVISORIES:
        return tcb_holds(claim, value, claims);
    }
    return false;
}
