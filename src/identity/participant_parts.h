/* Inside identity: what a participant is made of, for the files that make, renew and show it. */
#ifndef VCH_IDENTITY_PARTICIPANT_PARTS_H
#define VCH_IDENTITY_PARTICIPANT_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "attester/attester.h"
#include "base/buffer.h"
#include "base/secret.h"
#include "identity/collateral_cache.h"
#include "identity/federation_ca.h"
#include "identity/issuer_keys.h"
#include "identity/ita_client.h"
#include "identity/participant.h"
#include "identity/proven.h"
#include "identity/sealed_identity.h"
#include "net/tls_chain.h"
#include "store/seal.h"

#define VCH_BACKDATE_S 600

/* The storage behind a vch_credentials; `face` comes first, so that the two convert. */
typedef struct vch_held_credentials {
    vch_credentials face;
    atomic_uint count;
    vch_buffer certificate, stock, claims, quote, token_quote, token;
} vch_held_credentials;

struct vch_participant {
    const vch_attestation_file *file; /* NULL: PKI only */
    const vch_federation *federation;
    const vch_local *local;
    const vch_member *member;
    vch_role role;
    char name[VCH_PARTICIPANT_NAME_SIZE];
    char *address;
    uint8_t plan_digest[32];
    int64_t (*now_unix_s)(void *clock);
    void *clock;
    const vch_log *log;

    vch_attester *attester;      /* attested only */
    vch_key *key;                /* the attested key, or the PKI key */
    vch_key *site_key;           /* attested only: signs the enrolment */
    vch_federation_ca *ca;       /* attested aggregator only */
    char *state;                 /* directory for sealed things; NULL: nothing is sealed */
    vch_sealed_identity *stored; /* while starting: found, claimed to be ours, not yet opened */
    bool sealed;                 /* the present key and CA are in a file */
    vch_seal_root *root;         /* NULL: no device key, or not (yet) proven */
    size_t previous_count;       /* policies that key and CA were taken over from, newest first */
    uint8_t previous_policy[VCH_PREVIOUS_MAX][32];
    vch_seal_root *previous[VCH_PREVIOUS_MAX]; /* theirs; NULL as `root` is */
    vch_ita_client *verifier;                  /* attested, token required */
    vch_collateral_cache *collateral;
    vch_issuer_keys *issuers;
    vch_proven *proven;
    vch_tls_trust *pki;         /* NULL: no PKI is trusted */
    vch_buffer pki_certificate; /* DER; unattested only */

    pthread_mutex_t lock;     /* over `current` and `stopping` */
    pthread_mutex_t renewing; /* one renewal at a time */
    vch_held_credentials *current;
    pthread_cond_t wake;
    pthread_t thread;
    bool thread_runs;
    bool stopping;
    bool renew_asked;
};

/* What peers are held to. Borrowed from the participant. */
vch_admission_rules vch_participant_rules(const vch_participant *p);

int64_t vch_participant_now(const vch_participant *p);

/* participant_make.c: new credentials of this moment, judged; `old`: keep its certificate, and only
 * get a newer token. Out is given with one reference. */
VOUCH_MUST_CHECK vouch_code vch_credentials_make(vch_participant *p,
                                                 const vch_held_credentials *old,
                                                 vch_held_credentials **out, vouch_error *err);

/* participant_identity.c: is there an identity of ours, sealed? Then p->stored is set. */
VOUCH_MUST_CHECK vouch_code vch_identity_find(vch_participant *p, vouch_error *err);
/* Whose key and CA the next claims name: p's own, or those of p->stored. */
VOUCH_MUST_CHECK vouch_code vch_identity_name_keys(const vch_participant *p, vch_claims *out,
                                                   vouch_error *err);
/* A quote of the device is over claims that name the stored identity: is it ours to open? Sets key
 * and CA. Any failure leaves them NULL. */
VOUCH_MUST_CHECK vouch_code vch_identity_unseal(vch_participant *p, vouch_span quote,
                                                vouch_error *err);
/* May p follow the running `before`? Then an attested one gets a copy of its key and CA. */
VOUCH_MUST_CHECK vouch_code vch_identity_inherit(vch_participant *p, const vch_participant *before,
                                                 vouch_error *err);
/* A new key, and a new CA. */
VOUCH_MUST_CHECK vouch_code vch_identity_renew(vch_participant *p, vouch_error *err);
/* After a whole judgement of ourselves: get the device's key and seal. A failure is logged. */
void vch_identity_keep(vch_participant *p);

/* participant_setup.c: read keys, open the device, gather collateral; names what is missing. */
VOUCH_MUST_CHECK vouch_code vch_participant_set_up(vch_participant *p,
                                                   const vch_participant_options *options,
                                                   vouch_error *err);

#endif
