/*
 * A program called through a link of another program's name: `fx`, OpenFL's. It then calls itself so in
 * what it prints, takes what `fx` takes before its verb (-l LEVEL, --log-level LEVEL, --no-warnings, -v),
 * and logs from `info` on, as `fx` does.
 */
#ifndef VCH_PROMPT_LINK_H
#define VCH_PROMPT_LINK_H

#include <stdbool.h>

#include "vouch/error.h"

#define VCH_LINK_FX "fx"

/* Is it by this name that the program was called? */
bool vch_link_is(const char *called, const char *link);

/*
 * The words of an `fx` command line as we take them: the verb first, then --log-level, then the rest.
 *
 * argc, argv  Without the program's name. Borrowed, and kept by the result.
 * out         argc + 2 pointers at the least, given by the caller; *out_count of them are set.
 * Fails with VOUCH_E_CONFIG: a level that `fx` does not know, or none.
 */
VOUCH_MUST_CHECK vouch_code vch_link_words(int argc, char *argv[], char *out[], int *out_count,
                                           vouch_error *err);

#endif
