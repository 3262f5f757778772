#include "collateral/tcb_info.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"

#define COMPONENTS 16

/* Spec section 3: the statuses that Intel gives to platforms, and those to TDX modules. */
#define PLATFORM_STATUSES                                                                          \
    (1U << VOUCH_TCB_UP_TO_DATE | 1U << VOUCH_TCB_SW_HARDENING_NEEDED                              \
     | 1U << VOUCH_TCB_CONFIGURATION_NEEDED                                                        \
     | 1U << VOUCH_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED | 1U << VOUCH_TCB_OUT_OF_DATE         \
     | 1U << VOUCH_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED | 1U << VOUCH_TCB_REVOKED)
#define MODULE_STATUSES                                                                            \
    (1U << VOUCH_TCB_UP_TO_DATE | 1U << VOUCH_TCB_OUT_OF_DATE | 1U << VOUCH_TCB_REVOKED)

/* Members of tcbInfo that must be there. */
enum {
    SEEN_VERSION = 1 << 0,
    SEEN_ISSUED = 1 << 1,
    SEEN_NEXT = 1 << 2,
    SEEN_FMSPC = 1 << 3,
    SEEN_PCEID = 1 << 4,
    SEEN_TYPE = 1 << 5,
    SEEN_EVALUATION = 1 << 6,
    SEEN_LEVELS = 1 << 7,
    SEEN_REQUIRED = (1 << 8) - 1,
    SEEN_ID = 1 << 8,
    SEEN_MODULE = 1 << 9
};

/* How a level writes its versions; all levels of a document must do it alike. */
enum {
    FORM_SGX_NAMED = 1, /* v2: sgxtcbcomp01svn ... */
    FORM_SGX_ARRAY = 2, /* v3: sgxtcbcomponents */
    FORM_TDX_ARRAY = 4, /* v3: tdxtcbcomponents */
};

typedef struct reading {
    vch_tcb_info info;
    size_t level_capacity;
    size_t module_capacity;
    unsigned seen;
    unsigned forms_any; /* forms that at least one level has */
    unsigned forms_all; /* forms that every level has */
    uint64_t tcb_type;
} reading;

static uint8_t read_component(vch_json_pull *p)
{
    bool seen = false;
    uint8_t svn = 0;
    vch_json_pull_object(p);
    for (vouch_span name; vch_json_pull_member(p, &name);) {
        if (vch_span_is(name, "svn")) {
            svn = (uint8_t)vch_json_pull_uint(p, UINT8_MAX);
            seen = true;
        } else {
            vch_json_pull_skip(p); /* category, type: for people */
        }
    }
    if (!seen)
        vch_json_pull_refuse(p, "a component has no svn");
    return svn;
}

static void read_components(vch_json_pull *p, uint8_t out[static COMPONENTS])
{
    size_t count = 0;
    vch_json_pull_array(p);
    for (; vch_json_pull_element(p); count++) {
        uint8_t svn = read_component(p);
        if (count < COMPONENTS)
            out[count] = svn;
    }
    if (count != COMPONENTS)
        vch_json_pull_refuse(p, "not 16 components");
}

/* 0 to 15 for "sgxtcbcomp01svn" to "sgxtcbcomp16svn", otherwise 16. */
static size_t named_component(vouch_span name)
{
    static const char shape[] = "sgxtcbcomp??svn";
    if (name.size != sizeof shape - 1 || memcmp(name.data, shape, 10) != 0
        || memcmp(name.data + 12, shape + 12, 3) != 0)
        return COMPONENTS;
    unsigned tens = name.data[10] - (unsigned)'0';
    unsigned ones = name.data[11] - (unsigned)'0';
    unsigned number = tens <= 1 && ones <= 9 ? 10 * tens + ones : 0;
    return number >= 1 && number <= COMPONENTS ? number - 1 : COMPONENTS;
}

