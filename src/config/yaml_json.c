#include "config/yaml_json.h"

#include "base/bytes.h"
#include "config/yaml_node.h"

/* An array or object that is open: the next of its entries. */
typedef struct open_value {
    const vch_yaml_node *node;
    size_t next;
} open_value;

static void write_scalar(const vch_yaml_node *node, vch_json_writer *w)
{
    switch (node->kind) {
    case VCH_YAML_BOOL:
        vch_json_bool(w, node->boolean);
        return;
    case VCH_YAML_INT:
        vch_json_raw(w, vch_span_str(node->text));
        return;
    case VCH_YAML_REAL:
        vch_json_real(w, node->real);
        return;
    case VCH_YAML_MOMENT:
        vch_json_string(w, node->written);
        return;
    case VCH_YAML_STRING:
        vch_json_string(w, node->text);
        return;
    case VCH_YAML_NULL:
    case VCH_YAML_SEQUENCE:
    case VCH_YAML_MAPPING:
        break;
    }
    vch_json_null(w);
}

/* Scalars at once; the others are opened and go on from the stack. */
static void write_value(const vch_yaml_node *node, vch_json_writer *w, open_value *open,
                        size_t *depth)
{
    bool sequence = node != NULL && node->kind == VCH_YAML_SEQUENCE;
    bool mapping = node != NULL && node->kind == VCH_YAML_MAPPING;
    if (!sequence && !mapping) {
        if (node == NULL)
            vch_json_null(w);
        else
            write_scalar(node, w);
        return;
    }
    if (sequence)
        vch_json_begin_array(w);
    else
        vch_json_begin_object(w);
    open[(*depth)++] = (open_value) { .node = node };
}

void vch_yaml_to_json(const vch_yaml_node *node, vch_json_writer *w)
{
    open_value open[VCH_YAML_MAX_DEPTH + 1];
    size_t depth = 0;
    write_value(node, w, open, &depth);
    while (depth > 0) {
        open_value *top = &open[depth - 1];
        if (top->next == top->node->count) {
            vch_json_end(w);
            depth--;
            continue;
        }
        if (depth > VCH_YAML_MAX_DEPTH) { /* built by hand: a parsed one is not that deep */
            w->out->failed = VOUCH_E_LIMIT;
            return;
        }
        const vch_yaml_child *child = &top->node->child[top->next++];
        if (child->key != NULL)
            vch_json_key(w, child->key->text);
        write_value(child->value, w, open, &depth);
    }
}
