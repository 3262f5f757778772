#include "config/suggest.h"

#include <string.h>

#define WORD_MAX ((size_t)63)

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance, one row at a time. Both words are at most WORD_MAX bytes. */
static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t row[WORD_MAX + 1];
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = smaller(replaced, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_size];
}

const char *vch_suggest(const char *word, const char *const *candidates, size_t count)
{
    size_t size = strlen(word);
    const char *best = NULL;
    size_t best_distance = size / 3 + 1; /* the limit, exclusive below */
    if (size > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t candidate_size = strlen(candidates[i]);
        if (candidate_size > WORD_MAX)
            continue;
        size_t d = distance(word, size, candidates[i], candidate_size);
        if (d < best_distance || (d == best_distance && best == NULL)) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}