static unsigned read_tcb(vch_json_pull *p, vch_tcb_level *level)
{
    unsigned named = 0;
    unsigned forms = 0;
    bool has_pce_svn = false;
    vch_json_pull_object(p);
    for (vouch_span name; vch_json_pull_member(p, &name);) {
        size_t component = named_component(name);
        if (component < COMPONENTS) {
            level->sgx[component] = (uint8_t)vch_json_pull_uint(p, UINT8_MAX);
            named |= 1U << component;
        } else if (vch_span_is(name, "sgxtcbcomponents")) {
            read_components(p, level->sgx);
            forms |= FORM_SGX_ARRAY;
        } else if (vch_span_is(name, "tdxtcbcomponents")) {
            read_components(p, level->tdx);
            forms |= FORM_TDX_ARRAY;
        } else if (vch_span_is(name, "pcesvn")) {
            level->pce_svn = (uint16_t)vch_json_pull_uint(p, UINT16_MAX);
            has_pce_svn = true;
        } else {
            vch_json_pull_skip(p);
        }
    }
    if (named == (1U << COMPONENTS) - 1)
        forms |= FORM_SGX_NAMED;
    else if (named != 0)
        vch_json_pull_refuse(p, "not 16 components");
    if (!has_pce_svn)
        vch_json_pull_refuse(p, "a level has no pcesvn");
    return forms;
}

static unsigned read_level(vch_json_pull *p, vch_tcb_level *out, vch_advisories *advisories)
{
    vch_tcb_level level = { 0 };
    unsigned seen = 0;
    unsigned forms = 0;
    vch_json_pull_object(p);
    for (vouch_span name; vch_json_pull_member(p, &name);) {
        if (vch_span_is(name, "tcb")) {
            forms = read_tcb(p, &level);
            seen |= VCH_SEEN_TCB;
        } else if (!vch_level_member(p, name, PLATFORM_STATUSES, &level.facts, &seen, advisories)) {
            vch_json_pull_skip(p);
        }
    }
    if (seen != VCH_SEEN_ALL)
        vch_json_pull_refuse(p, "a level lacks tcb, tcbDate or tcbStatus");
    *out = level;
    return forms;
}

static void read_levels(vch_json_pull *p, reading *r)
{
    vch_tcb_info *info = &r->info;
    r->forms_all = FORM_SGX_NAMED | FORM_SGX_ARRAY | FORM_TDX_ARRAY;
    vch_json_pull_array(p);
    while (vch_json_pull_element(p)) {
        vch_tcb_level *levels = vch_levels_grow(p, info->levels, info->level_count,
                                                &r->level_capacity, sizeof *levels, VCH_LEVELS_MAX);
        if (levels == NULL)
            return;
        info->levels = levels;
        unsigned forms = read_level(p, &info->levels[info->level_count], &info->advisories);
        info->level_count++;
        r->forms_any |= forms;
        r->forms_all &= forms;
    }
    if (info->level_count == 0)
        vch_json_pull_refuse(p, "no TCB levels");
}

static void read_module_member(vch_json_pull *p, vouch_span name, vch_tdx_module *m, unsigned *seen)
{
    uint8_t mask[8];
    if (vch_span_is(name, "mrsigner")) {
        vch_json_pull_hex(p, m->mrsigner, sizeof m->mrsigner);
        *seen |= 1;
    } else if (vch_span_is(name, "attributes")) {
        vch_json_pull_hex(p, m->attributes, sizeof m->attributes);
        *seen |= 2;
    } else if (vch_span_is(name, "attributesMask")) {
        vch_json_pull_hex(p, mask, sizeof mask); /* not used: all attributes are compared */
        *seen |= 4;
    } else {
        vch_json_pull_skip(p);
    }
}

static void read_module(vch_json_pull *p, vch_tdx_module *out)
{
    vch_tdx_module m = { 0 };
    unsigned seen = 0;
    vch_json_pull_object(p);
    for (vouch_span name; vch_json_pull_member(p, &name);)
        read_module_member(p, name, &m, &seen);
    if (seen != 7)
        vch_json_pull_refuse(p, "tdxModule lacks mrsigner, attributes or attributesMask");
    *out = m;
}

