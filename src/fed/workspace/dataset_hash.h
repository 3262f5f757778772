/*
 * The hash of a data set, as OpenFL 1.9's `collaborator calchash` computes it: SHA-384 of each file of
 * its sources, in hexadecimal, sorted, joined, and SHA-384 of that text. Values; one thread.
 */
#ifndef VCH_FED_WORKSPACE_DATASET_HASH_H
#define VCH_FED_WORKSPACE_DATASET_HASH_H

#include <stddef.h>

#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_DATASET_SOURCES_MAX ((size_t)1 << 20) /* bytes */
#define VCH_DATASET_HASH_SIZE 97                  /* hexadecimal digits and the NUL */

typedef struct vch_dataset_hash {
    char hex[VCH_DATASET_HASH_SIZE];
    size_t file_count; /* one that two sources name counts once */
} vch_dataset_hash;

/*
 * sources  The text of datasources.json: {"NAME": {"type": "local", "params": {"path": PATH}}, ...};
 *          paths are relative to the process's directory and stay in it.
 * Fails with VOUCH_E_FORMAT, _CONFIG (no source; a path that leaves the directory), _UNSUPPORTED
 * (another type of source), _NOT_FOUND, _IO, _LIMIT (1,000,000 files), _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_dataset_hash_sources(vouch_span sources, vch_dataset_hash *out,
                                                     vouch_error *err);

#endif
