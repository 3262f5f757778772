#include "sim/vendor_state.h"

#include <string.h>

#include "base/bytes.h"
#include "codec/hex.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "evidence/claims.h"
#include "host/file.h"
#include "sim/key_file.h"

#define STATE_FILE "vendor.json"
#define STATE_MAX_SIZE ((size_t)256 << 10)
#define LEVELS_PER_STATUS 10 /* SVNs from the status' base on */

/* The SVN at which a status begins: a better status has higher SVNs. */
static const struct {
    vouch_tcb_status status;
    uint8_t base_svn;
} bases[] = {
    { VOUCH_TCB_UP_TO_DATE, 70 },
    { VOUCH_TCB_SW_HARDENING_NEEDED, 60 },
    { VOUCH_TCB_CONFIGURATION_NEEDED, 50 },
    { VOUCH_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED, 40 },
    { VOUCH_TCB_OUT_OF_DATE, 30 },
    { VOUCH_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED, 20 },
    { VOUCH_TCB_REVOKED, 10 },
};
#define BASE_COUNT (sizeof bases / sizeof bases[0])

void vch_sim_levels_default(vch_sim_vendor *v)
{
    for (size_t i = 0; i < BASE_COUNT; i++)
        v->levels[i] = (vch_sim_level) { .status = bases[i].status, .svn = bases[i].base_svn };
    v->level_count = BASE_COUNT;
}

bool vch_sim_vendor_state_exists(const char *dir)
{
    char path[VCH_PATH_SIZE];
    return vch_path_join(dir, STATE_FILE, path, NULL) == VOUCH_OK && vch_file_exists(path);
}

static bool is_advisory_id(const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        bool fits = (text[i] >= 'A' && text[i] <= 'Z') || (text[i] >= '0' && text[i] <= '9')
                    || text[i] == '-';
        if (!fits)
            return false;
    }
    return size > 0 && size < VCH_SIM_ADVISORY_SIZE;
}

static vouch_code level_add_advisory(vch_sim_level *level, const char *id, vouch_error *err)
{
    if (level->advisory_count == VCH_SIM_MAX_ADVISORIES)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %zu advisories", VCH_SIM_MAX_ADVISORIES);
    if (!is_advisory_id(id))
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' is not an advisory id like INTEL-SA-00615",
                          id);
    memcpy(level->advisories[level->advisory_count++], id, strlen(id) + 1);
    return VOUCH_OK;
}

static bool level_equals(const vch_sim_level *a, const vch_sim_level *b)
{
    if (a->status != b->status || a->advisory_count != b->advisory_count)
        return false;
    for (size_t i = 0; i < a->advisory_count; i++) {
        if (strcmp(a->advisories[i], b->advisories[i]) != 0)
            return false;
    }
    return true;
}

static size_t count_of_status(const vch_sim_vendor *v, vouch_tcb_status status)
{
    size_t count = 0;
    for (size_t i = 0; i < v->level_count; i++)
        count += v->levels[i].status == status ? 1 : 0;
    return count;
}

vouch_code vch_sim_vendor_level(vch_sim_vendor *v, vouch_tcb_status status,
                                const char *const *advisories, size_t count, uint8_t *out_svn,
                                vouch_error *err)
{
    vch_sim_level want = { .status = status };
    for (size_t i = 0; i < BASE_COUNT; i++)
        want.svn = bases[i].status == status ? bases[i].base_svn : want.svn;
    if (want.svn == 0)
        return vouch_fail(err, VOUCH_E_CONFIG, "no platform level has the TCB status '%s'",
                          vouch_tcb_status_name(status));
    for (size_t i = 0; i < count; i++) {
        vouch_code rc = level_add_advisory(&want, advisories[i], err);
        if (rc != VOUCH_OK)
            return rc;
    }
    for (size_t i = 0; i < v->level_count; i++) {
        if (level_equals(&v->levels[i], &want)) {
            *out_svn = v->levels[i].svn;
            return VOUCH_OK;
        }
    }
    size_t same = count_of_status(v, status);
    if (same >= LEVELS_PER_STATUS || v->level_count == VCH_SIM_MAX_LEVELS)
        return vouch_fail(err, VOUCH_E_LIMIT, "this vendor has no further level for '%s'",
                          vouch_tcb_status_name(status));
    want.svn = (uint8_t)(want.svn + same);
    v->levels[v->level_count++] = want;
    *out_svn = want.svn;
    return VOUCH_OK;
}

static void write_level(vch_json_writer *w, const vch_sim_level *level)
{
    vch_json_begin_object(w);
    vch_json_put_string(w, "status", vouch_tcb_status_name(level->status));
    vch_json_put_uint(w, "svn", level->svn);
    vch_json_key(w, "advisories");
    vch_json_begin_array(w);
    for (size_t i = 0; i < level->advisory_count; i++)
        vch_json_string(w, level->advisories[i]);
    vch_json_end(w);
    vch_json_end(w);
}

