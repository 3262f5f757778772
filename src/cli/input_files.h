/* What `quote`, `cert` and others read: quotes, collateral directories, roots. One thread. */
#ifndef VCH_CLI_INPUT_FILES_H
#define VCH_CLI_INPUT_FILES_H

#include "base/buffer.h"
#include "vouch/collateral.h"
#include "vouch/error.h"

/* A quote, raw or base64 (any alphabet, line ends anywhere). As vch_file_read. */
VOUCH_MUST_CHECK vouch_code vch_quote_file_read(const char *path, vch_buffer *out,
                                                vouch_error *err);

/* The files of a collateral directory (CLI.md); a zeroed one is empty. */
typedef struct vch_collateral_files {
    vch_buffer file[7];
    vouch_collateral_parts parts; /* over the buffers; an absent file is an empty span */
} vch_collateral_files;

/*
 * Read a directory. A file that is not there is absent; the appraisal refuses for it.
 * Fails with VOUCH_E_NOT_FOUND (no such directory), _IO, _LIMIT, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_collateral_files_read(const char *dir, vch_collateral_files *out,
                                                      vouch_error *err);
void vch_collateral_files_drop(vch_collateral_files *files);

#endif
