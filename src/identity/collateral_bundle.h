/*
 * A bundle file: the collateral of any number of platform families in one JSON text, to be carried
 * to hosts without a network. Every part stands byte for byte, in base64:
 *
 *     {"vouch_collateral": 1, "sets": {"00906ed50000-sgx": {"tcb_info.json": "eyJ0Y2JJ…", …}, …}}
 *
 * Strict: unknown, missing or repeated members are refused. Nothing in it is trusted: libvouch
 * judges the parts at each appraisal. A value; one thread at a time.
 */
#ifndef VCH_IDENTITY_COLLATERAL_BUNDLE_H
#define VCH_IDENTITY_COLLATERAL_BUNDLE_H

#include "identity/collateral_parts.h"

#define VCH_COLLATERAL_BUNDLE_MAX_SIZE ((size_t)32 << 20) /* bytes of the file */
#define VCH_COLLATERAL_BUNDLE_MAX_SETS 256

typedef struct vch_bundle_set {
    char family[VCH_FAMILY_SIZE];
    vch_collateral_bytes bytes;
} vch_bundle_set;

typedef struct vch_collateral_bundle { /* a zeroed one is empty */
    vch_bundle_set *sets;              /* in the order of the file */
    size_t count;
} vch_collateral_bundle;

void vch_collateral_bundle_drop(vch_collateral_bundle *bundle); /* safe twice */

/* out: empty before. Fails with VOUCH_E_FORMAT, _UNSUPPORTED (version), _LIMIT, _MEMORY. */
VOUCH_MUST_CHECK vouch_code vch_collateral_bundle_parse(vouch_span text, vch_collateral_bundle *out,
                                                        vouch_error *err);
/* The same from a file; its name stands in the error. */
VOUCH_MUST_CHECK vouch_code vch_collateral_bundle_read(const char *path, vch_collateral_bundle *out,
                                                       vouch_error *err);

/* The parts of a family; NULL: not there. Borrowed until the next put. */
const vouch_collateral_parts *vch_collateral_bundle_find(const vch_collateral_bundle *bundle,
                                                         const char *family);

/* Add a family, or replace its parts. Copied. */
VOUCH_MUST_CHECK vouch_code vch_collateral_bundle_put(vch_collateral_bundle *bundle,
                                                      const char *family,
                                                      const vouch_collateral_parts *parts,
                                                      vouch_error *err);

/* Replace the file at once: a crash leaves the old one or the new one. */
VOUCH_MUST_CHECK vouch_code vch_collateral_bundle_write(const vch_collateral_bundle *bundle,
                                                        const char *path, vouch_error *err);

#endif
