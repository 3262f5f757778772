#include "policy/rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "config/schema.h"
#include "evidence/claims.h"

#define GRACE_MAX_H (INT64_C(90) * 24)

typedef struct reading {
    vch_faults *faults;
    bool out_of_memory;
} reading;

/* Room for the items of a list, at least one byte so that NULL means no memory. */
static void *room_for(reading *r, size_t count, size_t size)
{
    void *room = calloc(count + 1, size);
    if (room == NULL)
        r->out_of_memory = true;
    return room;
}

static bool refuse_zeros(reading *r, const vch_yaml_node *entry, const char *key, vouch_span bytes)
{
    const vch_yaml_node *value = vch_yaml_get(entry, key);
    if (value == NULL || !vch_span_is_zero(bytes))
        return true;
    vch_faults_at(r->faults, value, "%s is all zeros, which nothing genuine has", key);
    return false;
}

typedef struct sgx_entry {
    uint8_t mrenclave[32], mrsigner[32];
    int64_t prod_id, min_svn;
} sgx_entry;

static bool read_sgx(reading *r, const vch_yaml_node *entry, vch_measurement_rule *out)
{
    static const vch_setting table[] = {
        { .key = "mrenclave",
          .type = VCH_SETTING_HEX,
          .offset = offsetof(sgx_entry, mrenclave),
          .max = 32,
          .help = "measurement of the enclave" },
        { .key = "mrsigner",
          .type = VCH_SETTING_HEX,
          .offset = offsetof(sgx_entry, mrsigner),
          .max = 32,
          .help = "its signer; only with prod_id and min_svn" },
        { .key = "prod_id",
          .type = VCH_SETTING_INT,
          .offset = offsetof(sgx_entry, prod_id),
          .max = UINT16_MAX,
          .help = "ISVPRODID, equal" },
        { .key = "min_svn",
          .type = VCH_SETTING_INT,
          .offset = offsetof(sgx_entry, min_svn),
          .max = UINT16_MAX,
          .help = "ISVSVN, at least" },
    };
    sgx_entry e = { 0 };
    if (!vch_schema_read(entry, "measurement", table, sizeof table / sizeof *table, &e, r->faults))
        return false;
    out->tee = VOUCH_TEE_SGX;
    out->has_mrenclave = vch_yaml_get(entry, "mrenclave") != NULL;
    out->has_signer = vch_yaml_get(entry, "mrsigner") != NULL;
    bool has_prod_id = vch_yaml_get(entry, "prod_id") != NULL;
    bool has_min_svn = vch_yaml_get(entry, "min_svn") != NULL;
    if (out->has_signer != has_prod_id || out->has_signer != has_min_svn) {
        vch_faults_at(r->faults, entry,
                      "mrsigner, prod_id and min_svn count only together: a signer signs many "
                      "enclaves");
        return false;
    }
    if (out->has_signer && e.min_svn == 0)
        vch_faults_warn_at(r->faults, vch_yaml_get(entry, "min_svn"),
                           "min_svn 0 admits every version that the signer ever made");
    memcpy(out->mrenclave, e.mrenclave, sizeof e.mrenclave);
    memcpy(out->mrsigner, e.mrsigner, sizeof e.mrsigner);
    out->prod_id = (uint16_t)e.prod_id;
    out->min_svn = (uint16_t)e.min_svn;
    bool good = refuse_zeros(r, entry, "mrenclave", (vouch_span) { e.mrenclave, 32 });
    return refuse_zeros(r, entry, "mrsigner", (vouch_span) { e.mrsigner, 32 }) && good;
}

static bool read_tdx(reading *r, const vch_yaml_node *entry, vch_measurement_rule *out)
{
    static const char *const rtmr_names[4] = { "rtmr0", "rtmr1", "rtmr2", "rtmr3" };
#define MR(name_, member_, required_, help_)                                                       \
    {                                                                                              \
        .key = (name_), .type = VCH_SETTING_HEX,                                                   \
        .offset = offsetof(vch_measurement_rule, member_), .required = (required_), .max = 48,     \
        .help = (help_)                                                                            \
    }
    static const vch_setting table[] = {
        MR("mrtd", mrtd, true, "measurement of the TD's first memory, its firmware"),
        MR("rtmr0", rtmr[0], false, "firmware's configuration"),
        MR("rtmr1", rtmr[1], false, "boot loader and kernel"),
        MR("rtmr2", rtmr[2], false, "kernel's command line and initial disk"),
        MR("rtmr3", rtmr[3], false, "applications"),
        MR("mrconfigid", mrconfigid, false, "configuration given by the owner"),
    };
#undef MR
    if (!vch_schema_read(entry, "measurement", table, sizeof table / sizeof *table, out, r->faults))
        return false;
    bool any_rtmr = false;
    out->tee = VOUCH_TEE_TDX;
    out->has_mrconfigid = vch_yaml_get(entry, "mrconfigid") != NULL;
    for (size_t i = 0; i < 4; i++) {
        out->has_rtmr[i] = vch_yaml_get(entry, rtmr_names[i]) != NULL;
        any_rtmr = any_rtmr || out->has_rtmr[i];
    }
    if (!any_rtmr)
        vch_faults_warn_at(r->faults, entry,
                           "mrtd alone covers the firmware; the rtmr values cover what it starts");
    return refuse_zeros(r, entry, "mrtd", (vouch_span) { out->mrtd, sizeof out->mrtd });
}

