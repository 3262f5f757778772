#include "config/yaml.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/yaml_node.h"

#define BLOCK_SIZE ((size_t)4096)

typedef struct block {
    struct block *next;
    size_t used;
    size_t size;
    max_align_t data[];
} block;

struct vch_yaml {
    block *blocks;
    const char *file;
    const vch_yaml_node *root;
    size_t node_count;
};

void *vch_yaml_alloc(vch_yaml *doc, size_t size)
{
    size_t rounded = 0;
    if (__builtin_add_overflow(size, sizeof(max_align_t) - 1, &rounded))
        return NULL;
    rounded -= rounded % sizeof(max_align_t);
    block *b = doc->blocks;
    if (b == NULL || rounded > b->size - b->used) {
        size_t capacity = rounded > BLOCK_SIZE ? rounded : BLOCK_SIZE;
        b = calloc(1, sizeof *b + capacity);
        if (b == NULL)
            return NULL;
        *b = (block) { .next = doc->blocks, .size = capacity };
        doc->blocks = b;
    }
    void *out = (uint8_t *)b->data + b->used;
    b->used += rounded;
    return out;
}

char *vch_yaml_copy_text(vch_yaml *doc, const char *text, size_t size)
{
    char *copy = vch_yaml_alloc(doc, size + 1);
    if (copy != NULL && size > 0)
        memcpy(copy, text, size);
    return copy;
}

const char *vch_yaml_file(const vch_yaml *doc)
{
    return doc->file;
}

vouch_code vch_yaml_new(const char *file, vch_yaml **out, vouch_error *err)
{
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = calloc(1, sizeof *doc);
    if (doc == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "%s: out of memory", file);
    doc->file = vch_yaml_copy_text(doc, file, strlen(file));
    if (doc->file == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "%s: out of memory", file);
    doc->root = vch_yaml_make_null(doc);
    if (doc->root == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "%s: out of memory", file);
    *out = VCH_MOVE(doc);
    return VOUCH_OK;
}

void vch_yaml_free(vch_yaml *doc)
{
    if (doc == NULL)
        return;
    while (doc->blocks != NULL) {
        block *b = doc->blocks;
        doc->blocks = b->next;
        free(b);
    }
    free(doc);
}

const vch_yaml_node *vch_yaml_root(const vch_yaml *doc)
{
    return doc->root;
}

void vch_yaml_set_root(vch_yaml *doc, const vch_yaml_node *root)
{
    doc->root = root;
}

bool vch_yaml_is_full(const vch_yaml *doc)
{
    return doc->node_count == VCH_YAML_MAX_NODES;
}

vch_yaml_node *vch_yaml_make(vch_yaml *doc, vch_yaml_kind kind)
{
    if (vch_yaml_is_full(doc))
        return NULL;
    vch_yaml_node *node = vch_yaml_alloc(doc, sizeof *node);
    if (node == NULL)
        return NULL;
    doc->node_count++;
    *node = (vch_yaml_node) { .kind = kind, .place = { .file = doc->file } };
    return node;
}

bool vch_yaml_add_child(vch_yaml *doc, vch_yaml_node *parent, const vch_yaml_node *key,
                        const vch_yaml_node *value)
{
    if (parent->count == parent->capacity) {
        size_t capacity = parent->capacity == 0 ? 4 : parent->capacity * 2;
        vch_yaml_child *grown = vch_yaml_alloc(doc, capacity * sizeof *grown);
        if (grown == NULL)
            return false;
        if (parent->count > 0)
            memcpy(grown, parent->child, parent->count * sizeof *grown);
        parent->child = grown;
        parent->capacity = capacity;
    }
    parent->child[parent->count++] = (vch_yaml_child) { key, value };
    return true;
}

vch_yaml_node *vch_yaml_make_null(vch_yaml *doc)
{
    return vch_yaml_make(doc, VCH_YAML_NULL);
}

vch_yaml_node *vch_yaml_make_bool(vch_yaml *doc, bool v)
{
    vch_yaml_node *node = vch_yaml_make(doc, VCH_YAML_BOOL);
    if (node != NULL)
        node->boolean = v;
    return node;
}

vch_yaml_node *vch_yaml_make_int(vch_yaml *doc, int64_t v)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%" PRId64, v);
    const char *text = vch_yaml_copy_text(doc, digits, (size_t)size);
    vch_yaml_node *node = vch_yaml_make(doc, VCH_YAML_INT);
    if (node == NULL || text == NULL)
        return NULL;
    node->text = text;
    node->written = text;
    return node;
}

vch_yaml_node *vch_yaml_make_real(vch_yaml *doc, double v)
{
    vch_yaml_node *node = vch_yaml_make(doc, VCH_YAML_REAL);
    if (node != NULL)
        node->real = v;
    return node;
}

vch_yaml_node *vch_yaml_make_string(vch_yaml *doc, const char *v)
{
    const char *text = vch_yaml_copy_text(doc, v, strlen(v));
    vch_yaml_node *node = vch_yaml_make(doc, VCH_YAML_STRING);
    if (node == NULL || text == NULL)
        return NULL;
    node->text = text;
    node->written = text;
    return node;
}

vch_yaml_node *vch_yaml_make_sequence(vch_yaml *doc)
{
    return vch_yaml_make(doc, VCH_YAML_SEQUENCE);
}

vch_yaml_node *vch_yaml_make_mapping(vch_yaml *doc)
{
    return vch_yaml_make(doc, VCH_YAML_MAPPING);
}

