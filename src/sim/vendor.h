/*
 * A simulated vendor: the certificates of Intel's SGX PKI by structure and name, under a root key of
 * its own, and what it says about its platforms (TCB levels, revocations). A directory holds it:
 *
 *   root.key ca.key signing.key    private keys, 0600
 *   root.pem ca.pem signing.pem    Intel SGX Root CA, PCK Platform CA, TCB Signing
 *   vendor.json                    levels, revoked serials, CRL number
 *   lock                           held while the vendor is open
 *
 * Every platform of a vendor has the same FMSPC and PCE id, so one collateral directory serves them
 * all: a platform's status is in the SVNs of its PCK certificate. One thread at a time.
 */
#ifndef VCH_SIM_VENDOR_H
#define VCH_SIM_VENDOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "crypto/cert_builder.h"
#include "crypto/key.h"
#include "vouch/error.h"
#include "vouch/evidence.h"
#include "vouch/span.h"

#define VCH_SIM_MAX_LEVELS ((size_t)64)
#define VCH_SIM_MAX_ADVISORIES ((size_t)16)
#define VCH_SIM_ADVISORY_SIZE ((size_t)32)
#define VCH_SIM_MAX_REVOKED ((size_t)64)
#define VCH_SIM_SERIAL_SIZE ((size_t)20)
#define VCH_SIM_PCE_SVN 16

extern const uint8_t vch_sim_fmspc[6]; /* "SIM" and zeros: no Intel platform has it */
extern const uint8_t vch_sim_pceid[2];

/* Platforms whose SVN is `svn` have this status. */
typedef struct vch_sim_level {
    vouch_tcb_status status;
    uint8_t svn;
    char advisories[VCH_SIM_MAX_ADVISORIES][VCH_SIM_ADVISORY_SIZE];
    size_t advisory_count;
} vch_sim_level;

typedef struct vch_sim_vendor {
    char *dir;
    int lock_fd;
    vch_key *root_key, *ca_key, *signing_key;
    vch_buffer root, ca, signing; /* certificates, DER */
    vch_sim_level levels[VCH_SIM_MAX_LEVELS];
    size_t level_count;
    uint8_t revoked_pck[VCH_SIM_MAX_REVOKED][VCH_SIM_SERIAL_SIZE];
    size_t revoked_pck_count;
    bool ca_revoked;
    uint64_t crl_number;
} vch_sim_vendor;

/*
 * Open the vendor in `dir`; make it first if the directory holds none. Waits for the lock.
 * `now_unix_s` dates the certificates of a new vendor: from a year before to 30, 15 and 7 years after.
 */
VOUCH_MUST_CHECK vouch_code vch_sim_vendor_open(const char *dir, int64_t now_unix_s,
                                                vch_sim_vendor **out, vouch_error *err);
void vch_sim_vendor_free(vch_sim_vendor *vendor);
VCH_DEFINE_DROP(vch_sim_vendor_drop, vch_sim_vendor, vch_sim_vendor_free)

/* Write vendor.json after a change. */
VOUCH_MUST_CHECK vouch_code vch_sim_vendor_save(const vch_sim_vendor *vendor, vouch_error *err);

/*
 * The SVN of the level with this status and these advisories; a new level if there is none yet.
 * Fails with VOUCH_E_CONFIG (a status that no platform level has, an unusable advisory id), _LIMIT.
 */
VOUCH_MUST_CHECK vouch_code vch_sim_vendor_level(vch_sim_vendor *vendor, vouch_tcb_status status,
                                                 const char *const *advisories, size_t count,
                                                 uint8_t *out_svn, vouch_error *err);

/* Certify a PCK key. `extension` is the DER of the SGX extension's value. The DER is appended. */
VOUCH_MUST_CHECK vouch_code
vch_sim_vendor_certify_pck(const vch_sim_vendor *vendor, const vch_key *pck_key,
                           const uint8_t serial[static VCH_SIM_SERIAL_SIZE], vouch_span extension,
                           int64_t now_unix_s, vch_buffer *out, vouch_error *err);

VOUCH_MUST_CHECK vouch_code vch_sim_vendor_revoke_pck(
    vch_sim_vendor *vendor, const uint8_t serial[static VCH_SIM_SERIAL_SIZE], vouch_error *err);
void vch_sim_vendor_revoke_ca(vch_sim_vendor *vendor);

/* A random positive serial number. */
VOUCH_MUST_CHECK vouch_code vch_sim_serial(uint8_t out[static VCH_SIM_SERIAL_SIZE],
                                           vouch_error *err);

#endif
