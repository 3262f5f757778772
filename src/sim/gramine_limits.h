/*
 * What a program finds missing under Gramine, as a seccomp filter: the system calls of Gramine 1.9's
 * table are let through, every other answers ENOSYS, and so do the forms of madvise and mmap that
 * Gramine does not have. docs/gramine-limits.md says what is missing and why.
 */
#ifndef VCH_SIM_GRAMINE_LIMITS_H
#define VCH_SIM_GRAMINE_LIMITS_H

#include "base/buffer.h"
#include "vouch/error.h"

#define VCH_GRAMINE_FILTER_MAX_SIZE ((size_t)32 << 10)

/* Appends BPF instructions as vch_child_options.system_call_filter takes them. */
VOUCH_MUST_CHECK vouch_code vch_gramine_limits_filter(vch_buffer *out, vouch_error *err);

#endif
