/*
 * The seven parts of a set of collateral as a list: their file names in a directory, and bytes that
 * belong to somebody. Values; one thread at a time.
 */
#ifndef VCH_IDENTITY_COLLATERAL_PARTS_H
#define VCH_IDENTITY_COLLATERAL_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "vouch/collateral.h"
#include "vouch/error.h"

#define VCH_COLLATERAL_PARTS 7
#define VCH_FAMILY_SIZE 17 /* "00906ed50000-sgx" with its NUL: FMSPC and TEE */

/* "tcb_info.json" …, in one order for all that goes over them; i < VCH_COLLATERAL_PARTS. */
const char *vch_collateral_part_file(size_t i);
vouch_span vch_collateral_part(const vouch_collateral_parts *parts, size_t i);

/* Parts with their storage. A zeroed one is empty. */
typedef struct vch_collateral_bytes {
    vch_buffer part[VCH_COLLATERAL_PARTS];
    vouch_collateral_parts parts; /* over the buffers; an absent part is an empty span */
} vch_collateral_bytes;

void vch_collateral_bytes_drop(vch_collateral_bytes *bytes); /* safe twice */

/* Point `parts` at the buffers, after one of them has changed. */
void vch_collateral_bytes_point(vch_collateral_bytes *bytes);

/* out: empty before. Fails with VOUCH_E_LIMIT (a part above VOUCH_COLLATERAL_PART_MAX_SIZE), _MEMORY. */
VOUCH_MUST_CHECK vouch_code vch_collateral_bytes_copy(const vouch_collateral_parts *parts,
                                                      vch_collateral_bytes *out, vouch_error *err);

/* Read a directory's files; one that is not there is an empty part. */
VOUCH_MUST_CHECK vouch_code vch_collateral_bytes_read(const char *dir, vch_collateral_bytes *out,
                                                      vouch_error *err);

/* "<12 lower-case hex>-<sgx|tdx>". */
void vch_family_name(const uint8_t fmspc[static 6], bool tdx, char out[static VCH_FAMILY_SIZE]);
bool vch_family_is_name(const char *text);
#endif
