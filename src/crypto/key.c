#include "crypto/key.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "base/bytes.h"
#include "crypto/key_native.h"
#include "crypto/openssl_error.h"
#include "crypto/pem.h"

#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 8192
#define P256_SPKI_SIZE 91 /* named curve, uncompressed point: there is one encoding */
#define P384_SPKI_SIZE 120

struct vch_key {
    EVP_PKEY *native;
    vch_key_kind kind;
    bool is_private;
};

void vch_key_free(vch_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->native);
    free(key);
}

static vouch_code ec_kind(EVP_PKEY *native, vch_key_kind *out, vouch_error *err)
{
    char group[32] = { 0 };
    if (EVP_PKEY_get_group_name(native, group, sizeof group, NULL) != 1)
        return vch_openssl_fail(err, VOUCH_E_UNSUPPORTED, "EC key: not on a named curve");
    if (strcmp(group, SN_X9_62_prime256v1) == 0) {
        *out = VCH_KEY_P256;
        return VOUCH_OK;
    }
    if (strcmp(group, SN_secp384r1) == 0) {
        *out = VCH_KEY_P384;
        return VOUCH_OK;
    }
    return vouch_fail(err, VOUCH_E_UNSUPPORTED, "EC key: on curve %s, not P-256 or P-384", group);
}

static vouch_code rsa_kind(EVP_PKEY *native, vch_key_kind *out, vouch_error *err)
{
    int bits = EVP_PKEY_get_bits(native);
    if (bits < RSA_MIN_BITS || bits > RSA_MAX_BITS)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "RSA key: %d bits, not %d to %d", bits,
                          RSA_MIN_BITS, RSA_MAX_BITS);
    BIGNUM *e = NULL;
    bool good = EVP_PKEY_get_bn_param(native, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) == 1
                && BN_num_bits(e) >= 17 && BN_num_bits(e) <= 64;
    BN_free(e);
    if (!good)
        return vch_openssl_fail(err, VOUCH_E_UNSUPPORTED,
                                "RSA key: the exponent is not an odd number from 65537 on");
    *out = bits == 3072 ? VCH_KEY_RSA3072 : VCH_KEY_RSA_OTHER;
    return VOUCH_OK;
}

vouch_code vch_key_from_native(EVP_PKEY *native, bool is_private, vch_key **out, vouch_error *err)
{
    vch_key_kind kind = VCH_KEY_P256;
    vouch_code rc;
    if (EVP_PKEY_get_base_id(native) == EVP_PKEY_EC)
        rc = ec_kind(native, &kind, err);
    else if (EVP_PKEY_get_base_id(native) == EVP_PKEY_RSA)
        rc = rsa_kind(native, &kind, err);
    else
        rc = vouch_fail(err, VOUCH_E_UNSUPPORTED, "a key that is neither EC nor RSA");
    if (rc != VOUCH_OK)
        return rc;
    vch_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a key");
    if (EVP_PKEY_up_ref(native) != 1) {
        free(key);
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "keeping a key");
    }
    *key = (vch_key) { .native = native, .kind = kind, .is_private = is_private };
    *out = key;
    return VOUCH_OK;
}

vouch_code vch_key_generate(vch_key_kind kind, vch_key **out, vouch_error *err)
{
    VCH_SCOPED(vch_pkey_drop) EVP_PKEY *native = NULL;
    switch (kind) {
    case VCH_KEY_P256:
        native = EVP_EC_gen("P-256");
        break;
    case VCH_KEY_P384:
        native = EVP_EC_gen("P-384");
        break;
    case VCH_KEY_RSA3072:
        native = EVP_RSA_gen(3072);
        break;
    case VCH_KEY_RSA_OTHER:
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "RSA keys are made with 3072 bits only");
    }
    if (native == NULL)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "making a key");
    return vch_key_from_native(native, true, out, err);
}

/* RFC 5480: the point must lie on its curve; from an untrusted encoding that has to be computed. */
static bool public_is_valid(EVP_PKEY *native)
{
    if (EVP_PKEY_get_base_id(native) != EVP_PKEY_EC)
        return true;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, native, NULL);
    bool valid = context != NULL && EVP_PKEY_public_check_quick(context) == 1;
    EVP_PKEY_CTX_free(context);
    return valid;
}

static vouch_code refuse_other_encodings(const vch_key *key, vouch_span der, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer again = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    vouch_code rc = vch_key_spki(key, &again, err);
    if (rc != VOUCH_OK)
        return rc;
    bool size_fits = (key->kind != VCH_KEY_P256 || der.size == P256_SPKI_SIZE)
                     && (key->kind != VCH_KEY_P384 || der.size == P384_SPKI_SIZE);
    if (!size_fits || !vch_span_equal(vch_buffer_span(&again), der))
        return vouch_fail(err, VOUCH_E_FORMAT, "public key: not in its one canonical encoding");
    return VOUCH_OK;
}