vouch_code vch_sim_vendor_save(const vch_sim_vendor *v, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(STATE_MAX_SIZE);
    vch_json_writer w = vch_json_writer_over(&text, true);
    vch_json_begin_object(&w);
    vch_json_put_uint(&w, "version", 1);
    vch_json_put_bool(&w, "simulated", true);
    vch_json_put_uint(&w, "crl_number", v->crl_number);
    vch_json_put_bool(&w, "ca_revoked", v->ca_revoked);
    vch_json_key(&w, "revoked_pck");
    vch_json_begin_array(&w);
    for (size_t i = 0; i < v->revoked_pck_count; i++)
        vch_json_hex(&w, (vouch_span) { v->revoked_pck[i], VCH_SIM_SERIAL_SIZE });
    vch_json_end(&w);
    vch_json_key(&w, "levels");
    vch_json_begin_array(&w);
    for (size_t i = 0; i < v->level_count; i++)
        write_level(&w, &v->levels[i]);
    vch_json_end(&w);
    vch_json_end(&w);
    vouch_code rc = vch_buffer_finish(&text, STATE_FILE, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_sim_file_write(v->dir, STATE_FILE, vch_buffer_span(&text), 0600, err);
}

static vouch_code read_level(const vch_json *value, vch_sim_level *out, vouch_error *err)
{
    const char *status = NULL;
    const vch_json *advisories = NULL;
    uint64_t svn = 0;
    vouch_code rc = vch_json_get_string(value, "status", &status, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_uint(value, "svn", UINT8_MAX, &svn, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_array(value, "advisories", &advisories, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = (vch_sim_level) { .status = vch_tcb_status_from_name(vch_span_str(status)),
                             .svn = (uint8_t)svn };
    if (out->status == VOUCH_TCB_NONE)
        return vouch_fail(err, VOUCH_E_FORMAT, "unknown status '%s'", status);
    for (size_t i = 0; rc == VOUCH_OK && i < vch_json_count(advisories); i++) {
        const char *id = vch_json_text(vch_json_at(advisories, i));
        rc = level_add_advisory(out, id == NULL ? "" : id, err);
    }
    return rc;
}

static vouch_code read_levels(vch_sim_vendor *v, const vch_json *state, vouch_error *err)
{
    const vch_json *levels = NULL;
    vouch_code rc = vch_json_get_array(state, "levels", &levels, err);
    if (rc != VOUCH_OK)
        return rc;
    if (vch_json_count(levels) > VCH_SIM_MAX_LEVELS)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %zu levels", VCH_SIM_MAX_LEVELS);
    for (size_t i = 0; rc == VOUCH_OK && i < vch_json_count(levels); i++)
        rc = read_level(vch_json_at(levels, i), &v->levels[v->level_count++], err);
    return rc;
}

static vouch_code read_revoked(vch_sim_vendor *v, const vch_json *state, vouch_error *err)
{
    const vch_json *revoked = NULL;
    vouch_code rc = vch_json_get_array(state, "revoked_pck", &revoked, err);
    if (rc != VOUCH_OK)
        return rc;
    if (vch_json_count(revoked) > VCH_SIM_MAX_REVOKED)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %zu revoked", VCH_SIM_MAX_REVOKED);
    for (size_t i = 0; rc == VOUCH_OK && i < vch_json_count(revoked); i++) {
        const char *hex = vch_json_text(vch_json_at(revoked, i));
        rc = vch_hex_decode(vch_span_str(hex == NULL ? "" : hex),
                            v->revoked_pck[v->revoked_pck_count++], VCH_SIM_SERIAL_SIZE, err);
    }
    return rc;
}

vouch_code vch_sim_vendor_state_read(vch_sim_vendor *v, vouch_error *err)
{
    static const vch_json_limits limits = { STATE_MAX_SIZE, 8 };
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(STATE_MAX_SIZE);
    VCH_SCOPED(vch_json_drop) vch_json *state = NULL;
    uint64_t version = 0;
    vouch_code rc = vch_path_join(v->dir, STATE_FILE, path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(path, STATE_MAX_SIZE, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_json_parse(vch_buffer_span(&text), &limits, &state, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_uint(state, "version", 1, &version, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_uint(state, "crl_number", INT64_MAX, &v->crl_number, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_bool(state, "ca_revoked", &v->ca_revoked, err);
    if (rc == VOUCH_OK)
        rc = read_revoked(v, state, err);
    if (rc == VOUCH_OK)
        rc = read_levels(v, state, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "'%s'", path);
}
