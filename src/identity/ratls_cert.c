#include "identity/ratls_cert.h"

#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "codec/cbor.h"
#include "codec/der.h"
#include "identity/address.h"
#include "identity/enrolment.h"

#define EXTENSIONS_MAX 32
#define ENDORSEMENTS_OID "2.23.133.5.4.2"

static const struct {
    const char *name;
    const char *oid;
} dialects[VCH_RATLS_DIALECT_COUNT] = {
    [VCH_RATLS_DICE] = { "interoperable", "2.23.133.5.4.9" },
    [VCH_RATLS_GRAMINE_LEGACY] = { "gramine-legacy", "1.2.840.113741.1337.6" },
    [VCH_RATLS_INTEL_LEGACY] = { "intel-legacy", "1.2.840.113741.1.13.1" },
    [VCH_RATLS_OE_REPORT_OLD] = { "open-enclave-report-old", "1.2.840.113556.10.1.1" },
    [VCH_RATLS_OE_REPORT_NEW] = { "open-enclave-report", "1.3.6.1.4.1.311.105.1" },
    [VCH_RATLS_OE_EVIDENCE_OLD] = { "open-enclave-evidence-old", "1.2.840.113556.10.1.2" },
    [VCH_RATLS_OE_EVIDENCE_NEW] = { "open-enclave-evidence", "1.3.6.1.4.1.311.105.2" },
    [VCH_RATLS_DSTACK_QUOTE] = { "dstack", "1.3.6.1.4.1.62397.1.1" },
};

/* Gramine wraps an already encoded OID once more; on the wire that is this one (ra_tls.md 2). */
#define GRAMINE_WIRE_OID "0.6.9.42.840.113741.1337.6"

const char *vch_ratls_dialect_name(vch_ratls_dialect d)
{
    return dialects[d].name;
}

const char *vch_ratls_dialect_oid(vch_ratls_dialect d)
{
    return dialects[d].oid;
}

/* The CN of a name, if it has exactly one. */
static vouch_span common_name(vouch_span name)
{
    vouch_span found = { 0 };
    size_t count = 0;
    vch_der d = vch_der_over(name);
    vch_der rdns = vch_der_enter(&d, VCH_DER_SEQUENCE);
    while (vch_der_more(&rdns)) {
        vch_der set = vch_der_enter(&rdns, VCH_DER_SET);
        while (vch_der_more(&set)) {
            vch_der pair = vch_der_enter(&set, VCH_DER_SEQUENCE);
            vouch_span type = vch_der_oid(&pair);
            vouch_span value = vch_der_any(&pair).content;
            vch_der_leave(&set, &pair);
            if (set.failed == VOUCH_OK && vch_oid_is(type, "2.5.4.3")) {
                found = value;
                count++;
            }
        }
        vch_der_leave(&rdns, &set);
    }
    vch_der_leave(&d, &rdns);
    return vch_der_finish(&d, "name", NULL) == VOUCH_OK && count == 1 ? found : (vouch_span) { 0 };
}

static void remember(vouch_span *slot, vouch_span value, vch_ratls_cert *out)
{
    if (slot->data != NULL)
        out->evidence_twice = true;
    *slot = value;
}

static bool is_dialect(vouch_span oid, size_t d)
{
    return vch_oid_is(oid, dialects[d].oid)
           || (d == VCH_RATLS_GRAMINE_LEGACY && vch_oid_is(oid, GRAMINE_WIRE_OID));
}

static bool take_evidence(vouch_span oid, vouch_span value, vch_ratls_cert *out)
{
    for (size_t d = 0; d < VCH_RATLS_DIALECT_COUNT; d++) {
        if (is_dialect(oid, d)) {
            remember(&out->evidence[d], value, out);
            return true;
        }
    }
    if (vch_oid_is(oid, VCH_ENROLMENT_OID))
        remember(&out->enrolment, value, out);
    else if (vch_oid_is(oid, ENDORSEMENTS_OID))
        remember(&out->endorsements, value, out);
    else
        return false;
    return true;
}

static void read_basic_constraints(vch_der *d, vouch_span value, vch_ratls_cert *out)
{
    vch_der in = vch_der_over(value);
    vch_der c = vch_der_enter(&in, VCH_DER_SEQUENCE);
    if (vch_der_peek(&c, VCH_DER_BOOLEAN))
        out->is_ca = vch_der_boolean(&c);
    if (vch_der_peek(&c, VCH_DER_INTEGER))
        (void)vch_der_uint(&c);
    vch_der_leave(&in, &c);
    if (vch_der_finish(&in, "basicConstraints", NULL) != VOUCH_OK)
        vch_der_refuse(d, "basicConstraints are malformed");
}

