/*
 * Why an operation could not be carried out: one code for the class of failure and a chain of
 * sentences, root cause first. The caller owns the error (on its stack), so failing allocates
 * nothing. An unfavourable answer is not an error: it is a verdict with reasons (verifier.h,
 * token.h).
 */
#ifndef VOUCH_ERROR_H
#define VOUCH_ERROR_H

#include <stddef.h>
#include <stdint.h>

#include "vouch/attributes.h"

VOUCH_BEGIN_DECLS

typedef enum vouch_code {
    VOUCH_OK = 0,
    VOUCH_E_TRUNCATED = 1,   /* the input ends before it should */
    VOUCH_E_FORMAT = 2,      /* the input is not what its format demands */
    VOUCH_E_LIMIT = 3,       /* a stated maximum is exceeded, or a number is out of its range */
    VOUCH_E_UNSUPPORTED = 4, /* well-formed, but of a kind that is not handled */
    VOUCH_E_CRYPTO = 5,      /* the cryptographic library failed, or a key is unusable */
    VOUCH_E_MEMORY = 6,      /* out of memory */
    VOUCH_E_IO = 7,          /* a file or device could not be read or written */
    VOUCH_E_CONFIG = 8,      /* a setting, file or argument of the user's is wrong or missing */
    VOUCH_E_NOT_FOUND = 9,   /* the thing asked for does not exist */
    VOUCH_E_NETWORK = 10,    /* a peer could not be reached, or the connection broke */
    VOUCH_E_TIMEOUT = 11,    /* a deadline passed */
    VOUCH_E_REFUSED = 12,    /* the other side answered, and the answer is no */
    VOUCH_E_INTERNAL = 13    /* our own fault */
} vouch_code;

#define VOUCH_ERROR_DEPTH 6  /* frames kept; a deeper chain keeps its root cause and the newest */
#define VOUCH_ERROR_TEXT 256 /* bytes a frame, with its NUL; a longer sentence is cut */

typedef struct vouch_error {
    vouch_code code;
    uint32_t depth;                                  /* frames in use; 0: no error */
    char frame[VOUCH_ERROR_DEPTH][VOUCH_ERROR_TEXT]; /* [0] is the root cause */
} vouch_error;

/* Start a chain in `err` (may be NULL) with one sentence, and return `code`. */
VOUCH_API VOUCH_MUST_CHECK VOUCH_PRINTF(3, 4) vouch_code
    vouch_fail(vouch_error *err, vouch_code code, const char *fmt, ...);

/* Add a frame ("while doing what") to the chain in `err` (may be NULL), and return `code`. */
VOUCH_API VOUCH_MUST_CHECK VOUCH_PRINTF(3, 4) vouch_code
    vouch_wrap(vouch_error *err, vouch_code code, const char *fmt, ...);

#ifdef __clang_analyzer__ /* it reads one file at a time: the code given is the code returned */
#define vouch_fail(err, code, ...) ((void)!vouch_fail((err), (code), __VA_ARGS__), (code))
#define vouch_wrap(err, code, ...) ((void)!vouch_wrap((err), (code), __VA_ARGS__), (code))
#endif

/*
 * Write the chain as one line, newest frame first, joined by ": ".
 *
 * out   At least 1 byte; always NUL-terminated; cut to `size` bytes.
 * Returns `out`.
 */
VOUCH_API const char *vouch_error_text(const vouch_error *err, char *out, size_t size);

/* The name of a code, "truncated" for VOUCH_E_TRUNCATED; never NULL. */
VOUCH_API const char *vouch_code_name(vouch_code code);

VOUCH_END_DECLS

#endif
