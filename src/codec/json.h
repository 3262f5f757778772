/*
 * JSON in: bounded, strict, read by small typed getters. Jansson stays behind this header. A tree
 * is immutable once parsed and may be read by several threads; freeing is for one.
 *
 * Refused before jansson sees the text: too large, too deep, a NUL. Refused by it: anything that
 * is not RFC 8259, duplicate keys, text that is not UTF-8, \u0000, bytes after the value.
 */
#ifndef VCH_CODEC_JSON_H
#define VCH_CODEC_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scope.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef struct json_t vch_json; /* a value of any kind */

typedef struct vch_json_limits {
    size_t size;  /* bytes of text */
    size_t depth; /* arrays and objects inside each other, the outer one included */
} vch_json_limits;

typedef enum vch_json_kind {
    VCH_JSON_OBJECT,
    VCH_JSON_ARRAY,
    VCH_JSON_STRING,
    VCH_JSON_INTEGER,
    VCH_JSON_REAL,
    VCH_JSON_BOOL,
    VCH_JSON_NULL
} vch_json_kind;

/*
 * One object or array. On VOUCH_OK `out` is given; free it with vch_json_free.
 * Fails with VOUCH_E_FORMAT, _LIMIT, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_json_parse(vouch_span text, const vch_json_limits *limits,
                                           vch_json **out, vouch_error *err);
void vch_json_free(vch_json *value);
VCH_DEFINE_DROP(vch_json_drop, vch_json, vch_json_free)

/*
 * The exact bytes of the value of member `name` of the outer object, as a signature covers them.
 * Call it with a text that vch_json_parse has accepted. A member name written with escapes is
 * refused, so that this scan and the parsed tree cannot disagree. Fails with VOUCH_E_NOT_FOUND,
 * _FORMAT.
 */
VOUCH_MUST_CHECK vouch_code vch_json_member_span(vouch_span text, const char *name, vouch_span *out,
                                                 vouch_error *err);

vch_json_kind vch_json_kind_of(const vch_json *value);
const vch_json *vch_json_member(const vch_json *object, const char *name); /* NULL if absent */
size_t vch_json_count(const vch_json *array_or_object);                    /* 0 for other kinds */
const vch_json *vch_json_at(const vch_json *array, size_t i);              /* NULL past the end */
const char *vch_json_text(const vch_json *string);                         /* NULL if not one */
bool vch_json_to_int(const vch_json *integer, int64_t *out);               /* false if not one */
bool vch_json_to_bool(const vch_json *boolean, bool *out);                 /* false if not one */
bool vch_json_to_real(const vch_json *number, double *out); /* a real or an integer */

/* Call `each` for every member, in the order of the text, until it fails. */
VOUCH_MUST_CHECK vouch_code vch_json_each(const vch_json *object,
                                          vouch_code (*each)(void *context, const char *name,
                                                             const vch_json *value,
                                                             vouch_error *err),
                                          void *context, vouch_error *err);

/*
 * A required member of one kind. Everything given back is borrowed from the tree. All fail with
 * VOUCH_E_FORMAT, naming the member, if it is absent, of another kind or out of range; `out` is
 * then untouched. For an optional member ask vch_json_member first.
 */
VOUCH_MUST_CHECK vouch_code vch_json_get_object(const vch_json *object, const char *name,
                                                const vch_json **out, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_json_get_array(const vch_json *object, const char *name,
                                               const vch_json **out, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_json_get_string(const vch_json *object, const char *name,
                                                const char **out, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_json_get_uint(const vch_json *object, const char *name,
                                              uint64_t max, uint64_t *out, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_json_get_bool(const vch_json *object, const char *name, bool *out,
                                              vouch_error *err);
/* A string of exactly 2 * size hexadecimal digits. */
VOUCH_MUST_CHECK vouch_code vch_json_get_hex(const vch_json *object, const char *name, uint8_t *out,
                                             size_t size, vouch_error *err);
/* A string `YYYY-MM-DDThh:mm:ssZ`. */
VOUCH_MUST_CHECK vouch_code vch_json_get_moment(const vch_json *object, const char *name,
                                                int64_t *out_unix_s, vouch_error *err);

/* Every member's name is among `names` (NULL ends the list); otherwise VOUCH_E_FORMAT. */
VOUCH_MUST_CHECK vouch_code vch_json_only(const vch_json *object, const char *const *names,
                                          vouch_error *err);

#endif