/* Extensions that may be critical without harm, since we look at them or rely on none of it. */
static bool is_known(vouch_span oid)
{
    static const char *const known[] = { "2.5.29.14", "2.5.29.15", "2.5.29.17",
                                         "2.5.29.19", "2.5.29.35", "2.5.29.37" };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (vch_oid_is(oid, known[i]))
            return true;
    }
    return false;
}

static void read_extension(vch_der *list, vouch_span seen[static EXTENSIONS_MAX], size_t index,
                           vch_ratls_cert *out)
{
    vch_der e = vch_der_enter(list, VCH_DER_SEQUENCE);
    vouch_span oid = vch_der_oid(&e);
    bool critical = vch_der_peek(&e, VCH_DER_BOOLEAN) && vch_der_boolean(&e);
    vouch_span value = vch_der_next(&e, VCH_DER_OCTET_STRING);
    vch_der_leave(list, &e);
    if (list->failed != VOUCH_OK)
        return;
    bool evidence = take_evidence(oid, value, out);
    for (size_t i = 0; i < index; i++) {
        if (!evidence && vch_span_equal(seen[i], oid)) /* RFC 5280 s.4.2: not more than one */
            vch_der_refuse(list, "an extension stands twice");
    }
    seen[index] = oid;
    if (vch_oid_is(oid, "2.5.29.19"))
        read_basic_constraints(list, value, out);
    else if (vch_oid_is(oid, "2.5.29.17"))
        out->alt_names = value;
    else if (critical && !evidence && !is_known(oid))
        out->unknown_critical = true;
}

static void read_extensions(vch_der *tbs, vch_ratls_cert *out)
{
    vouch_span seen[EXTENSIONS_MAX] = { 0 };
    size_t count = 0;
    vch_der outer = vch_der_enter(tbs, VCH_DER_CONTEXT_CONSTRUCTED(3));
    vch_der list = vch_der_enter(&outer, VCH_DER_SEQUENCE);
    while (vch_der_more(&list)) {
        if (count == EXTENSIONS_MAX) {
            vch_der_refuse(&list, "more than 32 extensions");
            break;
        }
        read_extension(&list, seen, count++, out);
    }
    vch_der_leave(&outer, &list);
    vch_der_leave(tbs, &outer);
}

static void read_tbs(vch_der *tbs, vch_ratls_cert *out, vouch_span *algorithm)
{
    vch_der version = vch_der_enter(tbs, VCH_DER_CONTEXT_CONSTRUCTED(0));
    if (vch_der_uint(&version) != 2)
        vch_der_refuse(tbs, "not an X.509 v3 certificate");
    vch_der_leave(tbs, &version);
    out->serial = vch_der_integer(tbs);
    *algorithm = vch_der_any(tbs).whole;
    out->issuer = vch_der_any(tbs).whole;
    vch_der validity = vch_der_enter(tbs, VCH_DER_SEQUENCE);
    out->nbf_unix_s = vch_der_time(&validity);
    out->exp_unix_s = vch_der_time(&validity);
    vch_der_leave(tbs, &validity);
    out->subject = vch_der_any(tbs).whole;
    out->spki = vch_der_any(tbs).whole;
    if (vch_der_peek(tbs, VCH_DER_CONTEXT_CONSTRUCTED(3)))
        read_extensions(tbs, out);
}

vouch_code vch_ratls_cert_parse(vouch_span der, vch_ratls_cert *out, vouch_error *err)
{
    if (der.size > VCH_RATLS_CERT_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "a certificate of %zu bytes; at most %zu", der.size,
                          VCH_RATLS_CERT_MAX_SIZE);
    vch_ratls_cert cert = { .der = der };
    vouch_span inner_algorithm = { 0 };
    vch_der d = vch_der_over(der);
    vch_der whole = vch_der_enter(&d, VCH_DER_SEQUENCE);
    vch_der_element tbs_element = vch_der_any(&whole);
    vch_der tbs = vch_der_over(tbs_element.content);
    if (tbs_element.tag != VCH_DER_SEQUENCE)
        vch_der_refuse(&whole, "the signed part is no SEQUENCE");
    cert.tbs = tbs_element.whole;
    read_tbs(&tbs, &cert, &inner_algorithm);
    vch_der_leave(&whole, &tbs);
    cert.algorithm = vch_der_any(&whole).whole;
    cert.signature = vch_der_bit_string(&whole);
    vch_der_leave(&d, &whole);
    vouch_code rc = vch_der_finish(&d, "certificate", err);
    if (rc != VOUCH_OK)
        return rc;
    if (!vch_span_equal(inner_algorithm, cert.algorithm)) /* RFC 5280 s.4.1.1.2 */
        return vouch_fail(err, VOUCH_E_FORMAT, "certificate: two signature algorithms are named");
    cert.common_name = common_name(cert.subject);
    *out = cert;
    return VOUCH_OK;
}

