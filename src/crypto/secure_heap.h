/*
 * OpenSSL's secure heap: locked pages, excluded from dumps, for private numbers. A program calls
 * this once in main, before it makes or reads a key; a second call changes nothing.
 */
#ifndef VCH_CRYPTO_SECURE_HEAP_H
#define VCH_CRYPTO_SECURE_HEAP_H

#include "vouch/error.h"

/* VOUCH_E_CRYPTO if the memory cannot be had or cannot be locked: then no key may be made. */
VOUCH_MUST_CHECK vouch_code vch_secure_heap_start(vouch_error *err);

#endif
