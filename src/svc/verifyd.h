/*
 * The verification service as a value: Intel Trust Authority's paths over HTTPS, each decision
 * recorded before it is answered. One thread at a time: everything runs on the loop's.
 * Spec: intel_trust_authority.md sections 1 to 9.
 */
#ifndef VCH_SVC_VERIFYD_H
#define VCH_SVC_VERIFYD_H

#include "base/log.h"
#include "base/scope.h"
#include "net/loop.h"
#include "svc/verifyd_config.h"
#include "vouch/error.h"

typedef struct vch_verifyd vch_verifyd;

typedef struct vch_verifyd_options {
    const vch_verifyd_config *config; /* borrowed for the call */
    vch_loop *loop;                   /* kept; NULL: only check, do not listen */
    const vch_log *log;               /* kept; may be NULL */
    int64_t (*now_unix_s)(void);      /* the clock */
} vch_verifyd_options;

/*
 * Load keys, collateral and policies, open the store, listen. Fails before it listens if anything
 * named by the configuration is missing or wrong.
 */
VOUCH_MUST_CHECK vouch_code vch_verifyd_new(const vch_verifyd_options *options, vch_verifyd **out,
                                            vouch_error *err);
void vch_verifyd_free(vch_verifyd *service);
VCH_DEFINE_DROP(vch_verifyd_drop, vch_verifyd, vch_verifyd_free)

#endif
