/*
 * Child processes: started with explicit arguments (never through a shell), in a process group of
 * their own; our descriptors are all close-on-exec. One thread at a time for each child.
 */
#ifndef VCH_HOST_CHILD_H
#define VCH_HOST_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef enum vch_child_stdio {
    VCH_CHILD_INHERIT = 0, /* the parent's own */
    VCH_CHILD_NULL = 1,    /* /dev/null */
    VCH_CHILD_PIPE = 2,    /* a pipe whose other end is in vch_child */
    VCH_CHILD_FD = 3       /* the given descriptor, which stays the caller's */
} vch_child_stdio;

typedef struct vch_child_options {
    const char *const *argv;        /* NULL-terminated; argv[0] is looked up in PATH if it has no
                                       slash */
    const char *const *environment; /* "NAME=value" added to (or replacing in) what is inherited;
                                       NULL-terminated; may be NULL */
    bool environment_cleared;       /* start from nothing instead of the parent's environment */
    const char *directory;          /* working directory; NULL: the parent's */
    bool by_descriptor; /* run the program behind program_fd; argv[0] is only its name */
    int program_fd;     /* of a binary, not of a script; stays the caller's */
    vch_child_stdio input, output, errors;
    int input_fd, output_fd, errors_fd; /* for VCH_CHILD_FD */
    vouch_span system_call_filter;      /* BPF instructions of a seccomp filter; empty: none */
    size_t memory_limit;  /* bytes of data that it, and each process it starts, may hold; 0: no
                            limit of ours */
    bool outlives_parent; /* else it is killed when the starting thread ends */
} vch_child_options;

typedef struct vch_child {
    pid_t pid;                 /* 0: none */
    int input, output, errors; /* our ends of pipes, or -1; the caller may close and set to -1 */
    bool ended;                /* reaped: exit_status is valid */
    int exit_status;           /* 0 to 255, or 128 + signal */
} vch_child;

/* Fails with VOUCH_E_NOT_FOUND if there is no such program, VOUCH_E_IO or _MEMORY. */
VOUCH_MUST_CHECK vouch_code vch_child_start(const vch_child_options *options, vch_child *out,
                                            vouch_error *err);

/* Wait until it ends; VOUCH_E_TIMEOUT after `timeout_ms` (0: only look; negative: for ever). */
VOUCH_MUST_CHECK vouch_code vch_child_wait(vch_child *child, int64_t timeout_ms,
                                           int *out_exit_status, vouch_error *err);

/* Signal the whole group of a child; nothing once it is reaped. */
void vch_child_signal(const vch_child *child, int signal);

/* SIGTERM, wait up to `grace_ms`, SIGKILL, reap. */
void vch_child_stop(vch_child *child, int64_t grace_ms);

/* Kill the group if it still runs, reap, close the pipes. Safe twice and on a zeroed child. */
void vch_child_drop(vch_child *child);

/*
 * Start, feed `input`, collect output and errors (each capped by its buffer; more is
 * VOUCH_E_LIMIT), wait; kill at the deadline. The stdio settings in `options` are ignored.
 * A non-zero exit status is an answer, not an error.
 */
VOUCH_MUST_CHECK vouch_code vch_child_run(const vch_child_options *options, vouch_span input,
                                          int64_t timeout_ms, vch_buffer *output,
                                          vch_buffer *errors, int *out_exit_status,
                                          vouch_error *err);

#endif
