#include "crypto/x509_profile.h"

#include <string.h>

#include "base/bytes.h"

void vch_x509_signature_algorithm(vch_der *d)
{
    vch_der algorithm = vch_der_enter(d, VCH_DER_SEQUENCE);
    vouch_span oid = vch_der_oid(&algorithm);
    vch_der_leave(d, &algorithm);
    if (d->failed == VOUCH_OK && !vch_span_is(oid, VCH_OID_ECDSA_SHA256))
        vch_der_refuse(d, "the signature algorithm is not ecdsa-with-SHA256");
}

void vch_x509_signature(vch_der *d, uint8_t out[static VCH_P256_SIGNATURE_SIZE])
{
    vch_x509_signature_algorithm(d);
    vouch_span value = vch_der_bit_string(d);
    if (d->failed == VOUCH_OK && vch_p256_signature_from_der(value, out, NULL) != VOUCH_OK)
        vch_der_refuse(d, "the signature is not a canonical ECDSA signature");
}

void vch_x509_serial(vch_der *d, uint8_t out[static VCH_SERIAL_MAX_SIZE])
{
    vouch_span number = vch_der_magnitude(d);
    memset(out, 0, VCH_SERIAL_MAX_SIZE);
    if (d->failed != VOUCH_OK)
        return;
    if (number.size == 0 || number.size > VCH_SERIAL_MAX_SIZE) {
        vch_der_refuse(d, "a serial number is not positive or above 20 bytes");
        return;
    }
    memcpy(out + VCH_SERIAL_MAX_SIZE - number.size, number.data, number.size);
}

/* Intel's names are ASCII, whatever type of string holds them. */
static bool is_ascii_string(const vch_der_element *e)
{
    if (e->tag != VCH_DER_PRINTABLE_STRING && e->tag != VCH_DER_UTF8_STRING
        && e->tag != VCH_DER_IA5_STRING)
        return false;
    for (size_t i = 0; i < e->content.size; i++) {
        if (e->content.data[i] < 0x20 || e->content.data[i] > 0x7e)
            return false;
    }
    return true;
}

/* AttributeTypeAndValue; the value if it is a CN. */
static vouch_span common_name_of(vch_der *set)
{
    vch_der pair = vch_der_enter(set, VCH_DER_SEQUENCE);
    vouch_span oid = vch_der_oid(&pair);
    vch_der_element value = vch_der_any(&pair);
    vch_der_leave(set, &pair);
    if (set->failed != VOUCH_OK)
        return (vouch_span) { 0 };
    if (!is_ascii_string(&value)) {
        vch_der_refuse(set, "a name holds something else than ASCII text");
        return (vouch_span) { 0 };
    }
    return vch_span_is(oid, VCH_OID_COMMON_NAME) ? value.content : (vouch_span) { 0 };
}

vouch_span vch_x509_name(vch_der *d, vouch_span *common_name)
{
    vch_der_element name = vch_der_any(d);
    if (d->failed == VOUCH_OK && name.tag != VCH_DER_SEQUENCE)
        vch_der_refuse(d, "a name is not a SEQUENCE");
    if (d->failed != VOUCH_OK)
        return (vouch_span) { 0 };
    vch_der list = vch_der_over(name.content);
    size_t found = 0;
    while (vch_der_more(&list)) {
        vch_der set = vch_der_enter(&list, VCH_DER_SET);
        vouch_span value = common_name_of(&set); /* multi-valued RDNs do not occur */
        vch_der_leave(&list, &set);
        if (value.size == 0)
            continue;
        found++;
        if (common_name != NULL)
            *common_name = value;
    }
    vch_der_leave(d, &list);
    if (d->failed == VOUCH_OK && found != 1)
        vch_der_refuse(d, "a name does not hold exactly one common name");
    return name.whole;
}

vch_x509_extension vch_x509_next_extension(vch_der *list)
{
    vch_x509_extension e = { 0 };
    vch_der in = vch_der_enter(list, VCH_DER_SEQUENCE);
    e.oid = vch_der_oid(&in);
    if (vch_der_peek(&in, VCH_DER_BOOLEAN)) {
        e.critical = vch_der_boolean(&in);
        if (!e.critical)
            vch_der_refuse(&in, "an extension states the default 'not critical'");
    }
    e.value = vch_der_next(&in, VCH_DER_OCTET_STRING);
    vch_der_leave(list, &in);
    return e;
}

void vch_x509_authority_key(vouch_span value, vch_der *outer)
{
    vch_der d = vch_der_over(value);
    vch_der in = vch_der_enter(&d, VCH_DER_SEQUENCE);
    (void)vch_der_next(&in, VCH_DER_CONTEXT(0));
    vch_der_leave(&d, &in);
    vch_der_leave(outer, &d);
}
