/*
 * The files that a simulated enclave finds in VOUCH_ATTESTATION_DIR, as Gramine has them in
 * /dev/attestation (ra_tls.md section 6.1). One thread at a time.
 *
 *   attestation_type       plain file: "dcap", no newline
 *   user_report_data       FIFO, written
 *   quote                  FIFO, read
 *   keys/_sgx_mrenclave    plain file, 16 bytes (SGX only)
 *
 * What a reader does; the same steps work on Gramine's own files:
 *
 *   1. open user_report_data O_WRONLY | O_NONBLOCK; write 64 bytes in one write(); close.
 *      Here the open never blocks while the server lives; ENXIO means that it is gone.
 *   2. open quote O_RDONLY | O_NONBLOCK.
 *   3. read() at once. Bytes: go on at 4 (Gramine made the quote during open). 0 or EAGAIN: no
 *      byte yet; poll() for POLLIN with what is left of the deadline, then read() again. If that
 *      gives 0, the server came and went without a quote: the request is refused (not 64 bytes).
 *   4. read() until it gives 0; EAGAIN in between: poll() with what is left of the deadline. Close.
 *   5. Compare the quote's REPORTDATA with the 64 bytes: after a deadline that passed, an answer to
 *      an earlier request may be what is read.
 *
 * A reader that opens without O_NONBLOCK works too, only later: the server looks every 100 ms.
 * One request at a time for the directory (Gramine's rule too): hold a lock from 1 to 5.
 *
 * What the server does, each time that someone opens quote: it opens the other end, puts a fresh
 * FIFO in its place (so that each reader has a FIFO of its own and a later one cannot mix with an
 * earlier), drains user_report_data, and only if that was exactly 64 bytes writes a quote; then it
 * closes its end. A request that was half written is thus consumed by its refusal.
 */
#ifndef VCH_SIM_PSEUDO_FILES_H
#define VCH_SIM_PSEUDO_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_PSEUDO_REPORT_DATA_SIZE ((size_t)64)
#define VCH_PSEUDO_SEALING_KEY_SIZE ((size_t)16)

/* Makes a quote over the 64 bytes, appended to `out`. */
typedef vouch_code (*vch_pseudo_quote)(
    void *context, const uint8_t report_data[static VCH_PSEUDO_REPORT_DATA_SIZE], vch_buffer *out,
    vouch_error *err);

typedef struct vch_pseudo_files vch_pseudo_files;

/*
 * Make the files in a private new directory under $TMPDIR or /tmp.
 *
 * sealing_key   16 bytes, or an empty span for a TEE without one.
 * context       Kept until free.
 */
VOUCH_MUST_CHECK vouch_code vch_pseudo_files_new(vouch_span sealing_key,
                                                 vch_pseudo_quote make_quote, void *context,
                                                 vch_pseudo_files **out, vouch_error *err);

/* Removes the directory. NULL is allowed. */
void vch_pseudo_files_free(vch_pseudo_files *files);
VCH_DEFINE_DROP(vch_pseudo_files_drop, vch_pseudo_files, vch_pseudo_files_free)

const char *vch_pseudo_files_directory(const vch_pseudo_files *files);

/* Readable (poll) when someone opened a file: call _serve then. Borrowed. */
int vch_pseudo_files_fd(const vch_pseudo_files *files);

/*
 * Serve whoever waits; returns at once if nobody does. An unserved request (not 64 bytes, a reader
 * that left) is no error; *out_served says how many quotes were written and *out_refused how many
 * requests were turned away. Errors are ours: the quote could not be made, the directory is broken.
 */
VOUCH_MUST_CHECK vouch_code vch_pseudo_files_serve(vch_pseudo_files *files, unsigned *out_served,
                                                   unsigned *out_refused, vouch_error *err);

#endif
