/*
 * Key material: own pages, locked, excluded from core dumps, wiped on drop. Failing to lock is a
 * failure. One thread at a time.
 */
#ifndef VCH_BASE_SECRET_H
#define VCH_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_SECRET_MAX_SIZE ((size_t)1 << 20)

typedef struct vch_secret {
    uint8_t *data;
    size_t size;   /* bytes asked for */
    size_t mapped; /* bytes of whole pages behind them */
} vch_secret;

/* `size` zero bytes, 1 to VCH_SECRET_MAX_SIZE. Fails with VOUCH_E_LIMIT or VOUCH_E_MEMORY. */
VOUCH_MUST_CHECK vouch_code vch_secret_alloc(vch_secret *out, size_t size, vouch_error *err);

void vch_secret_drop(vch_secret *s); /* wipes, unlocks, unmaps; safe twice and on a zeroed secret */

/*
 * Can `size` bytes be locked, on a kernel (Gramine's) that has no advice about dumps? For those who
 * lock memory of their own and cannot tell that case from a failure. False on Linux.
 */
bool vch_secret_dumps_need_no_advice(size_t size);

/* Overwrite memory in a way that the compiler keeps. */
void vch_wipe(void *data, size_t size);

/* Equality whose time depends on the sizes only. */
bool vch_secret_equal(vouch_span a, vouch_span b);

#endif
