/*
 * Sets of collateral in a SQLite file, byte for byte, and the newest number and date seen of each
 * signed document: a set with an older one is never taken. The file is opened for each use, so that
 * several processes may share it; a write is whole and on disk when it returns, or did not happen.
 * Any thread. What is read is not trusted: it is judged as if it came over the network.
 */
#ifndef VCH_STORE_COLLATERAL_STORE_H
#define VCH_STORE_COLLATERAL_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_STORED_PARTS 7
#define VCH_STORED_DOCUMENT_SIZE 176 /* with its NUL */
#define VCH_STORED_SETS_MAX 256

typedef struct vch_stored_set {
    const char *key; /* whose collateral; text of the caller's */
    vouch_span part[VCH_STORED_PARTS];
    int64_t fetched_unix_s;
} vch_stored_set;

/* How new one signed document is. Neither of the two ever goes back. */
typedef struct vch_stored_mark {
    char document[VCH_STORED_DOCUMENT_SIZE]; /* which; the root it is under belongs to it */
    int64_t number;                          /* evaluation number, CRL number */
    int64_t issued_unix_s;
} vch_stored_mark;

/*
 * Take a set and its marks, in place of the one of that key. The file is made if it is not there.
 * Fails with VOUCH_E_REFUSED (a document is older than seen before: nothing is changed), _LIMIT
 * (more than VCH_STORED_SETS_MAX keys), _FORMAT (the file is damaged), _IO, _UNSUPPORTED, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_collateral_store_put(const char *path, const vch_stored_set *set,
                                                     const vch_stored_mark *marks,
                                                     size_t mark_count, vouch_error *err);

/*
 * Call `each` for every set; what it is given is borrowed for the call. Every byte is checked against
 * the digest it was written with. Fails as above, and with what `each` fails with.
 */
VOUCH_MUST_CHECK vouch_code vch_collateral_store_each(const char *path,
                                                      vouch_code (*each)(void *context,
                                                                         const vch_stored_set *set,
                                                                         vouch_error *err),
                                                      void *context, vouch_error *err);

/* Move a damaged file to <path>.damaged, so that the next put makes a new one. */
VOUCH_MUST_CHECK vouch_code vch_collateral_store_set_aside(const char *path, vouch_error *err);

#endif
