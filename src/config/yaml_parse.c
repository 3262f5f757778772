#include "config/yaml.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "config/yaml_node.h"
#include "config/yaml_resolve.h"

typedef struct level {
    vch_yaml_node *node;
    const vch_yaml_node *key; /* of a mapping: read, and its value still to come */
} level;

/* One reading of one text. */
typedef struct reading {
    vch_yaml *doc;
    vch_faults *faults;
    level open[VCH_YAML_MAX_DEPTH];
    size_t depth;
    size_t documents;
    bool done;
    bool out_of_memory;
} reading;

static void fault(reading *r, yaml_mark_t at, const char *what)
{
    vch_faults_add(r->faults, false, vch_yaml_file(r->doc), at.line + 1, at.column + 1, "%s", what);
}

static bool is_same_key(const vch_yaml_node *a, const vch_yaml_node *b)
{
    return a->kind == b->kind && strcmp(a->text, b->text) == 0;
}

static int by_key(const void *left, const void *right)
{
    const vch_yaml_node *a = ((const vch_yaml_child *)left)->key;
    const vch_yaml_node *b = ((const vch_yaml_child *)right)->key;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    int order = strcmp(a->text, b->text);
    if (order != 0)
        return order;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line ? -1 : 1;
    return a->place.column < b->place.column ? -1 : a->place.column > b->place.column;
}

/* Sorted once, so that a mapping of many keys costs no more than its sorting. */
static void refuse_duplicates(reading *r, const vch_yaml_node *mapping)
{
    if (mapping->count < 2)
        return;
    vch_yaml_child *sorted = malloc(mapping->count * sizeof *sorted);
    if (sorted == NULL) {
        r->out_of_memory = true;
        return;
    }
    memcpy(sorted, mapping->child, mapping->count * sizeof *sorted);
    qsort(sorted, mapping->count, sizeof *sorted, by_key);
    for (size_t i = 1; i < mapping->count; i++) {
        if (is_same_key(sorted[i - 1].key, sorted[i].key))
            vch_faults_at(r->faults, sorted[i].key, "key '%.64s' is there twice; first on line %zu",
                          sorted[i].key->text, sorted[i - 1].key->place.line);
    }
    free(sorted);
}

/* Put a finished or just begun node where it belongs. */
static void place_node(reading *r, vch_yaml_node *node, yaml_mark_t at)
{
    if (r->depth == 0) {
        vch_yaml_set_root(r->doc, node);
        return;
    }
    level *top = &r->open[r->depth - 1];
    if (top->node->kind == VCH_YAML_MAPPING && top->key == NULL) {
        if (node->kind != VCH_YAML_STRING && node->kind != VCH_YAML_INT) {
            fault(r, at, "a key must be text or a whole number");
            node->kind = VCH_YAML_STRING; /* refused already; read on for further faults */
            node->text = "";
        }
        top->key = node;
        return;
    }
    if (!vch_yaml_add_child(r->doc, top->node, top->key, node))
        r->out_of_memory = true;
    top->key = NULL;
}

static vch_yaml_node *new_node(reading *r, vch_yaml_kind kind, yaml_mark_t at)
{
    vch_yaml_node *node = vch_yaml_make(r->doc, kind);
    if (node == NULL && vch_yaml_is_full(r->doc)) {
        fault(r, at, "too many values");
        r->done = true;
        return NULL;
    }
    if (node == NULL) {
        r->out_of_memory = true;
        return NULL;
    }
    node->place.line = at.line + 1;
    node->place.column = at.column + 1;
    return node;
}

static void read_scalar(reading *r, const yaml_event_t *e)
{
    const char *text = (const char *)e->data.scalar.value;
    yaml_mark_t at = e->start_mark;
    vch_yaml_node *node = new_node(r, VCH_YAML_STRING, at);
    if (node == NULL)
        return;
    if (strlen(text) != e->data.scalar.length)
        fault(r, at, "text contains a NUL");
    node->written = vch_yaml_copy_text(r->doc, text, strlen(text));
    node->text = node->written;
    const char *why = NULL;
    if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        why = vch_yaml_resolve(r->doc, node, text);
    if (node->written == NULL || node->text == NULL)
        r->out_of_memory = true;
    else if (why != NULL)
        fault(r, at, why);
    place_node(r, node, at);
}

