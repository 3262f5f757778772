/* The claims that a Policy Builder policy can name, and their rules. For policy/builder.c only. */
#ifndef VCH_POLICY_BUILDER_CLAIMS_H
#define VCH_POLICY_BUILDER_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/json.h"
#include "vouch/evidence.h"

typedef enum vch_builder_rule {
    VCH_BUILDER_BYTES,     /* a hex text, or a list of them */
    VCH_BUILDER_NUMBER,    /* equal */
    VCH_BUILDER_LEAST,     /* at least */
    VCH_BUILDER_FLAG,      /* equal */
    VCH_BUILDER_DATE,      /* the TCB's date is not before */
    VCH_BUILDER_MONTHS,    /* nor older than so many months */
    VCH_BUILDER_STATUSES,  /* the TCB's status is among */
    VCH_BUILDER_ADVISORIES /* every advisory is among */
} vch_builder_rule;

typedef struct vch_builder_claim {
    const char *name;
    vouch_tee tee; /* VOUCH_TEE_NONE: of either */
    vch_builder_rule rule;
    size_t offset, size; /* VCH_BUILDER_BYTES: in vouch_claims */
} vch_builder_claim;

const vch_builder_claim *vch_builder_claim_find(const char *name); /* NULL: there is none */

/* Can the value be one of this rule? Fails with VOUCH_E_CONFIG. */
VOUCH_MUST_CHECK vouch_code vch_builder_claim_check(const vch_builder_claim *claim,
                                                    const vch_json *value, vouch_error *err);

/* Do the claims meet a value that was checked? */
bool vch_builder_claim_holds(const vch_builder_claim *claim, const vch_json *value,
                             const vouch_claims *claims, int64_t now_unix_s);

/* Can a token give the claim another name? */
bool vch_builder_claim_exports(const char *name, vouch_tee tee);

#endif
