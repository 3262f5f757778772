/* Inside store: names in a directory of state that are no file of state's. */
#ifndef VCH_STORE_STATE_NAMES_H
#define VCH_STORE_STATE_NAMES_H

#include <stdbool.h>

#define VCH_STATE_LOCK "lock"

/* `journal-00000001`; not one that is half made. */
bool vch_state_is_journal(const char *name);

#endif
