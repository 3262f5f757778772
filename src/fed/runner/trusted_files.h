/*
 * The files that a task runner executes, held against a list whose digest is in the plan, and so in
 * every participant's claims. Needed of an attested participant before it starts a child
 * (docs/protocol.md section 1). It says what was on the disk when it was read; that nobody changes
 * it afterwards is what the TEE's own measured manifest must give (docs/task-runners.md).
 */
#ifndef VCH_FED_RUNNER_TRUSTED_FILES_H
#define VCH_FED_RUNNER_TRUSTED_FILES_H

#include <stdint.h>

#include "vouch/error.h"

#define VCH_TRUSTED_LIST_MAX ((size_t)16 << 20) /* bytes of the list */

/*
 * Read the list (lines of sha256sum: 64 digits, two blanks or ` *`, a path), hold its digest
 * against `digest`, then each file against its line. argv[0], a path with a slash, and every further
 * word of argv that names a file must be in it as they stand there.
 * Fails with VOUCH_E_REFUSED, naming the file, or VOUCH_E_IO, _NOT_FOUND, _FORMAT, _LIMIT.
 */
VOUCH_MUST_CHECK vouch_code vch_trusted_files_check(const char *list_path,
                                                    const uint8_t digest[static 32],
                                                    const char *const *argv, vouch_error *err);

#endif
