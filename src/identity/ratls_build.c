#include "identity/ratls_cert.h"

#include "base/scope.h"
#include "codec/cbor.h"
#include "crypto/cert_builder.h"
#include "identity/address.h"
#include "identity/enrolment.h"
#include "identity/serial.h"

#define DICE_QUOTE_TAG 60000

static vouch_code put_evidence(vouch_span quote, vouch_span claims, vch_buffer *out,
                               vouch_error *err)
{
    vch_cbor_put_tag(out, DICE_QUOTE_TAG);
    vch_cbor_put_array(out, 2);
    vch_cbor_put_bytes(out, quote);
    vch_cbor_put_bytes(out, claims);
    return vch_buffer_finish(out, "evidence extension", err);
}

vouch_code vch_ratls_cert_build(const vch_ratls_options *options, vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer evidence = vch_buffer_with_cap(VCH_RATLS_CERT_MAX_SIZE);
    uint8_t serial[VCH_SERIAL_SIZE] = { 0 };
    vouch_code rc = put_evidence(options->quote, options->claims, &evidence, err);
    if (rc == VOUCH_OK)
        rc = vch_serial_draw(serial, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_cert_extension extensions[] = {
        { vch_ratls_dialect_oid(VCH_RATLS_DICE), false, vch_buffer_span(&evidence) },
        { VCH_ENROLMENT_OID, false, options->enrolment },
    };
    const vch_name_part subject = { "CN", options->name };
    vch_address_names alt = vch_address_names_of(options->name, options->address);
    const vch_cert_options cert = {
        .subject = &subject,
        .subject_count = 1,
        .signer = options->key,
        .serial = { serial, sizeof serial },
        .not_before_unix_s = options->nbf_unix_s,
        .not_after_unix_s = options->exp_unix_s,
        .kind = VCH_CERT_LEAF,
        .pathlen = VCH_PATHLEN_NONE,
        .kind_critical = true,
        .key_usage = VCH_USE_DIGITAL_SIGNATURE,
        .ext_key_usage = VCH_EKU_SERVER_AUTH | VCH_EKU_CLIENT_AUTH,
        .alt = vch_address_alt(&alt),
        .subject_key_id = true,
        .extensions = extensions,
        .extension_count = sizeof extensions / sizeof *extensions,
    };
    rc = vch_cert_build(&cert, out, err);
    if (rc == VOUCH_OK && out->size > VCH_RATLS_CERT_MAX_SIZE)
        rc = vouch_fail(err, VOUCH_E_LIMIT, "the certificate exceeds %zu bytes",
                        VCH_RATLS_CERT_MAX_SIZE);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "making the attested certificate");
}
