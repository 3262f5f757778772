/*
 * The directory in which one participant keeps the state of one federation: a lock, the journal, and
 * the files that it names. Only one process at a time has it. One thread at a time.
 * docs/durability.md.
 */
#ifndef VCH_STORE_STATE_H
#define VCH_STORE_STATE_H

#include <stdbool.h>

#include "base/log.h"
#include "base/scope.h"
#include "store/journal.h"
#include "store/seal.h"
#include "vouch/error.h"

typedef struct vch_state vch_state;

typedef struct vch_state_options {
    const char *parent;        /* made if it is missing */
    const char *name;          /* of the directory in it: tells federations and roles apart */
    const vch_seal_root *root; /* kept; NULL: in clear */
    bool fleeting;             /* the root dies with this process: what is there is void */
    const vch_log *log;        /* may be NULL */

    vouch_code (*replay)(void *context, vouch_span record, vouch_error *err); /* see journal.h */
    void *context;
} vch_state_options;

/*
 * Open or make it. What was sealed with another key (the TEE's changes with its microcode) is moved
 * aside as `<name>.void-<time>`, the log says so, and all begins anew.
 * Fails with VOUCH_E_CONFIG if another process has it, else as vch_journal_open.
 */
VOUCH_MUST_CHECK vouch_code vch_state_open(const vch_state_options *options, vch_state **out,
                                           vouch_error *err);
void vch_state_close(vch_state *s); /* everything stays on disk */
VCH_DEFINE_DROP(vch_state_drop, vch_state, vch_state_close)

const char *vch_state_directory(const vch_state *s);
vch_journal *vch_state_journal(vch_state *s);

/* Remove the files that nobody wants: those of a commit that never came, those that are used up. */
VOUCH_MUST_CHECK vouch_code vch_state_sweep(vch_state *s,
                                            bool (*wanted)(void *context, const char *name),
                                            void *context, vouch_error *err);

#endif
