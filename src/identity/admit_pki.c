#include "identity/admit_steps.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "crypto/hash.h"

/* The subject's name as text of ours; false if it has none, or one that cannot be shown. */
static bool common_name(const vch_ratls_cert *certificate,
                        char out[static VCH_PARTICIPANT_NAME_SIZE])
{
    vouch_span cn = certificate->common_name;
    if (cn.size == 0 || cn.size >= VCH_PARTICIPANT_NAME_SIZE)
        return false;
    for (size_t i = 0; i < cn.size; i++) {
        if (cn.data[i] < 0x20 || cn.data[i] == 0x7f)
            return false;
        out[i] = (char)cn.data[i];
    }
    out[cn.size] = 0;
    return true;
}

vch_admission_code vch_admit_step_pki_member(vch_examination *x)
{
    vch_admission *v = &x->verdict;
    if (!common_name(&x->certificate, v->name))
        return vch_refuse(x, VCH_REFUSED_NAME, "the certificate's subject has no usable name");
    v->role = x->request->role;
    if (x->rules->file == NULL)
        return VCH_ADMITTED; /* no list of ours: the chain decides, and the plan's own list later */
    x->member = vch_federation_member(vch_attestation_file_federation(x->rules->file), v->name);
    if (x->member == NULL)
        return vch_refuse(x, VCH_REFUSED_NAME, "'%.60s' is not among the participants", v->name);
    v->role = x->member->role;
    if (x->request->name != NULL && strcmp(x->request->name, v->name) != 0)
        return vch_refuse(x, VCH_REFUSED_NAME, "'%.60s' answered, expected '%.60s'", v->name,
                          x->request->name);
    if (x->member->role != x->request->role)
        return vch_refuse(x, VCH_REFUSED_ROLE, "'%.60s' is listed as %s, expected %s", v->name,
                          vch_role_name(x->member->role), vch_role_name(x->request->role));
    if (x->member->attested)
        return vch_refuse(x, x->request->stock ? VCH_REFUSED_H2 : VCH_REFUSED_NO_EVIDENCE,
                          "'%.60s' owes evidence%s", v->name,
                          x->request->stock ? " and came over h2" : " and shows none");
    return VCH_ADMITTED;
}

vch_admission_code vch_admit_step_pki_chain(vch_examination *x)
{
    if (!x->request->chain_trusted)
        return vch_refuse(x, VCH_REFUSED_PKI, "'%.60s': %s", x->verdict.name,
                          x->request->chain_why == NULL ? "no PKI is trusted here"
                                                        : x->request->chain_why);
    return VCH_ADMITTED;
}

/* Besides its chain: the CA alone must not be able to put another key in a participant's place. */
vch_admission_code vch_admit_step_pki_key(vch_examination *x)
{
    vouch_error err = { 0 };
    uint8_t digest[VCH_SHA256_SIZE];
    if (x->member == NULL)
        return VCH_ADMITTED;
    if (vch_sha256(x->certificate.spki, digest, &err) != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_FAULT, &err);
    if (memcmp(digest, x->member->enrolment, sizeof digest) != 0)
        return vch_refuse(x, VCH_REFUSED_PKI, "'%.60s' shows another key than the pinned one",
                          x->verdict.name);
    return VCH_ADMITTED;
}
