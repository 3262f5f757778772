#include "host/clock.h"

#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec t = { 0 };
    (void)clock_gettime(id, &t); /* cannot fail for these two clocks and a valid pointer */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t vch_clock_unix_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

int64_t vch_clock_unix_s(void)
{
    return vch_clock_unix_ms() / 1000;
}

int64_t vch_clock_monotonic_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

int64_t vch_clock_for_log(void *unused)
{
    (void)unused;
    return vch_clock_unix_ms();
}
