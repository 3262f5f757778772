/* The part of vch_json_parse that runs before jansson. Used by json.c only. Share freely. */
#ifndef VCH_CODEC_JSON_SCAN_H
#define VCH_CODEC_JSON_SCAN_H

#include "codec/json.h"

/* Size, depth, NUL. Fails with VOUCH_E_LIMIT, _FORMAT, _TRUNCATED. */
VOUCH_MUST_CHECK vouch_code vch_json_scan_limits(vouch_span text, const vch_json_limits *limits,
                                                 vouch_error *err);

#endif
