#include "svc/verifyd_keys.h"

#include <stdlib.h>

#include "codec/hex.h"
#include "crypto/crl_builder.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "result/jwks.h"

#define CHAIN_COUNT 3 /* leaf, signing CA, root: Intel's clients want exactly these */
#define CRL_MAX_SIZE ((size_t)64 << 10)
#define CLOCK_SLACK_S 300 /* CRLs begin a little earlier than our clock says */

typedef struct token_key {
    vch_key *key;
    vch_buffer der[CHAIN_COUNT];
    vouch_span chain[CHAIN_COUNT];
    char kid[VCH_VERIFYD_KID_SIZE];
    int64_t signs_from_unix_s, until_unix_s;
} token_key;

struct vch_verifyd_keys {
    token_key key[VCH_VERIFYD_KEYS_MAX];
    size_t count;
    vch_key *root_key, *signing_key;
    vch_buffer jwks, root_crl, signing_crl;
    size_t published; /* keys in jwks */
    int64_t crls_signed_unix_s;
};

void vch_verifyd_keys_free(vch_verifyd_keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < keys->count; i++) {
        vch_key_free(keys->key[i].key);
        for (size_t j = 0; j < CHAIN_COUNT; j++)
            vch_buffer_drop(&keys->key[i].der[j]);
    }
    vch_key_free(keys->root_key);
    vch_key_free(keys->signing_key);
    vch_buffer_drop(&keys->jwks);
    vch_buffer_drop(&keys->root_crl);
    vch_buffer_drop(&keys->signing_crl);
    free(keys);
}

static vouch_code load_key(const char *path, vch_key **out, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret pem = { 0 };
    vouch_code rc = vch_file_read_secret(path, VCH_KEY_PEM_MAX_SIZE, &pem, err);
    if (rc == VOUCH_OK)
        rc = vch_key_from_private_pem((vouch_span) { pem.data, pem.size }, out, err);
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "key '%s'", path);
}

