/* The 48 bytes that every quote begins with (spec section 1.1). Values; share freely. */
#ifndef VCH_EVIDENCE_HEADER_H
#define VCH_EVIDENCE_HEADER_H

#include <stdint.h>

#include "base/cursor.h"
#include "vouch/evidence.h"

#define VCH_QUOTE_HEADER_SIZE 48

typedef struct vch_quote_header {
    uint16_t version; /* 3, 4 or 5 */
    vouch_tee tee;
    uint8_t user_data[20];
} vch_quote_header;

/*
 * Read and check the header at the cursor; what follows it is left unread.
 * Fails with VOUCH_E_TRUNCATED, VOUCH_E_UNSUPPORTED (version, key type, TEE, QE vendor).
 */
VOUCH_MUST_CHECK vouch_code vch_quote_header_read(vch_cursor *c, vch_quote_header *out,
                                                  vouch_error *err);

#endif
