#include "crypto/key.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/bytes.h"
#include "crypto/key_native.h"
#include "crypto/openssl_error.h"
#include "crypto/pem.h"

VCH_DEFINE_DROP(bio_drop, BIO, BIO_free_all)

#define LABEL_PKCS8 "PRIVATE KEY"
#define LABEL_EC "EC PRIVATE KEY"
#define LABEL_RSA "RSA PRIVATE KEY"
#define LABEL_EC_PARAMETERS "EC PARAMETERS"

static EVP_PKEY *pkcs8_decode(const uint8_t **p, long size)
{
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, p, size);
    EVP_PKEY *native = info == NULL ? NULL : EVP_PKCS82PKEY(info);
    PKCS8_PRIV_KEY_INFO_free(info);
    return native;
}

/*
 * Is the public half the one that belongs to the private number? A file may say otherwise. Signing
 * and verifying shows it; the library's own check proves RSA's primes anew, which takes 80 ms.
 */
static bool halves_fit(const vch_key *key)
{
    static const uint8_t text[] = "do the halves of this key belong together?";
    const vouch_span message = { text, sizeof text - 1 };
    const vch_sig_alg alg = vch_key_default_alg(key);
    bool good = false;
    VCH_SCOPED(vch_buffer_drop) vch_buffer signature = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
    if (vch_key_sign(key, alg, message, &signature, NULL) != VOUCH_OK)
        return false;
    vouch_code rc = vch_key_verify(key, alg, message, vch_buffer_span(&signature), &good, NULL);
    return rc == VOUCH_OK && good;
}

static vouch_code key_from_private_der(vouch_span label, vouch_span der, vch_key **out,
                                       vouch_error *err)
{
    const uint8_t *p = der.data;
    VCH_SCOPED(vch_pkey_drop) EVP_PKEY *native = NULL;
    if (vch_span_is(label, LABEL_PKCS8))
        native = pkcs8_decode(&p, (long)der.size);
    else if (vch_span_is(label, LABEL_EC))
        native = d2i_PrivateKey(EVP_PKEY_EC, NULL, &p, (long)der.size);
    else if (vch_span_is(label, LABEL_RSA))
        native = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &p, (long)der.size);
    else
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "private key: a block of another kind");
    if (native == NULL)
        return vch_openssl_fail(err, VOUCH_E_FORMAT, "private key: unreadable");
    if (p != der.data + der.size)
        return vch_openssl_fail(err, VOUCH_E_FORMAT, "private key: bytes left over");
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    vouch_code rc = vch_key_from_native(native, true, &key, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!halves_fit(key))
        return vch_openssl_fail(err, VOUCH_E_FORMAT, "private key: its two halves do not fit");
    vch_openssl_clear();
    *out = VCH_MOVE(key);
    return VOUCH_OK;
}

static vouch_code find_block(vouch_span pem, vch_pem_block *out, vouch_error *err)
{
    vch_pem_reader reader = { .rest = pem };
    vch_pem_block block = { 0 };
    bool found = false;
    vouch_code rc = vch_pem_next(&reader, &block, &found, err);
    if (rc == VOUCH_OK && found && vch_span_is(block.label, LABEL_EC_PARAMETERS))
        rc = vch_pem_next(&reader, &block, &found, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "private key");
    if (!found)
        return vouch_fail(err, VOUCH_E_FORMAT, "private key: no PEM block");
    bool more = false;
    vch_pem_block second = { 0 };
    rc = vch_pem_next(&reader, &second, &more, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "private key");
    if (more)
        return vouch_fail(err, VOUCH_E_FORMAT, "private key: more than one PEM block");
    *out = block;
    return VOUCH_OK;
}

vouch_code vch_key_from_private_pem(vouch_span pem, vch_key **out, vouch_error *err)
{
    if (pem.size == 0 || pem.size > VCH_KEY_PEM_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "private key: %zu bytes, not 1 to %zu", pem.size,
                          VCH_KEY_PEM_MAX_SIZE);
    vch_pem_block block = { 0 };
    vouch_code rc = find_block(pem, &block, err);
    if (rc != VOUCH_OK)
        return rc;
    if (vch_span_is(block.label, "ENCRYPTED PRIVATE KEY"))
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "private key: encrypted with a password");
    VCH_SCOPED(vch_secret_drop) vch_secret der = { 0 };
    rc = vch_secret_alloc(&der, vch_pem_body_bound(&block) + 1, err);
    if (rc != VOUCH_OK)
        return rc;
    size_t size = 0;
    rc = vch_pem_body_decode(&block, der.data, &size, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "private key");
    return key_from_private_der(block.label, (vouch_span) { der.data, size }, out, err);
}

vouch_code vch_key_private_pem(const vch_key *key, vch_key_form form, vch_secret *out,
                               vouch_error *err)
{
    if (!vch_key_is_private(key))
        return vouch_fail(err, VOUCH_E_CRYPTO, "a public key has no private half to write");
    VCH_SCOPED(bio_drop) BIO *text = BIO_new(BIO_s_secmem());
    if (text == NULL)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "writing a private key");
    EVP_PKEY *native = vch_key_native(key);
    int done = form == VCH_KEY_FORM_TRADITIONAL
                   ? PEM_write_bio_PrivateKey_traditional(text, native, NULL, NULL, 0, NULL, NULL)
                   : PEM_write_bio_PKCS8PrivateKey(text, native, NULL, NULL, 0, NULL, NULL);
    char *data = NULL;
    long size = BIO_get_mem_data(text, &data);
    if (done != 1 || size <= 0)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "writing a private key");
    vouch_code rc = vch_secret_alloc(out, (size_t)size, err);
    if (rc != VOUCH_OK)
        return rc;
    memcpy(out->data, data, (size_t)size);
    return VOUCH_OK;
}
