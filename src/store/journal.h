/*
 * What must not be forgotten, in the order in which it happened: records, appended and never
 * changed. Records added since the last commit become durable together, or not at all. Every commit
 * carries a digest over itself and the digest before it, so the newest digest stands for the whole
 * history. With a sealing root the records are AES-256-GCM. One thread at a time (not always the
 * same one). docs/durability.md has the layout; docs/protocol.md section 9.
 *
 * It lies in files `journal-<number>`; each start begins a new one, with a salt of its own, chained
 * to the one before. What a crash left half written at the end of the last is cut off: nobody was
 * told that it happened. Damage anywhere else is refused, with its place.
 */
#ifndef VCH_STORE_JOURNAL_H
#define VCH_STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scope.h"
#include "crypto/hash.h"
#include "store/seal.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_JOURNAL_RECORD_MAX ((size_t)1 << 20)
#define VCH_JOURNAL_COMMIT_MAX ((size_t)1 << 24) /* bytes of records in one commit */

typedef struct vch_journal vch_journal;

typedef struct vch_journal_options {
    const char *directory;     /* kept; must exist */
    const vch_seal_root *root; /* kept; NULL: in clear */

    /* Called for every record, oldest first; what it fails with stops the opening. */
    vouch_code (*replay)(void *context, vouch_span record, vouch_error *err);
    void *context;
} vch_journal_options;

/*
 * Read what there is, then begin a new file.
 * Fails with VOUCH_E_IO; VOUCH_E_FORMAT or _CRYPTO for damage, the message says which file and
 * byte; VOUCH_E_REFUSED if not even the first header opens: sealed with another key, or altered;
 * VOUCH_E_CONFIG if it is in clear and a root was given, or the other way round.
 */
VOUCH_MUST_CHECK vouch_code vch_journal_open(const vch_journal_options *options, vch_journal **out,
                                             vouch_error *err);
/* Read what there is and change nothing. Fails as above. */
VOUCH_MUST_CHECK vouch_code vch_journal_look(const vch_journal_options *options, vouch_error *err);
void vch_journal_close(vch_journal *j); /* what was not committed is forgotten */
VCH_DEFINE_DROP(vch_journal_drop, vch_journal, vch_journal_close)

/* Into the next commit. Fails with VOUCH_E_LIMIT, VOUCH_E_MEMORY. */
VOUCH_MUST_CHECK vouch_code vch_journal_add(vch_journal *j, vouch_span record, vouch_error *err);

/*
 * On disk when it returns VOUCH_OK. After a failure the added records are forgotten; the next
 * commit may succeed (a disk that was full) unless the message says that the journal is spoilt
 * (vch_journal_is_spoilt): then the process must end, and the next start cuts the half off.
 */
VOUCH_MUST_CHECK vouch_code vch_journal_commit(vch_journal *j, vouch_error *err);
bool vch_journal_is_spoilt(const vch_journal *j);

/* Over all that is committed. */
const uint8_t *vch_journal_digest(const vch_journal *j); /* VCH_SHA256_SIZE bytes */

#endif
