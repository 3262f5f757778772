/*
 * The files of the templates in Python: examples/task_runner and python/vouch_runner, which the build
 * puts into the program (tools/embed.py), so that they are looked for nowhere. Constant.
 */
#ifndef VCH_FED_WORKSPACE_TEMPLATE_SOURCE_H
#define VCH_FED_WORKSPACE_TEMPLATE_SOURCE_H

#include <stddef.h>

#include "vouch/span.h"

typedef struct vch_template_source {
    const char *name; /* in the workspace: "src/vouch_runner/pytorch.py" */
    vouch_span bytes;
} vch_template_source;

extern const vch_template_source vch_template_sources[];
extern const size_t vch_template_source_count;

#endif
