/*
 * Other products' ways of saying what is accepted, as the text of a Vouch policy. What has no
 * equivalent, or is better decided by a person (debug, grace, advisories), is left out and said in a
 * warning; what would admit any enclave is refused. Pure; one thread at a time for the fault list.
 */
#ifndef VCH_POLICY_IMPORT_H
#define VCH_POLICY_IMPORT_H

#include "base/buffer.h"
#include "config/faults.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_IMPORT_MAX_SIZE ((size_t)1 << 20) /* bytes of a manifest or a file of variables */

/*
 * A MarbleRun manifest: every package becomes a measurement; the TCB statuses are those that all
 * packages accept. Appends YAML to `out`. Fails with VOUCH_E_CONFIG (see `faults`), _FORMAT, _LIMIT,
 * _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_policy_import_marblerun(const char *name, vouch_span json,
                                                        vch_faults *faults, vch_buffer *out,
                                                        vouch_error *err);

/* The value of a variable, or NULL. */
typedef const char *(*vch_import_lookup)(void *context, const char *variable);

/*
 * Gramine's RA_TLS_* variables (ra_tls.md section 4). `name` stands for them in messages. Appends
 * YAML to `out`. Fails with VOUCH_E_CONFIG (see `faults`), _LIMIT, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_policy_import_ra_tls(const char *name, vch_import_lookup lookup,
                                                     void *context, vch_faults *faults,
                                                     vch_buffer *out, vouch_error *err);

/*
 * The same from lines NAME=value, as `env` prints them or a shell reads them (`export `, quotes,
 * comments); lines of other variables are skipped, a variable given twice is refused.
 */
VOUCH_MUST_CHECK vouch_code vch_policy_import_env_file(const char *name, vouch_span text,
                                                       vch_faults *faults, vch_buffer *out,
                                                       vouch_error *err);

#endif
