#include "identity/collateral_bundle.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "host/file.h"

#define VERSION 1

void vch_collateral_bundle_drop(vch_collateral_bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++)
        vch_collateral_bytes_drop(&bundle->sets[i].bytes);
    free(bundle->sets);
    *bundle = (vch_collateral_bundle) { 0 };
}

static vch_bundle_set *find(const vch_collateral_bundle *b, const char *family)
{
    for (size_t i = 0; i < b->count; i++) {
        if (strcmp(b->sets[i].family, family) == 0)
            return &b->sets[i];
    }
    return NULL;
}

const vouch_collateral_parts *vch_collateral_bundle_find(const vch_collateral_bundle *bundle,
                                                         const char *family)
{
    const vch_bundle_set *set = find(bundle, family);
    return set == NULL ? NULL : &set->bytes.parts;
}

/* Room for one more; its bytes are empty. */
static vouch_code add(vch_collateral_bundle *b, const char *family, vch_bundle_set **out,
                      vouch_error *err)
{
    if (!vch_family_is_name(family))
        return vouch_fail(err, VOUCH_E_FORMAT, "'%.40s' does not name a platform family", family);
    if (b->count == VCH_COLLATERAL_BUNDLE_MAX_SETS)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %d platform families",
                          VCH_COLLATERAL_BUNDLE_MAX_SETS);
    vch_bundle_set *sets = realloc(b->sets, (b->count + 1) * sizeof *sets);
    if (sets == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "collateral bundle: out of memory");
    b->sets = sets;
    *out = &sets[b->count++];
    **out = (vch_bundle_set) { 0 };
    memcpy((*out)->family, family, VCH_FAMILY_SIZE);
    return VOUCH_OK;
}

vouch_code vch_collateral_bundle_put(vch_collateral_bundle *bundle, const char *family,
                                     const vouch_collateral_parts *parts, vouch_error *err)
{
    VCH_SCOPED(vch_collateral_bytes_drop) vch_collateral_bytes copy = { 0 };
    vch_bundle_set *set = find(bundle, family);
    vouch_code rc = vch_collateral_bytes_copy(parts, &copy, err);
    if (rc == VOUCH_OK && set == NULL)
        rc = add(bundle, family, &set, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_collateral_bytes old = set->bytes;
    set->bytes = copy;
    copy = old; /* dropped by the scope */
    return VOUCH_OK;
}

/* --- reading --- */

static vouch_code read_part(const vch_json *object, size_t i, vch_buffer *out, vouch_error *err)
{
    const char *text = NULL;
    *out = vch_buffer_with_cap(VOUCH_COLLATERAL_PART_MAX_SIZE);
    bool optional = i == VCH_COLLATERAL_PARTS - 1; /* the PCK chain stands in most quotes */
    if (optional && vch_json_member(object, vch_collateral_part_file(i)) == NULL)
        return VOUCH_OK;
    vouch_code rc = vch_json_get_string(object, vch_collateral_part_file(i), &text, err);
    if (rc == VOUCH_OK)
        rc = vch_base64_decode(vch_span_str(text), VCH_BASE64_STANDARD | VCH_BASE64_PADDED, out,
                               err);
    if (rc == VOUCH_OK && out->size == 0)
        rc = vouch_fail(err, VOUCH_E_FORMAT, "it is empty");
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "%s", vch_collateral_part_file(i));
}

static vouch_code read_set(void *context, const char *family, const vch_json *value,
                           vouch_error *err)
{
    const char *names[VCH_COLLATERAL_PARTS + 1] = { NULL };
    vch_bundle_set *set = NULL;
    vouch_code rc = add(context, family, &set, err);
    if (rc != VOUCH_OK)
        return rc;
    if (vch_json_kind_of(value) != VCH_JSON_OBJECT)
        return vouch_fail(err, VOUCH_E_FORMAT, "set '%s' is not an object", family);
    for (size_t i = 0; i < VCH_COLLATERAL_PARTS; i++)
        names[i] = vch_collateral_part_file(i);
    rc = vch_json_only(value, names, err);
    for (size_t i = 0; i < VCH_COLLATERAL_PARTS && rc == VOUCH_OK; i++)
        rc = read_part(value, i, &set->bytes.part[i], err);
    vch_collateral_bytes_point(&set->bytes);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "set '%s'", family);
}

vouch_code vch_collateral_bundle_parse(vouch_span text, vch_collateral_bundle *out,
                                       vouch_error *err)
{
    static const char *const names[] = { "vouch_collateral", "sets", NULL };
    static const vch_json_limits limits = { .size = VCH_COLLATERAL_BUNDLE_MAX_SIZE, .depth = 3 };
    VCH_SCOPED(vch_collateral_bundle_drop) vch_collateral_bundle bundle = { 0 };
    VCH_SCOPED(vch_json_drop) vch_json *root = NULL;
    const vch_json *sets = NULL;
    uint64_t version = 0;
    vouch_code rc = vch_json_parse(text, &limits, &root, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_uint(root, "vouch_collateral", 1000, &version, err);
    if (rc == VOUCH_OK && version != VERSION)
        rc = vouch_fail(err, VOUCH_E_UNSUPPORTED, "a bundle of version %llu; this program reads %d",
                        (unsigned long long)version, VERSION);
    if (rc == VOUCH_OK)
        rc = vch_json_only(root, names, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_object(root, "sets", &sets, err);
    if (rc == VOUCH_OK)
        rc = vch_json_each(sets, read_set, &bundle, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "collateral bundle");
    *out = bundle;
    bundle = (vch_collateral_bundle) { 0 };
    return VOUCH_OK;
}

vouch_code vch_collateral_bundle_read(const char *path, vch_collateral_bundle *out,
                                      vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    vouch_code rc = vch_file_read(path, VCH_COLLATERAL_BUNDLE_MAX_SIZE, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_collateral_bundle_parse(vch_buffer_span(&text), out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "'%s'", path);
}

/* --- writing --- */

static void put_set(vch_json_writer *w, const vch_bundle_set *set)
{
    vch_json_key(w, set->family);
    vch_json_begin_object(w);
    for (size_t i = 0; i < VCH_COLLATERAL_PARTS; i++) {
        if (set->bytes.part[i].size == 0)
            continue;
        vch_json_key(w, vch_collateral_part_file(i));
        vch_json_base64(w, vch_buffer_span(&set->bytes.part[i]));
    }
    vch_json_end(w);
}

vouch_code vch_collateral_bundle_write(const vch_collateral_bundle *bundle, const char *path,
                                       vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer text = vch_buffer_with_cap(VCH_COLLATERAL_BUNDLE_MAX_SIZE);
    vch_json_writer w = vch_json_writer_over(&text, true);
    vch_json_begin_object(&w);
    vch_json_put_uint(&w, "vouch_collateral", VERSION);
    vch_json_key(&w, "sets");
    vch_json_begin_object(&w);
    for (size_t i = 0; i < bundle->count; i++)
        put_set(&w, &bundle->sets[i]);
    vch_json_end(&w);
    vch_json_end(&w);
    vch_buffer_u8(&text, '\n');
    vouch_code rc = vch_buffer_finish(&text, "collateral bundle", err);
    return rc == VOUCH_OK ? vch_file_write(path, vch_buffer_span(&text), 0644, err) : rc;
}
