/* "Did you mean": the known word nearest to a mistyped one. Pure. */
#ifndef VCH_CONFIG_SUGGEST_H
#define VCH_CONFIG_SUGGEST_H

#include <stddef.h>

/*
 * The candidate nearest to `word` by edit distance, or NULL if none is near (more than a third of its
 * letters differ). Words over 63 bytes have no neighbour. Borrowed from `candidates`.
 */
const char *vch_suggest(const char *word, const char *const *candidates, size_t count);

#endif