static vouch_code read_chain(const char *path, token_key *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
    vouch_code rc = vch_file_read(path, VCH_PEM_MAX_SIZE, &pem, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_pem_reader reader = { vch_buffer_span(&pem), VCH_PEM_NO_TEXT };
    for (size_t i = 0; i < CHAIN_COUNT && rc == VOUCH_OK; i++) {
        out->der[i] = vch_buffer_with_cap(VCH_CERT_CHAIN_MAX_DER_SIZE);
        rc = vch_pem_next_der(&reader, VCH_PEM_CERTIFICATE, &out->der[i], err);
        out->chain[i] = vch_buffer_span(&out->der[i]);
    }
    if (rc != VOUCH_OK)
        return rc;
    vch_pem_block more = { 0 };
    bool found = false;
    rc = vch_pem_next(&reader, &more, &found, err);
    if (rc == VOUCH_OK && found)
        return vouch_fail(err, VOUCH_E_CONFIG, "more than leaf, signing CA and root");
    return rc;
}

static vouch_code check_leaf(const token_key *k, vouch_error *err)
{
    vch_cert_chain *chain = NULL;
    VCH_SCOPED(vch_key_drop) vch_key *leaf_key = NULL;
    vouch_code rc = vch_cert_chain_parse(k->chain, CHAIN_COUNT, &chain, err);
    if (rc == VOUCH_OK)
        rc = vch_cert_chain_leaf_key(chain, &leaf_key, err);
    vch_cert_chain_free(chain);
    if (rc == VOUCH_OK && !vch_key_same_public(leaf_key, k->key))
        return vouch_fail(err, VOUCH_E_CONFIG, "the leaf certificate is not the key's");
    return rc;
}

/* The id says which certificate it is; readers take it as opaque. */
static vouch_code make_kid(token_key *k, vouch_error *err)
{
    uint8_t digest[VCH_SHA384_SIZE];
    vouch_code rc = vch_sha384(k->chain[0], digest, err);
    if (rc == VOUCH_OK)
        (void)vch_hex_encode((vouch_span) { digest, sizeof digest }, k->kid);
    return rc;
}

static vouch_code load_token_key(const vch_verifyd_key_files *files, token_key *out,
                                 vouch_error *err)
{
    vouch_code rc = load_key(files->key, &out->key, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = read_chain(files->chain, out, err);
    if (rc == VOUCH_OK)
        rc = check_leaf(out, err);
    if (rc == VOUCH_OK)
        rc = make_kid(out, err);
    out->signs_from_unix_s = files->signs_from_unix_s;
    out->until_unix_s = files->until_unix_s;
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "token key's chain '%s'", files->chain);
}

/* Of the keys that have not ended, those that will sign included. */
static vouch_code build_jwks(vch_verifyd_keys *keys, int64_t now_unix_s, vouch_error *err)
{
    vch_jwks_entry entries[VCH_VERIFYD_KEYS_MAX];
    VCH_SCOPED(vch_buffer_drop) vch_buffer made = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
    size_t count = 0;
    for (size_t i = 0; i < keys->count; i++) {
        if (now_unix_s < keys->key[i].until_unix_s)
            entries[count++] =
                (vch_jwks_entry) { keys->key[i].kid, keys->key[i].chain, CHAIN_COUNT };
    }
    if (count == keys->published)
        return VOUCH_OK;
    vouch_code rc = vch_jwks_build(entries, count, &made, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_buffer old = keys->jwks;
    keys->jwks = made;
    keys->published = count;
    made = old; /* dropped by the scope */
    return VOUCH_OK;
}

static vouch_code build_crl(const vch_verifyd_keys *keys, bool root, int64_t now_unix_s,
                            vch_buffer *out, vouch_error *err)
{
    const vch_crl_options options = {
        .issuer_cert = keys->key[keys->count - 1].chain[root ? 2 : 1],
        .signer = root ? keys->root_key : keys->signing_key,
        .alg = VCH_SIG_RSA_PKCS1_SHA384,
        .number = (uint64_t)now_unix_s, /* grows with every one */
        .this_update_unix_s = now_unix_s - CLOCK_SLACK_S,
        .next_update_unix_s = now_unix_s + VCH_VERIFYD_CRL_LIFE_S,
    };
    *out = vch_buffer_with_cap(CRL_MAX_SIZE);
    return vch_crl_build(&options, out, err);
}

/* What every client will do with what is published: a root key that is not the root's, a chain that
 * has ended or a CRL that does not fit is found here, not by them. */
static vouch_code check_published(const vch_verifyd_keys *keys, int64_t now_unix_s,
                                  vouch_error *err)
{
    const vouch_span crls[] = { vch_buffer_span(&keys->root_crl),
                                vch_buffer_span(&keys->signing_crl) };
    for (size_t i = 0; i < keys->count; i++) {
        uint8_t root[VCH_SHA256_SIZE];
        vch_cert_chain *chain = NULL;
        vch_cert_chain_verdict verdict = { 0 };
        vouch_code rc = vch_sha256(keys->key[i].chain[CHAIN_COUNT - 1], root, err);
        if (rc == VOUCH_OK)
            rc = vch_cert_chain_parse(keys->key[i].chain, CHAIN_COUNT, &chain, err);
        const vch_cert_chain_rules rules = { root, 1, crls, 2, now_unix_s };
        if (rc == VOUCH_OK)
            rc = vch_cert_chain_judge(chain, &rules, &verdict, err);
        vch_cert_chain_free(chain);
        if (rc != VOUCH_OK)
            return rc;
        if (verdict.answer != VCH_CERT_CHAIN_TRUSTED)
            return vouch_fail(err, VOUCH_E_CONFIG, "token key %zu would be refused by clients: %s",
                              i + 1, verdict.why);
    }
    return VOUCH_OK;
}

static vouch_code sign_crls(vch_verifyd_keys *keys, int64_t now_unix_s, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer root = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer signing = { 0 };
    vouch_code rc = build_crl(keys, true, now_unix_s, &root, err);
    if (rc == VOUCH_OK)
        rc = build_crl(keys, false, now_unix_s, &signing, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "signing the CRLs");
    const vch_buffer old_root = keys->root_crl;
    const vch_buffer old_signing = keys->signing_crl;
    keys->root_crl = root;
    keys->signing_crl = signing;
    keys->crls_signed_unix_s = now_unix_s;
    root = old_root; /* dropped by the scope */
    signing = old_signing;
    return VOUCH_OK;
}

static const token_key *signer_at(const vch_verifyd_keys *keys, int64_t now_unix_s)
{
    const token_key *best = NULL;
    for (size_t i = 0; i < keys->count; i++) {
        const token_key *k = &keys->key[i];
        if (k->signs_from_unix_s <= now_unix_s
            && (best == NULL || k->signs_from_unix_s > best->signs_from_unix_s))
            best = k;
    }
    return best;
}

static vouch_code check_signer(const vch_verifyd_keys *keys, int64_t now_unix_s, vouch_error *err)
{
    if (signer_at(keys, now_unix_s) == NULL)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "no token key signs yet: is the clock right, or the key ring?");
    return VOUCH_OK;
}

vouch_code vch_verifyd_keys_load(const vch_verifyd_config *config, int64_t now_unix_s,
                                 vch_verifyd_keys **out, vouch_error *err)
{
    VCH_SCOPED(vch_verifyd_keys_drop) vch_verifyd_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the token keys");
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; i < config->key_count && rc == VOUCH_OK; i++) {
        if (now_unix_s < config->keys[i].until_unix_s) /* else its files may be gone already */
            rc = load_token_key(&config->keys[i], &keys->key[keys->count++], err);
    }
    if (rc == VOUCH_OK)
        rc = check_signer(keys, now_unix_s, err);
    if (rc == VOUCH_OK)
        rc = load_key(config->root_ca_key, &keys->root_key, err);
    if (rc == VOUCH_OK)
        rc = load_key(config->signing_ca_key, &keys->signing_key, err);
    if (rc == VOUCH_OK)
        rc = build_jwks(keys, now_unix_s, err);
    if (rc == VOUCH_OK)
        rc = sign_crls(keys, now_unix_s, err);
    if (rc == VOUCH_OK)
        rc = check_published(keys, now_unix_s, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(keys);
    return VOUCH_OK;
}

vouch_code vch_verifyd_keys_renew(vch_verifyd_keys *keys, int64_t now_unix_s, vouch_error *err)
{
    vouch_code rc = build_jwks(keys, now_unix_s, err);
    if (rc == VOUCH_OK && now_unix_s - keys->crls_signed_unix_s >= VCH_VERIFYD_CRL_LIFE_S / 2)
        rc = sign_crls(keys, now_unix_s, err);
    return rc;
}

bool vch_verifyd_keys_crls_hold(const vch_verifyd_keys *keys, int64_t now_unix_s)
{
    return now_unix_s >= keys->crls_signed_unix_s - CLOCK_SLACK_S
           && now_unix_s < keys->crls_signed_unix_s + VCH_VERIFYD_CRL_LIFE_S;
}

vch_verifyd_signer vch_verifyd_keys_signer(const vch_verifyd_keys *keys, int64_t now_unix_s)
{
    const token_key *k = signer_at(keys, now_unix_s);
    if (k == NULL) /* the clock was set back since the start: the oldest is the nearest */
        k = &keys->key[0];
    return (vch_verifyd_signer) { k->key, k->kid };
}

const vch_key *vch_verifyd_keys_at(const vch_verifyd_keys *keys, size_t index, int64_t now_unix_s,
                                   bool *out_holds)
{
    if (index >= keys->count)
        return NULL;
    *out_holds = now_unix_s < keys->key[index].until_unix_s;
    return keys->key[index].key;
}

vouch_span vch_verifyd_keys_jwks(const vch_verifyd_keys *keys)
{
    return vch_buffer_span(&keys->jwks);
}

vouch_span vch_verifyd_keys_root_crl(const vch_verifyd_keys *keys)
{
    return vch_buffer_span(&keys->root_crl);
}

vouch_span vch_verifyd_keys_signing_crl(const vch_verifyd_keys *keys)
{
    return vch_buffer_span(&keys->signing_crl);
}

int64_t vch_verifyd_keys_crls_end(const vch_verifyd_keys *keys)
{
    return keys->crls_signed_unix_s + VCH_VERIFYD_CRL_LIFE_S;
}
