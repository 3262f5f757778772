#include "cli/claims_view.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/moment.h"

typedef enum field_kind { FIELD_HEX, FIELD_U16, FIELD_U32, FIELD_U64_HEX, FIELD_FLAG } field_kind;

typedef struct field {
    const char *name;
    field_kind kind;
    size_t offset;
    size_t size;
} field;

#define HEX(name_, member)                                                                         \
    {                                                                                              \
        name_, FIELD_HEX, offsetof(vouch_claims, member), sizeof((vouch_claims *)0)->member        \
    }
#define NUMBER(name_, kind_, member)                                                               \
    {                                                                                              \
        name_, kind_, offsetof(vouch_claims, member), 0                                            \
    }

static const field sgx_fields[] = {
    HEX("mrenclave", sgx.mrenclave),
    HEX("mrsigner", sgx.mrsigner),
    NUMBER("isv_prod_id", FIELD_U16, sgx.isv_prod_id),
    NUMBER("isv_svn", FIELD_U16, sgx.isv_svn),
    NUMBER("attributes", FIELD_U64_HEX, sgx.attribute_flags),
    NUMBER("xfrm", FIELD_U64_HEX, sgx.xfrm),
    NUMBER("misc_select", FIELD_U32, sgx.misc_select),
    HEX("cpu_svn", sgx.cpu_svn),
    HEX("config_id", sgx.config_id),
    NUMBER("config_svn", FIELD_U16, sgx.config_svn),
    HEX("isv_ext_prod_id", sgx.isv_ext_prod_id),
    HEX("isv_family_id", sgx.isv_family_id),
};

static const field td_fields[] = {
    HEX("mrtd", tdx.mrtd),
    HEX("rtmr0", tdx.rtmr[0]),
    HEX("rtmr1", tdx.rtmr[1]),
    HEX("rtmr2", tdx.rtmr[2]),
    HEX("rtmr3", tdx.rtmr[3]),
    HEX("mrconfigid", tdx.mrconfigid),
    HEX("mrowner", tdx.mrowner),
    HEX("mrownerconfig", tdx.mrownerconfig),
    NUMBER("td_attributes", FIELD_U64_HEX, tdx.td_attributes),
    NUMBER("xfam", FIELD_U64_HEX, tdx.xfam),
    HEX("tee_tcb_svn", tdx.tee_tcb_svn),
    HEX("mrseam", tdx.mrseam),
    HEX("mrsigner_seam", tdx.mrsigner_seam),
    HEX("seam_attributes", tdx.seam_attributes),
};

static const field td_15_fields[] = {
    HEX("tee_tcb_svn_2", tdx.tee_tcb_svn_2),
    HEX("mrservicetd", tdx.mrservicetd),
};

static const field td_extended_fields[] = {
    HEX("td_extended", tdx.extended),
};

static const field quote_fields[] = {
    NUMBER("quote_version", FIELD_U16, quote_version),
    HEX("report_data", report_data),
    HEX("qe_user_data", qe_user_data),
};

static const field platform_fields[] = {
    HEX("fmspc", fmspc),
    HEX("pceid", pceid),
    HEX("ppid", ppid),
    HEX("pck_svn", pck_svn),
    NUMBER("pce_svn", FIELD_U16, pce_svn),
    NUMBER("smt_enabled", FIELD_FLAG, smt_enabled),
    NUMBER("dynamic_platform", FIELD_FLAG, dynamic_platform),
    NUMBER("cached_keys", FIELD_FLAG, cached_keys),
    HEX("root_sha256", root_sha256),
};

static const field piid_fields[] = {
    HEX("platform_instance_id", piid),
};

static const field tcb_fields[] = {
    NUMBER("tcb_evaluation_data_number", FIELD_U32, evaluation_number),
    NUMBER("tcb_info_evaluation_data_number", FIELD_U32, tcb_info_evaluation_number),
    NUMBER("qe_identity_evaluation_data_number", FIELD_U32, qe_identity_evaluation_number),
};

typedef struct field_list {
    const field *list;
    size_t count;
    bool shown;
} field_list;

#define LIST(fields, shown_)                                                                       \
    {                                                                                              \
        fields, sizeof(fields) / sizeof *(fields), shown_                                          \
    }
#define LIST_COUNT 8

