/* What a new workspace holds, by the name of its template. Constant. */
#ifndef VCH_FED_WORKSPACE_TEMPLATE_H
#define VCH_FED_WORKSPACE_TEMPLATE_H

#include "fed/workspace/package.h"
#include "vouch/error.h"

/* Their names, the first the default. */
#define VCH_TEMPLATE_MLP "vouch/mlp"
#define VCH_TEMPLATE_NUMPY "vouch/numpy"
#define VCH_TEMPLATE_PYTORCH "vouch/pytorch"
#define VCH_TEMPLATES VCH_TEMPLATE_MLP "|" VCH_TEMPLATE_NUMPY "|" VCH_TEMPLATE_PYTORCH

/*
 * The files of that template, the plan last: a directory with a plan is taken for a workspace.
 * Free with vch_package_done. Fails with VOUCH_E_UNSUPPORTED (no such template), _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_template_pack(const char *name, vch_package *out, vouch_error *err);

#endif
