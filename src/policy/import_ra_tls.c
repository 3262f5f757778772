#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "policy/import_text.h"

/* NULL for "not restricted": Gramine's literal `any`. Unset is refused, as there. */
static const char *restriction(const vch_import *i, vch_import_lookup lookup, void *context,
                               const char *variable)
{
    const char *value = lookup(context, variable);
    if (value == NULL) {
        vch_faults_add(i->faults, false, i->name, 0, 0, "%s is not set; Gramine refuses that, too",
                       variable);
        return NULL;
    }
    return strcmp(value, "any") == 0 ? NULL : value;
}

static bool is_decimal(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size <= 5 && strspn(text, "0123456789") == size;
}

static vouch_code put_number(vch_import *i, vch_yaml_node *entry, const char *key,
                             const char *variable, const char *value, vouch_error *err)
{
    if (!is_decimal(value)) {
        vch_faults_add(i->faults, false, i->name, 0, 0, "%s is not a number from 0 to 65535",
                       variable);
        return VOUCH_OK;
    }
    return vch_yaml_put(i->doc, entry, key,
                        vch_yaml_make_int(i->doc, (int64_t)strtol(value, NULL, 10)), err);
}

static vouch_code put_signer(vch_import *i, vch_yaml_node *entry, const char *signer,
                             const char *prod_id, const char *svn, vouch_error *err)
{
    if (prod_id == NULL || svn == NULL) {
        vch_faults_add(i->faults, false, i->name, 0, 0,
                       "RA_TLS_MRSIGNER needs RA_TLS_ISV_PROD_ID and RA_TLS_ISV_SVN as numbers: a "
                       "signer signs many enclaves");
        return VOUCH_OK;
    }
    vouch_code rc =
        vch_yaml_put(i->doc, entry, "mrsigner", vch_yaml_make_string(i->doc, signer), err);
    if (rc == VOUCH_OK)
        rc = put_number(i, entry, "prod_id", "RA_TLS_ISV_PROD_ID", prod_id, err);
    if (rc == VOUCH_OK)
        rc = put_number(i, entry, "min_svn", "RA_TLS_ISV_SVN", svn, err);
    return rc;
}

static vouch_code put_measurement(vch_import *i, vch_import_lookup lookup, void *context,
                                  vouch_error *err)
{
    const char *enclave = restriction(i, lookup, context, "RA_TLS_MRENCLAVE");
    const char *signer = restriction(i, lookup, context, "RA_TLS_MRSIGNER");
    const char *prod_id = restriction(i, lookup, context, "RA_TLS_ISV_PROD_ID");
    const char *svn = restriction(i, lookup, context, "RA_TLS_ISV_SVN");
    if (i->faults->errors > 0)
        return VOUCH_OK;
    if (enclave == NULL && signer == NULL) {
        vch_faults_add(i->faults, false, i->name, 0, 0,
                       "RA_TLS_MRENCLAVE and RA_TLS_MRSIGNER are both `any`: that admits any "
                       "enclave");
        return VOUCH_OK;
    }
    vch_yaml_node *entry = vch_yaml_make_mapping(i->doc);
    vouch_code rc = VOUCH_OK;
    if (enclave != NULL)
        rc = vch_yaml_put(i->doc, entry, "mrenclave", vch_yaml_make_string(i->doc, enclave), err);
    if (rc == VOUCH_OK && signer != NULL)
        rc = put_signer(i, entry, signer, prod_id, svn, err);
    return rc != VOUCH_OK ? rc : vch_yaml_append(i->doc, i->measurements, entry, err);
}

static bool is_on(vch_import_lookup lookup, void *context, const char *variable)
{
    const char *value = lookup(context, variable);
    return value != NULL && strcmp(value, "1") == 0;
}

static vouch_code put_statuses(vch_import *i, vch_import_lookup lookup, void *context,
                               vouch_error *err)
{
    bool outdated = is_on(lookup, context, "RA_TLS_ALLOW_OUTDATED_TCB_INSECURE");
    bool hardware = is_on(lookup, context, "RA_TLS_ALLOW_HW_CONFIG_NEEDED");
    bool software = is_on(lookup, context, "RA_TLS_ALLOW_SW_HARDENING_NEEDED");
    const struct {
        bool on;
        const char *status;
    } statuses[] = {
        { true, "UpToDate" },
        { software, "SWHardeningNeeded" },
        { hardware, "ConfigurationNeeded" },
        { hardware && software, "ConfigurationAndSWHardeningNeeded" },
        { outdated, "OutOfDate" },
        { outdated && hardware, "OutOfDateConfigurationNeeded" },
    };
    for (size_t n = 0; n < sizeof statuses / sizeof *statuses; n++) {
        if (!statuses[n].on)
            continue;
        vouch_code rc = vch_yaml_append(i->doc, i->accept,
                                        vch_yaml_make_string(i->doc, statuses[n].status), err);
        if (rc != VOUCH_OK)
            return rc;
    }
    if (outdated)
        vch_faults_add(i->faults, true, i->name, 0, 0,
                       "RA_TLS_ALLOW_OUTDATED_TCB_INSECURE also accepts expired collateral; that "
                       "is not taken over (collateral: {expired_grace_h: ...})");
    if (outdated || hardware || software)
        vch_faults_add(i->faults, true, i->name, 0, 0,
                       "Gramine does not look at advisories; list those that may stand open under "
                       "tcb.advisories, each with its date");
    return VOUCH_OK;
}

