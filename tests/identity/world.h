/*
 * A small federation for tests: a simulated platform and its vendor, a token issuer, three sites
 * and their attestation.yaml; and the evidence that a participant of it makes, bent where asked.
 */
#ifndef VCH_TESTS_IDENTITY_WORLD_H
#define VCH_TESTS_IDENTITY_WORLD_H

#include "../result/issuer.h"
#include "host/file.h"
#include "identity/admit.h"
#include "identity/claims.h"
#include "identity/collateral_cache.h"
#include "identity/issuer_keys.h"
#include "sim/platform.h"

#define WORLD_NOW ISSUER_NOW
#define WORLD_NONCE_VAL "dmFsdWU="
#define WORLD_NONCE_IAT "2027-01-15 08:00:00 +0000 UTC"
#define WORLD_AGGREGATOR "agg.example.org"
#define WORLD_ISSUER "https://avs.example"
#define WORLD_AGGREGATOR_MEASUREMENT 0xaa /* every byte of MRENCLAVE */
#define WORLD_COLLABORATOR_MEASUREMENT 0xcc

typedef enum world_site {
    WORLD_AGG = 0,
    WORLD_COL1 = 1,
    WORLD_COL2 = 2,
    WORLD_SITES = 3
} world_site;

typedef struct world {
    char dir[VCH_PATH_SIZE];
    char platform_dir[VCH_PATH_SIZE];
    char collateral_dir[VCH_PATH_SIZE];
    vch_sim_platform *platform;
    uint8_t root_sha256[32];
    issuer issuer;
    vch_key *site[WORLD_SITES]; /* enrolment keys; P-256, for speed */
    uint8_t enrolment[WORLD_SITES][32];
    uint8_t plan[32];
    vch_attestation_file *file;
    vch_collateral_cache *collateral;
    vch_issuer_keys *issuers;
} world;

/* What attestation.yaml says beyond the usual; NULL: as usual. */
typedef struct world_policy {
    const char *token;             /* "required" */
    const char *channel;           /* "key" */
    const char *tcb;               /* "{accept: [UpToDate]}" */
    const char *col1;              /* appended to col1's line: ", platform: [...]" */
    const char *col2;              /* the same; usual: ", attested: false" */
    const char *enable_aggregator; /* "true" */
    const char *collaborator;      /* further measurements: ", {mrenclave: '...'}" */
    const char *root;              /* 64 hex digits; usual: the platform's */
    const char *local;             /* lines under `local:` */
    const char *id;                /* of the federation, 32 hex digits */
    const char *from;              /* a moment */
    const char *initial_model;     /* the two hex digits that it begins with */
    const char *model_export;      /* "clear" */
    const char *federation;        /* further lines of `federation:` */
    const char *top;               /* further lines at the left margin */
} world_policy;

/* The text of a file. */
void world_policy_text(const world *w, const world_policy *p, vch_buffer *out);

void world_make(world *w);
void world_drop(world *w);
/* Replace the federation's file and what was made from it. */
void world_set_policy(world *w, const world_policy *p);
vch_admission_rules world_rules(const world *w);

/* Evidence of one participant; every member may be bent before world_issue(). */
typedef struct world_evidence {
    vch_claims claims;
    uint8_t measurement; /* every byte of MRENCLAVE */
    bool debug;
    const char *subject;            /* CN and SAN; usual: the claimed name */
    const vch_key *site_key;        /* signs the enrolment; NULL: none */
    const vch_key *certified_key;   /* in and under the certificate; usual: the claims' */
    vouch_span quoted_claims;       /* what the quote is over; usual: the claims */
    int64_t nbf_unix_s, exp_unix_s; /* of the certificate; usual: the claims' */
    const char *critical_oid;       /* a critical extension of no known kind; usual: none */
    const char *dice_oid;           /* usual: the interoperable one; "" for none */
    bool legacy; /* Gramine's extension beside (or alone): a quote over the SPKI */
    uint8_t legacy_measurement;

    vch_key *key; /* owned: the attested key */
    vch_buffer claims_bytes, quote, certificate;
} world_evidence;

void world_evidence_begin(const world *w, world_site site, world_evidence *e);
void world_issue(const world *w, world_evidence *e);
/* Only the certificate anew, over the claims and the quote that are there. */
void world_certify(const world *w, world_evidence *e);
void world_evidence_drop(world_evidence *e);

/* A quote of the platform, appended. */
void world_quote(const world *w, uint8_t measurement, bool debug, const uint8_t report_data[64],
                 vch_buffer *out);

/* A token over that evidence, bent where asked. */
typedef struct world_token {
    vouch_span held_data; /* usual: the claims */
    uint8_t measurement;  /* usual: the evidence's */
    vouch_tcb_status status;
    const char *advisory;
    int64_t issued_at_unix_s;
    bool no_nonce;
    bool debug;
    bool not_simulated;
} world_token;

void world_token_usual(const world_evidence *e, world_token *t);
void world_token_make(const world *w, const world_evidence *e, const world_token *t,
                      vch_buffer *out);

#endif
