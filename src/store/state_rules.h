/*
 * A participant's state of one federation under that federation's rules: which directory it has, and
 * whose it takes over. docs/durability.md; docs/protocol.md section 6, "Policy change".
 */
#ifndef VCH_STORE_STATE_RULES_H
#define VCH_STORE_STATE_RULES_H

#include <stddef.h>
#include <stdint.h>

#include "store/seal.h"
#include "store/state.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_STATE_NAME_SIZE 64 /* bytes, with its NUL */

/* Whose state it is. */
typedef struct vch_state_subject {
    const char *role;      /* "aggregator", "collaborator": how the directory's name begins */
    vouch_span federation; /* what tells this one from any other that lies beside it */
} vch_state_subject;

typedef struct vch_state_rules {
    const uint8_t *digest;     /* 32 bytes; NULL: there are none */
    const vch_seal_root *root; /* NULL: in clear */
} vch_state_rules;

/* What its directory is called under rules of this digest. */
VOUCH_MUST_CHECK vouch_code vch_state_name(const vch_state_subject *subject,
                                           const uint8_t *rules_digest,
                                           char out[static VCH_STATE_NAME_SIZE], vouch_error *err);

typedef struct vch_state_history {
    vch_state_rules now;
    const vch_state_rules *before; /* what `now` follows, newest first; only for the call */
    size_t before_count;
} vch_state_history;

/* As vch_state_open, with the names found here: the options' name, root and `before` are not looked
 * at. Fails with VOUCH_E_LIMIT, too, for more than VCH_STATE_BEFORE_MAX rules before. */
VOUCH_MUST_CHECK vouch_code vch_state_open_under(const vch_state_subject *subject,
                                                 const vch_state_history *rules,
                                                 const vch_state_options *options, vch_state **out,
                                                 vouch_error *err);

#endif
