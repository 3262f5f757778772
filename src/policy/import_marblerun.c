#include <string.h>

#include "base/bytes.h"
#include "codec/json.h"
#include "evidence/claims.h"
#include "policy/import_text.h"
#include "policy/policy.h"

/* What all packages so far accept. */
typedef struct manifest {
    vch_import import;
    bool accepted[VCH_TCB_STATUS_COUNT + 1];
    size_t packages;
} manifest;

static void fault(const manifest *m, const char *package, const char *what)
{
    vch_faults_add(m->import.faults, false, m->import.name, 0, 0, "package '%.64s': %s", package,
                   what);
}

static void warn(const manifest *m, const char *package, const char *what)
{
    vch_faults_add(m->import.faults, true, m->import.name, 0, 0, "package '%.64s': %s", package,
                   what);
}

/* MarbleRun's own default, if the package names none. */
static void read_statuses(manifest *m, const char *package, const vch_json *list)
{
    bool here[VCH_TCB_STATUS_COUNT + 1] = { false };
    if (list == NULL) {
        here[VOUCH_TCB_UP_TO_DATE] = true;
        here[VOUCH_TCB_SW_HARDENING_NEEDED] = true;
    }
    for (size_t i = 0; list != NULL && i < vch_json_count(list); i++) {
        const char *name = vch_json_text(vch_json_at(list, i));
        vouch_tcb_status status =
            name == NULL ? VOUCH_TCB_NONE : vch_tcb_status_from_name(vch_span_str(name));
        if (status == VOUCH_TCB_NONE || status == VOUCH_TCB_REVOKED)
            fault(m, package, "AcceptedTCBStatuses holds something that cannot be accepted");
        else
            here[status] = true;
    }
    for (size_t s = 0; s <= VCH_TCB_STATUS_COUNT; s++)
        m->accepted[s] = here[s] && (m->packages == 0 || m->accepted[s]);
}

static vouch_code put_text(manifest *m, vch_yaml_node *entry, const char *key,
                           const vch_json *value, vouch_error *err)
{
    const char *text = value == NULL ? NULL : vch_json_text(value);
    if (text == NULL || text[0] == 0)
        return VOUCH_OK; /* MarbleRun takes "" as not given */
    vch_yaml *doc = m->import.doc;
    return vch_yaml_put(doc, entry, key, vch_yaml_make_string(doc, text), err);
}

static vouch_code put_number(manifest *m, vch_yaml_node *entry, const char *key,
                             const vch_json *value, vouch_error *err)
{
    int64_t number = 0;
    if (value == NULL || !vch_json_to_int(value, &number))
        return VOUCH_OK;
    vch_yaml *doc = m->import.doc;
    return vch_yaml_put(doc, entry, key, vch_yaml_make_int(doc, number), err);
}

static void warn_of_the_rest(const manifest *m, const char *package, const vch_json *properties)
{
    bool debug = false;
    const vch_json *flag = vch_json_member(properties, "Debug");
    if (flag != NULL && vch_json_to_bool(flag, &debug) && debug)
        warn(m, package, "Debug is not taken over (debug: true)");
    if (vch_json_member(properties, "AcceptedAdvisories") != NULL)
        warn(m, package,
             "AcceptedAdvisories is not taken over: each advisory needs a date "
             "(tcb.advisories)");
}

static vouch_code read_package(void *context, const char *name, const vch_json *properties,
                               vouch_error *err)
{
    static const char *const known[] = { "UniqueID",           "SignerID", "ProductID",
                                         "SecurityVersion",    "Debug",    "AcceptedTCBStatuses",
                                         "AcceptedAdvisories", NULL };
    manifest *m = context;
    if (vch_json_kind_of(properties) != VCH_JSON_OBJECT
        || vch_json_only(properties, known, NULL) != VOUCH_OK) {
        fault(m, name, "not the properties of an SGX package");
        return VOUCH_OK;
    }
    vch_yaml_node *entry = vch_yaml_make_mapping(m->import.doc);
    vouch_code rc = put_text(m, entry, "mrenclave", vch_json_member(properties, "UniqueID"), err);
    if (rc == VOUCH_OK)
        rc = put_text(m, entry, "mrsigner", vch_json_member(properties, "SignerID"), err);
    if (rc == VOUCH_OK)
        rc = put_number(m, entry, "prod_id", vch_json_member(properties, "ProductID"), err);
    if (rc == VOUCH_OK)
        rc = put_number(m, entry, "min_svn", vch_json_member(properties, "SecurityVersion"), err);
    if (rc != VOUCH_OK)
        return rc;
    if (vch_yaml_get(entry, "mrenclave") == NULL && vch_yaml_get(entry, "mrsigner") == NULL)
        fault(m, name, "neither UniqueID nor SignerID: that admits any enclave");
    read_statuses(m, name, vch_json_member(properties, "AcceptedTCBStatuses"));
    warn_of_the_rest(m, name, properties);
    m->packages++;
    return vch_yaml_append(m->import.doc, m->import.measurements, entry, err);
}

static vouch_code put_statuses(manifest *m, vouch_error *err)
{
    size_t count = 0;
    for (size_t s = VOUCH_TCB_UP_TO_DATE; s < VOUCH_TCB_REVOKED; s++) {
        if (!m->accepted[s])
            continue;
        const char *name = vouch_tcb_status_name((vouch_tcb_status)s);
        vouch_code rc = vch_yaml_append(m->import.doc, m->import.accept,
                                        vch_yaml_make_string(m->import.doc, name), err);
        if (rc != VOUCH_OK)
            return rc;
        count++;
    }
    if (count == 0)
        vch_faults_add(m->import.faults, false, m->import.name, 0, 0,
                       "no package, or no TCB status that all packages accept");
    return VOUCH_OK;
}

vouch_code vch_policy_import_marblerun(const char *name, vouch_span json, vch_faults *faults,
                                       vch_buffer *out, vouch_error *err)
{
    static const vch_json_limits limits = { .size = VCH_IMPORT_MAX_SIZE, .depth = 32 };
    VCH_SCOPED(vch_json_drop) vch_json *tree = NULL;
    manifest m = { 0 };
    const vch_json *packages = NULL;
    vouch_code rc = vch_json_parse(json, &limits, &tree, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_object(tree, "Packages", &packages, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "%s", name);
    rc = vch_import_begin(&m.import, name, faults, err);
    if (rc == VOUCH_OK)
        rc = vch_json_each(packages, read_package, &m, err);
    if (rc == VOUCH_OK)
        rc = put_statuses(&m, err);
    if (rc == VOUCH_OK)
        rc = vch_import_finish(&m.import, out, err);
    vch_import_drop(&m.import);
    return rc;
}
