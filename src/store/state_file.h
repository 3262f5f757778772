/* A file of state, as a record of the journal names it: what it is called, and which one it is. */
#ifndef VCH_STORE_STATE_FILE_H
#define VCH_STORE_STATE_FILE_H

#include "base/buffer.h"
#include "codec/cbor.h"
#include "store/sealed.h"
#include "vouch/error.h"

#define VCH_STATE_FILE_NAME_SIZE 48 /* bytes, with its NUL */

typedef struct vch_state_file {
    char name[VCH_STATE_FILE_NAME_SIZE]; /* in the directory of state; "": none */
    vch_sealed_stamp stamp;
} vch_state_file;

/* A name that no file has: `<purpose>-<random>`; the purpose has at most 16 bytes. */
VOUCH_MUST_CHECK vouch_code vch_state_file_draw(const char *purpose,
                                                char out[static VCH_STATE_FILE_NAME_SIZE],
                                                vouch_error *err);

/* [name, size, salt, check], or null for none. Reading refuses through the cursor: a name that
 * leaves the directory, sizes that are not those of a stamp. */
void vch_state_file_put(const vch_state_file *file, vch_buffer *out);
void vch_state_file_take(vch_cbor *c, vch_state_file *out);

#endif