vouch_code vch_key_from_spki(vouch_span der, vch_key **out, vouch_error *err)
{
    if (der.size == 0 || der.size > VCH_KEY_SPKI_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "public key: %zu bytes, not 1 to %zu", der.size,
                          VCH_KEY_SPKI_MAX_SIZE);
    const uint8_t *p = der.data;
    VCH_SCOPED(vch_pkey_drop) EVP_PKEY *native = NULL;
    bool canonical = vch_key_ec_from_spki(der, &native);
    if (!canonical)
        native = d2i_PUBKEY(NULL, &p, (long)der.size);
    if (native == NULL)
        return vch_openssl_fail(err, VOUCH_E_FORMAT, "public key: unreadable");
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    vouch_code rc = vch_key_from_native(native, false, &key, err);
    if (rc == VOUCH_OK && !canonical)
        rc = refuse_other_encodings(key, der, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!public_is_valid(native))
        return vch_openssl_fail(err, VOUCH_E_FORMAT, "public key: not a point of its curve");
    vch_openssl_clear();
    *out = VCH_MOVE(key);
    return VOUCH_OK;
}

static EVP_PKEY *rsa_from_numbers(const BIGNUM *n, const BIGNUM *e)
{
    EVP_PKEY *native = NULL;
    OSSL_PARAM *params = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (build != NULL && context != NULL && n != NULL && e != NULL
        && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1
        && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1
        && (params = OSSL_PARAM_BLD_to_param(build)) != NULL
        && EVP_PKEY_fromdata_init(context) == 1)
        (void)EVP_PKEY_fromdata(context, &native, EVP_PKEY_PUBLIC_KEY, params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(context);
    return native;
}

vouch_code vch_key_from_rsa_numbers(vouch_span n, vouch_span e, vch_key **out, vouch_error *err)
{
    if (n.size == 0 || n.size > RSA_MAX_BITS / 8 || e.size == 0 || e.size > 8)
        return vouch_fail(err, VOUCH_E_LIMIT, "RSA key: modulus of %zu and exponent of %zu bytes",
                          n.size, e.size);
    if (n.data[0] == 0 || e.data[0] == 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "RSA key: a number with leading zeros");
    BIGNUM *n_number = BN_bin2bn(n.data, (int)n.size, NULL);
    BIGNUM *e_number = BN_bin2bn(e.data, (int)e.size, NULL);
    VCH_SCOPED(vch_pkey_drop) EVP_PKEY *native = rsa_from_numbers(n_number, e_number);
    BN_free(n_number);
    BN_free(e_number);
    if (native == NULL)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "RSA key: unusable numbers");
    return vch_key_from_native(native, false, out, err);
}

vch_key_kind vch_key_kind_of(const vch_key *key)
{
    return key->kind;
}

bool vch_key_is_private(const vch_key *key)
{
    return key->is_private;
}

bool vch_key_same_public(const vch_key *a, const vch_key *b)
{
    bool same = EVP_PKEY_eq(a->native, b->native) == 1;
    vch_openssl_clear();
    return same;
}

vouch_code vch_key_spki(const vch_key *key, vch_buffer *out, vouch_error *err)
{
    uint8_t *der = NULL;
    if (key == NULL)
        return vouch_fail(err, VOUCH_E_INTERNAL, "there is no key to encode");
    int size = i2d_PUBKEY(key->native, &der);
    if (size <= 0)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "encoding a public key");
    vch_buffer_append(out, (vouch_span) { der, (size_t)size });
    OPENSSL_free(der);
    return vch_buffer_finish(out, "public key", err);
}

vouch_code vch_key_public_pem(const vch_key *key, vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    vouch_code rc = vch_key_spki(key, &der, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_pem_encode(VCH_PEM_PUBLIC_KEY, vch_buffer_span(&der), out);
    return vch_buffer_finish(out, "public key", err);
}

vouch_code vch_key_ec_point(const vch_key *key, vch_buffer *out, vouch_error *err)
{
    size_t spki_size = 0;
    size_t point_size = 0;
    if (key->kind == VCH_KEY_P256) {
        spki_size = P256_SPKI_SIZE;
        point_size = 64;
    } else if (key->kind == VCH_KEY_P384) {
        spki_size = P384_SPKI_SIZE;
        point_size = 96;
    } else {
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "an RSA key is not a point");
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    vouch_code rc = vch_key_spki(key, &der, err);
    if (rc != VOUCH_OK)
        return rc;
    if (der.size != spki_size)
        return vouch_fail(err, VOUCH_E_CRYPTO, "an EC key in an unusual encoding");
    /* The point ends the SubjectPublicKeyInfo of either curve. */
    vch_buffer_append(out, (vouch_span) { der.data + spki_size - point_size, point_size });
    return vch_buffer_finish(out, "EC point", err);
}

static vouch_code append_number(EVP_PKEY *native, const char *name, vch_buffer *out,
                                vouch_error *err)
{
    BIGNUM *number = NULL;
    if (EVP_PKEY_get_bn_param(native, name, &number) != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "reading an RSA key's numbers");
    uint8_t *to = vch_buffer_extend(out, (size_t)BN_num_bytes(number));
    if (to != NULL)
        (void)BN_bn2bin(number, to);
    BN_free(number);
    return vch_buffer_finish(out, "RSA number", err);
}

vouch_code vch_key_rsa_numbers(const vch_key *key, vch_buffer *n, vch_buffer *e, vouch_error *err)
{
    if (key->kind != VCH_KEY_RSA3072 && key->kind != VCH_KEY_RSA_OTHER)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "an EC key has no RSA numbers");
    vouch_code rc = append_number(key->native, OSSL_PKEY_PARAM_RSA_N, n, err);
    if (rc != VOUCH_OK)
        return rc;
    return append_number(key->native, OSSL_PKEY_PARAM_RSA_E, e, err);
}

struct evp_pkey_st *vch_key_native(const vch_key *key)
{
    return key->native;
}