static void read_module_identity(vch_json_pull *p, vch_tcb_info *info, vch_tdx_module *out)
{
    vch_tdx_module m = { .first_level = info->module_levels.count };
    unsigned seen = 0;
    vch_json_pull_object(p);
    for (vouch_span name; vch_json_pull_member(p, &name);) {
        if (vch_span_is(name, "id")) {
            m.id = vch_json_pull_string(p);
        } else if (vch_span_is(name, "tcbLevels")) {
            vch_svn_levels_read(p, MODULE_STATUSES, &info->module_levels, &info->advisories);
            m.level_count = info->module_levels.count - m.first_level;
        } else {
            read_module_member(p, name, &m, &seen);
        }
    }
    if (seen != 7 || m.id.size == 0 || m.level_count == 0)
        vch_json_pull_refuse(p, "a TDX module identity lacks a member");
    *out = m;
}

static uint8_t upper(uint8_t c)
{
    return c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c;
}

/* Ids are compared without regard to case (spec section 4, step 9). */
static bool same_id(vouch_span a, vouch_span b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++) {
        if (upper(a.data[i]) != upper(b.data[i]))
            return false;
    }
    return true;
}

static void read_module_identities(vch_json_pull *p, reading *r)
{
    vch_tcb_info *info = &r->info;
    vch_json_pull_array(p);
    while (vch_json_pull_element(p)) {
        vch_tdx_module *modules = vch_levels_grow(p, info->modules, info->module_count,
                                                  &r->module_capacity, sizeof *modules, 256);
        if (modules == NULL)
            return;
        info->modules = modules;
        vch_tdx_module *m = &info->modules[info->module_count];
        read_module_identity(p, info, m);
        for (size_t i = 0; p->why == NULL && i < info->module_count; i++) {
            if (same_id(info->modules[i].id, m->id))
                vch_json_pull_refuse(p, "a TDX module identity stands twice");
        }
        info->module_count++;
    }
}

static void read_id(vch_json_pull *p, reading *r)
{
    vouch_span id = vch_json_pull_string(p);
    if (vch_span_is(id, "SGX"))
        r->info.tee = VOUCH_TEE_SGX;
    else if (vch_span_is(id, "TDX"))
        r->info.tee = VOUCH_TEE_TDX;
    else
        vch_json_pull_refuse(p, "the id is neither SGX nor TDX");
    r->seen |= SEEN_ID;
}

/* Members that are one number or string. */
static bool read_scalar(vch_json_pull *p, vouch_span name, reading *r)
{
    vch_tcb_info *info = &r->info;
    if (vch_span_is(name, "version")) {
        info->version = vch_json_pull_uint(p, UINT32_MAX);
        r->seen |= SEEN_VERSION;
    } else if (vch_span_is(name, "issueDate")) {
        info->issued_unix_s = vch_json_pull_moment(p);
        r->seen |= SEEN_ISSUED;
    } else if (vch_span_is(name, "nextUpdate")) {
        info->next_update_unix_s = vch_json_pull_moment(p);
        r->seen |= SEEN_NEXT;
    } else if (vch_span_is(name, "fmspc")) {
        vch_json_pull_hex(p, info->fmspc, sizeof info->fmspc);
        r->seen |= SEEN_FMSPC;
    } else if (vch_span_is(name, "pceId")) {
        vch_json_pull_hex(p, info->pceid, sizeof info->pceid);
        r->seen |= SEEN_PCEID;
    } else if (vch_span_is(name, "tcbType")) {
        r->tcb_type = vch_json_pull_uint(p, UINT32_MAX);
        r->seen |= SEEN_TYPE;
    } else if (vch_span_is(name, "tcbEvaluationDataNumber")) {
        info->evaluation_number = (uint32_t)vch_json_pull_uint(p, UINT32_MAX);
        r->seen |= SEEN_EVALUATION;
    } else {
        return false;
    }
    return true;
}

static void read_body(vch_json_pull *p, void *context)
{
    reading *r = context;
    vch_json_pull_object(p);
    for (vouch_span name; vch_json_pull_member(p, &name);) {
        if (vch_span_is(name, "id")) {
            read_id(p, r);
        } else if (vch_span_is(name, "tcbLevels")) {
            read_levels(p, r);
            r->seen |= SEEN_LEVELS;
        } else if (vch_span_is(name, "tdxModule")) {
            read_module(p, &r->info.module_0);
            r->seen |= SEEN_MODULE;
        } else if (vch_span_is(name, "tdxModuleIdentities")) {
            read_module_identities(p, r);
        } else if (!read_scalar(p, name, r)) {
            vch_json_pull_skip(p); /* Intel adds members; they stay inside the signed bytes */
        }
    }
}

