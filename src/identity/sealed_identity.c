/*
 * [ "vouch-identity-1", salt, claims, CA certificate or null, sealed ]; sealed is AES-256-GCM over
 * [ key, CA key or null, successor or null, previous policies or null ] (keys in PEM; digests one
 * after the other), with the items before it as associated data. The salt is drawn for each file, so its key serves one nonce, of zeroes.
 */
#include "identity/sealed_identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/cbor.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/rand.h"
#include "host/file.h"
#include "identity/keypair.h"

#define MAGIC "vouch-identity-1"
#define PURPOSE "identity"
#define ITEMS 5
#define SECRET_ITEMS 4
#define PLAIN_MAX_SIZE ((size_t)4096)

static const uint8_t nonce[VCH_AEAD_NONCE_SIZE];

struct vch_sealed_identity {
    vch_buffer file, associated;
    uint8_t salt[VCH_SEAL_SALT_SIZE];
    vch_claims claims;
    vouch_span ca; /* certificate; empty: none */
    vouch_span sealed;
};

void vch_identity_parts_drop(vch_identity_parts *p)
{
    vch_key_free(p->key);
    vch_federation_ca_free(p->ca);
    *p = (vch_identity_parts) { 0 };
}

void vch_sealed_identity_free(vch_sealed_identity *s)
{
    if (s == NULL)
        return;
    vch_buffer_drop(&s->file);
    vch_buffer_drop(&s->associated);
    free(s);
}

const vch_claims *vch_sealed_identity_claims(const vch_sealed_identity *s)
{
    return &s->claims;
}

static vouch_span bytes_or_null(vch_cbor *c)
{
    if (vch_cbor_peek(c) != VCH_CBOR_NULL)
        return vch_cbor_bytes(c);
    vch_cbor_null(c);
    return (vouch_span) { 0 };
}

static void put_bytes_or_null(vch_buffer *out, vouch_span bytes)
{
    if (bytes.size == 0)
        vch_cbor_put_null(out);
    else
        vch_cbor_put_bytes(out, bytes);
}

/* What is not secret; deterministic, so that a reader makes the very bytes again. */
static void put_clear_items(vch_buffer *out, const uint8_t *salt, vouch_span claims, vouch_span ca)
{
    vch_cbor_put_array(out, ITEMS);
    vch_cbor_put_text(out, MAGIC);
    vch_cbor_put_bytes(out, (vouch_span) { salt, VCH_SEAL_SALT_SIZE });
    vch_cbor_put_bytes(out, claims);
    put_bytes_or_null(out, ca);
}

static vouch_code read_items(vch_sealed_identity *s, vouch_error *err)
{
    vch_cbor c = vch_cbor_over(vch_buffer_span(&s->file));
    size_t count = vch_cbor_array_enter(&c);
    vouch_span magic = vch_cbor_text(&c);
    vouch_span salt = vch_cbor_bytes(&c);
    vouch_span claims = vch_cbor_bytes(&c);
    s->ca = bytes_or_null(&c);
    s->sealed = vch_cbor_bytes(&c);
    vouch_code rc = vch_cbor_finish(&c, "sealed identity", err);
    if (rc != VOUCH_OK)
        return rc;
    if (count != ITEMS || !vch_span_is(magic, MAGIC) || salt.size != sizeof s->salt
        || s->sealed.size < VCH_AEAD_TAG_SIZE
        || s->sealed.size > PLAIN_MAX_SIZE + VCH_AEAD_TAG_SIZE)
        return vouch_fail(err, VOUCH_E_FORMAT, "no sealed identity of this version");
    memcpy(s->salt, salt.data, sizeof s->salt);
    put_clear_items(&s->associated, s->salt, claims, s->ca);
    rc = vch_buffer_finish(&s->associated, "sealed identity", err);
    if (rc == VOUCH_OK)
        rc = vch_claims_parse(claims, &s->claims, err);
    if (rc == VOUCH_OK && s->claims.has_ca != (s->ca.size > 0))
        rc = vouch_fail(err, VOUCH_E_FORMAT, "sealed identity: claims and CA do not fit");
    return rc;
}

