/*
 * The channel to a task runner in a child process: lines and bytes over its standard input and
 * output, each with a deadline; its standard error becomes log lines. While it waits it lets the
 * program take its turn, so that connections stay alive and a signal is heard. One thread at a
 * time. docs/task-runners.md.
 */
#ifndef VCH_FED_RUNNER_CHILD_CHANNEL_H
#define VCH_FED_RUNNER_CHILD_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/scope.h"
#include "fed/runner/runner.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_CHILD_LINE_MAX ((size_t)4 << 20) /* bytes of a line from the child */

typedef struct vch_child_channel vch_child_channel;

typedef struct vch_child_channel_options {
    const char *const *argv;        /* NULL-terminated */
    const char *const *environment; /* "NAME=value", all that the child gets; NULL-terminated */
    size_t memory_limit;            /* bytes; 0: none */
    vch_runner_turn turn;
    const vch_log *log; /* kept; may be NULL */
} vch_child_channel_options;

/*
 * Start the child; from then on this process ignores SIGPIPE. Fails with VOUCH_E_NOT_FOUND if there is
 * no such program, VOUCH_E_IO, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_child_channel_new(const vch_child_channel_options *options,
                                                  vch_child_channel **out, vouch_error *err);
void vch_child_channel_free(vch_child_channel *c); /* kills what still runs */
VCH_DEFINE_DROP(vch_child_channel_drop, vch_child_channel, vch_child_channel_free)

/*
 * All of these fail with VOUCH_E_IO if the child ended (with its status and last words),
 * VOUCH_E_TIMEOUT at `until_ms` of the monotonic clock, or what the turn fails with. After a
 * failure the channel can only be freed.
 */
VOUCH_MUST_CHECK vouch_code vch_child_channel_send(vch_child_channel *c, vouch_span bytes,
                                                   int64_t until_ms, vouch_error *err);

/* One line without its end, borrowed until the next call; also VOUCH_E_LIMIT. */
VOUCH_MUST_CHECK vouch_code vch_child_channel_line(vch_child_channel *c, int64_t until_ms,
                                                   vouch_span *out, vouch_error *err);

VOUCH_MUST_CHECK vouch_code vch_child_channel_bytes(vch_child_channel *c, void *out, size_t size,
                                                    int64_t until_ms, vouch_error *err);

/* Close its input and give it `grace_ms` to end by itself. */
void vch_child_channel_close(vch_child_channel *c, int64_t grace_ms);

#endif