/* What a document must hold depends on its version and id, which may stand anywhere in it. */
static vouch_code check_shape(reading *r, vouch_error *err)
{
    if ((r->seen & SEEN_REQUIRED) != SEEN_REQUIRED)
        return vouch_fail(err, VOUCH_E_FORMAT, "tcbInfo: a member that must be there is missing");
    if (r->info.version != 2 && r->info.version != 3)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "tcbInfo: version %llu; 2 and 3 are known",
                          (unsigned long long)r->info.version);
    if (r->tcb_type != 0)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "tcbInfo: tcbType %llu; 0 is known",
                          (unsigned long long)r->tcb_type);
    if (r->info.version == 2)
        r->info.tee = VOUCH_TEE_SGX;
    else if ((r->seen & SEEN_ID) == 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "tcbInfo: version 3 without id");
    unsigned forms = r->info.version == 2 ? (unsigned)FORM_SGX_NAMED : (unsigned)FORM_SGX_ARRAY;
    if (r->info.tee == VOUCH_TEE_TDX)
        forms |= FORM_TDX_ARRAY;
    if (r->forms_any != forms || r->forms_all != forms)
        return vouch_fail(err, VOUCH_E_FORMAT,
                          "tcbInfo: the components are not those of its version and id");
    if (r->info.tee == VOUCH_TEE_TDX && (r->seen & SEEN_MODULE) == 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "tcbInfo: TDX without tdxModule");
    return VOUCH_OK;
}

/* Spec section 4, step 14: the order in the document is not trusted. */
static int best_first(const void *a, const void *b)
{
    const vch_tcb_level *x = a;
    const vch_tcb_level *y = b;
    int order = memcmp(y->sgx, x->sgx, COMPONENTS);
    if (order == 0)
        order = (x->pce_svn < y->pce_svn) - (x->pce_svn > y->pce_svn);
    return order != 0 ? order : memcmp(y->tdx, x->tdx, COMPONENTS);
}

static vouch_code sort_levels(vch_tcb_info *info, vouch_error *err)
{
    qsort(info->levels, info->level_count, sizeof *info->levels, best_first);
    for (size_t i = 1; i < info->level_count; i++) {
        if (best_first(&info->levels[i - 1], &info->levels[i]) == 0)
            return vouch_fail(err, VOUCH_E_FORMAT, "tcbInfo: a TCB level stands twice");
    }
    return VOUCH_OK;
}

static void drop_reading(reading *r)
{
    vch_tcb_info_drop(&r->info);
}

vouch_code vch_tcb_info_parse(vouch_span document, vch_tcb_info *out, vouch_error *err)
{
    VCH_SCOPED(drop_reading) reading r = { 0 };
    vouch_code rc = vch_signed_document_read(document, "tcbInfo", read_body, &r,
                                             &r.info.signed_bytes, r.info.signature, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = check_shape(&r, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = sort_levels(&r.info, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = r.info;
    r.info = (vch_tcb_info) { 0 };
    return VOUCH_OK;
}

void vch_tcb_info_drop(vch_tcb_info *info)
{
    free(info->levels);
    free(info->modules);
    vch_svn_levels_drop(&info->module_levels);
    vch_advisories_drop(&info->advisories);
    *info = (vch_tcb_info) { 0 };
}

const vch_tdx_module *vch_tcb_info_module(const vch_tcb_info *info, uint8_t version)
{
    static const char digits[] = "0123456789ABCDEF";
    const uint8_t id[] = {
        'T', 'D', 'X', '_', (uint8_t)digits[version >> 4], (uint8_t)digits[version & 15]
    };
    for (size_t i = 0; i < info->module_count; i++) {
        if (same_id(info->modules[i].id, (vouch_span) { id, sizeof id }))
            return &info->modules[i];
    }
    return NULL;
}