vch_yaml_node *vch_yaml_copy_mapping(vch_yaml *doc, const vch_yaml_node *mapping)
{
    vch_yaml_node *copy = vch_yaml_make(doc, VCH_YAML_MAPPING);
    if (copy == NULL)
        return NULL;
    copy->place = mapping->place;
    for (size_t i = 0; i < mapping->count; i++) {
        if (!vch_yaml_add_child(doc, copy, mapping->child[i].key, mapping->child[i].value))
            return NULL;
    }
    return copy;
}

static vch_yaml_child *find_child(const vch_yaml_node *mapping, const char *key)
{
    if (mapping == NULL || mapping->kind != VCH_YAML_MAPPING)
        return NULL;
    for (size_t i = 0; i < mapping->count; i++) {
        const vch_yaml_node *k = mapping->child[i].key;
        if (k->kind == VCH_YAML_STRING && strcmp(k->text, key) == 0)
            return &mapping->child[i];
    }
    return NULL;
}

vouch_code vch_yaml_put(vch_yaml *doc, vch_yaml_node *mapping, const char *key,
                        const vch_yaml_node *value, vouch_error *err)
{
    vch_yaml_child *there = find_child(mapping, key);
    if (there != NULL && value != NULL) {
        there->value = value;
        return VOUCH_OK;
    }
    const vch_yaml_node *name = vch_yaml_make_string(doc, key);
    if (name == NULL || value == NULL || mapping == NULL
        || !vch_yaml_add_child(doc, mapping, name, value))
        return vouch_fail(err, VOUCH_E_MEMORY, "%s: out of memory", doc->file);
    return VOUCH_OK;
}

vouch_code vch_yaml_append(vch_yaml *doc, vch_yaml_node *sequence, const vch_yaml_node *value,
                           vouch_error *err)
{
    if (sequence == NULL || value == NULL || !vch_yaml_add_child(doc, sequence, NULL, value))
        return vouch_fail(err, VOUCH_E_MEMORY, "%s: out of memory", doc->file);
    return VOUCH_OK;
}

void vch_yaml_remove(vch_yaml_node *mapping, const char *key)
{
    vch_yaml_child *there = find_child(mapping, key);
    if (there == NULL)
        return;
    size_t after = (size_t)(mapping->child + mapping->count - there) - 1;
    memmove(there, there + 1, after * sizeof *there);
    mapping->count--;
}

vch_yaml_kind vch_yaml_kind_of(const vch_yaml_node *node)
{
    return node->kind;
}

const char *vch_yaml_kind_name(vch_yaml_kind kind)
{
    switch (kind) {
    case VCH_YAML_NULL:
        return "nothing";
    case VCH_YAML_BOOL:
        return "true or false";
    case VCH_YAML_INT:
        return "a whole number";
    case VCH_YAML_REAL:
        return "a number";
    case VCH_YAML_MOMENT:
        return "a date";
    case VCH_YAML_STRING:
        return "text";
    case VCH_YAML_SEQUENCE:
        return "a list";
    case VCH_YAML_MAPPING:
        return "a mapping";
    }
    return "unknown";
}

vch_yaml_place vch_yaml_place_of(const vch_yaml_node *node)
{
    return node->place;
}

size_t vch_yaml_count(const vch_yaml_node *node)
{
    return node == NULL ? 0 : node->count; /* scalars have none */
}

const vch_yaml_node *vch_yaml_at(const vch_yaml_node *node, size_t i)
{
    return i < vch_yaml_count(node) ? node->child[i].value : NULL;
}

const vch_yaml_node *vch_yaml_key_at(const vch_yaml_node *node, size_t i)
{
    return i < vch_yaml_count(node) ? node->child[i].key : NULL;
}

const vch_yaml_node *vch_yaml_get(const vch_yaml_node *mapping, const char *key)
{
    const vch_yaml_child *there = find_child(mapping, key);
    return there == NULL ? NULL : there->value;
}

const char *vch_yaml_string(const vch_yaml_node *node)
{
    return node != NULL && node->kind == VCH_YAML_STRING ? node->text : NULL;
}

bool vch_yaml_to_bool(const vch_yaml_node *node, bool *out)
{
    if (node == NULL || node->kind != VCH_YAML_BOOL)
        return false;
    *out = node->boolean;
    return true;
}

bool vch_yaml_to_int(const vch_yaml_node *node, int64_t *out)
{
    if (node == NULL || node->kind != VCH_YAML_INT)
        return false;
    bool negative = node->text[0] == '-';
    int64_t value = 0; /* built below zero, where there is room for one more */
    for (const char *at = node->text + (negative ? 1 : 0); *at != 0; at++) {
        if (__builtin_mul_overflow(value, 10, &value)
            || __builtin_sub_overflow(value, *at - '0', &value))
            return false;
    }
    if (!negative && __builtin_sub_overflow(0, value, &value))
        return false;
    *out = value;
    return true;
}

bool vch_yaml_to_real(const vch_yaml_node *node, double *out)
{
    if (node != NULL && node->kind == VCH_YAML_INT) {
        double value = strtod(node->text, NULL);
        if (!isfinite(value))
            return false;
        *out = value;
        return true;
    }
    if (node == NULL || node->kind != VCH_YAML_REAL)
        return false;
    *out = node->real;
    return true;
}

bool vch_yaml_to_moment(const vch_yaml_node *node, int64_t *out_unix_s)
{
    if (node == NULL || node->kind != VCH_YAML_MOMENT || !node->has_zone)
        return false;
    *out_unix_s = node->moment_unix_s;
    return true;
}

const char *vch_yaml_written(const vch_yaml_node *node)
{
    return node->written;
}
