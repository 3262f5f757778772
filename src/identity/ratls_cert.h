/*
 * X.509 certificates that carry evidence: build ours (interoperable RA-TLS), and read anybody's by
 * strict DER. Reading says what is there and decides nothing. Pure; immutable values.
 * Spec: docs/protocol.md section 3.2, ra_tls.md sections 2 and 3.
 */
#ifndef VCH_IDENTITY_RATLS_CERT_H
#define VCH_IDENTITY_RATLS_CERT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "crypto/key.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_RATLS_CERT_MAX_SIZE ((size_t)32 << 10)

/* The dialects of ra_tls.md section 2. */
typedef enum vch_ratls_dialect {
    VCH_RATLS_DICE = 0,           /* interoperable: the one we emit and admit */
    VCH_RATLS_GRAMINE_LEGACY = 1, /* on both spellings of its OID */
    VCH_RATLS_INTEL_LEGACY = 2,
    VCH_RATLS_OE_REPORT_OLD = 3,
    VCH_RATLS_OE_REPORT_NEW = 4, /* EGo's too */
    VCH_RATLS_OE_EVIDENCE_OLD = 5,
    VCH_RATLS_OE_EVIDENCE_NEW = 6,
    VCH_RATLS_DSTACK_QUOTE = 7,
    VCH_RATLS_DIALECT_COUNT = 8
} vch_ratls_dialect;

const char *vch_ratls_dialect_name(vch_ratls_dialect d);
const char *vch_ratls_dialect_oid(vch_ratls_dialect d); /* dotted */

/* What a certificate says. Spans point into the DER given. */
typedef struct vch_ratls_cert {
    vouch_span der;
    vouch_span tbs;       /* the signed part */
    vouch_span algorithm; /* signature AlgorithmIdentifier, whole TLV */
    vouch_span signature; /* of the BIT STRING */
    vouch_span serial;
    vouch_span issuer; /* whole TLVs */
    vouch_span subject;
    vouch_span common_name; /* the only CN of the subject; empty if there is none */
    vouch_span spki;        /* whole TLV */
    int64_t nbf_unix_s;
    int64_t exp_unix_s;
    vouch_span evidence[VCH_RATLS_DIALECT_COUNT]; /* extnValue's content; data NULL: absent */
    bool evidence_twice;     /* some evidence OID, or the enrolment's, stands more than once */
    vouch_span enrolment;    /* extnValue's content */
    vouch_span endorsements; /* 2.23.133.5.4.2 */
    vouch_span alt_names;    /* SubjectAltName's SEQUENCE */
    bool is_ca;
    bool unknown_critical; /* a critical extension that we do not know */
} vch_ratls_cert;

/* Fails with VOUCH_E_LIMIT over 32 KiB, VOUCH_E_FORMAT unless it is one strict v3 certificate. */
VOUCH_MUST_CHECK vouch_code vch_ratls_cert_parse(vouch_span der, vch_ratls_cert *out,
                                                 vouch_error *err);

/* Is it signed by its own key (P-256/P-384 ECDSA, or RSA)? VOUCH_OK yes, VOUCH_E_REFUSED no. */
VOUCH_MUST_CHECK vouch_code vch_ratls_cert_check_self_signature(const vch_ratls_cert *cert,
                                                                vouch_error *err);

/* Does a SAN of the certificate equal `name` (DNS or IP literal)? */
bool vch_ratls_cert_has_alt_name(const vch_ratls_cert *cert, const char *name);

/* The interoperable evidence: 60000([quote, claims]), deterministic. */
typedef struct vch_dice_evidence {
    uint64_t tag; /* 60000: a quote; others are local reports or other TEEs */
    vouch_span quote;
    vouch_span claims;
} vch_dice_evidence;

VOUCH_MUST_CHECK vouch_code vch_dice_evidence_parse(vouch_span value, vch_dice_evidence *out,
                                                    vouch_error *err);

typedef struct vch_ratls_options {
    const char *name;
    const char *address; /* a further SAN, or NULL */
    const vch_key *key;  /* signs, and is certified */
    int64_t nbf_unix_s;
    int64_t exp_unix_s;
    vouch_span quote;
    vouch_span claims;
    vouch_span enrolment; /* extension value */
} vch_ratls_options;

/* Our certificate, DER, appended to `out`; at most VCH_RATLS_CERT_MAX_SIZE. */
VOUCH_MUST_CHECK vouch_code vch_ratls_cert_build(const vch_ratls_options *options, vch_buffer *out,
                                                 vouch_error *err);

#endif