static void lists_of(const vouch_claims *c, field_list out[static LIST_COUNT])
{
    bool td = c->tee == VOUCH_TEE_TDX;
    const field_list lists[LIST_COUNT] = {
        LIST(quote_fields, c->tee != VOUCH_TEE_NONE),
        LIST(sgx_fields, c->tee == VOUCH_TEE_SGX),
        LIST(td_fields, td),
        LIST(td_15_fields, td && c->tdx.body_type >= 3),
        LIST(td_extended_fields, td && c->tdx.body_type == 4),
        LIST(platform_fields, c->has_platform),
        LIST(piid_fields, c->has_platform && c->has_piid),
        LIST(tcb_fields, c->tcb_status != VOUCH_TCB_NONE),
    };
    memcpy(out, lists, sizeof lists);
}

/* The member's bytes, copied: no cast of a struct's address to the type of a member. */
#define MEMBER(type, claims, f)                                                                    \
    __extension__({                                                                                \
        type value_;                                                                               \
        memcpy(&value_, (const char *)(claims) + (f)->offset, sizeof value_);                      \
        value_;                                                                                    \
    })

static void field_json(vch_json_writer *w, const vouch_claims *c, const field *f)
{
    char text[20];
    vouch_flag flag;
    vch_json_key(w, f->name);
    switch (f->kind) {
    case FIELD_HEX:
        vch_json_hex(w, (vouch_span) { (const uint8_t *)c + f->offset, f->size });
        break;
    case FIELD_U16:
        vch_json_uint(w, MEMBER(uint16_t, c, f));
        break;
    case FIELD_U32:
        vch_json_uint(w, MEMBER(uint32_t, c, f));
        break;
    case FIELD_U64_HEX: /* a number of 64 bits does not survive every JSON reader */
        (void)snprintf(text, sizeof text, "%016" PRIx64, MEMBER(uint64_t, c, f));
        vch_json_string(w, text);
        break;
    case FIELD_FLAG:
        flag = MEMBER(vouch_flag, c, f);
        if (flag == VOUCH_FLAG_UNKNOWN)
            vch_json_null(w);
        else
            vch_json_bool(w, flag == VOUCH_FLAG_YES);
        break;
    }
}

static void field_print(FILE *out, const vouch_claims *c, const field *f)
{
    static const char *const flags[] = { "unknown", "no", "yes" };
    (void)fprintf(out, "  %-34s ", f->name);
    switch (f->kind) {
    case FIELD_HEX:
        for (size_t i = 0; i < f->size; i++)
            (void)fprintf(out, "%02x", ((const uint8_t *)c + f->offset)[i]);
        break;
    case FIELD_U16:
        (void)fprintf(out, "%u", MEMBER(uint16_t, c, f));
        break;
    case FIELD_U32:
        (void)fprintf(out, "%u", MEMBER(uint32_t, c, f));
        break;
    case FIELD_U64_HEX:
        (void)fprintf(out, "%016" PRIx64, MEMBER(uint64_t, c, f));
        break;
    case FIELD_FLAG:
        (void)fprintf(out, "%s", flags[MEMBER(vouch_flag, c, f)]);
        break;
    }
    (void)fputc('\n', out);
}

void vch_claims_json(vch_json_writer *w, const vouch_claims *claims)
{
    field_list lists[LIST_COUNT];
    lists_of(claims, lists);
    vch_json_begin_object(w);
    for (size_t i = 0; i < LIST_COUNT; i++) {
        for (size_t k = 0; lists[i].shown && k < lists[i].count; k++)
            field_json(w, claims, &lists[i].list[k]);
    }
    if (claims->tee == VOUCH_TEE_TDX)
        vch_json_put_uint(w, "body_type", claims->tdx.body_type);
    if (claims->tee != VOUCH_TEE_NONE)
        vch_json_put_uint(w, "padding_size", claims->padding_size);
    vch_json_end(w);
}

void vch_claims_print(FILE *out, const vouch_claims *claims)
{
    field_list lists[LIST_COUNT];
    lists_of(claims, lists);
    for (size_t i = 0; i < LIST_COUNT; i++) {
        for (size_t k = 0; lists[i].shown && k < lists[i].count; k++)
            field_print(out, claims, &lists[i].list[k]);
    }
}
