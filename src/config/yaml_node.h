/* How a tree is stored. For the yaml_*.c files only. */
#ifndef VCH_CONFIG_YAML_NODE_H
#define VCH_CONFIG_YAML_NODE_H

#include "config/yaml.h"

typedef struct vch_yaml_child {
    const vch_yaml_node *key; /* NULL in a sequence */
    const vch_yaml_node *value;
} vch_yaml_child;

struct vch_yaml_node {
    vch_yaml_kind kind;
    vch_yaml_place place;
    const char *written; /* scalars: as in the file */
    const char *text;    /* STRING: the value; INT: decimal digits; MOMENT: as Python prints it */
    bool boolean;
    bool has_zone;         /* MOMENT: a date, or a time with its offset from UTC */
    double real;           /* REAL */
    int64_t moment_unix_s; /* MOMENT */
    vch_yaml_child *child;
    size_t count;
    size_t capacity;
};

/* Memory that goes with the document; zeroed; NULL if there is none. */
void *vch_yaml_alloc(vch_yaml *doc, size_t size);
char *vch_yaml_copy_text(vch_yaml *doc, const char *text, size_t size);
const char *vch_yaml_file(const vch_yaml *doc);

/* A node of the kind, without a value. NULL if memory or VCH_YAML_MAX_NODES ran out. */
vch_yaml_node *vch_yaml_make(vch_yaml *doc, vch_yaml_kind kind);

/* No further node: VCH_YAML_MAX_NODES are there. */
bool vch_yaml_is_full(const vch_yaml *doc);

/* False if memory ran out. */
VOUCH_MUST_CHECK bool vch_yaml_add_child(vch_yaml *doc, vch_yaml_node *parent,
                                         const vch_yaml_node *key, const vch_yaml_node *value);

#endif
