/* What a process does to itself before it holds a key. Call from main, before threads start. */
#ifndef VCH_HOST_PROCESS_H
#define VCH_HOST_PROCESS_H

#include "vouch/error.h"

/*
 * No core dumps and no tracing by other processes of the same user. A kernel without the call
 * (Gramine's, where memory is the enclave's own) is accepted; any other failure is one.
 */
VOUCH_MUST_CHECK vouch_code vch_process_harden(vouch_error *err);

/* A write to a closed socket then fails with EPIPE instead of ending the process. */
void vch_process_ignore_broken_pipes(void);

/* As many open files as the system lets this process have: a service's connections are files. */
void vch_process_raise_file_limit(void);

#endif