static bool read_measurement(reading *r, const vch_yaml_node *entry, vch_measurement_rule *out)
{
    if (vch_yaml_get(entry, "mrtd") != NULL)
        return read_tdx(r, entry, out);
    if (vch_yaml_get(entry, "mrenclave") != NULL || vch_yaml_get(entry, "mrsigner") != NULL)
        return read_sgx(r, entry, out);
    vch_faults_at(r->faults, entry,
                  "a measurement needs mrenclave, mrsigner or mrtd; without one "
                  "it would admit any enclave");
    return false;
}

/* A sequence of at most VCH_POLICY_LIST_MAX items, or a fault. */
static bool check_list(reading *r, const vch_yaml_node *list, const char *what)
{
    const vch_setting setting = { .key = what,
                                  .type = VCH_SETTING_LIST,
                                  .max = VCH_POLICY_LIST_MAX };
    const vch_yaml_node *same = NULL;
    return vch_schema_read_value(list, &setting, &same, r->faults);
}

static bool read_measurements(reading *r, const vch_yaml_node *list, vch_rules *out)
{
    if (!check_list(r, list, "measurements"))
        return false;
    size_t count = vch_yaml_count(list);
    bool good = true;
    out->measurements.list = room_for(r, count, sizeof *out->measurements.list);
    if (out->measurements.list == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        vch_measurement_rule *rule = &out->measurements.list[i];
        good = read_measurement(r, vch_yaml_at(list, i), rule) && good;
    }
    if (count == 0)
        vch_faults_warn_at(r->faults, list, "measurements is empty: nobody is admitted");
    out->measurements.given = true;
    out->measurements.count = count;
    return good;
}

static bool read_accept(reading *r, const vch_yaml_node *list, vch_rules *out)
{
    bool good = true;
    out->accept.given = true;
    for (size_t i = 0; i < vch_yaml_count(list); i++) {
        const vch_yaml_node *item = vch_yaml_at(list, i);
        const char *name = vch_yaml_string(item);
        vouch_tcb_status status =
            name == NULL ? VOUCH_TCB_NONE : vch_tcb_status_from_name(vch_span_str(name));
        if (status == VOUCH_TCB_NONE || status == VOUCH_TCB_REVOKED) {
            vch_faults_at(r->faults, item,
                          status == VOUCH_TCB_NONE
                              ? "not a TCB status as Intel spells them (UpToDate, "
                                "SWHardeningNeeded, ConfigurationNeeded and so on)"
                              : "Revoked is never accepted");
            good = false;
            continue;
        }
        if (status == VOUCH_TCB_OUT_OF_DATE || status == VOUCH_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED)
            vch_faults_warn_at(r->faults, item, "%s accepts platforms with known holes", name);
        out->accept.status[status] = true;
    }
    return good;
}

typedef struct advisory_entry {
    const char *id;
    int64_t until_unix_s;
} advisory_entry;