static void open_node(reading *r, vch_yaml_kind kind, yaml_mark_t at)
{
    if (r->depth == VCH_YAML_MAX_DEPTH) {
        fault(r, at, "nested too deep");
        r->done = true;
        return;
    }
    const level *top = r->depth == 0 ? NULL : &r->open[r->depth - 1];
    if (top != NULL && top->node->kind == VCH_YAML_MAPPING && top->key == NULL) {
        fault(r, at, "a key must be text or a whole number");
        r->done = true;
        return;
    }
    vch_yaml_node *node = new_node(r, kind, at);
    if (node == NULL)
        return;
    place_node(r, node, at);
    r->open[r->depth++] = (level) { .node = node };
}

static void close_node(reading *r)
{
    if (r->depth == 0) /* libyaml closes only what it opened */
        return;
    const vch_yaml_node *node = r->open[--r->depth].node;
    if (node->kind == VCH_YAML_MAPPING)
        refuse_duplicates(r, node);
}

static void begin_document(reading *r, const yaml_event_t *e)
{
    if (r->documents++ > 0) {
        fault(r, e->start_mark, "a second document begins; one is read");
        r->done = true;
    }
    if (e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
        fault(r, e->start_mark, "tags are not supported");
}

static void refuse_extras(reading *r, yaml_mark_t at, const yaml_char_t *anchor,
                          const yaml_char_t *tag)
{
    if (anchor != NULL)
        fault(r, at, "anchors are not supported");
    if (tag != NULL)
        fault(r, at, "tags are not supported");
}

static void read_event(reading *r, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        begin_document(r, e);
        return;
    case YAML_ALIAS_EVENT:
        fault(r, e->start_mark, "aliases are not supported");
        r->done = true;
        return;
    case YAML_SCALAR_EVENT:
        refuse_extras(r, e->start_mark, e->data.scalar.anchor, e->data.scalar.tag);
        read_scalar(r, e);
        return;
    case YAML_SEQUENCE_START_EVENT:
        refuse_extras(r, e->start_mark, e->data.sequence_start.anchor, e->data.sequence_start.tag);
        open_node(r, VCH_YAML_SEQUENCE, e->start_mark);
        return;
    case YAML_MAPPING_START_EVENT:
        refuse_extras(r, e->start_mark, e->data.mapping_start.anchor, e->data.mapping_start.tag);
        open_node(r, VCH_YAML_MAPPING, e->start_mark);
        return;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        close_node(r);
        return;
    case YAML_STREAM_END_EVENT:
        r->done = true;
        return;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return;
    }
}

static void syntax_fault(reading *r, const yaml_parser_t *parser)
{
    r->done = true;
    if (parser->error == YAML_MEMORY_ERROR) {
        r->out_of_memory = true;
        return;
    }
    yaml_mark_t at = parser->error == YAML_READER_ERROR ? parser->mark : parser->problem_mark;
    fault(r, at, parser->problem == NULL ? "not YAML" : parser->problem);
}

static vouch_code read_all(reading *r, vouch_span text, vouch_error *err)
{
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0)
        return vouch_fail(err, VOUCH_E_MEMORY, "%s: out of memory", vch_yaml_file(r->doc));
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.size == 0 ? (const unsigned char *)"" : text.data,
                                 text.size);
    while (!r->done && !r->out_of_memory) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0) {
            syntax_fault(r, &parser);
            break;
        }
        read_event(r, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (r->out_of_memory)
        return vouch_fail(err, VOUCH_E_MEMORY, "%s: out of memory", vch_yaml_file(r->doc));
    return VOUCH_OK;
}

vouch_code vch_yaml_parse(const char *file, vouch_span text, vch_faults *faults, vch_yaml **out,
                          vouch_error *err)
{
    if (text.size > VCH_YAML_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "%s: %zu bytes; at most %zu", file, text.size,
                          VCH_YAML_MAX_SIZE);
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    vouch_code rc = vch_yaml_new(file, &doc, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_faults_done) vch_faults own = { 0 };
    reading r = { .doc = doc, .faults = faults == NULL ? &own : faults };
    size_t before = r.faults->errors;
    rc = read_all(&r, text, err);
    if (rc != VOUCH_OK)
        return rc;
    if (r.faults->errors != before)
        return vch_faults_check(r.faults, err);
    *out = VCH_MOVE(doc);
    return VOUCH_OK;
}
