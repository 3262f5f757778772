/*
 * The admission of one peer: every check of docs/protocol.md section 7, in that order, each with
 * its own code. Only this module makes a `vch_admitted_peer`; a function that takes one cannot be
 * called for a peer that was not appraised. A zeroed record refuses.
 * Pure but for the roster (internally locked): the moment is a parameter.
 */
#ifndef VCH_IDENTITY_ADMIT_H
#define VCH_IDENTITY_ADMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity/attestation_file.h"
#include "vouch/error.h"
#include "vouch/span.h"

/* Why a peer is refused; the numbers are stable and grow only at the end. */
typedef enum vch_admission_code {
    VCH_ADMISSION_NONE = 0,        /* nothing was decided: a refusal */
    VCH_ADMITTED = 1,              /* the only value that admits */
    VCH_REFUSED_SIZE = 2,          /* certificate or message over its limit */
    VCH_REFUSED_CERTIFICATE = 3,   /* not the strict DER of a certificate */
    VCH_REFUSED_NO_EVIDENCE = 4,   /* evidence is owed and absent, or offered only in legacy form */
    VCH_REFUSED_DUPLICATE = 5,     /* an evidence extension twice */
    VCH_REFUSED_LEGACY = 6,        /* the legacy extension names another key or measurement */
    VCH_REFUSED_EVIDENCE_FORM = 7, /* evidence extension, claims or quote are malformed */
    VCH_REFUSED_SELF_SIGNATURE = 8,
    VCH_REFUSED_VALIDITY = 9, /* not yet or no longer valid */
    VCH_REFUSED_KEY = 10,     /* pubkey-hash is not the certificate's key */
    VCH_REFUSED_FEDERATION = 11,
    VCH_REFUSED_NAME =
        12, /* not a participant, not the name expected, or subject and claim differ */
    VCH_REFUSED_ROLE = 13,
    VCH_REFUSED_PLAN = 14,
    VCH_REFUSED_POLICY = 15, /* another attestation.yaml */
    VCH_REFUSED_TIMES = 16,  /* claimed times are not the certificate's, or live too long */
    VCH_REFUSED_CA = 17,     /* vouch-ca absent where owed, or present where not */
    VCH_REFUSED_ENROLMENT = 18,
    VCH_REFUSED_REPORT_DATA = 19,
    VCH_REFUSED_QUOTE = 20,       /* libvouch: signature, chain, QE, revocation */
    VCH_REFUSED_MEASUREMENT = 21, /* libvouch: policy */
    VCH_REFUSED_PLATFORM = 22,
    VCH_REFUSED_REPLAY = 23, /* older than the newest admitted certificate of the name */
    VCH_REFUSED_TOKEN = 24,
    VCH_REFUSED_TOKEN_ABSENT = 25,
    VCH_REFUSED_CHANNEL_QUOTE = 26,
    VCH_REFUSED_CHANNEL_MESSAGE = 27,
    VCH_REFUSED_H2 = 28,             /* evidence is owed, `h2` was chosen */
    VCH_REFUSED_PKI = 29,            /* an unattested name: chain, name or pinned key */
    VCH_REFUSED_CONNECTIONS = 30,    /* more than 8 of one name, or another certificate is newer */
    VCH_REFUSED_NO_COLLATERAL = 31,  /* could not find out */
    VCH_REFUSED_NO_ISSUER_KEYS = 32, /* could not find out */
    VCH_REFUSED_FAULT = 33,          /* could not find out: our own failure */
    VCH_REFUSED_TCB = 34             /* libvouch: TCB status, advisories, evaluation number */
} vch_admission_code;

/* All that a refused peer is told. */
typedef enum vch_admission_class {
    VCH_CLASS_EVIDENCE = 1,
    VCH_CLASS_POLICY = 2,
    VCH_CLASS_IDENTITY = 3,
    VCH_CLASS_TOKEN = 4,
    VCH_CLASS_TIME = 5
} vch_admission_class;

const char *vch_admission_code_name(vch_admission_code code); /* "report-data"; never NULL */
vch_admission_class vch_admission_code_class(vch_admission_code code);
const char *vch_admission_class_name(vch_admission_class cls); /* "evidence" … */

/* What the operator sees; every text is ours or escaped. Peer-supplied fields are unverified
 * unless `code` is VCH_ADMITTED. A value. */
typedef struct vch_admission {
    vch_admission_code code;
    char message[256]; /* one line: the reason, or "admitted" */
    char name[VCH_PARTICIPANT_NAME_SIZE];
    vch_role role;  /* 0: not known */
    bool attested;  /* evidence was appraised */
    bool simulated; /* the chain ends in a root other than Intel's */
    bool debug;
    bool token_verified;
    bool enrolled;           /* its site's own signature over these claims was verified */
    bool revoked;            /* it had been admitted, and is refused now */
    char tee[8];             /* "sgx", "tdx", or "" */
    char measurement[97];    /* hex: MRENCLAVE or MRTD */
    char tcb_status[48];     /* "UpToDate"; "" if not reached */
    char address[64];        /* where it came from */
    uint8_t certificate[32]; /* SHA-256 of the certificate's DER */
    int64_t nbf_unix_s;
    int64_t exp_unix_s;        /* the peer's vouch-exp, or its certificate's end */
    int64_t token_from_unix_s; /* the token's `nbf` and `exp`; 0: no token was judged */
    int64_t token_until_unix_s;
    int64_t decided_unix_s;
    int64_t until_unix_s; /* admitted: the connection ends here at the latest */
} vch_admission;

