#include "identity/admit_steps.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "identity/enrolment.h"
#include "identity/proven.h"
#include "identity/ratls_evidence.h"

#define BACKDATE_S 600
#define CERTIFICATE_LIFE_MAX_S (168 * 3600)

vch_admission_code vch_admit_step_certificate(vch_examination *x)
{
    vouch_error err = { 0 };
    vouch_span der = x->request->certificate;
    if (der.size > VCH_RATLS_CERT_MAX_SIZE)
        return vch_refuse(x, VCH_REFUSED_SIZE, "a certificate of %zu bytes; at most %zu", der.size,
                          VCH_RATLS_CERT_MAX_SIZE);
    vouch_code rc = vch_sha256(der, x->verdict.certificate, &err);
    if (rc == VOUCH_OK)
        rc = vch_ratls_cert_parse(der, &x->certificate, &err);
    if (rc != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_CERTIFICATE, &err);
    x->verdict.nbf_unix_s = x->certificate.nbf_unix_s;
    x->verdict.exp_unix_s = x->certificate.exp_unix_s;
    if (x->certificate.unknown_critical)
        return vch_refuse(x, VCH_REFUSED_CERTIFICATE, "a critical extension is unknown");
    return VCH_ADMITTED;
}

/* A legacy extension beside the DICE one must tell the same story, whatever else it is. */
static vch_admission_code check_legacy(vch_examination *x, vouch_span legacy)
{
    vouch_error err = { 0 };
    vouch_claims beside = { 0 };
    uint8_t bound[64] = { 0 };
    if (vch_span_equal(legacy, x->evidence.quote))
        return VCH_ADMITTED; /* Intel's SDK puts the same quote in both */
    vouch_code rc = vouch_quote_read(legacy, &beside, &err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(x->certificate.spki, bound, &err);
    if (rc != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_LEGACY, &err);
    bool same = beside.tee == x->quote.tee && memcmp(beside.report_data, bound, 64) == 0
                && memcmp(beside.sgx.mrenclave, x->quote.sgx.mrenclave, 32) == 0
                && memcmp(beside.tdx.mrtd, x->quote.tdx.mrtd, 48) == 0;
    if (!same)
        return vch_refuse(x, VCH_REFUSED_LEGACY,
                          "the legacy extension names another key or another measurement");
    return VCH_ADMITTED;
}

vch_admission_code vch_admit_step_evidence(vch_examination *x)
{
    vouch_error err = { 0 };
    const vouch_span *found = x->certificate.evidence;
    if (x->certificate.evidence_twice)
        return vch_refuse(x, VCH_REFUSED_DUPLICATE, "an evidence extension stands there twice");
    if (found[VCH_RATLS_DICE].data == NULL) {
        for (size_t d = 0; d < VCH_RATLS_DIALECT_COUNT; d++) {
            if (found[d].data != NULL)
                return vch_refuse(x, VCH_REFUSED_NO_EVIDENCE,
                                  "evidence only in the %s form, which holds no claims",
                                  vch_ratls_dialect_name((vch_ratls_dialect)d));
        }
        return vch_refuse(x, VCH_REFUSED_NO_EVIDENCE, "the certificate carries no evidence");
    }
    vouch_code rc = vch_dice_evidence_parse(found[VCH_RATLS_DICE], &x->evidence, &err);
    if (rc == VOUCH_OK && x->evidence.tag != 60000)
        rc = vouch_fail(&err, VOUCH_E_UNSUPPORTED, "evidence of tag %llu is no quote",
                        (unsigned long long)x->evidence.tag);
    if (rc == VOUCH_OK)
        rc = vouch_quote_read(x->evidence.quote, &x->quote, &err);
    if (rc != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_EVIDENCE_FORM, &err);
    for (size_t d = 0; d < VCH_RATLS_DIALECT_COUNT; d++) {
        if (d == VCH_RATLS_DICE || found[d].data == NULL)
            continue;
        vch_admission_code code = check_legacy(x, found[d]);
        if (code != VCH_ADMITTED)
            return code;
    }
    return VCH_ADMITTED;
}

vch_admission_code vch_admit_step_claims_form(vch_examination *x)
{
    vouch_error err = { 0 };
    if (vch_claims_parse(x->evidence.claims, &x->claims, &err) != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_EVIDENCE_FORM, &err);
    x->verdict.attested = true;
    x->verdict.role = x->claims.role;
    (void)snprintf(x->verdict.name, sizeof x->verdict.name, "%s", x->claims.name);
    return VCH_ADMITTED;
}

vch_admission_code vch_admit_step_self_signature(vch_examination *x)
{
    vouch_error err = { 0 };
    if (vch_proven_has(x->rules->proven, x->verdict.certificate))
        return VCH_ADMITTED;
    if (vch_ratls_cert_check_self_signature(&x->certificate, &err) != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_SELF_SIGNATURE, &err);
    vch_proven_add(x->rules->proven, x->verdict.certificate);
    return VCH_ADMITTED;
}

vch_admission_code vch_admit_step_validity(vch_examination *x)
{
    int64_t skew = x->rules->file == NULL
                       ? 0
                       : (int64_t)vch_attestation_file_local(x->rules->file)->clock_skew_s;
    int64_t now = x->request->now_unix_s;
    if (now < x->certificate.nbf_unix_s - skew)
        return vch_refuse(x, VCH_REFUSED_VALIDITY, "the certificate is valid only in %lld s",
                          (long long)(x->certificate.nbf_unix_s - now));
    if (now > x->certificate.exp_unix_s + skew)
        return vch_refuse(x, VCH_REFUSED_VALIDITY, "the certificate expired %lld s ago",
                          (long long)(now - x->certificate.exp_unix_s));
    return VCH_ADMITTED;
}

/* Whose claims must these be? The name decides the line of `participants`. */
static vch_admission_code find_member(vch_examination *x, const vch_federation *f)
{
    if (x->request->name != NULL && strcmp(x->request->name, x->claims.name) != 0)
        return vch_refuse(x, VCH_REFUSED_NAME, "'%.60s' answered, expected '%.60s'", x->claims.name,
                          x->request->name);
    x->member = vch_federation_member(f, x->claims.name);
    if (x->member == NULL)
        return vch_refuse(x, VCH_REFUSED_NAME, "'%.60s' is not among the participants",
                          x->claims.name);
    if (!x->member->attested)
        return vch_refuse(x, VCH_REFUSED_PKI,
                          "'%.60s' is listed as not attested and must show its PKI certificate",
                          x->claims.name);
    if (!vch_span_is(x->certificate.common_name, x->claims.name)
        || !vch_ratls_cert_has_alt_name(&x->certificate, x->claims.name))
        return vch_refuse(x, VCH_REFUSED_NAME,
                          "the certificate's subject is not the claimed name '%.60s'",
                          x->claims.name);
    return VCH_ADMITTED;
}

vch_admission_code vch_admit_step_claims(vch_examination *x)
{
    vouch_error err = { 0 };
    uint8_t key_digest[VCH_SHA384_SIZE];
    const vch_federation *f = vch_attestation_file_federation(x->rules->file);
    if (vch_sha384(x->certificate.spki, key_digest, &err) != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_FAULT, &err);
    vch_claims_expectation expected = {
        .key_digest = key_digest,
        .federation = f->id,
        .name = x->claims.name,
        .role = x->claims.role,
        .plan = x->rules->plan_digest,
        .policy = f->digest,
        .nbf_unix_s = x->certificate.nbf_unix_s,
        .exp_unix_s = x->certificate.exp_unix_s,
        .life_max_s = (int64_t)f->certificate_life_s + BACKDATE_S,
    };
    if (memcmp(key_digest, x->claims.key_digest, sizeof key_digest) == 0) {
        vch_admission_code code = find_member(x, f);
        if (code != VCH_ADMITTED)
            return code;
        expected.name = x->member->name;
        expected.role = x->member->role;
        if (expected.role != x->request->role && x->claims.role == expected.role)
            return vch_refuse(x, VCH_REFUSED_ROLE, "'%.60s' is listed as %s, expected %s",
                              x->member->name, vch_role_name(expected.role),
                              vch_role_name(x->request->role));
    }
    vch_admission_code code = vch_claims_check(&x->claims, &expected, x->verdict.message);
    if (code == VCH_ADMITTED && expected.plan == NULL)
        return vch_pass(x, "for which plan was not compared");
    return code;
}

vch_admission_code vch_admit_step_still_member(vch_examination *x)
{
    vch_admission_code code =
        find_member(x, vch_attestation_file_federation(x->rules->file)); /* by today's list */
    if (code == VCH_ADMITTED && x->member->role != x->claims.role)
        return vch_refuse(x, VCH_REFUSED_ROLE, "'%.60s' is listed as %s now", x->member->name,
                          vch_role_name(x->member->role));
    return code;
}

vch_admission_code vch_admit_step_enrolment(vch_examination *x)
{
    vouch_error err = { 0 };
    if (x->certificate.enrolment.data == NULL)
        return vch_refuse(x, VCH_REFUSED_ENROLMENT,
                          "the certificate carries no enrolment of its site");
    if (vch_enrolment_check(x->certificate.enrolment, x->evidence.claims, x->member->enrolment,
                            &err)
        != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_ENROLMENT, &err);
    x->verdict.enrolled = true;
    return VCH_ADMITTED;
}

/* Without a federation: do the claims fit the certificate that they stand in? Whose name it is, for
 * which plan and policy, and with whose consent stays open. */
vch_admission_code vch_admit_step_own_claims(vch_examination *x)
{
    vouch_error err = { 0 };
    uint8_t key_digest[VCH_SHA384_SIZE];
    if (vch_sha384(x->certificate.spki, key_digest, &err) != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_FAULT, &err);
    const vch_claims_expectation expected = {
        .key_digest = key_digest,
        .federation = x->claims.federation,
        .name = x->claims.name,
        .role = x->claims.role,
        .policy = x->claims.policy,
        .nbf_unix_s = x->certificate.nbf_unix_s,
        .exp_unix_s = x->certificate.exp_unix_s,
        .life_max_s = CERTIFICATE_LIFE_MAX_S + BACKDATE_S,
    };
    vch_admission_code code = vch_claims_check(&x->claims, &expected, x->verdict.message);
    return code == VCH_ADMITTED ? vch_pass(x, "whose they are was not judged: no federation given")
                                : code;
}

vch_admission_code vch_admit_step_any_evidence(vch_examination *x)
{
    vouch_error err = { 0 };
    vch_ratls_evidence e = { 0 };
    if (vch_ratls_evidence_read(&x->certificate, &e, &err) != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_FAULT, &err);
    if (!e.found)
        return vch_refuse(x, VCH_REFUSED_NO_EVIDENCE, "%s", e.why);
    if (e.quote.size == 0)
        return vch_refuse(x, VCH_REFUSED_EVIDENCE_FORM, "%s: %s", vch_ratls_dialect_name(e.dialect),
                          e.why);
    if (!e.bound)
        return vch_refuse(x, VCH_REFUSED_REPORT_DATA, "%s: %s", vch_ratls_dialect_name(e.dialect),
                          e.why);
    if (vouch_quote_read(e.quote, &x->quote, &err) != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_EVIDENCE_FORM, &err);
    x->evidence = (vch_dice_evidence) { .quote = e.quote, .claims = e.claims };
    x->verdict.attested = true;
    return vch_pass(x, vch_ratls_dialect_name(e.dialect));
}
