/* Ctrl-C for commands that must clean up: held back by the kernel, and asked for. One thread. */
#ifndef VCH_CLI_INTERRUPT_H
#define VCH_CLI_INTERRUPT_H

#include <stdint.h>

#include "vouch/error.h"

/* From now on SIGINT and SIGTERM wait to be asked for; children start without that. */
void vch_interrupt_hold(void);

/* Wait `wait_ms` for one (0: only look). VOUCH_E_REFUSED if it came. */
VOUCH_MUST_CHECK vouch_code vch_interrupt_ask(int64_t wait_ms, vouch_error *err);

/* The same at once, as the turn of a task runner; the context is not used. */
VOUCH_MUST_CHECK vouch_code vch_interrupt_turn(void *context, vouch_error *err);

#endif
