/*
 * One genuine quote with its collateral, every bit of it flipped and every byte of its end cut off, one
 * at a time. What stays genuine then is listed in flips.c with the reason; nothing else does.
 *
 * Every bit in a plain build. Where sanitizers make it slow, and where VCH_FLIP_STRIDE says so
 * (tools/mutate.py), a sample: each so many bits, another one in each byte.
 */
#ifndef VCH_TESTS_VERIFY_FLIPS_H
#define VCH_TESTS_VERIFY_FLIPS_H

#include "corpus.h"
#include "vouch/verifier.h"

typedef struct flips {
    vouch_collateral_parts parts;
    vouch_span quote;
    int64_t now_unix_s;
    vouch_verifier *verifier;
    vouch_collateral *collateral;
    vouch_cache *cache; /* links and platforms that stay the same need not be verified each time */
} flips;

#define FLIPS_PARTS 6 /* of collateral, in the order of vouch_collateral_parts */

void flips_begin(flips *f, vouch_collateral_parts parts, vouch_span quote, int64_t now_unix_s);
void flips_end(flips *f);

/* The tests. `spared` is how many bits or cuts are outside of what is signed, to the last one. */
void flips_quote(flips *f, size_t spared);
void flips_part(flips *f, size_t part, size_t spared);
void flips_cut_quote(flips *f, size_t spared);
void flips_cut_part(flips *f, size_t part, size_t spared);

#endif
