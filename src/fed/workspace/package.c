#include "fed/workspace/package.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <zip.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "host/file.h"

void vch_package_done(vch_package *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->count; i++) {
        free(p->entry[i].name);
        vch_buffer_drop(&p->entry[i].bytes);
    }
    free(p->entry);
    *p = (vch_package) { 0 };
}

/* Relative, printable, no empty part, no "." or "..", no backslash. */
static bool name_is_allowed(const char *name)
{
    size_t size = strlen(name);
    if (size == 0 || size > VCH_PACKAGE_NAME_MAX)
        return false;
    for (const char *part = name; part != NULL;) {
        const char *slash = strchr(part, '/');
        size_t length = slash == NULL ? strlen(part) : (size_t)(slash - part);
        if (length == 0 || (length == 1 && part[0] == '.')
            || (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part = slash == NULL ? NULL : slash + 1;
    }
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7F || name[i] == '\\')
            return false;
    }
    return true;
}

const vch_package_entry *vch_package_find(const vch_package *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(p->entry[i].name, name) == 0)
            return &p->entry[i];
    }
    return NULL;
}

static bool grow(vch_package *p)
{
    if (p->count < p->capacity)
        return true;
    size_t capacity = p->capacity == 0 ? 8 : p->capacity * 2;
    vch_package_entry *entry = realloc(p->entry, capacity * sizeof *entry);
    if (entry == NULL)
        return false;
    p->entry = entry;
    p->capacity = capacity;
    return true;
}

