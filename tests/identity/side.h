/* A genuine participant of the world, with its device, its gate, and what it was told of its peers. */
#ifndef VCH_TESTS_IDENTITY_SIDE_H
#define VCH_TESTS_IDENTITY_SIDE_H

#include "device.h"
#include "identity/participant.h"
#include "identity/peer.h"

typedef struct side {
    vch_attestation_file *file; /* its host's view of it */
    vch_participant *participant;
    vch_roster *roster;
    vch_gate *gate;
    vch_admission last; /* the newest verdict on a peer */
    unsigned told;      /* how many there were */
    char key[VCH_PATH_SIZE];
    char cert[VCH_PATH_SIZE];
} side;

/* The site's PKI key and a certificate of its own for it, as files. */
void side_write_pki(side *s, const world *w, world_site site, const char *name);

/* Start the participant. `policy` NULL: no tokens; its `local` is written here. `trusted`: whose
 * certificate the federation's PKI is. The clock stands at WORLD_NOW. */
void side_join(side *s, const world *w, world_site site, const char *name, const device *d,
               const world_policy *policy, const side *trusted);
void side_leave(side *s);

#endif
