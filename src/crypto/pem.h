/*
 * PEM blocks (RFC 7468) in a span, one after the other. Strict base64 and labels; LF or CRLF; a
 * block's lines may have any length. Whether text may stand between blocks is the caller's choice.
 * Pure functions: any thread.
 */
#ifndef VCH_CRYPTO_PEM_H
#define VCH_CRYPTO_PEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_PEM_MAX_SIZE ((size_t)1 << 20) /* bytes of text */
#define VCH_PEM_CERTIFICATE "CERTIFICATE"
#define VCH_PEM_CRL "X509 CRL"
#define VCH_PEM_CSR "CERTIFICATE REQUEST"
#define VCH_PEM_PUBLIC_KEY "PUBLIC KEY"

typedef enum vch_pem_text {
    VCH_PEM_NO_TEXT = 0,    /* white space only between and around blocks, and NULs at the end */
    VCH_PEM_TEXT_BEFORE = 1 /* lines of text before a block are skipped (openssl x509 -text) */
} vch_pem_text;

typedef struct vch_pem_block {
    vouch_span label; /* "CERTIFICATE"; borrowed from the input */
    vouch_span body;  /* base64 with line ends; borrowed */
} vch_pem_block;

typedef struct vch_pem_reader {
    vouch_span rest;
    vch_pem_text text;
} vch_pem_reader;

/*
 * The next block. *out_found is false at the end of the input. Fails with VOUCH_E_FORMAT on text
 * where none may be, a block without end, or labels that differ; VOUCH_E_LIMIT on size.
 */
VOUCH_MUST_CHECK vouch_code vch_pem_next(vch_pem_reader *r, vch_pem_block *out, bool *out_found,
                                         vouch_error *err);

/* Bytes that the body decodes to, at most. */
size_t vch_pem_body_bound(const vch_pem_block *block);

/* Decode the body into `out` of at least vch_pem_body_bound bytes. */
VOUCH_MUST_CHECK vouch_code vch_pem_body_decode(const vch_pem_block *block, uint8_t *out,
                                                size_t *out_size, vouch_error *err);

/*
 * The next block's DER, appended to `out`; the label must be `label`. VOUCH_E_NOT_FOUND at the end
 * of the input.
 */
VOUCH_MUST_CHECK vouch_code vch_pem_next_der(vch_pem_reader *r, const char *label, vch_buffer *out,
                                             vouch_error *err);

/* The DER of the only block, appended to `out`; a second block is refused. */
VOUCH_MUST_CHECK vouch_code vch_pem_decode_one(vouch_span pem, const char *label, vch_pem_text text,
                                               vch_buffer *out, vouch_error *err);

/* Append one block: 64 characters a line, LF. A failure shows in the buffer. */
void vch_pem_encode(const char *label, vouch_span der, vch_buffer *out);

#endif
