/* Inside store/sealed: what an open file is made of, for those that write, read and copy one. */
#ifndef VCH_STORE_SEALED_PARTS_H
#define VCH_STORE_SEALED_PARTS_H

#include "base/secret.h"
#include "crypto/aead.h"
#include "host/block_writer.h"
#include "store/sealed.h"

#define VCH_SEALED_BOUND_SIZE (VCH_SEALED_HEADER_SIZE - VCH_AEAD_TAG_SIZE) /* all but its tag */
#define VCH_SEALED_CHUNK_ON_DISK (VCH_SEALED_CHUNK + VCH_AEAD_TAG_SIZE)

struct vch_sealed {
    char *path;      /* NULL: in memory */
    int fd;          /* -1: in memory */
    uint8_t *memory; /* NULL: on disk */
    char purpose[VCH_SEALED_PURPOSE_SIZE];
    vch_sealed_stamp stamp;
    uint8_t header[VCH_SEALED_HEADER_SIZE];
    vch_secret key; /* empty: in clear */
    uint64_t done;  /* bytes appended */
    vch_gmac *gmac; /* NULL: finished */
    vch_block_writer out;
    bool published;
    unsigned owners;   /* beside the first */
    bool reading;      /* finished, or opened */
    uint8_t *chunk;    /* sealed: the chunk being filled, or the one read last */
    uint64_t chunk_at; /* its number when reading */
};

/* vch_sealed_new with a salt of the caller's. A salt belongs to one content for ever: a second one
 * under the same root would be two plaintexts under one key and nonce. */
VOUCH_MUST_CHECK vouch_code vch_sealed_begin(const vch_sealed_options *options, uint64_t size,
                                             const uint8_t salt[static VCH_SEAL_SALT_SIZE],
                                             vch_sealed **out, vouch_error *err);

/* What the header of a file says: purpose and, of the stamp, size and salt. Nothing is proven. */
VOUCH_MUST_CHECK vouch_code vch_sealed_peek(const char *directory, const char *name,
                                            char out_purpose[static VCH_SEALED_PURPOSE_SIZE],
                                            vch_sealed_stamp *out, vouch_error *err);

/* The number of the chunk is its nonce; a key is this file's alone. */
void vch_sealed_nonce(uint64_t chunk, uint8_t out[static VCH_AEAD_NONCE_SIZE]);

#endif
