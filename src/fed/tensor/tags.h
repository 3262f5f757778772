/*
 * Tags tell tensors of one name apart: "model", "trained", "metric", the collaborator's name. On
 * the wire and in keys they are a set, kept sorted by bytes. Spans are borrowed: whoever fills a
 * vch_tags keeps the text alive. openfl_interop.md section 5.
 */
#ifndef VCH_FED_TENSOR_TAGS_H
#define VCH_FED_TENSOR_TAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_TAGS_MAX 12
#define VCH_TAG_SIZE_MAX 256 /* bytes */

#define VCH_TAG_MODEL "model"
#define VCH_TAG_TRAINED "trained"
#define VCH_TAG_AGGREGATED "aggregated"
#define VCH_TAG_DELTA "delta"
#define VCH_TAG_METRIC "metric"
#define VCH_TAG_VALIDATE_AGG "validate_agg"
#define VCH_TAG_VALIDATE_LOCAL "validate_local"
#define VCH_TAG_COMPRESSED "compressed"
#define VCH_TAG_LOSSY "lossy_compressed"

typedef struct vch_tags {
    size_t count;
    vouch_span tag[VCH_TAGS_MAX]; /* sorted, each once */
} vch_tags;

/* Insert in order; a tag that is there already stays once. Fails with VOUCH_E_LIMIT. */
VOUCH_MUST_CHECK vouch_code vch_tags_add(vch_tags *tags, vouch_span tag, vouch_error *err);

bool vch_tags_has(const vch_tags *tags, const char *tag);
void vch_tags_remove(vch_tags *tags, const char *tag); /* nothing if it is not there */
bool vch_tags_equal(const vch_tags *a, const vch_tags *b);

/* The set of NUL-terminated words; `words` ends with NULL, at most VCH_TAGS_MAX of them. Borrowed.
 */
vch_tags vch_tags_of(const char *const *words);

/* "compressed,model", cut to `size`. Returns `out`. */
const char *vch_tags_text(const vch_tags *tags, char *out, size_t size);

/*
 * Take the transport's tag off: removes "compressed" and "lossy_compressed".
 * *out_lossy says which it was. Fails with VOUCH_E_FORMAT if neither or both are there.
 */
VOUCH_MUST_CHECK vouch_code vch_tags_strip_transport(vch_tags *tags, bool *out_lossy,
                                                     vouch_error *err);

/* What a request for an aggregated tensor asks for, by its tags and round. */
typedef enum vch_tags_want {
    VCH_WANT_MODEL = 1, /* `model` */
    VCH_WANT_DELTA = 2, /* `aggregated, delta` after round 0 */
    VCH_WANT_OTHER = 3  /* looked up as it stands */
} vch_tags_want;

vch_tags_want vch_tags_wanted(const vch_tags *stripped, int32_t round);

#endif
