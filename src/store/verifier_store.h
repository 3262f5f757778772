/*
 * What the verification service must not forget: API keys (their digests), nonces that were used,
 * and every decision. Behind this face another database can stand. One thread at a time.
 *
 * A turn: begin, any number of changes, commit; answers go out after the commit.
 */
#ifndef VCH_STORE_VERIFIER_STORE_H
#define VCH_STORE_VERIFIER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/scope.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_STORE_DIGEST_SIZE 32
#define VCH_STORE_KEY_NAME_SIZE 64 /* with its NUL */

typedef struct vch_verifier_store vch_verifier_store;

VOUCH_MUST_CHECK vouch_code vch_verifier_store_open(const char *path, vch_verifier_store **out,
                                                    vouch_error *err);
void vch_verifier_store_close(vch_verifier_store *store); /* what was not committed is lost */
VCH_DEFINE_DROP(vch_verifier_store_drop, vch_verifier_store, vch_verifier_store_close)

VOUCH_MUST_CHECK vouch_code vch_verifier_store_begin(vch_verifier_store *store, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_verifier_store_commit(vch_verifier_store *store, vouch_error *err);
void vch_verifier_store_rollback(vch_verifier_store *store);

/*
 * A service starts on this store: commits are then kept from the end of the process, and whether
 * the host stopped under a running service is known from its boot's id. *out_forgotten_until: the
 * use of nonces issued up to then may be forgotten; INT64_MIN if none is.
 *
 * boot_id  of the running kernel; "" if it tells none, and then each start counts as the host's.
 */
VOUCH_MUST_CHECK vouch_code vch_verifier_store_start(vch_verifier_store *store, const char *boot_id,
                                                     int64_t now_unix_s,
                                                     int64_t *out_forgotten_until,
                                                     vouch_error *err);
/* It ends in order: everything is on disk when this returns. */
VOUCH_MUST_CHECK vouch_code vch_verifier_store_stop(vch_verifier_store *store, vouch_error *err);

typedef struct vch_store_api_key {
    int64_t id;
    char name[VCH_STORE_KEY_NAME_SIZE];
    bool active;
} vch_store_api_key;

/* digest  SHA-256 of the key's text: the text itself is never stored. */
VOUCH_MUST_CHECK vouch_code vch_verifier_store_key_add(vch_verifier_store *store, const char *name,
                                                       const uint8_t digest[static 32],
                                                       int64_t now_unix_s, vouch_error *err);

/* VOUCH_E_NOT_FOUND if there is no such key. */
VOUCH_MUST_CHECK vouch_code vch_verifier_store_key_find(vch_verifier_store *store,
                                                        const uint8_t digest[static 32],
                                                        vch_store_api_key *out, vouch_error *err);

VOUCH_MUST_CHECK vouch_code vch_verifier_store_key_disable(vch_verifier_store *store,
                                                           const char *name, vouch_error *err);

/* *out_fresh: it was not used before; from now on it is. Old ones can go after `expires_unix_s`. */
VOUCH_MUST_CHECK vouch_code vch_verifier_store_nonce_use(vch_verifier_store *store,
                                                         const uint8_t digest[static 32],
                                                         int64_t expires_unix_s, bool *out_fresh,
                                                         vouch_error *err);

/* Forget nonces that expired before `now_unix_s`. */
VOUCH_MUST_CHECK vouch_code vch_verifier_store_nonces_expire(vch_verifier_store *store,
                                                             int64_t now_unix_s, vouch_error *err);

/* One decision. Texts may be NULL. */
typedef struct vch_store_decision {
    int64_t at_unix_s;
    int64_t api_key_id; /* 0: none was established */
    bool token_issued;
    const char *step; /* where it ended: "nonce", "quote" … */
    const char *code; /* stable: "binding" */
    const char *message;
    const char *trace_id;
    const char *token_id;
    uint8_t evidence_sha256[32]; /* of the quote; zero: none was read */
} vch_store_decision;

VOUCH_MUST_CHECK vouch_code vch_verifier_store_decision_add(vch_verifier_store *store,
                                                            const vch_store_decision *decision,
                                                            vouch_error *err);

/* For tests and operators: how many decisions of either kind there are. */
VOUCH_MUST_CHECK vouch_code vch_verifier_store_decision_count(vch_verifier_store *store,
                                                              bool token_issued, int64_t *out,
                                                              vouch_error *err);

#endif
