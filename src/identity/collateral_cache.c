#include "identity/collateral_cache.h"

#include <stdlib.h>
#include <string.h>

#include "host/file.h"
#include "identity/collateral_bundle.h"

#define SETS_MAX 256

typedef struct entry {
    char family[VCH_FAMILY_SIZE]; /* "": for every platform */
    const vch_collateral_set *set;
} entry;

struct vch_collateral_cache {
    entry entries[SETS_MAX];
    size_t count;
    vch_live *live; /* or this */
};

void vch_collateral_cache_free(vch_collateral_cache *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++)
        vch_collateral_set_unref(c->entries[i].set);
    vch_live_free(c->live);
    free(c);
}

static vouch_code keep(vch_collateral_cache *c, const char *family,
                       const vouch_collateral_parts *parts, const vch_root_pins *pins,
                       vouch_error *err)
{
    if (c->count == SETS_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %d sets of collateral", SETS_MAX);
    entry *e = &c->entries[c->count];
    vouch_code rc = vch_collateral_set_make(parts, pins, &e->set, err);
    if (rc != VOUCH_OK)
        return rc;
    memcpy(e->family, family, strlen(family) + 1);
    c->count++;
    return VOUCH_OK;
}

/* What is being read into a cache. */
typedef struct reading {
    vch_collateral_cache *cache;
    const char *dir;
    const vch_root_pins *pins;
} reading;

static vouch_code read_dir(const reading *r, const char *dir, const char *family, vouch_error *err)
{
    VCH_SCOPED(vch_collateral_bytes_drop) vch_collateral_bytes bytes = { 0 };
    vouch_code rc = vch_collateral_bytes_read(dir, &bytes, err);
    return rc == VOUCH_OK ? keep(r->cache, family, &bytes.parts, r->pins, err) : rc;
}

static vouch_code visit(void *context, const char *name, vouch_error *err)
{
    const reading *r = context;
    char path[VCH_PATH_SIZE];
    if (!vch_family_is_name(name))
        return VOUCH_OK;
    vouch_code rc = vch_path_join(r->dir, name, path, err);
    return rc == VOUCH_OK ? read_dir(r, path, name, err) : rc;
}

static vouch_code read_directory(reading *r, vouch_error *err)
{
    char flat[VCH_PATH_SIZE] = "";
    vouch_code rc = vch_dir_list(r->dir, visit, r, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(r->dir, vch_collateral_part_file(0), flat, err);
    if (rc == VOUCH_OK && vch_file_exists(flat))
        rc = read_dir(r, r->dir, "", err); /* last: a family's own directory is found first */
    return rc;
}

static vouch_code read_bundle(const reading *r, vouch_error *err)
{
    VCH_SCOPED(vch_collateral_bundle_drop) vch_collateral_bundle bundle = { 0 };
    vouch_code rc = vch_collateral_bundle_read(r->dir, &bundle, err);
    for (size_t i = 0; i < bundle.count && rc == VOUCH_OK; i++)
        rc = keep(r->cache, bundle.sets[i].family, &bundle.sets[i].bytes.parts, r->pins, err);
    return rc;
}

static vouch_code new_cache(vch_collateral_cache **out, vouch_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? VOUCH_OK : vouch_fail(err, VOUCH_E_MEMORY, "collateral: out of memory");
}

vouch_code vch_collateral_cache_from_path(const char *path, const vch_root_pins *pins,
                                          vch_collateral_cache **out, vouch_error *err)
{
    VCH_SCOPED(vch_collateral_cache_drop) vch_collateral_cache *c = NULL;
    vouch_code rc = new_cache(&c, err);
    if (rc != VOUCH_OK)
        return rc;
    reading r = { c, path, pins };
    rc = vch_dir_exists(path) ? read_directory(&r, err) : read_bundle(&r, err);
    if (rc == VOUCH_OK && c->count == 0)
        rc = vouch_fail(err, VOUCH_E_NOT_FOUND, "'%s' holds no collateral (no %s)", path,
                        vch_collateral_part_file(0));
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "reading collateral from '%s'", path);
    *out = VCH_MOVE(c);
    return VOUCH_OK;
}

vouch_code vch_collateral_cache_from_parts(const vouch_collateral_parts *parts,
                                           const vch_root_pins *pins, vch_collateral_cache **out,
                                           vouch_error *err)
{
    VCH_SCOPED(vch_collateral_cache_drop) vch_collateral_cache *c = NULL;
    vouch_code rc = new_cache(&c, err);
    if (rc == VOUCH_OK)
        rc = keep(c, "", parts, pins, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(c);
    return VOUCH_OK;
}

vouch_code vch_collateral_cache_from_services(const vch_live_options *options,
                                              vch_collateral_cache **out, vouch_error *err)
{
    VCH_SCOPED(vch_collateral_cache_drop) vch_collateral_cache *c = NULL;
    vouch_code rc = new_cache(&c, err);
    if (rc == VOUCH_OK)
        rc = vch_live_new(options, &c->live, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(c);
    return VOUCH_OK;
}

static vouch_code find_fixed(const vch_collateral_cache *c, const vch_pcs_query *platform,
                             const vch_collateral_set **out, vouch_error *err)
{
    char family[VCH_FAMILY_SIZE] = "";
    if (platform != NULL)
        vch_family_name(platform->fmspc, platform->tdx, family);
    for (size_t i = 0; i < c->count; i++) {
        const entry *e = &c->entries[i];
        if (e->family[0] == '\0' || strcmp(e->family, family) == 0) {
            *out = vch_collateral_set_ref(e->set);
            return VOUCH_OK;
        }
    }
    return vouch_fail(err, VOUCH_E_NOT_FOUND, "there is no collateral for the platform%s%s",
                      platform != NULL ? " family " : "", family);
}

vouch_code vch_collateral_cache_find(vch_collateral_cache *c, const vch_pcs_query *platform,
                                     const vch_collateral_set **out, vouch_error *err)
{
    if (c->live == NULL)
        return find_fixed(c, platform, out, err);
    if (platform == NULL)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "nobody says whose collateral is wanted");
    return vch_live_get(c->live, platform, VCH_LIVE_SHORT, out, err);
}

vouch_code vch_collateral_cache_get(vch_collateral_cache *c, vouch_span quote,
                                    const vch_collateral_set **out, vouch_error *err)
{
    const vch_collateral_want want = { .quote = quote };
    vch_pcs_query platform = { 0 };
    vouch_error why = { 0 };
    if (c->count == 1 && c->entries[0].family[0] == '\0')
        return find_fixed(c, NULL, out, err); /* whose quote it is makes no difference */
    if (vch_collateral_query(&want, &platform, &why) == VOUCH_OK)
        return vch_collateral_cache_find(c, &platform, out, err);
    vouch_code rc = vch_collateral_cache_find(c, NULL, out, NULL);
    if (rc != VOUCH_OK && err != NULL)
        *err = why;
    return rc;
}

vouch_code vch_collateral_cache_prepare(vch_collateral_cache *c, vouch_span quote, vouch_error *err)
{
    const vch_collateral_want want = { .quote = quote };
    const vch_collateral_set *set = NULL;
    vch_pcs_query platform = { 0 };
    if (c->live == NULL)
        return VOUCH_OK; /* what is there is there: the appraisal says what it lacks */
    vouch_code rc = vch_collateral_query(&want, &platform, err);
    if (rc == VOUCH_OK)
        rc = vch_live_get(c->live, &platform, VCH_LIVE_LONG, &set, err);
    vch_collateral_set_unref(set);
    return rc;
}
