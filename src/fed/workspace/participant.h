/*
 * Names of participants, and the files of a workspace that carry them: cols.yaml, data.yaml. Pure.
 * openfl_interop.md sections 9 and 10.
 */
#ifndef VCH_FED_WORKSPACE_PARTICIPANT_H
#define VCH_FED_WORKSPACE_PARTICIPANT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_PARTICIPANT_NAME_MAX ((size_t)64) /* bytes: what a common name may have */

/*
 * A name as it stands in certificates and file names: lower-cased. Letters, digits, '.', '-', '_',
 * ':' (an IPv6 address) of ASCII, the first neither '.' nor '-'. Fails with VOUCH_E_CONFIG.
 */
VOUCH_MUST_CHECK vouch_code vch_participant_name(const char *given,
                                                 char out[static VCH_PARTICIPANT_NAME_MAX + 1],
                                                 vouch_error *err);

/*
 * cols.yaml with `name` added at the end of its list, as OpenFL writes it (comments go).
 * *out_added is false, and nothing is written to `out`, if it is there already.
 * Fails with VOUCH_E_CONFIG if the text is not a cols.yaml.
 */
VOUCH_MUST_CHECK vouch_code vch_cols_add(const char *file_name, vouch_span text, const char *name,
                                         vch_buffer *out, bool *out_added, vouch_error *err);

/* data.yaml with the line "name,path" added, or in place of the one for `name`. Other lines stay
 * as they are. */
VOUCH_MUST_CHECK vouch_code vch_data_put(vouch_span text, const char *name, const char *path,
                                         vch_buffer *out, vouch_error *err);

#endif
