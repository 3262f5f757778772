/*
 * A workspace: the directory that a participant works in, as OpenFL lays it out. Made new, packed
 * for others without anything secret, unpacked. openfl_interop.md section 11.
 */
#ifndef VCH_FED_WORKSPACE_WORKSPACE_H
#define VCH_FED_WORKSPACE_WORKSPACE_H

#include "fed/workspace/package.h"
#include "vouch/error.h"

#define VCH_WORKSPACE_PACKAGE_MAX ((size_t)256 << 20) /* bytes, packed and unpacked */

/*
 * Make `dir` a workspace: cert, data, logs, save, src, local_state, and the template's files.
 * Fails with VOUCH_E_UNSUPPORTED (no such template; template.h), VOUCH_E_CONFIG (a plan is there), VOUCH_E_IO.
 */
VOUCH_MUST_CHECK vouch_code vch_workspace_create(const char *dir, const char *template_name,
                                                 vouch_error *err);

/*
 * The files of the workspace in `dir` that others need: src, plan, requirements.txt, .workspace;
 * no key, certificate, request, model. Links are left out. Free with vch_package_done.
 */
VOUCH_MUST_CHECK vouch_code vch_workspace_pack(const char *dir, vch_package *out, vouch_error *err);

/* Write a package's files below the new directory `dir`; VOUCH_E_CONFIG if it is there. */
VOUCH_MUST_CHECK vouch_code vch_workspace_unpack(const vch_package *p, const char *dir,
                                                 vouch_error *err);

/* Write each file of a package to its place below `dir`, over what is there. */
VOUCH_MUST_CHECK vouch_code vch_package_unpack_into(const vch_package *p, const char *dir,
                                                    vouch_error *err);

#endif
