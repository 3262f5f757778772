#include "identity/collateral_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "host/file.h"
#include "identity/collateral_bundle.h"
#include "identity/collateral_parts.h"

#define SETS_MAX 256

typedef struct entry {
    char family[VCH_FAMILY_SIZE]; /* "": for every platform */
    const vch_collateral_set *set;
} entry;

typedef struct sets {
    entry entries[SETS_MAX];
    size_t count;
} sets;

struct vch_collateral_cache {
    pthread_mutex_t lock; /* over `held` and `generation` */
    sets *held;
    uint64_t generation;
    char *path; /* that they were read from; NULL: from none */
    vch_root_pins pins;
    uint8_t (*roots)[32]; /* behind `pins` */
    vch_live *live;       /* or this */
};

static void sets_free(sets *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++)
        vch_collateral_set_unref(s->entries[i].set);
    free(s);
}
VCH_DEFINE_DROP(sets_drop, sets, sets_free)

void vch_collateral_cache_free(vch_collateral_cache *c)
{
    if (c == NULL)
        return;
    sets_free(c->held);
    vch_live_free(c->live);
    (void)pthread_mutex_destroy(&c->lock);
    free(c->roots);
    free(c->path);
    free(c);
}

static vouch_code keep(sets *to, const char *family, const vouch_collateral_parts *parts,
                       const vch_root_pins *pins, vouch_error *err)
{
    if (to->count == SETS_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %d sets of collateral", SETS_MAX);
    entry *e = &to->entries[to->count];
    vouch_code rc = vch_collateral_set_make(parts, pins, &e->set, err);
    if (rc != VOUCH_OK)
        return rc;
    memcpy(e->family, family, strlen(family) + 1);
    to->count++;
    return VOUCH_OK;
}

/* What is being read. */
typedef struct reading {
    sets *to;
    const char *dir;
    const vch_root_pins *pins;
} reading;

static vouch_code read_dir(const reading *r, const char *dir, const char *family, vouch_error *err)
{
    VCH_SCOPED(vch_collateral_bytes_drop) vch_collateral_bytes bytes = { 0 };
    vouch_code rc = vch_collateral_bytes_read(dir, &bytes, err);
    return rc == VOUCH_OK ? keep(r->to, family, &bytes.parts, r->pins, err) : rc;
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
        rc = keep(r->to, bundle.sets[i].family, &bundle.sets[i].bytes.parts, r->pins, err);
    return rc;
}

static vouch_code read_path(const char *path, const vch_root_pins *pins, sets **out,
                            vouch_error *err)
{
    VCH_SCOPED(sets_drop) sets *made = calloc(1, sizeof *made);
    if (made == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "collateral: out of memory");
    reading r = { made, path, pins };
    vouch_code rc = vch_dir_exists(path) ? read_directory(&r, err) : read_bundle(&r, err);
    if (rc == VOUCH_OK && made->count == 0)
        rc = vouch_fail(err, VOUCH_E_NOT_FOUND, "'%s' holds no collateral (no %s)", path,
                        vch_collateral_part_file(0));
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "reading collateral from '%s'", path);
    *out = VCH_MOVE(made);
    return VOUCH_OK;
}

static vouch_code new_cache(vch_collateral_cache **out, vouch_error *err)
{
    vch_collateral_cache *c = calloc(1, sizeof *c);
    if (c == NULL || pthread_mutex_init(&c->lock, NULL) != 0) {
        free(c);
        return vouch_fail(err, VOUCH_E_MEMORY, "collateral: out of memory");
    }
    c->held = calloc(1, sizeof *c->held);
    if (c->held == NULL) {
        vch_collateral_cache_free(c);
        return vouch_fail(err, VOUCH_E_MEMORY, "collateral: out of memory");
    }
    *out = c;
    return VOUCH_OK;
}

/* For the next reading: the caller's pins may go. */
static vouch_code keep_source(vch_collateral_cache *c, const char *path, const vch_root_pins *pins,
                              vouch_error *err)
{
    c->path = strdup(path);
    c->roots = calloc(pins->count + 1, sizeof *c->roots);
    if (c->path == NULL || c->roots == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "collateral: out of memory");
    for (size_t i = 0; i < pins->count; i++)
        memcpy(c->roots[i], pins->sha256[i], sizeof c->roots[i]);
    c->pins = *pins;
    c->pins.sha256 = (const uint8_t(*)[32])c->roots;
    return VOUCH_OK;
}

