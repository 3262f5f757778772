/*
 * The verification service as a value: Intel Trust Authority's paths over HTTPS, each decision
 * recorded before it is answered. One thread at a time: the loop's; it has workers of its own.
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

/* Keys, collateral, policies, limits and TLS identity anew; what is wrong leaves all as it was.
 * Addresses and state stay: VOUCH_E_CONFIG if they differ. */
VOUCH_MUST_CHECK vouch_code vch_verifyd_reload(vch_verifyd *service,
                                               const vch_verifyd_config *config, vouch_error *err);

/* Answer what is there, take nothing more, then stop the loop; after 10 s in any case. */
void vch_verifyd_drain(vch_verifyd *service);

/* Stops at once; what workers have finished is settled. */
void vch_verifyd_free(vch_verifyd *service);
VCH_DEFINE_DROP(vch_verifyd_drop, vch_verifyd, vch_verifyd_free)

#endif
