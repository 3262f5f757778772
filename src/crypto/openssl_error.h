/* OpenSSL's thread-local error queue, turned into our errors and left empty. Any thread. */
#ifndef VCH_CRYPTO_OPENSSL_ERROR_H
#define VCH_CRYPTO_OPENSSL_ERROR_H

#include <stdbool.h>

#include "vouch/error.h"

/*
 * Start a chain with one sentence and, in brackets, OpenSSL's reason if it gave one; empty the
 * queue. Returns `code`, or VOUCH_E_MEMORY if OpenSSL ran out of memory.
 */
VOUCH_MUST_CHECK VOUCH_PRINTF(3, 4) vouch_code
    vch_openssl_fail(vouch_error *err, vouch_code code, const char *fmt, ...);

/* Was want of memory the cause, or one of the causes, of a failure? Empties the queue. */
bool vch_openssl_out_of_memory(void);

/* After calls whose failure was an answer: nothing may be left for the next caller to find. */
void vch_openssl_clear(void);

#endif
