/*
 * The text that PyYAML 6 `yaml.dump(value)` gives, byte for byte: keys sorted, block style, folded at
 * 80 columns. OpenFL hashes it, and so do we. Pure; share freely. openfl_interop.md sections 9, 14.2.
 */
#ifndef VCH_CONFIG_YAML_DUMP_H
#define VCH_CONFIG_YAML_DUMP_H

#include "base/buffer.h"
#include "config/yaml.h"
#include "vouch/error.h"

/*
 * Append the dump of a tree to `out`, whose cap is the limit.
 * Fails with VOUCH_E_LIMIT (nested too deep, too large) or VOUCH_E_MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_yaml_dump(const vch_yaml_node *node, vch_buffer *out,
                                          vouch_error *err);

#endif
