/*
 * How PyYAML's emitter writes one scalar: which style it chooses, and where it folds. For
 * yaml_dump.c only.
 */
#ifndef VCH_CONFIG_YAML_SCALAR_H
#define VCH_CONFIG_YAML_SCALAR_H

#include "base/buffer.h"
#include "config/yaml_node.h"

/* Where the emitter stands. */
typedef struct vch_yaml_pen {
    vch_buffer *out;
    size_t column;   /* characters */
    size_t indent;   /* of the block that is being written */
    bool whitespace; /* the last thing written was blank */
    bool indention;  /* only blanks and indicators since the line began */
} vch_yaml_pen;

void vch_yaml_pen_line_break(vch_yaml_pen *p);
void vch_yaml_pen_indent(vch_yaml_pen *p); /* to the indent, on a new line if need be */
/* `blank` before it unless there is one; `leaves` whitespace behind it; `indents` like blanks do. */
typedef struct vch_yaml_indicator {
    const char *text;
    bool blank, leaves, indents;
} vch_yaml_indicator;
void vch_yaml_pen_indicator(vch_yaml_pen *p, vch_yaml_indicator indicator);

typedef struct vch_yaml_scalar {
    uint32_t *code; /* code points; owned */
    size_t count;
    bool is_text; /* a string; otherwise the text is what its kind resolves to */
    bool empty, multiline, allow_plain, allow_single;
} vch_yaml_scalar;

/* Decode and look at a scalar node. False if memory ran out. */
VOUCH_MUST_CHECK bool vch_yaml_scalar_look(const vch_yaml_node *node, vch_yaml_scalar *out);
void vch_yaml_scalar_drop(vch_yaml_scalar *s);

/* True if it was written without quotes. A simple key is not folded. */
bool vch_yaml_scalar_write(vch_yaml_pen *p, const vch_yaml_scalar *s, bool simple_key);

#endif
