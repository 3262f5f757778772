/*
 * Keys for what an attested participant writes: out of the device's sealing key, bound to plan,
 * policy, role and name, so that the genuine program started with another of them opens nothing.
 * A root is immutable after build, share freely. How files are sealed with such keys is not here.
 *
 * Make a root only of the key of a device whose quote over these very claims the program has just
 * verified itself (vch_participant_seal_root): a directory that is no device can hold any key.
 * Spec: docs/protocol.md section 9.
 */
#ifndef VCH_STORE_SEAL_H
#define VCH_STORE_SEAL_H

#include <stdint.h>

#include "base/scope.h"
#include "base/secret.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_SEAL_SALT_SIZE ((size_t)32)
#define VCH_SEAL_KEY_SIZE ((size_t)32)
#define VCH_SEAL_TEXT_MAX_SIZE ((size_t)128) /* of role, name and purpose each */

typedef struct vch_seal_root vch_seal_root;

/* Whose state it is. Borrowed; each text is UTF-8 and not empty. */
typedef struct vch_seal_context {
    const uint8_t *plan_digest;   /* 32 bytes: the claim vouch-plan */
    const uint8_t *policy_digest; /* 32 bytes: the claim vouch-policy */
    const char *role;
    const char *name;
} vch_seal_context;

/*
 * device_key  At least 16 bytes, copied to locked memory.
 *
 * Fails with VOUCH_E_LIMIT, _CRYPTO (a key of zeroes), _FORMAT, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_seal_root_new(vouch_span device_key,
                                              const vch_seal_context *context, vch_seal_root **out,
                                              vouch_error *err);
void vch_seal_root_free(vch_seal_root *r);
VCH_DEFINE_DROP(vch_seal_root_drop, vch_seal_root, vch_seal_root_free)

/*
 * The AES-256 key of one version of one file: HKDF-SHA-256 with `salt` and the information
 * CBOR ["vouch-seal-1", plan, policy, role, name, purpose]. Every version of a file has a fresh
 * random salt, stored in clear beside it; then no (key, nonce) pair can repeat, whatever a rolled-back
 * disk says. `purpose` is a constant that tells kinds of files apart ("spool", "identity").
 */
VOUCH_MUST_CHECK vouch_code vch_seal_root_derive(const vch_seal_root *r, const char *purpose,
                                                 const uint8_t salt[static VCH_SEAL_SALT_SIZE],
                                                 vch_secret *out_key, vouch_error *err);

#endif
