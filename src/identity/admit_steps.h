/*
 * Inside identity's admission: the working state of one judgement and its steps. A step gives
 * VCH_ADMITTED to go on, or the code of its refusal with the reason in x->verdict.message.
 */
#ifndef VCH_IDENTITY_ADMIT_STEPS_H
#define VCH_IDENTITY_ADMIT_STEPS_H

#include "identity/admit.h"
#include "identity/claims.h"
#include "identity/collateral_cache.h"
#include "identity/ratls_cert.h"
#include "vouch/evidence.h"
#include "vouch/verifier.h"

typedef struct vch_examination {
    const vch_admission_rules *rules;
    const vch_admission_request *request;
    vch_admission verdict;
    vch_ratls_cert certificate;
    vch_dice_evidence evidence;
    vch_claims claims;
    const vch_member *member;
    vouch_claims quote;                   /* as read; proven once the quote step passed */
    const vch_collateral_set *collateral; /* owned */
    vouch_appraisal *appraisal;           /* owned */
} vch_examination;

typedef struct vch_admission_step {
    const char *name;
    vch_admission_code (*run)(vch_examination *x);
} vch_admission_step;

/* Set the reason and give the code. */
VOUCH_PRINTF(3, 4)
vch_admission_code vch_refuse(vch_examination *x, vch_admission_code code, const char *fmt, ...);

/* The same from an error: its text is the reason; our own failures become VCH_REFUSED_FAULT. */
vch_admission_code vch_refuse_error(vch_examination *x, vch_admission_code code,
                                    const vouch_error *err);

/* Go on, with a remark for whoever has the steps explained. */
vch_admission_code vch_pass(vch_examination *x, const char *remark);

/* The policy that this peer's evidence is held to. */
const vouch_policy *vch_examination_policy(const vch_examination *x);

/* admit_certificate.c: from the size limit to the enrolment. */
vch_admission_code vch_admit_step_certificate(vch_examination *x);
vch_admission_code vch_admit_step_evidence(vch_examination *x);
vch_admission_code vch_admit_step_claims_form(vch_examination *x);
vch_admission_code vch_admit_step_self_signature(vch_examination *x);
vch_admission_code vch_admit_step_validity(vch_examination *x);
vch_admission_code vch_admit_step_claims(vch_examination *x);
vch_admission_code vch_admit_step_enrolment(vch_examination *x);
vch_admission_code vch_admit_step_still_member(vch_examination *x); /* judged anew */
vch_admission_code vch_admit_step_own_claims(vch_examination *x);   /* without a federation */

vch_admission_code vch_admit_step_any_evidence(vch_examination *x); /* of other products, too */

/* admit_evidence.c: the quote, what it proves, and the newest certificate of the name. */
vch_admission_code vch_admit_step_report_data(vch_examination *x);
vch_admission_code vch_admit_step_quote(vch_examination *x);
vch_admission_code vch_admit_step_quote_anew(vch_examination *x); /* judged anew */
vch_admission_code vch_admit_step_policy(vch_examination *x);
vch_admission_code vch_admit_step_platform(vch_examination *x);
vch_admission_code vch_admit_step_newest(vch_examination *x);

/* admit_fresh.c: token and channel quote. */
vch_admission_code vch_admit_step_token(vch_examination *x);
vch_admission_code vch_admit_step_channel(vch_examination *x);

/* admit_pki.c: a peer that is not attested. */
vch_admission_code vch_admit_step_pki_member(vch_examination *x);
vch_admission_code vch_admit_step_pki_chain(vch_examination *x);
vch_admission_code vch_admit_step_pki_key(vch_examination *x);

#endif
