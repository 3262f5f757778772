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
#include "net/tls_chain.h"

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

    vch_attester *attester;   /* attested only */
    vch_key *key;             /* the attested key, or the PKI key */
    vch_key *site_key;        /* attested only: signs the enrolment */
    vch_federation_ca *ca;    /* attested aggregator only */
    vch_ita_client *verifier; /* attested, token required */
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
};

/* What peers are held to. Borrowed from the participant. */
vch_admission_rules vch_participant_rules(const vch_participant *p);

int64_t vch_participant_now(const vch_participant *p);

/* participant_make.c: new credentials of this moment, judged; `old`: keep its certificate, and only
 * get a newer token. Out is given with one reference. */
VOUCH_MUST_CHECK vouch_code vch_credentials_make(vch_participant *p,
                                                 const vch_held_credentials *old,
                                                 vch_held_credentials **out, vouch_error *err);

/* participant_setup.c: read keys, open the device, gather collateral; names what is missing. */
VOUCH_MUST_CHECK vouch_code vch_participant_set_up(vch_participant *p,
                                                   const vch_participant_options *options,
                                                   vouch_error *err);

#endif
