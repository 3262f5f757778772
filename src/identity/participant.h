/*
 * This process's own identity: key -> claims -> both quotes -> token -> certificate -> passport.
 * An unattested participant has its PKI certificate instead. Internally locked: any thread may take
 * a snapshot of the credentials while a background thread renews them (certificate at two thirds of
 * its life, token at half). Spec: docs/protocol.md sections 3 to 5.
 */
#ifndef VCH_IDENTITY_PARTICIPANT_H
#define VCH_IDENTITY_PARTICIPANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/scope.h"
#include "crypto/key.h"
#include "identity/admit.h"
#include "identity/attestation_file.h"
#include "store/seal.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef struct vch_participant vch_participant;

typedef struct vch_participant_options {
    const vch_attestation_file *file; /* kept; NULL: a federation without attestation, PKI only */
    vch_role role;
    const char *name;           /* as in `participants` */
    const char *address;        /* aggregator: the plan's agg_addr, in SAN and CA; else NULL */
    const uint8_t *plan_digest; /* 32 bytes: SHA-256 of the canonical plan dump, before `auto` is
                                   resolved. Copied */
    const char *pki_cert;       /* PEM paths of the site's certificate and key, used where */
    const char *pki_key;        /* `local.enrolment` names none; OpenFL's places */
    const char *pki_chain;      /* PEM path: the federation's PKI (cert_chain.crt); NULL: nobody
                                   unattested can be met */
    const char *api_key;        /* ITA_API_KEY, or NULL. Copied to locked memory */
    const char *state;          /* directory for the sealed identity, made if missing; NULL: key
                                   and CA end with this object. Copied */
    const vch_participant *predecessor; /* running under the policy that this one is to follow: key
                                           and CA are taken over if it may (VOUCH_E_REFUSED if
                                           not), and `from` may lie ahead. Only for the call */
    int64_t (*now_unix_s)(void *clock); /* NULL: the host's */
    void *clock;
    const vch_log *log; /* may be NULL; kept */
} vch_participant_options;

/*
 * Start up: everything that has to be there before the first connection, in the calling thread.
 * The own certificate passes the very judgement that peers apply before it is used.
 * Fails with VOUCH_E_CONFIG naming each missing thing, with VOUCH_E_REFUSED if the verifier or our
 * own judgement says no, or with what kept the device or the network from answering.
 */
VOUCH_MUST_CHECK vouch_code vch_participant_new(const vch_participant_options *options,
                                                vch_participant **out, vouch_error *err);
void vch_participant_free(vch_participant *p); /* stops the background thread */
VCH_DEFINE_DROP(vch_participant_drop, vch_participant, vch_participant_free)

/* Renew in the background from now on. Failures are logged and retried while the old ones hold. */
VOUCH_MUST_CHECK vouch_code vch_participant_keep_fresh(vch_participant *p, vouch_error *err);

/* Renew certificate and token at the next look, due or not; stop renewing (another took over). */
void vch_participant_ask_renewal(vch_participant *p);
void vch_participant_retire(vch_participant *p);

/*
 * Read the collateral's directory again (revocations, TCB levels); one that cannot be read is
 * logged, and what is held stays. The background does it every minute. Any thread.
 */
void vch_participant_reload_collateral(vch_participant *p);

/* One round of it: renews what is due at this moment. */
VOUCH_MUST_CHECK vouch_code vch_participant_refresh(vch_participant *p, vouch_error *err);

/* A moment's credentials: immutable, counted. */
typedef struct vch_credentials {
    bool attested;
    vouch_span certificate; /* DER, on `vouch-h2/1`: RA-TLS, or the PKI certificate */
    vouch_span stock;       /* DER, on `h2`: leaf under the federation CA, or the PKI
                                    certificate; empty: we do not speak `h2` */
    vouch_span ca;          /* DER of the federation CA; empty if there is none */
    const vch_key *key;     /* the private key of both certificates */
    vouch_span claims;
    vouch_span quote; /* certificate quote */
    vouch_span token_quote;
    vouch_span token; /* text of the newest token; empty if none */
    int64_t nbf_unix_s;
    int64_t exp_unix_s;
    int64_t token_from_unix_s;  /* when it was obtained */
    int64_t token_until_unix_s; /* its `exp` */
    uint64_t generation;        /* grows with every certificate */
    vch_admission appraisal;    /* our own judgement of ourselves */
} vch_credentials;

/* The newest ones; give back with vch_credentials_unref() before the participant goes. */
const vch_credentials *vch_participant_credentials(vch_participant *p);
void vch_credentials_unref(const vch_credentials *c);

/* Does it grow? Then net/tls is told of the new certificates (vch_gate_identities). */
uint64_t vch_participant_generation(vch_participant *p);

/*
 * What files of this participant are sealed with; NULL: nothing is sealed (not attested, TDX, a
 * platform that has no key to give, no state directory). Borrowed.
 */
const vch_seal_root *vch_participant_seal_root(const vch_participant *p);

/*
 * The policies that the present one follows, newest first, `at` from 0: their state may be opened,
 * and is sealed anew with the root above. Their digests, 32 bytes; NULL: there are no more. A root
 * is NULL only where the one above is. Borrowed.
 */
const uint8_t *vch_participant_previous_policy(const vch_participant *p, size_t at);
const vch_seal_root *vch_participant_previous_seal_root(const vch_participant *p, size_t at);

/* The passport's JSON at this moment, appended. */
VOUCH_MUST_CHECK vouch_code vch_participant_passport(vch_participant *p, vch_buffer *out,
                                                     vouch_error *err);
/* Write <dir>/<name>_passport.json, <name>_avs_report.json, <name>_pubkey.pem. */
VOUCH_MUST_CHECK vouch_code vch_participant_write_passport(vch_participant *p, const char *dir,
                                                           vouch_error *err);
/* Write the host's copy of the federation CA (ROOT_CERT_PATH): <dir>/<name>_root.pem. */
VOUCH_MUST_CHECK vouch_code vch_participant_write_root(vch_participant *p, const char *dir,
                                                       vouch_error *err);

#endif
