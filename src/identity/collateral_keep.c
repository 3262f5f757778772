/* Fetching for a live source, and its store. */
#include <string.h>

#include "base/scope.h"
#include "host/clock.h"
#include "host/file.h"
#include "identity/collateral_live_parts.h"
#include "identity/collateral_marks.h"

static vouch_code ask(vch_live *l, const vch_pcs_query *query, const vch_collateral_set *seen,
                      vch_pcs_set *out, vouch_error *err)
{
    const vch_collateral_want want = { .query = *query };
    const vouch_collateral_parts *floor = seen == NULL ? NULL : &seen->parts;
    int64_t now = l->now_unix_s(l->clock);
    return l->fetch != NULL ? l->fetch(l->fetcher, &want, floor, now, out, err)
                            : vch_collateral_fetch(&l->services, &want, floor, now, out, err);
}

static vouch_code put(const vch_live *l, const char *key, const vch_collateral_set *set,
                      vouch_error *err)
{
    vch_stored_mark marks[VCH_COLLATERAL_MARKS];
    vch_stored_set stored = { .key = key, .fetched_unix_s = l->now_unix_s(l->clock) };
    for (size_t i = 0; i < VCH_STORED_PARTS; i++)
        stored.part[i] = vch_collateral_part(&set->parts, i);
    vouch_code rc = vch_collateral_marks(set->collateral, marks, err);
    return rc == VOUCH_OK
               ? vch_collateral_store_put(l->store, &stored, marks, VCH_COLLATERAL_MARKS, err)
               : rc;
}

/* What was in it is fetched again; what it knew of numbers and dates is lost, which is said. */
static vouch_code set_aside(const vch_live *l, const vouch_error *damage, vouch_error *err)
{
    char text[512];
    vch_log(l->log, VCH_LOG_ERROR, "collateral.store_damaged", VCH_STR("store", l->store),
            VCH_STR("reason", vouch_error_text(damage, text, sizeof text)),
            VCH_STR("remedy", "set aside as <store>.damaged; everything is fetched anew"));
    return vch_collateral_store_set_aside(l->store, err);
}

/* An older set is refused. A store that cannot be written is the operator's: the set is used. */
static vouch_code keep(const vch_live *l, const char *key, const vch_collateral_set *set,
                       vouch_error *err)
{
    vouch_error mine = { 0 };
    char text[512];
    vouch_code rc = put(l, key, set, &mine);
    if (rc == VOUCH_E_FORMAT && set_aside(l, &mine, &mine) == VOUCH_OK)
        rc = put(l, key, set, &mine);
    if (rc == VOUCH_OK)
        return rc;
    if (rc == VOUCH_E_REFUSED) {
        if (err != NULL)
            *err = mine;
        return rc;
    }
    vch_log(l->log, VCH_LOG_ERROR, "collateral.not_stored", VCH_STR("family", key),
            VCH_STR("reason", vouch_error_text(&mine, text, sizeof text)));
    return VOUCH_OK;
}

vouch_code vch_live_fetch(vch_live *l, const char *key, const vch_pcs_query *query,
                          const vch_collateral_set *seen, const vch_collateral_set **out,
                          vouch_error *err)
{
    VCH_SCOPED(vch_pcs_set_drop) vch_pcs_set fetched = { 0 };
    VCH_SCOPED(vch_collateral_set_drop) const vch_collateral_set *set = NULL;
    vouch_code rc = ask(l, query, seen, &fetched, err);
    if (rc == VOUCH_OK)
        rc = vch_collateral_set_make(&fetched.parts, &l->pins, &set, err);
    if (rc == VOUCH_OK)
        rc = keep(l, key, set, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = set;
    set = NULL;
    return VOUCH_OK;
}

/* --- at the start --- */

/* A key of no kind we know, or faulty collateral, is passed over: it is fetched when it is needed. */
static vouch_code load_one(void *context, const vch_stored_set *stored, vouch_error *err)
{
    vch_live *l = context;
    vch_pcs_query query = { 0 };
    VCH_SCOPED(vch_collateral_bytes_drop) vch_collateral_bytes bytes = { 0 };
    VCH_SCOPED(vch_collateral_set_drop) const vch_collateral_set *set = NULL;
    if (!vch_live_key_parse(stored->key, &query))
        return VOUCH_OK;
    query.update = l->update;
    for (size_t i = 0; i < VCH_STORED_PARTS; i++) {
        bytes.part[i] = vch_buffer_with_cap(VOUCH_COLLATERAL_PART_MAX_SIZE);
        vch_buffer_append(&bytes.part[i], stored->part[i]);
    }
    vch_collateral_bytes_point(&bytes);
    vouch_code rc = vch_collateral_set_make(&bytes.parts, &l->pins, &set, err);
    if (rc != VOUCH_OK || set->expires_unix_s == 0)
        return rc;
    vch_live_family *f = vch_live_family_add(l, stored->key, &query);
    if (f == NULL)
        return VOUCH_OK;
    f->refresh_unix_s = vch_live_refresh_at(l, set, stored->fetched_unix_s);
    f->set = set;
    set = NULL;
    return VOUCH_OK;
}

vouch_code vch_live_load(vch_live *l, vouch_error *err)
{
    char dir[VCH_PATH_SIZE];
    vouch_error mine = { 0 };
    vouch_code rc = vch_path_directory(l->store, dir, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(dir, 0755, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "collateral store '%.160s'", l->store);
    rc = vch_collateral_store_each(l->store, load_one, l, &mine);
    if (rc == VOUCH_E_FORMAT)
        rc = set_aside(l, &mine, &mine);
    if (rc != VOUCH_OK && err != NULL)
        *err = mine;
    return rc;
}