static vouch_code algorithm_of(vouch_span identifier, vch_sig_alg *out, vouch_error *err)
{
    static const struct {
        const char *oid;
        vch_sig_alg alg;
    } known[] = {
        { "1.2.840.10045.4.3.2", VCH_SIG_ECDSA_SHA256 },
        { "1.2.840.10045.4.3.3", VCH_SIG_ECDSA_SHA384 },
        { "1.2.840.113549.1.1.11", VCH_SIG_RSA_PKCS1_SHA256 },
        { "1.2.840.113549.1.1.12", VCH_SIG_RSA_PKCS1_SHA384 },
    };
    vch_der d = vch_der_over(identifier);
    vch_der sequence = vch_der_enter(&d, VCH_DER_SEQUENCE);
    vouch_span oid = vch_der_oid(&sequence);
    if (vch_der_more(&sequence))
        vch_der_null(&sequence);
    vch_der_leave(&d, &sequence);
    vouch_code rc = vch_der_finish(&d, "signature algorithm", err);
    for (size_t i = 0; rc == VOUCH_OK && i < sizeof known / sizeof *known; i++) {
        if (vch_oid_is(oid, known[i].oid)) {
            *out = known[i].alg;
            return VOUCH_OK;
        }
    }
    return rc != VOUCH_OK ? rc
                          : vouch_fail(err, VOUCH_E_UNSUPPORTED,
                                       "the certificate's signature algorithm is not supported");
}

vouch_code vch_ratls_cert_check_self_signature(const vch_ratls_cert *cert, vouch_error *err)
{
    vch_sig_alg alg = 0;
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    bool valid = false;
    vouch_code rc = algorithm_of(cert->algorithm, &alg, err);
    if (rc == VOUCH_OK)
        rc = vch_key_from_spki(cert->spki, &key, err);
    if (rc == VOUCH_OK)
        rc = vch_key_verify(key, alg, cert->tbs, cert->signature, &valid, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the certificate's own signature");
    if (!valid || !vch_span_equal(cert->issuer, cert->subject))
        return vouch_fail(err, VOUCH_E_REFUSED, "the certificate is not signed by its own key");
    return VOUCH_OK;
}

bool vch_ratls_cert_has_alt_name(const vch_ratls_cert *cert, const char *name)
{
    uint8_t ip[16] = { 0 };
    size_t ip_size = vch_ip_literal(name, ip);
    bool found = false;
    vch_der d = vch_der_over(cert->alt_names);
    vch_der names = vch_der_enter(&d, VCH_DER_SEQUENCE);
    while (vch_der_more(&names)) {
        vch_der_element e = vch_der_any(&names);
        if (e.tag == VCH_DER_CONTEXT(2))
            found = found || vch_span_is(e.content, name);
        if (e.tag == VCH_DER_CONTEXT(7) && ip_size > 0)
            found = found || vch_span_equal(e.content, (vouch_span) { ip, ip_size });
    }
    vch_der_leave(&d, &names);
    return vch_der_finish(&d, "subjectAltName", NULL) == VOUCH_OK && found;
}

vouch_code vch_dice_evidence_parse(vouch_span value, vch_dice_evidence *out, vouch_error *err)
{
    vch_dice_evidence evidence = { 0 };
    vch_cbor c = vch_cbor_over(value);
    evidence.tag = vch_cbor_tag(&c);
    size_t count = vch_cbor_array_enter(&c);
    evidence.quote = vch_cbor_bytes(&c);
    evidence.claims = vch_cbor_bytes(&c);
    vouch_code rc = vch_cbor_finish(&c, "evidence extension", err);
    if (rc != VOUCH_OK)
        return rc;
    if (count != 2)
        return vouch_fail(err, VOUCH_E_FORMAT, "evidence extension: not [quote, claims]");
    *out = evidence;
    return VOUCH_OK;
}
