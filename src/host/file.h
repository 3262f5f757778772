/*
 * Whole files: read with a cap, written so that a crash leaves the old or the new, never a mix.
 * Errors name the path and the system's reason. Share freely.
 */
#ifndef VCH_HOST_FILE_H
#define VCH_HOST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/secret.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_PATH_SIZE 4096 /* bytes of a path with its NUL */

/*
 * Read a regular file (or a pipe, until its writer ends) of at most `cap` bytes.
 *
 * out  Replaced on success; drop it. An empty file gives size 0.
 * Fails with VOUCH_E_NOT_FOUND, _IO, _LIMIT (more than `cap` bytes), _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_file_read(const char *path, size_t cap, vch_buffer *out,
                                          vouch_error *err);

/* The same into locked memory, with no other copy; regular files of at least one byte only. */
VOUCH_MUST_CHECK vouch_code vch_file_read_secret(const char *path, size_t cap, vch_secret *out,
                                                 vouch_error *err);

/*
 * Replace or create the file at `path` at once: a temporary file in the same directory, synced,
 * renamed, directory synced. `mode` is exact (not subject to the umask).
 */
VOUCH_MUST_CHECK vouch_code vch_file_write(const char *path, vouch_span bytes, mode_t mode,
                                           vouch_error *err);

/* The same, in parts: `parts` calls vch_file_put as often as it likes; what it fails with leaves the
 * old file. */
typedef struct vch_file_part vch_file_part;
VOUCH_MUST_CHECK vouch_code vch_file_write_parts(const char *path, mode_t mode,
                                                 vouch_code (*parts)(void *context,
                                                                     vch_file_part *to,
                                                                     vouch_error *err),
                                                 void *context, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_file_put(vch_file_part *to, vouch_span bytes, vouch_error *err);

/* At least so many bytes will come: the disk is asked for their space at once, which is cheaper than
 * a block at a time. Called before the first part, if at all; a disk that cannot is as good. */
void vch_file_expect(const vch_file_part *to, uint64_t size);

/*
 * Give a file or a directory another name on the same file system, when all it holds is on disk. It
 * replaces a file by a file; no link is followed.
 */
VOUCH_MUST_CHECK vouch_code vch_path_put_in_place(const char *from, const char *to,
                                                  vouch_error *err);

/* Is there something at `path`? False also when it cannot be told. */
bool vch_file_exists(const char *path);

bool vch_dir_exists(const char *path); /* the same, and it is a directory */

/* Remove a file; one that is not there is fine. */
VOUCH_MUST_CHECK vouch_code vch_file_remove(const char *path, vouch_error *err);

/* Make the directory and its missing parents. One that exists is left as it is. */
VOUCH_MUST_CHECK vouch_code vch_dir_make(const char *path, mode_t mode, vouch_error *err);

/* Wait until the names in a directory are on disk; nothing where the file system cannot. */
VOUCH_MUST_CHECK vouch_code vch_dir_sync(const char *path, vouch_error *err);

/* Make a private new directory `<parent>/<prefix>XXXXXX`; parent NULL: $TMPDIR or /tmp. */
VOUCH_MUST_CHECK vouch_code vch_dir_make_temporary(const char *parent, const char *prefix,
                                                   char out[static VCH_PATH_SIZE],
                                                   vouch_error *err);

/* Remove a directory and all below it without following links; one that is not there is fine. */
VOUCH_MUST_CHECK vouch_code vch_dir_remove_tree(const char *path, vouch_error *err);

/*
 * Call `each` for every name in a directory but "." and "..", in byte order; stops at the first
 * failure of `each` and returns it. At most 100,000 names.
 */
VOUCH_MUST_CHECK vouch_code vch_dir_list(const char *path,
                                         vouch_code (*each)(void *context, const char *name,
                                                            vouch_error *err),
                                         void *context, vouch_error *err);

/* `dir`/`name`, or `name` itself if it is absolute or `dir` is NULL. Fails with VOUCH_E_LIMIT. */
VOUCH_MUST_CHECK vouch_code vch_path_join(const char *dir, const char *name,
                                          char out[static VCH_PATH_SIZE], vouch_error *err);

/* The directory part of `path`; "." if there is none. */
VOUCH_MUST_CHECK vouch_code vch_path_directory(const char *path, char out[static VCH_PATH_SIZE],
                                               vouch_error *err);

#endif