vouch_code vch_policy_import_ra_tls(const char *name, vch_import_lookup lookup, void *context,
                                    vch_faults *faults, vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(vch_import_drop) vch_import i = { 0 };
    vouch_code rc = vch_import_begin(&i, name, faults, err);
    if (rc == VOUCH_OK)
        rc = put_measurement(&i, lookup, context, err);
    if (rc == VOUCH_OK)
        rc = put_statuses(&i, lookup, context, err);
    if (rc != VOUCH_OK)
        return rc;
    if (is_on(lookup, context, "RA_TLS_ALLOW_DEBUG_ENCLAVE_INSECURE"))
        vch_faults_add(faults, true, name, 0, 0,
                       "RA_TLS_ALLOW_DEBUG_ENCLAVE_INSECURE is not taken over (debug: true)");
    return vch_import_finish(&i, out, err);
}

#define VARIABLES_MAX 32
#define VALUE_SIZE 129

typedef struct variable {
    char name[48];
    char value[VALUE_SIZE];
} variable;

typedef struct variables {
    variable list[VARIABLES_MAX];
    size_t count;
} variables;

static const char *find_variable(void *context, const char *name)
{
    const variables *all = context;
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->list[i].name, name) == 0)
            return all->list[i].value;
    }
    return NULL;
}

static vouch_span trim(vouch_span text)
{
    while (text.size > 0 && memchr(" \t\r", text.data[0], 3) != NULL)
        text = (vouch_span) { text.data + 1, text.size - 1 };
    while (text.size > 0 && memchr(" \t\r", text.data[text.size - 1], 3) != NULL)
        text.size--;
    bool quoted = text.size >= 2 && (text.data[0] == '"' || text.data[0] == '\'')
                  && text.data[text.size - 1] == text.data[0];
    return quoted ? (vouch_span) { text.data + 1, text.size - 2 } : text;
}

static bool starts_with(vouch_span text, const char *prefix)
{
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

/* `RA_TLS_x=value`; other lines mean nothing here. */
static void read_line(const char *file, size_t number, vouch_span line, variables *all,
                      vch_faults *faults)
{
    line = trim(line);
    if (starts_with(line, "export "))
        line = trim((vouch_span) { line.data + 7, line.size - 7 });
    const uint8_t *equals = line.size == 0 ? NULL : memchr(line.data, '=', line.size);
    if (!starts_with(line, "RA_TLS_") || equals == NULL)
        return;
    vouch_span name = { line.data, (size_t)(equals - line.data) };
    vouch_span value = trim((vouch_span) { equals + 1, line.size - name.size - 1 });
    variable v = { 0 };
    if (name.size >= sizeof v.name || value.size >= sizeof v.value || all->count == VARIABLES_MAX) {
        vch_faults_add(faults, false, file, number, 1, "too long, or too many variables");
        return;
    }
    memcpy(v.name, name.data, name.size);
    if (value.size > 0)
        memcpy(v.value, value.data, value.size);
    if (find_variable(all, v.name) != NULL) {
        vch_faults_add(faults, false, file, number, 1, "%s is there twice", v.name);
        return;
    }
    all->list[all->count++] = v;
}

vouch_code vch_policy_import_env_file(const char *name, vouch_span text, vch_faults *faults,
                                      vch_buffer *out, vouch_error *err)
{
    variables all = { 0 };
    if (text.size > VCH_IMPORT_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "%s: %zu bytes; at most %zu", name, text.size,
                          VCH_IMPORT_MAX_SIZE);
    for (size_t number = 1; text.size > 0; number++) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end == NULL ? text.size : (size_t)(end - text.data);
        read_line(name, number, (vouch_span) { text.data, size }, &all, faults);
        size_t skipped = end == NULL ? size : size + 1;
        text = (vouch_span) { text.data + skipped, text.size - skipped };
    }
    return vch_policy_import_ra_tls(name, find_variable, &all, faults, out, err);
}
