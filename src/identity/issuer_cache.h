/*
 * What token issuers published (key sets, CRLs), as files by their addresses under one directory.
 * Never trusted: what comes out is judged as if it had just been fetched. What is damaged, foreign or
 * unreadable counts as absent, and is replaced by what is fetched next. Files are replaced at once,
 * so any number of threads and processes may share a directory.
 */
#ifndef VCH_IDENTITY_ISSUER_CACHE_H
#define VCH_IDENTITY_ISSUER_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "host/file.h"
#include "vouch/error.h"
#include "vouch/span.h"

/* Where it is full one of the others goes, chosen by the digest of its address. */
#define VCH_ISSUER_CACHE_FILES_MAX 256

/* Where a user's is: $XDG_CACHE_HOME/vouch, else $HOME/.cache/vouch. False: neither is an absolute path. */
bool vch_issuer_cache_place(char out[static VCH_PATH_SIZE]);

/* False: there is nothing of at most `cap` bytes that came from `url`. out: drop it. */
bool vch_issuer_cache_get(const char *dir, const char *url, size_t cap, vch_buffer *out,
                          int64_t *out_fetched_unix_s);

/* Makes the directory if it is missing. */
VOUCH_MUST_CHECK vouch_code vch_issuer_cache_put(const char *dir, const char *url, vouch_span bytes,
                                                 int64_t fetched_unix_s, vouch_error *err);

#endif
