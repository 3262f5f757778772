/*
 * A simulated platform: a machine whose PCK key a simulated vendor has certified. A directory holds it:
 *
 *   pck.key attestation.key   private keys, 0600      device.secret   32 bytes, 0600
 *   pck_chain.pem             PCK, Platform CA, root  root.pem        the root to trust
 *   collateral/               as CLI.md names it      platform.json   TEE, identifiers, SVN
 *   vendor/                   the vendor, unless the platform shares one
 *
 * Immutable once opened: share freely.
 */
#ifndef VCH_SIM_PLATFORM_H
#define VCH_SIM_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "base/secret.h"
#include "crypto/key.h"
#include "vouch/error.h"
#include "vouch/evidence.h"

#define VCH_SIM_DEVICE_SECRET_SIZE ((size_t)32)
#define VCH_SIM_SEALING_KEY_SIZE ((size_t)16)

typedef enum vch_sim_revoke {
    VCH_SIM_REVOKE_NOTHING = 0,
    VCH_SIM_REVOKE_PCK = 1,
    VCH_SIM_REVOKE_INTERMEDIATE = 2
} vch_sim_revoke;

typedef struct vch_sim_platform_options {
    const char *vendor_dir; /* NULL: DIR/vendor */
    vouch_tee tee;
    vouch_tcb_status status;
    const char *const *advisories;
    size_t advisory_count;
    vch_sim_revoke revoke;
    bool expired; /* the collateral ended 30 days before now */
    int64_t now_unix_s;
} vch_sim_platform_options;

/* Fails with VOUCH_E_CONFIG if `dir` holds a platform already, or an option cannot be met. */
VOUCH_MUST_CHECK vouch_code vch_sim_platform_create(const char *dir,
                                                    const vch_sim_platform_options *options,
                                                    vouch_error *err);

typedef struct vch_sim_platform {
    vouch_tee tee;
    uint8_t svn; /* see svn.h */
    uint8_t ppid[16];
    uint8_t piid[16];
    uint8_t qe_id[16];
    vch_key *pck_key;
    vch_key *attestation_key; /* of the quoting enclave */
    vch_secret device_secret;
    vch_buffer pck_chain; /* PEM */
} vch_sim_platform;

VOUCH_MUST_CHECK vouch_code vch_sim_platform_open(const char *dir, vch_sim_platform **out,
                                                  vouch_error *err);
void vch_sim_platform_free(vch_sim_platform *platform);
VCH_DEFINE_DROP(vch_sim_platform_drop, vch_sim_platform, vch_sim_platform_free)

/*
 * What Gramine's keys/_sgx_mrenclave would hold: bound to this platform, its CPUSVN and the
 * measurement.
 */
VOUCH_MUST_CHECK vouch_code
vch_sim_platform_sealing_key(const vch_sim_platform *platform, const uint8_t mrenclave[static 32],
                             uint8_t out[static VCH_SIM_SEALING_KEY_SIZE], vouch_error *err);

#endif
