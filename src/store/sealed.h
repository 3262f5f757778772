/*
 * One file of a participant's state (a spool, a model): written once from front to back, then read
 * at any place. With a sealing root its bytes are AES-256-GCM in chunks under a key of this version
 * of the file alone, the header bound to each chunk, so that a file cut, grown, reordered or put in
 * another's place is refused. Without a root the same layout in clear. Without a directory it lies
 * in memory. One thread at a time. docs/durability.md has the layout; docs/protocol.md section 9.
 *
 *   new -> append… -> finish -> sync -> publish      or      open
 *
 * Until it is published a file is a `.tmp` that nobody will open: free removes it.
 */
#ifndef VCH_STORE_SEALED_H
#define VCH_STORE_SEALED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scope.h"
#include "crypto/gmac.h"
#include "store/seal.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_SEALED_CHUNK ((size_t)64 * 1024) /* bytes of content under one tag */
#define VCH_SEALED_HEADER_SIZE ((size_t)96)
#define VCH_SEALED_PURPOSE_SIZE ((size_t)24) /* bytes, with its NUL */
#define VCH_SEALED_TEMPORARY ".tmp"

typedef struct vch_sealed vch_sealed;

typedef struct vch_sealed_options {
    const char *directory;     /* kept; NULL: in memory */
    const char *name;          /* of the file in it; copied */
    const char *purpose;       /* what it is: "spool", "model"; bound to the bytes; copied */
    const vch_seal_root *root; /* kept; NULL: in clear. Not looked at in memory */
} vch_sealed_options;

/* Which version of a file, and what is in it: what a journal says about it. */
typedef struct vch_sealed_stamp {
    uint64_t size;                    /* of the content */
    uint8_t salt[VCH_SEAL_SALT_SIZE]; /* random; in clear too */
    uint8_t check[VCH_GMAC_SIZE];     /* of the content, GMAC under the salt: finds damage */
} vch_sealed_stamp;

/*
 * Begin a file of exactly `size` bytes of content; its space is reserved here.
 * Fails with VOUCH_E_IO (also for a full disk), VOUCH_E_MEMORY, VOUCH_E_CRYPTO.
 */
VOUCH_MUST_CHECK vouch_code vch_sealed_new(const vch_sealed_options *options, uint64_t size,
                                           vch_sealed **out, vouch_error *err);

/* Fails with VOUCH_E_IO; VOUCH_E_INTERNAL for more bytes than it was begun for. */
VOUCH_MUST_CHECK vouch_code vch_sealed_append(vch_sealed *s, vouch_span bytes, vouch_error *err);

/* The same without a copy: where the next bytes of content go, and how many can be put there, at
 * least one as long as some are missing. They count once they are committed. */
uint8_t *vch_sealed_room(vch_sealed *s, size_t *out_size);
VOUCH_MUST_CHECK vouch_code vch_sealed_commit(vch_sealed *s, size_t size, vouch_error *err);

/* All bytes are in: from now on it is read. Fails with VOUCH_E_INTERNAL if they are not, and with
 * VOUCH_E_IO. */
VOUCH_MUST_CHECK vouch_code vch_sealed_finish(vch_sealed *s, vouch_error *err);

/* Wait until the bytes are on disk. Any thread, with nobody else in the object. */
VOUCH_MUST_CHECK vouch_code vch_sealed_sync(const vch_sealed *s, vouch_error *err);

/* Give the synced file its name. It will have it after a crash once the directory is synced. */
VOUCH_MUST_CHECK vouch_code vch_sealed_publish(vch_sealed *s, vouch_error *err);

/*
 * Open a published file. `stamp` says which version is meant; with `verify` the whole content is
 * read and compared with its check.
 * Fails with VOUCH_E_NOT_FOUND, VOUCH_E_IO, VOUCH_E_CRYPTO (altered, or another key),
 * VOUCH_E_FORMAT, VOUCH_E_TRUNCATED (not the file that is meant).
 */
VOUCH_MUST_CHECK vouch_code vch_sealed_open(const vch_sealed_options *options,
                                            const vch_sealed_stamp *stamp, bool verify,
                                            vch_sealed **out, vouch_error *err);

/*
 * The same file for another root: name, purpose, salt and content stay, so a stamp of it holds for
 * both. The key does not: it is derived of the salt and of the root, and under either root the salt
 * belongs to this one content for ever, however often it is copied. `from` and `to` name directory
 * and root; the copy is synced and published.
 * Fails as vch_sealed_open and vch_sealed_new; damage is never copied.
 */
typedef struct vch_sealed_place {
    const char *directory;
    const vch_seal_root *root; /* NULL: in clear, both or none */
} vch_sealed_place;
VOUCH_MUST_CHECK vouch_code vch_sealed_copy(const vch_sealed_place *from,
                                            const vch_sealed_place *to, const char *name,
                                            vouch_error *err);

/* An open, published file goes on as its copy there; what lies in memory stays as it is. After a
 * failure (as vch_sealed_open) it is what it was. Both members of `to` are kept. */
VOUCH_MUST_CHECK vouch_code vch_sealed_move(vch_sealed *s, const vch_sealed_place *to,
                                            vouch_error *err);

/* Content of a finished file. Fails with VOUCH_E_INTERNAL outside of it, VOUCH_E_IO,
 * VOUCH_E_CRYPTO. */
VOUCH_MUST_CHECK vouch_code vch_sealed_read(vch_sealed *s, uint64_t offset, void *out, size_t size,
                                            vouch_error *err);

const vch_sealed_stamp *vch_sealed_stamp_of(const vch_sealed *s); /* its check once finished */
bool vch_sealed_is_sealed(const vch_sealed *s); /* encrypted, not in clear or in memory */
const char *vch_sealed_name(const vch_sealed *s);

/* One more owner: it is closed when the last has freed it. */
vch_sealed *vch_sealed_ref(vch_sealed *s);

/* Free, and remove the file under whatever name it has: for what is not wanted any more. */
void vch_sealed_discard(vch_sealed *s);

void vch_sealed_free(vch_sealed *s); /* one that was not published is removed */
VCH_DEFINE_DROP(vch_sealed_drop, vch_sealed, vch_sealed_free)

#endif
