/*
 * The declarative policies of Intel's Policy Builder: JSON that lists claims and the values that they
 * may have, judged as Intel's service judges what the tool makes of them. Rego itself is told and
 * refused. It says nothing about roots: whoever appraises decides which he trusts. Pure; immutable
 * once parsed: share freely.
 * Spec: intel_trust_authority.md section 8.
 */
#ifndef VCH_POLICY_BUILDER_H
#define VCH_POLICY_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scope.h"
#include "evidence/reasons.h"
#include "vouch/error.h"
#include "vouch/evidence.h"
#include "vouch/span.h"

#define VCH_BUILDER_MAX_SIZE ((size_t)64 << 10) /* bytes of a policy */
#define VCH_BUILDER_EXPORTS_MAX 32

/* What a policy's text is written in. */
typedef enum vch_policy_form {
    VCH_POLICY_VOUCH = 0, /* YAML (or what cannot be told) */
    VCH_POLICY_BUILDER = 1,
    VCH_POLICY_REGO = 2, /* also as a JWT, or in the builder's form as one text */
} vch_policy_form;

vch_policy_form vch_policy_form_of(vouch_span text);

/* The one sentence about Rego, for everybody who meets it. */
extern const char vch_policy_rego_refusal[];

typedef struct vch_builder_policy vch_builder_policy;

/*
 * name  What messages call it, usually the path.
 * Fails with VOUCH_E_CONFIG (what is wrong and where), _FORMAT (not JSON), _UNSUPPORTED (Rego; a TEE
 * that is not ours), _LIMIT, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_builder_parse(const char *name, vouch_span json,
                                              vch_builder_policy **out, vouch_error *err);
void vch_builder_free(vch_builder_policy *policy);
VCH_DEFINE_DROP(vch_builder_drop, vch_builder_policy, vch_builder_free)

/* True: it matches. False added at least one reason of step "policy". */
bool vch_builder_judge(const vch_builder_policy *policy, const vouch_claims *claims,
                       int64_t now_unix_s, vch_reasons *reasons);

/* A claim that goes into the token under another name ("export", "sgx_customization"). */
typedef struct vch_builder_export {
    const char *name;
    const char *claim; /* as in a token: "sgx_isvsvn" */
} vch_builder_export;

/* Of the evidence's TEE; borrowed from the policy. Returns how many. */
size_t vch_builder_exports(const vch_builder_policy *policy, vouch_tee tee,
                           const vch_builder_export **out);

#endif
