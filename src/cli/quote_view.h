/* `vouch quote show`: what a quote and the PCK certificate in it say, unproven. */
#ifndef VCH_CLI_QUOTE_VIEW_H
#define VCH_CLI_QUOTE_VIEW_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buffer.h"
#include "vouch/error.h"
#include "vouch/span.h"

/* As JSON into `json`, or as text to `out`. Fails as vouch_quote_read. */
VOUCH_MUST_CHECK vouch_code vch_quote_view(vouch_span quote, bool as_json, FILE *out,
                                           vch_buffer *json, vouch_error *err);

#endif
