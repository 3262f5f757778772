/* A policy's document in the making, shared by the importers. For policy/import_*.c only. */
#ifndef VCH_POLICY_IMPORT_TEXT_H
#define VCH_POLICY_IMPORT_TEXT_H

#include "config/yaml.h"
#include "policy/import.h"

typedef struct vch_import {
    const char *name;
    vch_faults *faults;
    vch_yaml *doc;
    vch_yaml_node *measurements;
    vch_yaml_node *accept;
} vch_import;

VOUCH_MUST_CHECK vouch_code vch_import_begin(vch_import *i, const char *name, vch_faults *faults,
                                             vouch_error *err);
void vch_import_drop(vch_import *i);

/* Put the parts together, load the result as a policy, and append its text. */
VOUCH_MUST_CHECK vouch_code vch_import_finish(vch_import *i, vch_buffer *out, vouch_error *err);

#endif