vouch_code vch_sealed_identity_parse(vouch_span bytes, vch_sealed_identity **out, vouch_error *err)
{
    VCH_SCOPED(vch_sealed_identity_drop) vch_sealed_identity *s = calloc(1, sizeof *s);
    if (s == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "sealed identity: out of memory");
    s->file = vch_buffer_with_cap(VCH_SEALED_IDENTITY_MAX_SIZE);
    s->associated = vch_buffer_with_cap(VCH_SEALED_IDENTITY_MAX_SIZE);
    vch_buffer_append(&s->file, bytes);
    vouch_code rc = vch_buffer_finish(&s->file, "sealed identity", err);
    if (rc == VOUCH_OK)
        rc = read_items(s, err);
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(s);
    return rc;
}

vouch_code vch_sealed_identity_read(const char *path, vch_sealed_identity **out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = { 0 };
    vouch_code rc = vch_file_read(path, VCH_SEALED_IDENTITY_MAX_SIZE, &bytes, err);
    if (rc == VOUCH_OK)
        rc = vch_sealed_identity_parse(vch_buffer_span(&bytes), out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "'%s'", path);
}

/* Are these the keys that the claims speak of? */
static vouch_code check_parts(const vch_sealed_identity *s, const vch_identity_parts *p,
                              vouch_error *err)
{
    uint8_t digest[VCH_SHA384_SIZE];
    vouch_code rc = vch_keypair_digest(p->key, digest, err);
    if (rc == VOUCH_OK && memcmp(digest, s->claims.key_digest, sizeof digest) != 0)
        rc = vouch_fail(err, VOUCH_E_REFUSED, "the sealed key is not the one of its claims");
    if (rc == VOUCH_OK && p->ca != NULL)
        rc = vch_sha256(vch_federation_ca_certificate(p->ca), digest, err);
    if (rc == VOUCH_OK && p->ca != NULL && memcmp(digest, s->claims.ca, sizeof s->claims.ca) != 0)
        rc = vouch_fail(err, VOUCH_E_REFUSED, "the sealed CA is not the one of its claims");
    return rc;
}

/* 32 bytes or none. */
static bool take_digest(vouch_span from, bool *out_has, uint8_t out[static 32])
{
    *out_has = from.size != 0;
    if (from.size == 32)
        memcpy(out, from.data, 32);
    return from.size == 0 || from.size == 32;
}

/* So many times 32 bytes, or none. */
static bool take_previous(vouch_span from, vch_identity_parts *out)
{
    out->previous_count = from.size / 32;
    if (from.size % 32 != 0 || out->previous_count > VCH_PREVIOUS_MAX)
        return false;
    if (from.size > 0)
        memcpy(out->previous, from.data, from.size);
    return true;
}

void vch_previous_push(uint8_t list[static VCH_PREVIOUS_MAX][32], size_t *count,
                       const uint8_t policy[static 32])
{
    if (*count < VCH_PREVIOUS_MAX)
        ++*count;
    memmove(list[1], list[0], (*count - 1) * sizeof *list);
    memcpy(list[0], policy, sizeof *list);
}

static vouch_code take_parts(const vch_sealed_identity *s, vouch_span plain, const char *address,
                             vch_identity_parts *out, vouch_error *err)
{
    vch_cbor c = vch_cbor_over(plain);
    size_t count = vch_cbor_array_enter(&c);
    vouch_span key = vch_cbor_bytes(&c);
    vouch_span ca_key = bytes_or_null(&c);
    vouch_span successor = bytes_or_null(&c);
    vouch_span previous = bytes_or_null(&c);
    vouch_code rc = vch_cbor_finish(&c, "sealed keys", err);
    if (rc != VOUCH_OK)
        return rc;
    if (count != SECRET_ITEMS || !take_digest(successor, &out->has_successor, out->successor)
        || !take_previous(previous, out) || (ca_key.size != 0) != (s->ca.size != 0)
        || (ca_key.size != 0) != (address != NULL))
        return vouch_fail(err, VOUCH_E_FORMAT, "sealed keys of another form");
    rc = vch_key_from_private_pem(key, &out->key, err);
    if (rc == VOUCH_OK && ca_key.size != 0)
        rc = vch_federation_ca_restore(address, ca_key, s->ca, &out->ca, err);
    return rc == VOUCH_OK ? check_parts(s, out, err) : rc;
}

