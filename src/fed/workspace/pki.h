/*
 * OpenFL's certificate authority on disk: a root, a signing CA, one certificate a participant, each
 * in its place under cert/. Requests and keys stay at their site; only requests and certificates
 * travel. One process at a time in a directory. openfl_interop.md section 10.
 *
 * Beyond OpenFL's certificates ours carry key identifiers and key usage, so that strict X.509
 * checking accepts them.
 */
#ifndef VCH_FED_WORKSPACE_PKI_H
#define VCH_FED_WORKSPACE_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "fed/workspace/participant.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_PKI_LIFE_DAYS 365
#define VCH_PKI_HASH_SIZE 97 /* SHA-384 in hex, and a NUL */

typedef enum vch_pki_role {
    VCH_PKI_AGGREGATOR = 1,  /* cert/server/agg_<name> */
    VCH_PKI_COLLABORATOR = 2 /* cert/client/col_<name> */
} vch_pki_role;

/* "server/agg_<name><suffix>" or "client/col_<name><suffix>" under `cert_dir`. */
VOUCH_MUST_CHECK vouch_code vch_pki_path(const char *cert_dir, vch_pki_role role, const char *name,
                                         const char *suffix, char *out, size_t size,
                                         vouch_error *err);

/*
 * Make the authority: root, signing CA, cert_chain.crt. One that is there is replaced only if
 * `replace`: it would orphan every certificate that it signed. VOUCH_E_CONFIG otherwise.
 */
VOUCH_MUST_CHECK vouch_code vch_pki_create(const char *cert_dir, int64_t now_unix_s, bool replace,
                                           vouch_error *err);

/*
 * Make a key (mode 0600) and a request for `name` (checked by vch_participant_name). A key that has
 * its certificate already is replaced only if `replace`.
 * out_hash  The SHA-384 of the request's PEM text, which people compare.
 */
VOUCH_MUST_CHECK vouch_code vch_pki_request(const char *cert_dir, vch_pki_role role,
                                            const char *name, bool replace,
                                            char out_hash[static VCH_PKI_HASH_SIZE],
                                            vouch_error *err);

/* A request that was read and whose signature fits its key. */
typedef struct vch_pki_pending {
    char name[VCH_PARTICIPANT_NAME_MAX + 1]; /* its common name */
    char hash[VCH_PKI_HASH_SIZE];
    vch_buffer der; /* owned */
} vch_pki_pending;

/* Read a request (PEM). Its one common name must be a participant's name in lower case, and its
 * alternative names that name only. `expected` is the name that it must have, or NULL.
 * Free with vch_pki_pending_done. */
VOUCH_MUST_CHECK vouch_code vch_pki_pending_parse(vouch_span pem, const char *expected,
                                                  vch_pki_pending *out, vouch_error *err);
void vch_pki_pending_done(vch_pki_pending *p);

/* Sign it with the signing CA and write the certificate to its place. */
VOUCH_MUST_CHECK vouch_code vch_pki_sign(const char *cert_dir, vch_pki_role role,
                                         const vch_pki_pending *pending, int64_t now_unix_s,
                                         vouch_error *err);

#endif
