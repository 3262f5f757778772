/* What `quote`, `cert` and others read: quotes, collateral, roots. One thread. */
#ifndef VCH_CLI_INPUT_FILES_H
#define VCH_CLI_INPUT_FILES_H

#include "base/buffer.h"
#include "identity/collateral_parts.h"
#include "vouch/error.h"
#include "vouch/span.h"

/* A quote, raw or base64 (any alphabet, line ends anywhere). As vch_file_read. */
VOUCH_MUST_CHECK vouch_code vch_quote_file_read(const char *path, vch_buffer *out,
                                                vouch_error *err);

/*
 * The collateral for a quote (empty: of nobody in particular) from a directory (CLI.md), from its
 * sub-directory for the quote's platform family, or from a bundle file. A part that is not there is
 * empty; the appraisal refuses for it. Drop `out` with vch_collateral_bytes_drop().
 * Fails with VOUCH_E_NOT_FOUND (no such directory or file), _FORMAT (no bundle), _IO, _LIMIT, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_collateral_files_read(const char *path, vouch_span quote,
                                                      vch_collateral_bytes *out, vouch_error *err);

#endif
