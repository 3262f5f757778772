#include "net/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

#include "host/process.h"

struct vch_loop {
    struct event_base *base;
};

struct vch_timer {
    struct event *event;
    void (*fire)(void *context);
    void *context;
};

struct vch_signal {
    struct event *event;
    void (*fire)(void *context, int number);
    void *context;
};

vouch_code vch_loop_new(vch_loop **out, vouch_error *err)
{
    vch_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "event loop: out of memory");
    vch_process_ignore_broken_pipes(); /* OpenSSL writes without MSG_NOSIGNAL */
    loop->base = event_base_new();
    if (loop->base == NULL) {
        free(loop);
        return vouch_fail(err, VOUCH_E_IO, "event loop: the system gives none");
    }
    *out = loop;
    return VOUCH_OK;
}

void vch_loop_free(vch_loop *loop)
{
    if (loop == NULL)
        return;
    event_base_free(loop->base);
    free(loop);
}

struct event_base *vch_loop_native(const vch_loop *loop)
{
    return loop->base;
}

vouch_code vch_loop_run(vch_loop *loop, vouch_error *err)
{
    if (event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
        return vouch_fail(err, VOUCH_E_IO, "event loop: waiting failed");
    return VOUCH_OK;
}

void vch_loop_turn(vch_loop *loop)
{
    (void)event_base_loop(loop->base, EVLOOP_NONBLOCK); /* what fails here fails in the next wait */
}

void vch_loop_stop(vch_loop *loop)
{
    (void)event_base_loopbreak(loop->base); /* fails only for a NULL base */
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

vouch_code vch_loop_run_until(vch_loop *loop, const bool *done, int64_t timeout_ms,
                              vouch_error *err)
{
    bool late = false;
    vch_timer *timer = NULL;
    vouch_code rc = vch_timer_new(loop, set_flag, &late, &timer, err);
    if (rc != VOUCH_OK)
        return rc;
    assert(timer != NULL);
    if (timeout_ms >= 0)
        vch_timer_start(timer, timeout_ms);
    while (rc == VOUCH_OK && !*done && !late) {
        if (event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) < 0)
            rc = vouch_fail(err, VOUCH_E_IO, "event loop: waiting failed");
    }
    vch_timer_free(timer);
    if (rc == VOUCH_OK && !*done)
        rc = vouch_fail(err, VOUCH_E_TIMEOUT, "not done within %lld ms", (long long)timeout_ms);
    return rc;
}

static void timer_fired(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    vch_timer *timer = context;
    timer->fire(timer->context);
}

vouch_code vch_timer_new(vch_loop *loop, void (*fire)(void *context), void *context,
                         vch_timer **out, vouch_error *err)
{
    vch_timer *timer = calloc(1, sizeof *timer);
    if (timer != NULL)
        timer->event = event_new(loop->base, -1, 0, timer_fired, timer);
    if (timer == NULL || timer->event == NULL) {
        free(timer);
        return vouch_fail(err, VOUCH_E_MEMORY, "timer: out of memory");
    }
    timer->fire = fire;
    timer->context = context;
    *out = timer;
    return VOUCH_OK;
}

void vch_timer_start(vch_timer *timer, int64_t delay_ms)
{
    if (delay_ms < 0)
        delay_ms = 0;
    const struct timeval delay = { delay_ms / 1000, (delay_ms % 1000) * 1000 };
    (void)event_add(timer->event, &delay); /* the event holds all it needs: no failure left */
}

void vch_timer_stop(vch_timer *timer)
{
    (void)event_del(timer->event);
}

void vch_timer_free(vch_timer *timer)
{
    if (timer == NULL)
        return;
    event_free(timer->event);
    free(timer);
}

static void signal_fired(evutil_socket_t number, short what, void *context)
{
    (void)what;
    vch_signal *listener = context;
    listener->fire(listener->context, (int)number);
}

vouch_code vch_signal_new(vch_loop *loop, int number, void (*fire)(void *context, int number),
                          void *context, vch_signal **out, vouch_error *err)
{
    vch_signal *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "signal %d: out of memory", number);
    listener->fire = fire;
    listener->context = context;
    listener->event = evsignal_new(loop->base, number, signal_fired, listener);
    if (listener->event == NULL || event_add(listener->event, NULL) != 0) {
        vch_signal_free(listener);
        return vouch_fail(err, VOUCH_E_IO, "signal %d: cannot be listened to", number);
    }
    *out = listener;
    return VOUCH_OK;
}

void vch_signal_free(vch_signal *listener)
{
    if (listener == NULL)
        return;
    if (listener->event != NULL)
        event_free(listener->event);
    free(listener);
}
