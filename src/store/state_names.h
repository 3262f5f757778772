/* Inside store: a directory of state: who has it, and names in it that are no file of state's. */
#ifndef VCH_STORE_STATE_NAMES_H
#define VCH_STORE_STATE_NAMES_H

#include <stdbool.h>

#include "vouch/error.h"

#define VCH_STATE_LOCK "lock"

/* `journal-00000001`; not one that is half made. */
bool vch_state_is_journal(const char *name);

/*
 * Have the directory for this process alone, until *out_fd is closed. The kernel lets go of it when
 * the process ends, however it ends; and when any descriptor of the same file is closed, so a
 * process takes it once. Fails with VOUCH_E_CONFIG if another process has it, VOUCH_E_IO.
 */
VOUCH_MUST_CHECK vouch_code vch_state_lock(const char *directory, int *out_fd, vouch_error *err);

#endif
