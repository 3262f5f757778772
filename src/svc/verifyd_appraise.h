/*
 * The decision of the verification service: a parsed request against collateral, roots and
 * policies at a moment. Reads its files once; share freely. The moment is a parameter; collateral
 * from services is fetched and refreshed behind it, which may block for as long as
 * identity/collateral_live.h says.
 */
#ifndef VCH_SVC_VERIFYD_APPRAISE_H
#define VCH_SVC_VERIFYD_APPRAISE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/scope.h"
#include "result/token_build.h"
#include "svc/attest_request.h"
#include "svc/verifyd_config.h"
#include "vouch/verifier.h"

#define VCH_VERIFYD_MESSAGE_SIZE 320
#define VCH_ATTEST_EXPORTS_MAX 64

typedef struct vch_appraiser vch_appraiser;

/* around: its pins are not looked at. Fails with VOUCH_E_CONFIG, _NOT_FOUND, _IO … for a root, policy or collateral that cannot be used. */
VOUCH_MUST_CHECK vouch_code vch_appraiser_new(const vch_verifyd_config *config,
                                              const vch_collateral_surroundings *around,
                                              vch_appraiser **out, vouch_error *err);
void vch_appraiser_free(vch_appraiser *appraiser);
VCH_DEFINE_DROP(vch_appraiser_drop, vch_appraiser, vch_appraiser_free)

/* Zeroed it is a refusal. */
typedef struct vch_attest_result {
    bool accepted;
    const char *step; /* refused: request quote binding policy; constants */
    const char *code;
    char message[VCH_VERIFYD_MESSAGE_SIZE];
    vouch_appraisal *appraisal; /* may be NULL in a refusal */
    vch_token_collateral collateral;
    vch_token_policy policies[VCH_VERIFYD_POLICIES_MAX];
    size_t policy_count;
    vch_token_export exports[VCH_ATTEST_EXPORTS_MAX]; /* of the policies judged, in their order */
    size_t export_count;
} vch_attest_result;

/* The policies for a request that asks for none. */
typedef struct vch_own_policies {
    const char *const *id; /* NULL: every policy of the service */
    size_t count;
} vch_own_policies;

bool vch_appraiser_has_policy(const vch_appraiser *appraiser, const char *id);

/* VOUCH_OK: the decision is in `out`; drop it. Everything but single use of the nonce is judged. */
VOUCH_MUST_CHECK vouch_code vch_appraiser_judge(const vch_appraiser *appraiser,
                                                const vch_attest_request *request,
                                                const vch_own_policies *own, int64_t now_unix_s,
                                                vch_attest_result *out, vouch_error *err);
void vch_attest_result_drop(vch_attest_result *result);

#endif
