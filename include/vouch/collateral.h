/*
 * Collateral: what the vendor says about a platform. Parsed once from the exact bytes that Intel's
 * service delivered, and what needs no quote is verified then. Immutable after that: share freely
 * between threads. Time and trusted roots are judged at each appraisal, never here.
 */
#ifndef VOUCH_COLLATERAL_H
#define VOUCH_COLLATERAL_H

#include <stdint.h>

#include "vouch/attributes.h"
#include "vouch/error.h"
#include "vouch/span.h"

VOUCH_BEGIN_DECLS

#define VOUCH_COLLATERAL_PART_MAX_SIZE ((size_t)256 << 10) /* bytes of each part */

typedef struct vouch_collateral vouch_collateral;

/* The files of a collateral directory. An absent one is an empty span. Borrowed for the call. */
typedef struct vouch_collateral_parts {
    vouch_span tcb_info;                 /* JSON, byte-exact */
    vouch_span tcb_info_issuer_chain;    /* PEM */
    vouch_span qe_identity;              /* JSON, byte-exact */
    vouch_span qe_identity_issuer_chain; /* PEM */
    vouch_span pck_crl;                  /* DER */
    vouch_span root_ca_crl;              /* DER */
    vouch_span pck_chain;                /* PEM; only where the quote does not carry it */
} vouch_collateral_parts;

/*
 * Parse a set of collateral.
 *
 * out  Set on VOUCH_OK. Free with vouch_collateral_free, after every appraisal that uses it.
 *
 * A part that is missing, malformed or badly signed is not an error here: every appraisal with it
 * refuses and names the fault. Fails with VOUCH_E_MEMORY only.
 */
VOUCH_API VOUCH_MUST_CHECK vouch_code vouch_collateral_parse(const vouch_collateral_parts *parts,
                                                             vouch_collateral **out,
                                                             vouch_error *err);

VOUCH_API void vouch_collateral_free(vouch_collateral *collateral); /* NULL is allowed */

VOUCH_END_DECLS

#endif