/* A new entry whose bytes the caller fills, up to `cap`. */
static vouch_code add_entry(vch_package *p, const char *name, size_t cap, vch_package_entry **out,
                            vouch_error *err)
{
    if (!name_is_allowed(name))
        return vouch_fail(err, VOUCH_E_FORMAT, "a file name that a package may not hold");
    if (vch_package_find(p, name) != NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s' is in the package twice", name);
    if (p->count >= VCH_PACKAGE_ENTRY_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %d files", VCH_PACKAGE_ENTRY_MAX);
    char *copy = grow(p) ? strdup(name) : NULL;
    if (copy == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a package");
    *out = &p->entry[p->count++];
    **out = (vch_package_entry) { .name = copy, .bytes = vch_buffer_with_cap(cap) };
    return VOUCH_OK;
}

vouch_code vch_package_add(vch_package *p, const char *name, vouch_span bytes, vouch_error *err)
{
    vch_package_entry *entry = NULL;
    vouch_code rc = add_entry(p, name, bytes.size, &entry, err);
    if (entry == NULL)
        return rc;
    vch_buffer_append(&entry->bytes, bytes);
    return vch_buffer_finish(&entry->bytes, name, err);
}

static vouch_code fail_zip(vouch_error *err, const char *path, int code)
{
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    vouch_code rc = vouch_fail(err, VOUCH_E_IO, "'%s': %s", path, zip_error_strerror(&error));
    zip_error_fini(&error);
    return rc;
}

static void discard_drop(zip_t **z)
{
    if (*z != NULL)
        zip_discard(*z);
}

static vouch_code put_file(zip_t *z, const vch_package_entry *e, vouch_error *err)
{
    static const uint8_t nothing[1] = { 0 };
    const void *data = e->bytes.size == 0 ? nothing : e->bytes.data;
    zip_source_t *source = zip_source_buffer(z, data, e->bytes.size, 0);
    if (source == NULL || zip_file_add(z, e->name, source, ZIP_FL_ENC_UTF_8) < 0) {
        zip_source_free(source);
        return vouch_fail(err, VOUCH_E_IO, "packing '%s': %s", e->name, zip_strerror(z));
    }
    return VOUCH_OK;
}

vouch_code vch_package_write(const vch_package *p, const char *path, vouch_error *err)
{
    int code = 0;
    VCH_SCOPED(discard_drop) zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    if (z == NULL)
        return fail_zip(err, path, code);
    for (size_t i = 0; i < p->count; i++) {
        vouch_code rc = put_file(z, &p->entry[i], err);
        if (rc != VOUCH_OK)
            return rc;
    }
    if (zip_close(z) != 0)
        return vouch_fail(err, VOUCH_E_IO, "'%s': %s", path, zip_strerror(z));
    z = NULL; /* closed */
    return VOUCH_OK;
}

static void file_drop(zip_file_t **f)
{
    if (*f != NULL)
        (void)zip_fclose(*f);
}

static vouch_code unpack(zip_t *z, zip_uint64_t index, vch_package_entry *entry, size_t size,
                         vouch_error *err)
{
    VCH_SCOPED(file_drop) zip_file_t *f = zip_fopen_index(z, index, 0);
    if (f == NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s': %s", entry->name, zip_strerror(z));
    uint8_t *room = vch_buffer_extend(&entry->bytes, size);
    uint8_t beyond = 0;
    vouch_code rc = vch_buffer_finish(&entry->bytes, entry->name, err);
    if (rc != VOUCH_OK)
        return rc;
    if ((size > 0 && zip_fread(f, room, size) != (zip_int64_t)size)
        || zip_fread(f, &beyond, 1) != 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s': does not unpack to the size it states",
                          entry->name);
    return VOUCH_OK;
}

/* Unix keeps an entry's kind in the upper half of its attributes. */
static bool is_plain_file(zip_t *z, zip_uint64_t index)
{
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    if (zip_file_get_external_attributes(z, index, 0, &system, &attributes) != 0)
        return false;
    mode_t kind = (mode_t)(attributes >> 16) & S_IFMT;
    return system != ZIP_OPSYS_UNIX || kind == 0 || kind == S_IFREG;
}

static vouch_code read_entry(zip_t *z, zip_uint64_t index, vch_package *p, size_t *left,
                             vouch_error *err)
{
    zip_stat_t stat;
    vch_package_entry *entry = NULL;
    static const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(z, index, 0, &stat) != 0 || (stat.valid & needed) != needed)
        return vouch_fail(err, VOUCH_E_FORMAT, "entry %llu cannot be read",
                          (unsigned long long)index);
    size_t length = strlen(stat.name);
    if (length > 0 && stat.name[length - 1] == '/')
        return VOUCH_OK; /* a directory: made when a file in it is written */
    if (!is_plain_file(z, index) || stat.encryption_method != ZIP_EM_NONE)
        return vouch_fail(err, VOUCH_E_FORMAT, "entry %llu is not a plain file",
                          (unsigned long long)index);
    if (stat.size > *left)
        return vouch_fail(err, VOUCH_E_LIMIT, "the package unpacks to too many bytes");
    vouch_code rc = add_entry(p, stat.name, (size_t)stat.size, &entry, err);
    if (entry == NULL)
        return rc;
    *left -= (size_t)stat.size;
    return unpack(z, index, entry, (size_t)stat.size, err);
}

static void source_drop(zip_source_t **s)
{
    zip_source_free(*s);
}

vouch_code vch_package_read(const char *path, size_t size_max, vch_package *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = { 0 };
    VCH_SCOPED(vch_package_done) vch_package p = { 0 };
    vouch_code rc = vch_file_read(path, size_max, &bytes, err);
    if (rc != VOUCH_OK)
        return rc;
    if (bytes.size == 0) /* libzip would take it for a package without files */
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s': not a zip file", path);
    zip_error_t error;
    zip_error_init(&error);
    VCH_SCOPED(source_drop)
    zip_source_t *source = zip_source_buffer_create(bytes.data, bytes.size, 0, &error);
    VCH_SCOPED(discard_drop)
    zip_t *z =
        source == NULL ? NULL : zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
    zip_error_fini(&error);
    if (z == NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s': not a zip file", path);
    source = NULL; /* the archive's now */
    zip_int64_t count = zip_get_num_entries(z, 0);
    if (count > VCH_PACKAGE_ENTRY_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "'%s': more than %d entries", path,
                          VCH_PACKAGE_ENTRY_MAX);
    size_t left = size_max;
    for (zip_int64_t i = 0; i < count; i++) {
        rc = read_entry(z, (zip_uint64_t)i, &p, &left, err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "'%s'", path);
    }
    *out = p;
    p = (vch_package) { 0 };
    return VOUCH_OK;
}