vouch_code vch_sealed_identity_open(const vch_sealed_identity *s, const vch_seal_root *root,
                                    const char *address, vch_identity_parts *out, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    VCH_SCOPED(vch_secret_drop) vch_secret plain = { 0 };
    VCH_SCOPED(vch_identity_parts_drop) vch_identity_parts parts = { 0 };
    vouch_code rc = vch_seal_root_derive(root, PURPOSE, s->salt, &key, err);
    if (rc == VOUCH_OK)
        rc = vch_secret_alloc(&plain, s->sealed.size - VCH_AEAD_TAG_SIZE, err);
    if (rc == VOUCH_OK)
        rc = vch_aead_open(key.data, nonce, vch_buffer_span(&s->associated), s->sealed, plain.data,
                           plain.size, err);
    if (rc == VOUCH_OK)
        rc = take_parts(s, (vouch_span) { plain.data, plain.size }, address, &parts, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = parts;
    parts = (vch_identity_parts) { 0 };
    return VOUCH_OK;
}

/* Into locked memory only: a buffer over all of it never moves. */
static vouch_code put_secret_items(const vch_identity_parts *p, vch_secret *room, size_t *size,
                                   vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    VCH_SCOPED(vch_secret_drop) vch_secret ca_key = { 0 };
    vouch_code rc = vch_key_private_pem(p->key, VCH_KEY_FORM_PKCS8, &key, err);
    if (rc == VOUCH_OK && p->ca != NULL)
        rc = vch_federation_ca_private_pem(p->ca, &ca_key, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer out = { .data = room->data, .capacity = room->size, .cap = room->size };
    vch_cbor_put_array(&out, SECRET_ITEMS);
    vch_cbor_put_bytes(&out, (vouch_span) { key.data, key.size });
    put_bytes_or_null(&out, (vouch_span) { ca_key.data, ca_key.size });
    put_bytes_or_null(&out, (vouch_span) { p->successor, p->has_successor ? 32 : 0 });
    put_bytes_or_null(&out, (vouch_span) { p->previous[0], p->previous_count * 32 });
    *size = out.size;
    return vch_buffer_finish(&out, "sealed keys", err);
}

vouch_code vch_sealed_identity_write(const char *path, const vch_seal_root *root, vouch_span claims,
                                     const vch_identity_parts *parts, vouch_error *err)
{
    uint8_t salt[VCH_SEAL_SALT_SIZE];
    size_t size = 0;
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    VCH_SCOPED(vch_secret_drop) vch_secret plain = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(VCH_SEALED_IDENTITY_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer sealed = vch_buffer_with_cap(2 * PLAIN_MAX_SIZE);
    vouch_code rc = vch_random_bytes(salt, sizeof salt, err);
    if (rc == VOUCH_OK)
        rc = vch_seal_root_derive(root, PURPOSE, salt, &key, err);
    if (rc == VOUCH_OK)
        rc = vch_secret_alloc(&plain, PLAIN_MAX_SIZE, err);
    if (rc == VOUCH_OK)
        rc = put_secret_items(parts, &plain, &size, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "sealing the identity");
    put_clear_items(&out, salt, claims,
                    parts->ca == NULL ? (vouch_span) { 0 }
                                      : vch_federation_ca_certificate(parts->ca));
    rc = vch_aead_seal(key.data, nonce, vch_buffer_span(&out), (vouch_span) { plain.data, size },
                       &sealed, err);
    vch_cbor_put_bytes(&out, vch_buffer_span(&sealed));
    if (rc == VOUCH_OK)
        rc = vch_buffer_finish(&out, "sealed identity", err);
    if (rc == VOUCH_OK)
        rc = vch_file_write(path, vch_buffer_span(&out), 0600, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "sealing the identity");
}
