#include "identity/federation_ca.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "crypto/cert_builder.h"
#include "identity/address.h"
#include "identity/ratls_cert.h"
#include "identity/serial.h"

#define BACKDATE_S 600
#define ADDRESS_SIZE 254

struct vch_federation_ca {
    vch_key *key;
    vch_buffer certificate;
    char address[ADDRESS_SIZE];
};

VCH_DEFINE_DROP(ca_drop, vch_federation_ca, vch_federation_ca_free)

void vch_federation_ca_free(vch_federation_ca *ca)
{
    if (ca == NULL)
        return;
    vch_key_free(ca->key);
    vch_buffer_drop(&ca->certificate);
    free(ca);
}

vouch_span vch_federation_ca_certificate(const vch_federation_ca *ca)
{
    return vch_buffer_span(&ca->certificate);
}

static vouch_code sign_root(vch_federation_ca *ca, int64_t now_unix_s, vouch_error *err)
{
    uint8_t serial[VCH_SERIAL_SIZE] = { 0 };
    vouch_code rc = vch_serial_draw(serial, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_address_names permitted = vch_address_names_of(ca->address, NULL);
    const vch_name_part subject[] = { { "O", "Vouch federation CA" }, { "CN", ca->address } };
    const vch_cert_options options = {
        .subject = subject,
        .subject_count = sizeof subject / sizeof *subject,
        .signer = ca->key,
        .serial = { serial, sizeof serial },
        .not_before_unix_s = now_unix_s - BACKDATE_S,
        .not_after_unix_s = now_unix_s + VCH_FEDERATION_CA_LIFE_S,
        .kind = VCH_CERT_CA,
        .pathlen = 0,
        .kind_critical = true,
        .key_usage = VCH_USE_CERT_SIGN,
        .permitted = vch_address_alt(&permitted),
        .subject_key_id = true,
    };
    return vch_cert_build(&options, &ca->certificate, err);
}

static vouch_code begin(const char *address, vch_federation_ca **out, vouch_error *err)
{
    VCH_SCOPED(ca_drop) vch_federation_ca *ca = calloc(1, sizeof *ca);
    if (ca == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "federation CA: out of memory");
    ca->certificate = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    int size = snprintf(ca->address, sizeof ca->address, "%s", address);
    if (size <= 0 || (size_t)size >= sizeof ca->address)
        return vouch_fail(err, VOUCH_E_CONFIG, "federation CA: '%s' is no address", address);
    *out = VCH_MOVE(ca);
    return VOUCH_OK;
}

vouch_code vch_federation_ca_restore(const char *address, vouch_span key_pem,
                                     vouch_span certificate, vch_federation_ca **out,
                                     vouch_error *err)
{
    VCH_SCOPED(ca_drop) vch_federation_ca *ca = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    vch_ratls_cert parsed = { 0 };
    vouch_code rc = begin(address, &ca, err);
    if (rc == VOUCH_OK)
        rc = vch_key_from_private_pem(key_pem, &ca->key, err);
    if (rc == VOUCH_OK)
        rc = vch_ratls_cert_parse(certificate, &parsed, err);
    if (rc == VOUCH_OK)
        rc = vch_key_spki(ca->key, &spki, err);
    if (rc == VOUCH_OK && !vch_span_equal(vch_buffer_span(&spki), parsed.spki))
        rc = vouch_fail(err, VOUCH_E_REFUSED, "its certificate is over another key");
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "restoring the federation CA");
    vch_buffer_append(&ca->certificate, certificate);
    rc = vch_buffer_finish(&ca->certificate, "federation CA", err);
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(ca);
    return rc;
}

vouch_code vch_federation_ca_private_pem(const vch_federation_ca *ca, vch_secret *out,
                                         vouch_error *err)
{
    return vch_key_private_pem(ca->key, VCH_KEY_FORM_PKCS8, out, err);
}

vouch_code vch_federation_ca_new(const char *address, int64_t now_unix_s, vch_federation_ca **out,
                                 vouch_error *err)
{
    VCH_SCOPED(ca_drop) vch_federation_ca *ca = NULL;
    vouch_code rc = begin(address, &ca, err);
    if (rc == VOUCH_OK)
        rc = vch_key_generate(VCH_KEY_P384, &ca->key, err);
    if (rc == VOUCH_OK)
        rc = sign_root(ca, now_unix_s, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "making the federation CA");
    *out = VCH_MOVE(ca);
    return VOUCH_OK;
}

vouch_code vch_federation_ca_issue(const vch_federation_ca *ca, const vch_key *subject_key,
                                   int64_t nbf_unix_s, int64_t exp_unix_s, vch_buffer *out,
                                   vouch_error *err)
{
    uint8_t serial[VCH_SERIAL_SIZE] = { 0 };
    vouch_code rc = vch_serial_draw(serial, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_address_names names = vch_address_names_of(ca->address, NULL);
    const vch_name_part subject = { "CN", ca->address };
    const vch_cert_options options = {
        .subject = &subject,
        .subject_count = 1,
        .public_key = subject_key,
        .signer = ca->key,
        .issuer_cert = vch_buffer_span(&ca->certificate),
        .serial = { serial, sizeof serial },
        .not_before_unix_s = nbf_unix_s,
        .not_after_unix_s = exp_unix_s,
        .kind = VCH_CERT_LEAF,
        .pathlen = VCH_PATHLEN_NONE,
        .kind_critical = true,
        .key_usage = VCH_USE_DIGITAL_SIGNATURE,
        .ext_key_usage = VCH_EKU_SERVER_AUTH,
        .alt = vch_address_alt(&names),
        .subject_key_id = true,
        .authority_key_id = true,
    };
    rc = vch_cert_build(&options, out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "issuing a leaf under the federation CA");
}