static inline bool vch_admission_admits(const vch_admission *a)
{
    return a->code == VCH_ADMITTED;
}

/* What peers are held to: this process's own federation, plan, collateral and issuers. Kept by the
 * gate, borrowed for each call. */
typedef struct vch_admission_rules {
    const vch_attestation_file *file; /* NULL: OpenFL's PKI alone decides, nobody is attested */
    const vouch_policy *policy; /* with `file` NULL: the evidence alone is judged by this policy,
                                   not whose it is (a passport held to a bare policy) */
    bool any_dialect; /* with `policy`: evidence of other products, by their own rules (`vouch cert
                         verify`); nobody is ever admitted so */
    const uint8_t *plan_digest; /* 32 bytes; NULL: not compared (a passport without its plan) */
    struct vch_collateral_cache *collateral; /* NULL: nothing can be appraised */
    struct vch_issuer_keys *issuers;         /* NULL: no token can be judged */
    struct vch_proven *proven; /* what needs no second proof; NULL: everything is proven anew */
} vch_admission_rules;

/* One peer. All borrowed. */
typedef struct vch_admission_request {
    vouch_span certificate;           /* DER of its leaf */
    vch_role role;                    /* what a peer must be here */
    const char *name;                 /* who it must be; NULL: any member of that role */
    const char *address;              /* for the record; may be NULL */
    bool stock;                       /* it chose `h2` */
    bool chain_trusted;               /* its certificate is under the federation's PKI */
    const char *chain_why;            /* why not */
    vouch_span token;                 /* empty: none was sent */
    vouch_span fresh_quote;           /* empty: none was sent */
    const uint8_t *fresh_report_data; /* 64 bytes, with `channel: quote` */
    bool token_waived;   /* the caller checks a token itself, or there is none yet (own start) */
    bool channel_waived; /* there is no channel: a passport, or our own certificate */
    struct vch_roster *roster;   /* NULL: neither replay nor connections are looked at */
    struct vch_present *present; /* where an admitted peer is noted, to be judged anew; or NULL */
    int64_t now_unix_s;
    int64_t token_at_unix_s; /* the moment to judge the token at; 0: now */
    /* Told each step in order; may be NULL. `passed` false ends it. */
    void (*explain)(void *context, const char *step, bool passed, const char *text);
    void *explain_context;
} vch_admission_request;

/*
 * Is the evidence genuine and bound to the certificate's key? Not an admission: whose it is, and
 * whether its measurement is wanted, is not asked. For a participant's own evidence.
 */
void vch_admission_prove(const vch_admission_rules *rules, const vch_admission_request *request,
                         vch_admission *out);

/* The steps that need no signature of the peer's checked: what a server does inside the handshake. */
void vch_admission_screen(const vch_admission_rules *rules, const vch_admission_request *request,
                          vch_admission *out);

/* The steps up to the enrolment signature: what a client checks inside the handshake. */
void vch_admission_examine(const vch_admission_rules *rules, const vch_admission_request *request,
                           vch_admission *out);

/* All steps; takes no seat. `out` says why not. */
void vch_admission_judge(const vch_admission_rules *rules, const vch_admission_request *request,
                         vch_admission *out);

/*
 * Would a peer that was admitted before be refused by these rules now: is it still listed, with that
 * key, and is its evidence still good? The digest of the policy that it was admitted under is not
 * compared, nor what is judged at admission only (token, channel, the newest certificate).
 */
void vch_admission_judge_anew(const vch_admission_rules *rules,
                              const vch_admission_request *request, vch_admission *out);

/* Does such a verdict end a connection? One of "could not find out" does not. */
bool vch_admission_revokes(const vch_admission *verdict);

/* An admitted peer: one per connection, made by the gate, freed with the connection. */
typedef struct vch_admitted_peer vch_admitted_peer;

/*
 * Judge, and seat in the roster. VCH_ADMITTED in `verdict`: `out` is given, free it with
 * vch_admitted_peer_free(). Otherwise `out` is untouched.
 */
void vch_admit(const vch_admission_rules *rules, const vch_admission_request *request,
               vch_admission *verdict, vch_admitted_peer **out);
void vch_admitted_peer_free(vch_admitted_peer *p);

/* Everything established about it. Borrowed. */
const vch_admission *vch_admitted_peer_verdict(const vch_admitted_peer *p);
/* Same as verdict()->name: every RPC's `sender` must equal it. */
const char *vch_admitted_peer_name(const vch_admitted_peer *p);

/*
 * Does it still stand: not revoked, not replaced by a newer certificate of its name, not past `until`? When not,
 * the connection drains, and open results of a replaced one are discarded.
 */
typedef enum vch_standing {
    VCH_STANDING_GONE = 0,
    VCH_STANDING_GOOD = 1,
    VCH_STANDING_REATTEST =
        2, /* reattest_min passed, or another policy holds: GOAWAY, started calls may finish */
    VCH_STANDING_REPLACED = 3, /* another certificate of the name was admitted */
    VCH_STANDING_EXPIRED = 4,  /* vouch-exp passed */
    VCH_STANDING_REVOKED = 5   /* judged anew, and refused */
} vch_standing;
vch_standing vch_admitted_peer_standing(const vch_admitted_peer *p, int64_t now_unix_s);

#endif
