/*
 * Who is here: of each name the newest admitted vouch-nbf, the certificate that stands, and how many
 * connections use it. Admitting a newer certificate replaces the older one. Internally locked.
 * Spec: docs/protocol.md section 6, "One name", and section 7.
 */
#ifndef VCH_IDENTITY_ROSTER_H
#define VCH_IDENTITY_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity/attestation_file.h"
#include "vouch/error.h"

#define VCH_ROSTER_CONNECTIONS_MAX 8 /* of one name, with one certificate */
#define VCH_ROSTER_NBF_SLACK_S 600   /* how much older than the newest admitted one is accepted */

typedef struct vch_roster vch_roster;
typedef struct vch_roster_seat vch_roster_seat; /* one connection's place */

VOUCH_MUST_CHECK vouch_code vch_roster_new(const vch_federation *federation, vch_roster **out,
                                           vouch_error *err);
void vch_roster_free(vch_roster *r); /* after all seats were left */

typedef enum vch_roster_answer {
    VCH_ROSTER_SEATED = 1,
    VCH_ROSTER_UNKNOWN = 2, /* no such member */
    VCH_ROSTER_REPLAY = 3,  /* vouch-nbf too old */
    VCH_ROSTER_OLDER = 4,   /* a newer certificate of the name is connected */
    VCH_ROSTER_FULL = 5     /* 8 connections already */
} vch_roster_answer;

/* Would this certificate be seated? Changes nothing. */
vch_roster_answer vch_roster_probe(vch_roster *r, const char *name,
                                   const uint8_t certificate[static 32], int64_t nbf_unix_s);

/*
 * Take a seat, after the whole verdict. The newest vouch-nbf is recorded, never beyond
 * `now_unix_s + skew_s`. Out is set on VCH_ROSTER_SEATED only; leave with vch_roster_leave().
 */
typedef struct vch_roster_request {
    const char *name;
    const uint8_t *certificate; /* 32 bytes: SHA-256 of its DER */
    int64_t nbf_unix_s;
    int64_t now_unix_s;
    int64_t skew_s;
} vch_roster_request;
VOUCH_MUST_CHECK vouch_code vch_roster_enter(vch_roster *r, const vch_roster_request *request,
                                             vch_roster_answer *answer, vch_roster_seat **out,
                                             vouch_error *err);
void vch_roster_leave(vch_roster_seat *seat);

/* Its connection counts no more, though it is not gone yet. NULL is fine. */
void vch_roster_seat_revoke(vch_roster_seat *seat);

/* Has a newer certificate of the name taken over? */
bool vch_roster_seat_replaced(const vch_roster_seat *seat);

/* Another policy holds now: whoever sits here is to be appraised anew elsewhere. */
void vch_roster_retire(vch_roster *r);
bool vch_roster_is_retired(vch_roster *r);

/* Was a certificate of that name ever admitted here? */
bool vch_roster_was_admitted(vch_roster *r, const char *name);

/* Connections of a name that stand at the moment. */
size_t vch_roster_connections(vch_roster *r, const char *name);

#endif
