#include "identity/succession.h"

#include <string.h>

#include "base/bytes.h"
#include "crypto/hash.h"

#define LABEL "vouch-succession-1"
#define MESSAGE_SIZE (sizeof LABEL - 1 + 32 + 32)

static vch_sig_alg algorithm_for(const vch_key *key)
{
    vch_key_kind kind = vch_key_kind_of(key);
    return kind == VCH_KEY_P256 || kind == VCH_KEY_P384 ? VCH_SIG_ECDSA_SHA384
                                                        : VCH_SIG_RSA_PSS_SHA384;
}

static void message_of(const vch_federation *next, uint8_t out[static MESSAGE_SIZE])
{
    memcpy(out, LABEL, sizeof LABEL - 1);
    memcpy(out + sizeof LABEL - 1, next->replaces, 32);
    memcpy(out + sizeof LABEL - 1 + 32, next->digest, 32);
}

vouch_code vch_succession_sign(const vch_key *key, const vch_federation *next, vch_buffer *out,
                               vouch_error *err)
{
    uint8_t message[MESSAGE_SIZE];
    if (!next->has_replaces)
        return vouch_fail(err, VOUCH_E_CONFIG, "federation.replaces names no policy");
    message_of(next, message);
    return vch_key_sign(key, algorithm_for(key), (vouch_span) { message, sizeof message }, out,
                        err);
}

static vouch_code check_signature(const vch_succession *s, const vch_federation *next,
                                  vouch_error *err)
{
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    uint8_t message[MESSAGE_SIZE];
    bool valid = false;
    message_of(next, message);
    vouch_code rc = vch_key_from_spki(s->key, &key, err);
    if (rc == VOUCH_OK)
        rc = vch_key_verify(key, algorithm_for(key), (vouch_span) { message, sizeof message },
                            s->signature, &valid, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, VOUCH_E_REFUSED, "succession");
    return valid ? VOUCH_OK
                 : vouch_fail(err, VOUCH_E_REFUSED,
                              "succession: the signature does not match these policies");
}

vouch_code vch_succession_check(const vch_succession_base *base, const vch_attestation_file *next,
                                vouch_error *err)
{
    const vch_federation *f = vch_attestation_file_federation(next);
    const vch_succession *s = vch_attestation_file_succession(next);
    uint8_t signer[VCH_SHA256_SIZE];
    if (!f->has_replaces || memcmp(f->replaces, base->digest, sizeof f->replaces) != 0)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "the new policy does not name the one in force as what it replaces");
    if (base->successor == NULL)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "the policy in force pins no successor: nothing may follow it");
    vouch_code rc = vch_sha256(s->key, signer, err);
    if (rc != VOUCH_OK)
        return rc;
    if (memcmp(signer, base->successor, sizeof signer) != 0)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "succession: absent, or by another key than the one pinned as successor");
    return check_signature(s, f, err);
}
