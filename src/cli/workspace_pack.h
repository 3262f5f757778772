/* The workspace in this directory, as a package for others. */
#ifndef VCH_CLI_WORKSPACE_PACK_H
#define VCH_CLI_WORKSPACE_PACK_H

#include "fed/workspace/package.h"
#include "host/file.h"
#include "prompt/command.h"

/* The name of this directory. Fails with VOUCH_E_CONFIG (it has none). */
VOUCH_MUST_CHECK vouch_code vch_cli_workspace_name(char out[static VCH_PATH_SIZE],
                                                   vouch_error *err);

/* A plan whose initial model is there is frozen first, under that release of OpenFL; then as
 * vch_workspace_pack. */
VOUCH_MUST_CHECK vouch_code vch_cli_workspace_pack(const vch_runtime *rt, const char *release,
                                                   vch_package *out, vouch_error *err);

#endif
