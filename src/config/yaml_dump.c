#include "config/yaml_dump.h"

#include <stdlib.h>
#include <string.h>

#include "config/yaml_node.h"
#include "config/yaml_scalar.h"

#define MAX_DEPTH ((size_t)2 * VCH_YAML_MAX_DEPTH) /* trees put together out of two documents */
#define BEST_INDENT ((size_t)2)
#define KEY_MAX 123 /* characters of a key written before its colon: 128 less "!!str" */

typedef struct open_block {
    const vch_yaml_node *node;
    vch_yaml_child *order; /* of a mapping: its entries, sorted; owned */
    size_t next;
    size_t outer_indent; /* to go back to */
} open_block;

typedef struct dump {
    vch_yaml_pen pen;
    open_block open[MAX_DEPTH];
    size_t depth;
    bool root_plain; /* the whole document is one plain scalar */
    vouch_code failed;
} dump;

static bool is_empty_collection(const vch_yaml_node *node)
{
    return (node->kind == VCH_YAML_SEQUENCE || node->kind == VCH_YAML_MAPPING) && node->count == 0;
}

/* Python compares text by code points, which is the order of UTF-8's bytes. */
static int by_text(const void *left, const void *right)
{
    return strcmp(((const vch_yaml_child *)left)->key->text,
                  ((const vch_yaml_child *)right)->key->text);
}

static int by_number(const void *left, const void *right)
{
    const char *a = ((const vch_yaml_child *)left)->key->text;
    const char *b = ((const vch_yaml_child *)right)->key->text;
    if ((a[0] == '-') != (b[0] == '-'))
        return a[0] == '-' ? -1 : 1;
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    int order = a_size != b_size ? (a_size < b_size ? -1 : 1) : strcmp(a, b);
    return a[0] == '-' ? -order : order;
}

/* Python cannot compare text with numbers; PyYAML then keeps the order of the file. */
static vch_yaml_child *sorted_children(const vch_yaml_node *mapping)
{
    vch_yaml_child *order = malloc(mapping->count * sizeof *order);
    if (order == NULL)
        return NULL;
    size_t texts = 0;
    for (size_t i = 0; i < mapping->count; i++) {
        order[i] = mapping->child[i];
        texts += order[i].key->kind == VCH_YAML_STRING ? 1 : 0;
    }
    if (texts == mapping->count)
        qsort(order, mapping->count, sizeof *order, by_text);
    else if (texts == 0)
        qsort(order, mapping->count, sizeof *order, by_number);
    return order;
}

/* `indentless`: a list right below its key stands at the key's indent. */
static void open_block_node(dump *d, const vch_yaml_node *node, bool indentless)
{
    if (d->depth == MAX_DEPTH) {
        d->failed = VOUCH_E_LIMIT;
        return;
    }
    open_block b = { .node = node, .outer_indent = d->pen.indent };
    if (node->kind == VCH_YAML_MAPPING) {
        b.order = sorted_children(node);
        if (b.order == NULL) {
            d->failed = VOUCH_E_MEMORY;
            return;
        }
    }
    if (d->depth > 0 && !indentless)
        d->pen.indent += BEST_INDENT;
    d->open[d->depth++] = b;
}

static void close_block(dump *d)
{
    open_block *b = &d->open[--d->depth];
    d->pen.indent = b->outer_indent;
    free(b->order);
    b->order = NULL;
}

static void write_empty(dump *d, const vch_yaml_node *node)
{
    bool sequence = node->kind == VCH_YAML_SEQUENCE;
    vch_yaml_pen_indicator(
        &d->pen,
        (vch_yaml_indicator) { .text = sequence ? "[" : "{", .blank = true, .leaves = true });
    vch_yaml_pen_indicator(&d->pen, (vch_yaml_indicator) { .text = sequence ? "]" : "}" });
}

static bool write_scalar(dump *d, const vch_yaml_scalar *s, bool simple_key)
{
    size_t indent = d->pen.indent;
    d->pen.indent += BEST_INDENT; /* where a folded line goes on */
    bool plain = vch_yaml_scalar_write(&d->pen, s, simple_key);
    d->pen.indent = indent;
    return plain;
}

/* Scalars and empty collections at once; the rest is opened and goes on in step(). */
static void write_value(dump *d, const vch_yaml_node *node, bool in_mapping)
{
    if (is_empty_collection(node)) {
        write_empty(d, node);
        return;
    }
    if (node->kind == VCH_YAML_SEQUENCE || node->kind == VCH_YAML_MAPPING) {
        bool below_key = in_mapping && !d->pen.indention;
        open_block_node(d, node, node->kind == VCH_YAML_SEQUENCE && below_key);
        return;
    }
    VCH_SCOPED(vch_yaml_scalar_drop) vch_yaml_scalar s = { 0 };
    if (!vch_yaml_scalar_look(node, &s)) {
        d->failed = VOUCH_E_MEMORY;
        return;
    }
    bool plain = write_scalar(d, &s, false);
    if (d->depth == 0)
        d->root_plain = plain;
}

/* `key:`, or `? key` and `:` on the next line if the key is long, empty or of several lines. */
static void write_key(dump *d, const vch_yaml_node *key)
{
    VCH_SCOPED(vch_yaml_scalar_drop) vch_yaml_scalar s = { 0 };
    if (!vch_yaml_scalar_look(key, &s)) {
        d->failed = VOUCH_E_MEMORY;
        return;
    }
    vch_yaml_pen_indent(&d->pen);
    if (s.count < KEY_MAX && !s.empty && !s.multiline) {
        (void)write_scalar(d, &s, true);
        vch_yaml_pen_indicator(&d->pen, (vch_yaml_indicator) { .text = ":" });
        return;
    }
    vch_yaml_pen_indicator(&d->pen,
                           (vch_yaml_indicator) { .text = "?", .blank = true, .indents = true });
    (void)write_scalar(d, &s, false);
    vch_yaml_pen_indent(&d->pen);
    vch_yaml_pen_indicator(&d->pen,
                           (vch_yaml_indicator) { .text = ":", .blank = true, .indents = true });
}

/* The next entry of the innermost open block. */
static void step(dump *d)
{
    open_block *b = &d->open[d->depth - 1];
    if (b->next == b->node->count) {
        close_block(d);
        return;
    }
    size_t i = b->next++;
    if (b->node->kind == VCH_YAML_MAPPING) {
        write_key(d, b->order[i].key);
        write_value(d, b->order[i].value, true);
        return;
    }
    vch_yaml_pen_indent(&d->pen);
    vch_yaml_pen_indicator(&d->pen,
                           (vch_yaml_indicator) { .text = "-", .blank = true, .indents = true });
    write_value(d, b->node->child[i].value, false);
}

vouch_code vch_yaml_dump(const vch_yaml_node *node, vch_buffer *out, vouch_error *err)
{
    dump d = { .pen = { .out = out, .whitespace = true, .indention = true } };
    write_value(&d, node, false);
    while (d.depth > 0 && d.failed == VOUCH_OK && out->failed == VOUCH_OK)
        step(&d);
    while (d.depth > 0)
        close_block(&d);
    d.pen.indent = 0;
    vch_yaml_pen_indent(&d.pen);
    if (d.root_plain)
        vch_buffer_append_str(out, "...\n");
    if (d.failed == VOUCH_E_LIMIT)
        return vouch_fail(err, VOUCH_E_LIMIT, "dump: nested deeper than %zu", MAX_DEPTH);
    if (d.failed != VOUCH_OK)
        return vouch_fail(err, d.failed, "dump: out of memory");
    return vch_buffer_finish(out, "dump", err);
}
