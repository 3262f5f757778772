/* What time it is. The pure folders never ask: their callers read it here and pass it down. */
#ifndef VCH_HOST_CLOCK_H
#define VCH_HOST_CLOCK_H

#include <stdint.h>

int64_t vch_clock_unix_s(void);
int64_t vch_clock_unix_ms(void);

/* Milliseconds since some moment in the past; never set back. For deadlines and durations. */
int64_t vch_clock_monotonic_ms(void);

/* The same as vch_clock_unix_ms, in the shape that vch_log asks for; `unused` may be NULL. */
int64_t vch_clock_for_log(void *unused);

#endif
