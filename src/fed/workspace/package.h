/*
 * Zip packages: what travels between sites (requests, signed certificates, workspaces). A package
 * from elsewhere is untrusted: names, sizes and kinds of its entries are checked before anything is
 * kept. One thread at a time. openfl_interop.md section 10.
 */
#ifndef VCH_FED_WORKSPACE_PACKAGE_H
#define VCH_FED_WORKSPACE_PACKAGE_H

#include <stddef.h>

#include "base/buffer.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_PACKAGE_ENTRY_MAX 4096
#define VCH_PACKAGE_NAME_MAX 512 /* bytes */

typedef struct vch_package_entry {
    char *name;       /* "client/col_one.crt": relative, no "..", '/' between parts; owned */
    vch_buffer bytes; /* owned */
} vch_package_entry;

typedef struct vch_package {
    vch_package_entry *entry; /* files only, each name once */
    size_t count;
    size_t capacity;
} vch_package;

void vch_package_done(vch_package *p);

/* Add a copy of `bytes`. Fails with VOUCH_E_FORMAT on a name that is not allowed or there. */
VOUCH_MUST_CHECK vouch_code vch_package_add(vch_package *p, const char *name, vouch_span bytes,
                                            vouch_error *err);

/* NULL if there is none of that name. */
const vch_package_entry *vch_package_find(const vch_package *p, const char *name);

/* Write a zip file, replacing one that is there. */
VOUCH_MUST_CHECK vouch_code vch_package_write(const vch_package *p, const char *path,
                                              vouch_error *err);

/*
 * Read a zip file of at most `size_max` bytes packed and unpacked. Links, encrypted entries,
 * absolute names and names that leave the directory are refused. Directory entries are skipped.
 * `out` is untouched on failure.
 */
VOUCH_MUST_CHECK vouch_code vch_package_read(const char *path, size_t size_max, vch_package *out,
                                             vouch_error *err);

#endif
