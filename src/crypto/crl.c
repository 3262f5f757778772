#include "crypto/crl.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/der.h"
#include "crypto/x509_profile.h"

#define ENTRY_MIN_SIZE 20 /* SEQUENCE, a serial of one byte, a UTCTime: bounds the count */

/* CRLReason: any of them revokes; removeFromCRL (8) belongs to delta lists (RFC 5280 s.5.3.1). */
static void read_reason(vouch_span value, vch_der *list)
{
    vch_der d = vch_der_over(value);
    uint64_t reason = vch_der_enumerated(&d);
    if (reason > 10 || reason == 7 || reason == 8)
        vch_der_refuse(&d, "an entry has an unknown reason");
    vch_der_leave(list, &d);
}

static void read_entry_extensions(vch_der *entry)
{
    vch_der list = vch_der_enter(entry, VCH_DER_SEQUENCE);
    while (vch_der_more(&list)) {
        vch_x509_extension e = vch_x509_next_extension(&list);
        /* certificateIssuer would make the list an indirect one, critical or not. */
        if (list.failed != VOUCH_OK)
            break;
        if (e.critical || vch_span_is(e.oid, VCH_OID_CERTIFICATE_ISSUER))
            vch_der_refuse(&list, "an entry has an extension that is critical or names an issuer");
        if (vch_span_is(e.oid, VCH_OID_CRL_REASON))
            read_reason(e.value, &list);
    }
    vch_der_leave(entry, &list);
}

static void read_entry(vch_der *list, uint8_t serial[static VCH_SERIAL_MAX_SIZE])
{
    vch_der entry = vch_der_enter(list, VCH_DER_SEQUENCE);
    vch_x509_serial(&entry, serial);
    (void)vch_der_time(&entry); /* when: revoked is revoked */
    if (vch_der_more(&entry))
        read_entry_extensions(&entry);
    vch_der_leave(list, &entry);
}

static void read_entries(vch_der *tbs, vch_crl *crl)
{
    vch_der list = vch_der_enter(tbs, VCH_DER_SEQUENCE);
    size_t room = list.in.rest.size / ENTRY_MIN_SIZE + 1;
    crl->serials = calloc(room, sizeof *crl->serials);
    if (crl->serials == NULL) {
        vch_der_refuse(&list, "out of memory");
        list.failed = VOUCH_E_MEMORY;
    }
    while (vch_der_more(&list)) {
        if (crl->revoked_count == room) {
            vch_der_refuse(&list, "more entries than bytes");
            break;
        }
        read_entry(&list, crl->serials[crl->revoked_count]);
        if (list.failed == VOUCH_OK)
            crl->revoked_count++;
    }
    vch_der_leave(tbs, &list);
}

static int64_t read_crl_number(vouch_span value, vch_der *list)
{
    vch_der d = vch_der_over(value);
    vouch_span magnitude = vch_der_magnitude(&d);
    vch_der_leave(list, &d);
    int64_t number = 0;
    for (size_t i = 0; i < magnitude.size; i++)
        number = number > INT64_MAX >> 9 ? INT64_MAX : number << 8 | magnitude.data[i];
    return number;
}

static int64_t read_extensions(vch_der *tbs)
{
    enum { NUMBER = 1, AUTHORITY = 2, BOTH = 3 };
    unsigned seen = 0;
    int64_t number = 0;
    vch_der outer = vch_der_enter(tbs, VCH_DER_CONTEXT_CONSTRUCTED(0));
    vch_der list = vch_der_enter(&outer, VCH_DER_SEQUENCE);
    while (vch_der_more(&list)) {
        vch_x509_extension e = vch_x509_next_extension(&list);
        if (list.failed != VOUCH_OK)
            break;
        unsigned bit = vch_span_is(e.oid, VCH_OID_CRL_NUMBER)         ? (unsigned)NUMBER
                       : vch_span_is(e.oid, VCH_OID_AUTHORITY_KEY_ID) ? (unsigned)AUTHORITY
                                                                      : 0;
        if (bit == 0 && e.critical)
            vch_der_refuse(&list, "an unknown extension is critical");
        /* deltaCRLIndicator, issuingDistributionPoint: not a complete list, critical or not. */
        if (vch_span_is(e.oid, VCH_OID_DELTA_CRL) || vch_span_is(e.oid, VCH_OID_ISSUING_POINT))
            vch_der_refuse(&list, "not a complete list");
        if ((seen & bit) != 0)
            vch_der_refuse(&list, "an extension stands twice");
        seen |= bit;
        if (bit == AUTHORITY)
            vch_x509_authority_key(e.value, &list);
        if (bit == NUMBER)
            number = read_crl_number(e.value, &list);
    }
    vch_der_leave(&outer, &list);
    vch_der_leave(tbs, &outer);
    if (tbs->failed == VOUCH_OK && seen != BOTH)
        vch_der_refuse(tbs, "CRL number or authority key id is missing");
    return number;
}

static void read_tbs(vch_der *tbs, vch_crl *crl)
{
    if (vch_der_uint(tbs) != 1)
        vch_der_refuse(tbs, "the version is not 2");
    vch_x509_signature_algorithm(tbs);
    crl->issuer = vch_x509_name(tbs, NULL);
    crl->this_update_unix_s = vch_der_time(tbs);
    crl->next_update_unix_s = vch_der_time(tbs);
    if (vch_der_peek(tbs, VCH_DER_SEQUENCE))
        read_entries(tbs, crl);
    crl->number = read_extensions(tbs);
}

vouch_code vch_crl_parse(vouch_span der, vch_crl *out, vouch_error *err)
{
    if (der.size > VCH_CRL_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "CRL: %zu bytes exceed %zu", der.size,
                          VCH_CRL_MAX_SIZE);
    VCH_SCOPED(vch_crl_drop) vch_crl crl = { 0 };
    vch_der d = vch_der_over(der);
    vch_der outer = vch_der_enter(&d, VCH_DER_SEQUENCE);
    vch_der ahead = outer;
    crl.tbs = vch_der_any(&ahead).whole;
    vch_der tbs = vch_der_enter(&outer, VCH_DER_SEQUENCE);
    read_tbs(&tbs, &crl);
    vch_der_leave(&outer, &tbs);
    vch_x509_signature(&outer, crl.signature);
    vch_der_leave(&d, &outer);
    vouch_code rc = vch_der_finish(&d, "CRL", err);
    if (rc != VOUCH_OK)
        return rc;
    *out = crl;
    crl = (vch_crl) { 0 };
    return VOUCH_OK;
}

void vch_crl_drop(vch_crl *crl)
{
    free(crl->serials);
    *crl = (vch_crl) { 0 };
}

vouch_code vch_crl_signed_by(const vch_crl *crl, const vch_p256_key *issuer, bool *out_valid,
                             vouch_error *err)
{
    return vch_p256_verify(issuer, crl->tbs, crl->signature, out_valid, err);
}

bool vch_crl_lists(const vch_crl *crl, const uint8_t serial[static VCH_SERIAL_MAX_SIZE])
{
    for (size_t i = 0; i < crl->revoked_count; i++) {
        if (memcmp(crl->serials[i], serial, VCH_SERIAL_MAX_SIZE) == 0)
            return true;
    }
    return false;
}
