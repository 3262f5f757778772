/* The signature section of a quote (spec section 1.3). Spans are borrowed from the quote. */
#ifndef VCH_EVIDENCE_QUOTE_SIG_H
#define VCH_EVIDENCE_QUOTE_SIG_H

#include <stdbool.h>
#include <stdint.h>

#include "evidence/sgx_report.h"
#include "vouch/evidence.h"
#include "vouch/span.h"

/* Certification data types 1 to 5: how the quote names or carries its PCK certificate. */
enum {
    VCH_CERT_DATA_PPID_PLAIN = 1,
    VCH_CERT_DATA_PPID_RSA2048 = 2,
    VCH_CERT_DATA_PPID_RSA3072 = 3,
    VCH_CERT_DATA_PCK_LEAF = 4,
    VCH_CERT_DATA_PCK_CHAIN = 5
};

typedef struct vch_quote_sig {
    uint8_t signature[64];       /* r || s over header and body */
    uint8_t attestation_key[64]; /* X || Y */
    vouch_span qe_report;        /* the 384 bytes that qe_signature covers */
    vouch_sgx_claims qe;
    uint8_t qe_report_data[VCH_REPORT_DATA_SIZE];
    uint8_t qe_signature[64];
    vouch_span qe_auth;   /* 0 to 65535 bytes */
    uint16_t cert_type;   /* one of the above */
    vouch_span cert_data; /* PEM for types 4 and 5 */
    vouch_span platform;  /* all but the quote signature: the same from quote to quote */
    /* Types 1 to 3: what the quote says of the certificate; it is to be compared with it. */
    uint8_t ppid[16]; /* type 1 only */
    uint8_t cpu_svn[16];
    uint16_t pce_svn;
    bool has_pceid;   /* always, but for an old form of type 1 */
    uint8_t pceid[2]; /* as in the certificate: the quote's little-endian bytes */
} vch_quote_sig;

/*
 * Read a whole signature section; every length in it must be consumed exactly.
 *
 * version  The quote's: 3 has the QE report beside the key, 4 and 5 inside certification type 6.
 *
 * Fails with VOUCH_E_TRUNCATED, _FORMAT, _UNSUPPORTED (certification data type).
 */
VOUCH_MUST_CHECK vouch_code vch_quote_sig_parse(vouch_span in, uint16_t version, vch_quote_sig *out,
                                                vouch_error *err);

#endif
