/*
 * A YAML value as JSON, for programs that are handed a part of a configuration. Whole numbers keep
 * all their digits; dates are strings as they stand in the file; not-a-number and infinities are
 * null. Keys that are whole numbers become strings. Pure.
 */
#ifndef VCH_CONFIG_YAML_JSON_H
#define VCH_CONFIG_YAML_JSON_H

#include "codec/json_writer.h"
#include "config/yaml.h"

/* Write `node` (NULL: null) as the writer's next value. Too deep fails the writer's buffer. */
void vch_yaml_to_json(const vch_yaml_node *node, vch_json_writer *w);

#endif
