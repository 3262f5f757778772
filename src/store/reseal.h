/*
 * A directory of state that goes along with a change of policy: copied whole under the next root and
 * the next name, then the old one is removed. Inside store. docs/protocol.md sections 6 and 9.
 *
 *   1. every file is copied into `<parent>/<to>.partial` and synced   killed here: the old one counts,
 *   2. the copy is renamed to `<to>`, the parent synced                 and the next start begins again
 *   3. the old directory is removed                                    killed here: the new one counts
 *
 * So there is one that counts at every moment: `<to>` if it is there, else `<from>`. A file of state
 * keeps name, salt and check (store/sealed.h says why it may), so the records of the journal, which
 * carry them, are copied as they are, into a journal with salts of its own. What an upload under way
 * has written so far (`.tmp`) stays behind: its sender was told nothing yet.
 */
#ifndef VCH_STORE_RESEAL_H
#define VCH_STORE_RESEAL_H

#include <stdbool.h>

#include "store/seal.h"
#include "vouch/error.h"

#define VCH_RESEAL_PARTIAL ".partial"

typedef struct vch_reseal {
    const char *parent;
    const char *from, *to;                /* names of directories in it; `to` is not there */
    const vch_seal_root *old_root, *root; /* NULL: in clear, both or none */
} vch_reseal;

/*
 * Steps 1 and 2; nobody else may be at work on either directory. *out_renamed: `to` is there, and
 * counts, also where this fails afterwards. What was left of an attempt before is removed first.
 * The copy is locked while it is made (store/state_names.h). Fails with VOUCH_E_CONFIG if another
 * process makes one, VOUCH_E_IO (also for a full disk), VOUCH_E_REFUSED if not even the first header of the
 * journal opens, VOUCH_E_FORMAT or VOUCH_E_CRYPTO for damage: then `from` is as it was.
 */
VOUCH_MUST_CHECK vouch_code vch_reseal_copy(const vch_reseal *how, bool *out_renamed,
                                            vouch_error *err);

/* Remove what a killed attempt left of a copy to `name`; VOUCH_E_CONFIG if it is being made. */
VOUCH_MUST_CHECK vouch_code vch_reseal_clean(const char *parent, const char *name,
                                             vouch_error *err);

#endif
