/* One file of a journal: its layout, see journal.c. Inside store/journal only. */
#ifndef VCH_STORE_JOURNAL_FILE_H
#define VCH_STORE_JOURNAL_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "store/seal.h"
#include "vouch/error.h"

#define VCH_JOURNAL_NAME_SIZE 20 /* "journal-00000001" and its NUL, rounded up */

typedef struct vch_journal_file {
    char *path;
    int fd;          /* -1: none */
    vch_secret key;  /* empty: in clear */
    uint64_t size;   /* bytes that are whole: where the next commit goes */
    uint64_t length; /* of the file, as it was opened */
    uint64_t place;  /* where reading found what it found last */
    uint64_t number; /* of the last commit: only grows, it is the nonce */
    uint8_t digest[VCH_SHA256_SIZE];
} vch_journal_file;

void vch_journal_file_name(uint32_t number, char out[static VCH_JOURNAL_NAME_SIZE]);

/* Make a file that continues from `before`: it is there whole, or not at all. */
VOUCH_MUST_CHECK vouch_code vch_journal_file_new(const char *directory, uint32_t number,
                                                 const vch_seal_root *root,
                                                 const uint8_t before[static VCH_SHA256_SIZE],
                                                 vch_journal_file *out, vouch_error *err);

/* Open one to read; *out is closed first. Its digest is what it says came before it. */
VOUCH_MUST_CHECK vouch_code vch_journal_file_open(const char *directory, uint32_t number,
                                                  const vch_seal_root *root, vch_journal_file *out,
                                                  vouch_error *err);

typedef enum vch_journal_found {
    VCH_JOURNAL_END = 1,
    VCH_JOURNAL_COMMIT = 2,
    VCH_JOURNAL_TORN = 3 /* the beginning of a commit that was never finished */
} vch_journal_found;

/* The next commit's records. Fails with VOUCH_E_FORMAT or _CRYPTO for damage, VOUCH_E_IO. */
VOUCH_MUST_CHECK vouch_code vch_journal_file_next(vch_journal_file *f, vch_buffer *out_body,
                                                  vch_journal_found *out_found, vouch_error *err);

/* Cut off what is torn. */
VOUCH_MUST_CHECK vouch_code vch_journal_file_cut(vch_journal_file *f, vouch_error *err);

/* Append one commit and wait for the disk; *out_spoilt if nobody knows what is on it now. */
VOUCH_MUST_CHECK vouch_code vch_journal_file_append(vch_journal_file *f, vouch_span body,
                                                    bool *out_spoilt, vouch_error *err);

void vch_journal_file_close(vch_journal_file *f); /* keeps the digest; safe twice */

#endif
