/*
 * One event loop: timers, signals, and whatever servers and clients are attached to it. Everything
 * attached is used by the thread that runs the loop, one thread at a time. Thin over libevent.
 * Making one sets the process to ignore SIGPIPE.
 */
#ifndef VCH_NET_LOOP_H
#define VCH_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/scope.h"
#include "vouch/error.h"

typedef struct vch_loop vch_loop;
typedef struct vch_timer vch_timer;   /* fires once for each start */
typedef struct vch_signal vch_signal; /* a signal that the loop listens to */
struct event_base;

VOUCH_MUST_CHECK vouch_code vch_loop_new(vch_loop **out, vouch_error *err);
void vch_loop_free(vch_loop *loop); /* after everything attached to it */
VCH_DEFINE_DROP(vch_loop_drop, vch_loop, vch_loop_free)

/* Run until vch_loop_stop(). Not from inside a callback of the same loop. */
VOUCH_MUST_CHECK vouch_code vch_loop_run(vch_loop *loop, vouch_error *err);

/* Run until *done is true; VOUCH_E_TIMEOUT after `timeout_ms` (negative: no deadline). */
VOUCH_MUST_CHECK vouch_code vch_loop_run_until(vch_loop *loop, const bool *done, int64_t timeout_ms,
                                               vouch_error *err);

/* Serve what is ready now, without waiting. */
void vch_loop_turn(vch_loop *loop);

/* Make the present vch_loop_run() return after the callback that runs now. */
void vch_loop_stop(vch_loop *loop);

VOUCH_MUST_CHECK vouch_code vch_timer_new(vch_loop *loop, void (*fire)(void *context),
                                          void *context, vch_timer **out, vouch_error *err);
void vch_timer_start(vch_timer *timer, int64_t delay_ms); /* again: the delay begins anew */
void vch_timer_stop(vch_timer *timer);
void vch_timer_free(vch_timer *timer);

/* `fire` runs in the loop, not in a signal handler. */
VOUCH_MUST_CHECK vouch_code vch_signal_new(vch_loop *loop, int number,
                                           void (*fire)(void *context, int number), void *context,
                                           vch_signal **out, vouch_error *err);
void vch_signal_free(vch_signal *listener);

/* libevent's object, for the other modules of this folder. Borrowed. */
struct event_base *vch_loop_native(const vch_loop *loop);

#endif
