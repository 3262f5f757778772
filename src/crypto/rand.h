/* The one source of randomness. Any thread. */
#ifndef VCH_CRYPTO_RAND_H
#define VCH_CRYPTO_RAND_H

#include <stddef.h>

#include "vouch/error.h"

/* Fill `out`; a failed draw is VOUCH_E_CRYPTO and `out` is zeroed, never weaker bytes. */
VOUCH_MUST_CHECK vouch_code vch_random_bytes(void *out, size_t size, vouch_error *err);

#endif
