/* What a plain scalar stands for, as PyYAML 6 resolves and constructs it. For the yaml_*.c files. */
#ifndef VCH_CONFIG_YAML_RESOLVE_H
#define VCH_CONFIG_YAML_RESOLVE_H

#include "config/yaml_node.h"

typedef enum vch_yaml_tag {
    VCH_YAML_TAG_STRING = 0,
    VCH_YAML_TAG_NULL,
    VCH_YAML_TAG_BOOL,
    VCH_YAML_TAG_INT,
    VCH_YAML_TAG_REAL,
    VCH_YAML_TAG_MOMENT,
    VCH_YAML_TAG_OTHER /* `<<`, `=`: merge keys and defaults, which nothing here reads */
} vch_yaml_tag;

/* By the form of the text alone. */
vch_yaml_tag vch_yaml_tag_of(const char *text);

/*
 * Fill kind and value of `node` from a plain scalar. NULL, or a constant sentence why the text,
 * though of the form, has no value ("there is no such date").
 */
const char *vch_yaml_resolve(vch_yaml *doc, vch_yaml_node *node, const char *text);

#endif
