/* A token's verdict, for people and as JSON. */
#ifndef VCH_CLI_TOKEN_VIEW_H
#define VCH_CLI_TOKEN_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "codec/json_writer.h"
#include "vouch/token.h"

typedef struct vch_token_view {
    const vouch_token_verdict *verdict; /* NULL: refused before the token was looked at ... */
    const char *step, *code, *message;  /* ... for this reason */
    bool nonce_compared, held_data_compared;
    int64_t at_unix_s;
} vch_token_view;

void vch_token_view_json(const vch_token_view *view, vch_buffer *out);
void vch_token_view_text(const vch_token_view *view, vch_buffer *out);

#endif
