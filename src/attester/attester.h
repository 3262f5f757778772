/*
 * Evidence out of this host's device: a quote over 64 bytes of ours. Two backends: Gramine's
 * pseudo-files (SGX) and configfs-tsm (TDX); which TEE a quote is of is read from the quote.
 * Internally locked: one quote at a time, since the device's files are not safe for two users.
 */
#ifndef VCH_ATTESTER_ATTESTER_H
#define VCH_ATTESTER_ATTESTER_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/secret.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_REPORT_DATA_SIZE 64
#define VCH_ATTESTER_QUOTE_MAX_SIZE ((size_t)16 << 10)

typedef struct vch_attester vch_attester;

/*
 * Gramine's /dev/attestation, or a directory that behaves like it. Kept until free.
 * Fails with VOUCH_E_NOT_FOUND if the directory has no attestation_type, VOUCH_E_UNSUPPORTED if
 * that is not `dcap`.
 */
VOUCH_MUST_CHECK vouch_code vch_sgx_gramine_new(const char *dir, int64_t timeout_ms,
                                                vch_attester **out, vouch_error *err);

/*
 * Linux's /sys/kernel/config/tsm/report, or a directory that behaves like it. Asks it who its
 * provider is. Fails with VOUCH_E_NOT_FOUND if the directory is none of tsm's, VOUCH_E_UNSUPPORTED
 * if the provider is not `tdx_guest`, VOUCH_E_IO.
 */
VOUCH_MUST_CHECK vouch_code vch_tdx_tsm_new(const char *dir, int64_t timeout_ms, vch_attester **out,
                                            vouch_error *err);

/* Whichever of the two `dir` is; fails as they do. */
VOUCH_MUST_CHECK vouch_code vch_attester_open(const char *dir, int64_t timeout_ms,
                                              vch_attester **out, vouch_error *err);

void vch_attester_free(vch_attester *a);

/*
 * A fresh quote over `report_data`, appended to `out`. Blocks up to the timeout.
 * Fails with VOUCH_E_IO, _TIMEOUT, _LIMIT (a quote over the maximum), _TRUNCATED (an empty one).
 */
VOUCH_MUST_CHECK vouch_code
vch_attester_quote(vch_attester *a, const uint8_t report_data[static VCH_REPORT_DATA_SIZE],
                   vch_buffer *out, vouch_error *err);

/*
 * The key that only this program on this platform gets (SGX: bound to MRENCLAVE and CPUSVN), 16
 * bytes. Use it only after a quote of the same attester was verified: a directory that is no device
 * can hold any key. Fails with VOUCH_E_UNSUPPORTED where the TEE has none (TDX).
 */
#define VCH_SEALING_KEY_SIZE ((size_t)16)
VOUCH_MUST_CHECK vouch_code vch_attester_sealing_key(vch_attester *a, vch_secret *out,
                                                     vouch_error *err);

/* "gramine" or "tsm". */
const char *vch_attester_kind(const vch_attester *a);

#endif