vouch_code vch_collateral_cache_from_path(const char *path, const vch_root_pins *pins,
                                          vch_collateral_cache **out, vouch_error *err)
{
    VCH_SCOPED(vch_collateral_cache_drop) vch_collateral_cache *c = NULL;
    sets *read = NULL;
    vouch_code rc = new_cache(&c, err);
    if (rc == VOUCH_OK)
        rc = keep_source(c, path, pins, err);
    if (rc == VOUCH_OK)
        rc = read_path(path, &c->pins, &read, err);
    if (rc != VOUCH_OK)
        return rc;
    sets_free(c->held);
    c->held = read;
    *out = VCH_MOVE(c);
    return VOUCH_OK;
}

static bool same_set(const entry *a, const entry *b)
{
    bool same = strcmp(a->family, b->family) == 0;
    for (size_t i = 0; same && i < VCH_COLLATERAL_PARTS; i++)
        same = vch_span_equal(vch_collateral_part(&a->set->parts, i),
                              vch_collateral_part(&b->set->parts, i));
    return same;
}

static bool same_sets(const sets *a, const sets *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = same_set(&a->entries[i], &b->entries[i]);
    return same;
}

vouch_code vch_collateral_cache_reload(vch_collateral_cache *c, bool *out_changed, vouch_error *err)
{
    sets *read = NULL;
    *out_changed = false;
    if (c->path == NULL)
        return VOUCH_OK;
    vouch_code rc = read_path(c->path, &c->pins, &read, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)pthread_mutex_lock(&c->lock);
    if (!same_sets(c->held, read)) {
        sets *old = c->held;
        c->held = read;
        read = old;
        c->generation++;
        *out_changed = true;
    }
    (void)pthread_mutex_unlock(&c->lock);
    sets_free(read);
    return VOUCH_OK;
}

uint64_t vch_collateral_cache_generation(vch_collateral_cache *c)
{
    if (c->live != NULL)
        return vch_live_generation(c->live);
    (void)pthread_mutex_lock(&c->lock);
    uint64_t generation = c->generation;
    (void)pthread_mutex_unlock(&c->lock);
    return generation;
}

vouch_code vch_collateral_cache_from_parts(const vouch_collateral_parts *parts,
                                           const vch_root_pins *pins, vch_collateral_cache **out,
                                           vouch_error *err)
{
    VCH_SCOPED(vch_collateral_cache_drop) vch_collateral_cache *c = NULL;
    vouch_code rc = new_cache(&c, err);
    if (rc == VOUCH_OK)
        rc = keep(c->held, "", parts, pins, err);
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

static vouch_code find_fixed(vch_collateral_cache *c, const vch_pcs_query *platform,
                             const vch_collateral_set **out, vouch_error *err)
{
    char family[VCH_FAMILY_SIZE] = "";
    const vch_collateral_set *found = NULL;
    if (platform != NULL)
        vch_family_name(platform->fmspc, platform->tdx, family);
    (void)pthread_mutex_lock(&c->lock);
    for (size_t i = 0; found == NULL && i < c->held->count; i++) {
        const entry *e = &c->held->entries[i];
        if (e->family[0] == '\0' || strcmp(e->family, family) == 0)
            found = vch_collateral_set_ref(e->set);
    }
    (void)pthread_mutex_unlock(&c->lock);
    if (found != NULL) {
        *out = found;
        return VOUCH_OK;
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

static bool serves_all(vch_collateral_cache *c)
{
    (void)pthread_mutex_lock(&c->lock);
    bool all = c->held->count == 1 && c->held->entries[0].family[0] == '\0';
    (void)pthread_mutex_unlock(&c->lock);
    return all;
}

vouch_code vch_collateral_cache_get(vch_collateral_cache *c, vouch_span quote,
                                    const vch_collateral_set **out, vouch_error *err)
{
    const vch_collateral_want want = { .quote = quote };
    vch_pcs_query platform = { 0 };
    vouch_error why = { 0 };
    if (serves_all(c))
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