static bool read_advisory(reading *r, const vch_yaml_node *item, vch_advisory_rule *out)
{
    static const vch_setting table[] = {
        { .key = "id",
          .type = VCH_SETTING_TEXT,
          .offset = offsetof(advisory_entry, id),
          .required = true,
          .min = 1,
          .max = VCH_ADVISORY_ID_SIZE - 1,
          .help = "the advisory, INTEL-SA-00615" },
        { .key = "until",
          .type = VCH_SETTING_MOMENT,
          .offset = offsetof(advisory_entry, until_unix_s),
          .required = true,
          .help = "accepted before this day or moment" },
    };
    advisory_entry e = { 0 };
    if (!vch_schema_read(item, "advisory", table, sizeof table / sizeof *table, &e, r->faults))
        return false;
    for (const char *at = e.id; *at != 0; at++) {
        bool plain = (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') || *at == '-';
        if (!plain) {
            vch_faults_at(r->faults, vch_yaml_get(item, "id"),
                          "not the id of one advisory (INTEL-SA-00615); there are no wildcards");
            return false;
        }
    }
    memcpy(out->id, e.id, strlen(e.id));
    out->until_unix_s = e.until_unix_s;
    return true;
}

static bool read_advisories(reading *r, const vch_yaml_node *list, vch_rules *out)
{
    size_t count = vch_yaml_count(list);
    bool good = true;
    out->advisories.list = room_for(r, count, sizeof *out->advisories.list);
    if (out->advisories.list == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        good = read_advisory(r, vch_yaml_at(list, i), &out->advisories.list[i]) && good;
    out->advisories.given = true;
    out->advisories.count = count;
    return good;
}

typedef struct tcb_settings {
    const vch_yaml_node *accept, *advisories;
    int64_t min_evaluation_number, min_tcb_date_unix_s;
} tcb_settings;

static bool read_tcb(reading *r, const vch_yaml_node *tcb, vch_rules *out)
{
    static const vch_setting table[] = {
        { .key = "accept",
          .type = VCH_SETTING_LIST,
          .offset = offsetof(tcb_settings, accept),
          .min = 1,
          .max = VCH_TCB_STATUS_COUNT,
          .help = "accepted TCB statuses; not given: UpToDate" },
        { .key = "advisories",
          .type = VCH_SETTING_LIST,
          .offset = offsetof(tcb_settings, advisories),
          .max = VCH_POLICY_LIST_MAX,
          .help = "advisories that may stand open, each until a date; not given: none" },
        { .key = "min_evaluation_number",
          .type = VCH_SETTING_INT,
          .offset = offsetof(tcb_settings, min_evaluation_number),
          .max = UINT32_MAX,
          .help = "least tcbEvaluationDataNumber of TCB info and QE identity" },
        { .key = "min_tcb_date",
          .type = VCH_SETTING_MOMENT,
          .offset = offsetof(tcb_settings, min_tcb_date_unix_s),
          .help = "least tcbDate of the platform's level" },
    };
    tcb_settings s = { 0 };
    bool good = vch_schema_read(tcb, "tcb", table, sizeof table / sizeof *table, &s, r->faults);
    if (s.accept != NULL)
        good = read_accept(r, s.accept, out) && good;
    if (s.advisories != NULL)
        good = read_advisories(r, s.advisories, out) && good;
    out->min_evaluation_number = (uint32_t)s.min_evaluation_number;
    out->min_tcb_date_unix_s = s.min_tcb_date_unix_s;
    return good;
}

/* A list of hexadecimal values of `size` bytes; the word `name`, if any, sets *named instead. */
static bool read_pins(reading *r, const vch_yaml_node *list, const char *what, vch_pins *out,
                      const char *name, bool *named)
{
    const vch_setting setting = { .key = what, .type = VCH_SETTING_HEX, .max = (int64_t)out->size };
    if (!check_list(r, list, what))
        return false;
    bool good = true;
    out->list = room_for(r, vch_yaml_count(list), sizeof *out->list);
    if (out->list == NULL)
        return false;
    out->given = true;
    for (size_t i = 0; i < vch_yaml_count(list); i++) {
        const vch_yaml_node *item = vch_yaml_at(list, i);
        const char *word = vch_yaml_string(item);
        if (name != NULL && word != NULL && strcmp(word, name) == 0)
            *named = true;
        else
            good =
                vch_schema_read_value(item, &setting, &out->list[out->count++], r->faults) && good;
    }
    return good;
}

typedef struct platform_settings {
    const vch_yaml_node *fmspc, *instances, *ppid;
    int smt, dynamic_platform, cached_keys;
} platform_settings;

static bool read_platform(reading *r, const vch_yaml_node *platform, vch_rules *out)
{
#define LIST(name_, help_)                                                                         \
    {                                                                                              \
        .key = #name_, .type = VCH_SETTING_LIST, .offset = offsetof(platform_settings, name_),     \
        .min = 1, .max = VCH_POLICY_LIST_MAX, .help = (help_)                                      \
    }
#define ALLOW(name_, help_)                                                                        \
    {                                                                                              \
        .key = #name_, .type = VCH_SETTING_CHOICE, .offset = offsetof(platform_settings, name_),   \
        .choices = "allow|refuse", .fallback = "allow", .help = (help_)                            \
    }
    static const vch_setting table[] = {
        LIST(fmspc, "accepted platform families, 12 hexadecimal digits each"),
        LIST(instances, "accepted platform instance ids, 32 hexadecimal digits each"),
        LIST(ppid, "accepted PPIDs, 32 hexadecimal digits each"),
        ALLOW(smt, "platforms with hyper-threading; refuse: also if it is not known"),
        ALLOW(dynamic_platform, "platforms whose packages may change"),
        ALLOW(cached_keys, "platforms whose root keys Intel keeps"),
    };
#undef LIST
#undef ALLOW
    platform_settings s = { 0 };
    bool good =
        vch_schema_read(platform, "platform", table, sizeof table / sizeof *table, &s, r->faults);
    out->fmspc.size = 6;
    out->instances.size = 16;
    out->ppid.size = 16;
    if (s.fmspc != NULL)
        good = read_pins(r, s.fmspc, "fmspc", &out->fmspc, NULL, NULL) && good;
    if (s.instances != NULL)
        good = read_pins(r, s.instances, "instances", &out->instances, NULL, NULL) && good;
    if (s.ppid != NULL)
        good = read_pins(r, s.ppid, "ppid", &out->ppid, NULL, NULL) && good;
    out->refuse_smt = s.smt != 0;
    out->refuse_dynamic_platform = s.dynamic_platform != 0;
    out->refuse_cached_keys = s.cached_keys != 0;
    return good;
}

static bool read_collateral(reading *r, const vch_yaml_node *collateral, vch_rules *out)
{
    static const vch_setting table[] = {
        { .key = "expired_grace_h",
          .type = VCH_SETTING_INT,
          .offset = 0,
          .max = GRACE_MAX_H,
          .fallback = "0",
          .help = "hours after its expiry during which collateral is still accepted" },
    };
    int64_t hours = 0;
    if (!vch_schema_read(collateral, "collateral", table, 1, &hours, r->faults))
        return false;
    if (hours > 0)
        vch_faults_warn_at(r->faults, collateral,
                           "expired collateral hides revocations of the last %d hours", (int)hours);
    out->grace.given = true;
    out->grace.seconds = hours * 3600;
    return true;
}

static bool read_debug(reading *r, const vch_yaml_node *debug, vch_rules *out)
{
    const vch_setting setting = { .key = "debug", .type = VCH_SETTING_BOOL };
    bool accepted = false;
    if (!vch_schema_read_value(debug, &setting, &accepted, r->faults))
        return false;
    if (accepted)
        vch_faults_warn_at(r->faults, debug,
                           "debug enclaves keep nothing secret from the host that runs them");
    out->debug.given = true;
    out->debug.accepted = accepted;
    return true;
}

bool vch_rules_read(const vch_policy_parts *parts, vch_rules *out, vch_faults *faults,
                    bool *out_of_memory)
{
    reading r = { .faults = faults };
    bool good = true;
    out->roots.size = 32;
    if (parts->measurements != NULL)
        good = read_measurements(&r, parts->measurements, out);
    if (parts->tcb != NULL)
        good = read_tcb(&r, parts->tcb, out) && good;
    if (parts->platform != NULL)
        good = read_platform(&r, parts->platform, out) && good;
    if (parts->roots != NULL)
        good =
            read_pins(&r, parts->roots, "roots", &out->roots, "intel", &out->accept_intel) && good;
    if (parts->collateral != NULL)
        good = read_collateral(&r, parts->collateral, out) && good;
    if (parts->debug != NULL)
        good = read_debug(&r, parts->debug, out) && good;
    *out_of_memory = r.out_of_memory;
    return good && !r.out_of_memory;
}

void vch_rules_default(vch_rules *rules)
{
    rules->measurements.given = true; /* none: nobody */
    if (!rules->accept.given)
        rules->accept.status[VOUCH_TCB_UP_TO_DATE] = true;
    rules->accept.given = true;
    rules->advisories.given = true; /* none */
    if (!rules->roots.given)
        rules->accept_intel = true;
    rules->roots.given = true;
    rules->grace.given = true; /* 0 s */
    rules->debug.given = true; /* refused */
}

void vch_rules_drop(vch_rules *rules)
{
    free(rules->measurements.list);
    free(rules->advisories.list);
    free(rules->fmspc.list);
    free(rules->instances.list);
    free(rules->ppid.list);
    free(rules->roots.list);
    *rules = (vch_rules) { 0 };
}
