#include "sim/forge.h"

#include "codec/der.h"

#define PARTS_BEFORE_KEY 6 /* version, serial, algorithm, issuer, validity, subject */

/* The to-be-signed part again, with another SubjectPublicKeyInfo. */
static vouch_code replace_key(vch_der *tbs, const vch_key *key, vch_buffer *out, vouch_error *err)
{
    size_t begun = vch_der_begin(out, VCH_DER_SEQUENCE);
    for (int i = 0; i < PARTS_BEFORE_KEY; i++)
        vch_buffer_append(out, vch_der_any(tbs).whole);
    (void)vch_der_any(tbs); /* the genuine key */
    vouch_code rc = vch_key_spki(key, out, err);
    while (vch_der_more(tbs))
        vch_buffer_append(out, vch_der_any(tbs).whole);
    vch_der_end(out, begun);
    return rc;
}

static vouch_code sign_and_wrap(vouch_span tbs, vouch_span algorithm, const vch_key *key,
                                vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer signature = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
    vouch_code rc = vch_key_sign(key, VCH_SIG_ECDSA_SHA384, tbs, &signature, err);
    if (rc != VOUCH_OK)
        return rc;
    size_t begun = vch_der_begin(out, VCH_DER_SEQUENCE);
    vch_buffer_append(out, tbs);
    vch_buffer_append(out, algorithm);
    vch_der_put_bit_string(out, vch_buffer_span(&signature));
    vch_der_end(out, begun);
    return vch_buffer_finish(out, "forged certificate", err);
}

vouch_code vch_sim_forge_certificate(vouch_span genuine, const vch_key *key, vch_buffer *out,
                                     vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer tbs = vch_buffer_with_cap((size_t)64 << 10);
    vch_der whole = vch_der_over(genuine);
    vch_der certificate = vch_der_enter(&whole, VCH_DER_SEQUENCE);
    vch_der genuine_tbs = vch_der_enter(&certificate, VCH_DER_SEQUENCE);
    vouch_code rc = replace_key(&genuine_tbs, key, &tbs, err);
    vch_der_leave(&certificate, &genuine_tbs);
    vch_der_element algorithm = vch_der_any(&certificate);
    (void)vch_der_bit_string(&certificate);
    vch_der_leave(&whole, &certificate);
    if (rc == VOUCH_OK)
        rc = vch_der_finish(&whole, "genuine certificate", err);
    if (rc == VOUCH_OK)
        rc = vch_buffer_finish(&tbs, "forged certificate", err);
    return rc == VOUCH_OK ? sign_and_wrap(vch_buffer_span(&tbs), algorithm.whole, key, out, err)
                          : rc;
}
