#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

static sigset_t stop_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    return set;
}

void vch_interrupt_hold(void)
{
    const sigset_t set = stop_signals();
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

vouch_code vch_interrupt_ask(int64_t wait_ms, vouch_error *err)
{
    const sigset_t set = stop_signals();
    const struct timespec wait = { .tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000L };
    if (sigtimedwait(&set, NULL, &wait) > 0)
        return vouch_fail(err, VOUCH_E_REFUSED, "interrupted");
    return VOUCH_OK;
}

vouch_code vch_interrupt_turn(void *context, vouch_error *err)
{
    (void)context;
    return vch_interrupt_ask(0, err);
}
