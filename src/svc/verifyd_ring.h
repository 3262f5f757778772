/*
 * The ring of token keys: from when each signs, until when each is published. A small YAML file in
 * the keys' directory that `init` makes and `rotate` replaces at once. Values; one thread.
 * Spec: intel_trust_authority.md section 6, rotation.
 */
#ifndef VCH_SVC_VERIFYD_RING_H
#define VCH_SVC_VERIFYD_RING_H

#include <stddef.h>
#include <stdint.h>

#include "config/faults.h"
#include "vouch/error.h"

#define VCH_RING_KEYS_MAX 8
#define VCH_RING_NAME_SIZE 128
#define VCH_RING_NO_END INT64_MAX

typedef struct vch_ring_key {
    char key[VCH_RING_NAME_SIZE]; /* names of files beside the ring's */
    char chain[VCH_RING_NAME_SIZE];
    int64_t signs_from_unix_s;
    int64_t until_unix_s; /* no longer published; VCH_RING_NO_END: not replaced yet */
} vch_ring_key;

typedef struct vch_ring {
    vch_ring_key key[VCH_RING_KEYS_MAX]; /* oldest first; only the last has no end */
    size_t count;
} vch_ring;

/* Fails with VOUCH_E_CONFIG (faults has all), _NOT_FOUND, _IO, _MEMORY. */
VOUCH_MUST_CHECK vouch_code vch_ring_read(const char *path, vch_faults *faults, vch_ring *out,
                                          vouch_error *err);

/* The old file or the new one, never a mix. */
VOUCH_MUST_CHECK vouch_code vch_ring_write(const char *path, const vch_ring *ring,
                                           vouch_error *err);

#endif
