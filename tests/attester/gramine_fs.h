/*
 * Gramine's /dev/attestation as a file system (ra_tls.md section 6.1): every write replaces all 64
 * bytes, the quote is made when the file is opened, keys come whole.
 */
#ifndef VCH_TESTS_ATTESTER_GRAMINE_FS_H
#define VCH_TESTS_ATTESTER_GRAMINE_FS_H

#include <stddef.h>
#include <stdint.h>

#include "fuse_mount.h"
#include "vouch/span.h"

typedef struct gramine_fs {
    const char *type;    /* content of attestation_type; NULL: not there */
    vouch_span quote;    /* a quote whose REPORTDATA is replaced */
    size_t report_data;  /* where in it */
    vouch_span key;      /* keys/_sgx_mrenclave; data NULL: not there */
    int open_error;      /* opening quote fails with this errno */
    int busy_opens;      /* so many times it fails with EINTR first */
    int intruder_writes; /* so many times someone else writes just after us */
    int pause_ms;        /* after a write: others' requests queue up */
    size_t piece_size;   /* a read gives at most this much; 0: as asked */
    uint8_t current[64]; /* user_report_data */
    int writes, opens;   /* counted */
    size_t written_size; /* of the last write */
} gramine_fs;

/* One at a time in a process; `given` is kept until the mount is stopped. */
test_mount *gramine_fs_start(gramine_fs *given, const char **why);

#endif
