/*
 * The directory in which one participant keeps the state of one federation: a lock, the journal, and
 * the files that it names. Only one process at a time has it. One thread at a time.
 * docs/durability.md.
 */
#ifndef VCH_STORE_STATE_H
#define VCH_STORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/scope.h"
#include "store/journal.h"
#include "store/seal.h"
#include "vouch/error.h"

typedef struct vch_state vch_state;

#define VCH_STATE_BEFORE_MAX 8

/* A directory whose state may be taken over (store/state_rules.h knows what it is called). */
typedef struct vch_state_origin {
    const char *name;          /* of the directory */
    const vch_seal_root *root; /* that opens it; NULL: in clear */
} vch_state_origin;

typedef struct vch_state_options {
    const char *parent;        /* made if it is missing */
    const char *name;          /* of the directory in it: tells federations and roles apart */
    const vch_seal_root *root; /* kept; NULL: in clear */
    bool fleeting;             /* the root dies with this process: what is there is void */
    const vch_log *log;        /* kept; may be NULL */

    const vch_state_origin *before; /* newest first; only for the call */
    size_t before_count;

    vouch_code (*replay)(void *context, vouch_span record, vouch_error *err); /* see journal.h */
    void *context;
} vch_state_options;

/*
 * Open or make it. What was sealed with another key (the TEE's changes with its microcode) is moved
 * aside as `<name>.void-<time>`, the log says so, and all begins anew. Where there is no directory
 * of that name, the first of `before` that there is goes along: it is sealed anew under this name
 * and root. Where there is one, those before it are a killed process's leavings, and are removed.
 * Fails with VOUCH_E_CONFIG if another process has it, else as vch_journal_open.
 */
VOUCH_MUST_CHECK vouch_code vch_state_open(const vch_state_options *options, vch_state **out,
                                           vouch_error *err);
void vch_state_close(vch_state *s); /* everything stays on disk */
VCH_DEFINE_DROP(vch_state_drop, vch_state, vch_state_close)

/*
 * The policy has changed: all of it goes along to the directory `name` and under `root` (kept), as
 * store/reseal.h says. `root` may be the same: then only the name changes. Any thread, with nobody
 * else in the object; files that are open must be moved afterwards (vch_sealed_move), and one that
 * is being written is void. Whatever lies under the new name already is moved aside.
 *
 * After a failure all is as it was, unless *out_spoilt: then the process must end; the next start
 * finds one state that counts. Fails with VOUCH_E_IO, VOUCH_E_MEMORY, or VOUCH_E_FORMAT and
 * VOUCH_E_CRYPTO for damage.
 */
VOUCH_MUST_CHECK vouch_code vch_state_reseal(vch_state *s, const char *name,
                                             const vch_seal_root *root, bool *out_spoilt,
                                             vouch_error *err);

/* Borrowed until it is closed or sealed anew. */
const char *vch_state_directory(const vch_state *s);
vch_journal *vch_state_journal(vch_state *s);

/* Remove the files that nobody wants: those of a commit that never came, those that are used up. */
VOUCH_MUST_CHECK vouch_code vch_state_sweep(vch_state *s,
                                            bool (*wanted)(void *context, const char *name),
                                            void *context, vouch_error *err);

#endif
