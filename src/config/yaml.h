/*
 * A YAML document as a tree in which every value knows its file, line and column.
 *
 * Plain scalars are resolved as PyYAML's safe_load resolves them (YAML 1.1), because OpenFL hashes
 * what it loads. Refused, each with its place: duplicate keys, anchors, aliases, tags, merge keys,
 * several documents, NULs, keys that are neither text nor whole numbers, more than the limits
 * below. Duplicates and the like are all reported in one run; a syntax error ends it.
 *
 * A tree is immutable after it was built; share it freely. Nodes live as long as their document.
 */
#ifndef VCH_CONFIG_YAML_H
#define VCH_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scope.h"
#include "config/faults.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_YAML_MAX_SIZE ((size_t)1 << 20) /* bytes of text */
#define VCH_YAML_MAX_DEPTH 32               /* sequences and mappings inside each other */
#define VCH_YAML_MAX_NODES ((size_t)1 << 17)

typedef enum vch_yaml_kind {
    VCH_YAML_NULL = 0,
    VCH_YAML_BOOL,
    VCH_YAML_INT, /* of any size; vch_yaml_to_int says whether it fits */
    VCH_YAML_REAL,
    VCH_YAML_MOMENT, /* a date, or a date and time */
    VCH_YAML_STRING,
    VCH_YAML_SEQUENCE,
    VCH_YAML_MAPPING
} vch_yaml_kind;

typedef struct vch_yaml vch_yaml; /* a document; owns its nodes */
typedef struct vch_yaml_node vch_yaml_node;

typedef struct vch_yaml_place {
    const char *file;
    size_t line, column; /* from 1, in characters; 0: the node was not read from a file */
} vch_yaml_place;

/*
 * Read one document. An empty text is a null node.
 *
 * file    What the places say; copied.
 * faults  Every fault goes here; NULL: the first one goes to `err` alone.
 * out     Given on VOUCH_OK; free with vch_yaml_free.
 *
 * Fails with VOUCH_E_CONFIG (the text is at fault), _LIMIT (larger than VCH_YAML_MAX_SIZE), _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_yaml_parse(const char *file, vouch_span text, vch_faults *faults,
                                           vch_yaml **out, vouch_error *err);
void vch_yaml_free(vch_yaml *doc);
VCH_DEFINE_DROP(vch_yaml_drop, vch_yaml, vch_yaml_free)

const vch_yaml_node *vch_yaml_root(const vch_yaml *doc);

vch_yaml_kind vch_yaml_kind_of(const vch_yaml_node *node);
const char *vch_yaml_kind_name(vch_yaml_kind kind); /* "a mapping", "true or false" */
vch_yaml_place vch_yaml_place_of(const vch_yaml_node *node);

/* Sequences and mappings. Index below the count, otherwise NULL; 0 and NULL for other kinds. */
size_t vch_yaml_count(const vch_yaml_node *node);
const vch_yaml_node *vch_yaml_at(const vch_yaml_node *node, size_t i);     /* the i-th value */
const vch_yaml_node *vch_yaml_key_at(const vch_yaml_node *node, size_t i); /* of a mapping */
const vch_yaml_node *vch_yaml_get(const vch_yaml_node *mapping, const char *key); /* or NULL */

/* Scalars. NULL or false if the node is of another kind or its value does not fit. */
const char *vch_yaml_string(const vch_yaml_node *node); /* VCH_YAML_STRING only */
bool vch_yaml_to_bool(const vch_yaml_node *node, bool *out);
bool vch_yaml_to_int(const vch_yaml_node *node, int64_t *out);
bool vch_yaml_to_real(const vch_yaml_node *node, double *out); /* a real or a whole number */
bool vch_yaml_to_moment(const vch_yaml_node *node,
                        int64_t *out_unix_s); /* a date: its midnight UTC */

/* A scalar as it stands in the file, without quotes: 00906ED50000 and 0012 alike. NULL for others. */
const char *vch_yaml_written(const vch_yaml_node *node);

/*
 * Building, before the tree is shared. A made node is NULL if memory ran out; so is what is made
 * of a NULL. Values may belong to another document, which is then kept.
 */
VOUCH_MUST_CHECK vouch_code vch_yaml_new(const char *file, vch_yaml **out, vouch_error *err);
vch_yaml_node *vch_yaml_make_null(vch_yaml *doc);
vch_yaml_node *vch_yaml_make_bool(vch_yaml *doc, bool v);
vch_yaml_node *vch_yaml_make_int(vch_yaml *doc, int64_t v);
vch_yaml_node *vch_yaml_make_real(vch_yaml *doc, double v);
vch_yaml_node *vch_yaml_make_string(vch_yaml *doc, const char *v); /* copied; valid UTF-8 */
vch_yaml_node *vch_yaml_make_sequence(vch_yaml *doc);
vch_yaml_node *vch_yaml_make_mapping(vch_yaml *doc);
/* A mapping of its own with the same keys and values; the values themselves are shared. */
vch_yaml_node *vch_yaml_copy_mapping(vch_yaml *doc, const vch_yaml_node *mapping);

/* Replaces the value of a key that is there already. VOUCH_E_MEMORY, also for a NULL value. */
VOUCH_MUST_CHECK vouch_code vch_yaml_put(vch_yaml *doc, vch_yaml_node *mapping, const char *key,
                                         const vch_yaml_node *value, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_yaml_append(vch_yaml *doc, vch_yaml_node *sequence,
                                            const vch_yaml_node *value, vouch_error *err);
void vch_yaml_remove(vch_yaml_node *mapping, const char *key); /* nothing if it is not there */
void vch_yaml_set_root(vch_yaml *doc, const vch_yaml_node *root);

#endif
