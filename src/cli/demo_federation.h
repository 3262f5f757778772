/*
 * The federation that `vouch demo` plays: simulated platforms, a verification service, one directory
 * per site with its plan, certificates and data, all made by the commands that a user would type.
 */
#ifndef VCH_CLI_DEMO_FEDERATION_H
#define VCH_CLI_DEMO_FEDERATION_H

#include <stdint.h>

#include "cli/demo_scene.h"

#define VCH_DEMO_COLLABORATORS_MAX 16
#define VCH_DEMO_TOKEN_LIFE_S 10 /* short, so that one can expire while we watch */
#define VCH_DEMO_TOKEN_LIFE_TEXT "10"
#define VCH_DEMO_AGGREGATOR "aggregator" /* its name in `participants` and its directory */

typedef struct vch_demo_federation {
    size_t collaborator_count; /* 2 to VCH_DEMO_COLLABORATORS_MAX */
    int64_t rounds;
    const char *tee;        /* "sgx" or "tdx" */
    char measurement[97];   /* of the genuine program, hex */
    char vendor_root[65];   /* SHA-256 of the simulated vendor's root certificate, hex */
    char token_root[65];    /* SHA-256 of the verifier's token root, hex */
    char verifier_url[128]; /* https://127.0.0.1:PORT */
    char verifier_ca[VCH_PATH_SIZE];
    char verifier_config[VCH_PATH_SIZE];
    char api_key_file[VCH_PATH_SIZE];
    char aggregator_address[64]; /* ADDR:PORT once it listens */
    vch_demo_actor verifier;
} vch_demo_federation;

/* "hospital3" for 2. Valid until the next call with the same `out`. */
const char *vch_demo_collaborator_name(size_t index, char out[static 32]);

/* Platforms under one simulated vendor: one for the aggregator, one for each site, one of strangers. */
VOUCH_MUST_CHECK vouch_code vch_demo_make_platforms(const vch_demo_scene *scene,
                                                    vch_demo_federation *f, vouch_error *err);

/* Initialise and start the verification service; wait until it listens. */
VOUCH_MUST_CHECK vouch_code vch_demo_start_verifier(const vch_demo_scene *scene,
                                                    vch_demo_federation *f, vouch_error *err);

/* Plan, one shard of the CSV file `data`, initial model, OpenFL's PKI, attestation.yaml: site by site. */
VOUCH_MUST_CHECK vouch_code vch_demo_make_sites(const vch_demo_scene *scene, vch_demo_federation *f,
                                                const char *data, vouch_error *err);

/* How a site differs from an honest one; zero members do not. */
typedef struct vch_demo_disguise {
    const char *name;         /* claims this name */
    const char *program;      /* path of another executable */
    const char *plan;         /* another plan, inside the site */
    const char *connect;      /* ADDR:PORT in place of the aggregator's */
    const char *verifier_url; /* in place of the verifier's */
} vch_demo_disguise;

/*
 * Start the aggregator and wait until it listens.
 *
 * self  Its own verdict on itself, an event with the fields of an admission. Free it.
 */
VOUCH_MUST_CHECK vouch_code vch_demo_start_aggregator(const vch_demo_scene *scene,
                                                      vch_demo_federation *f, vch_demo_actor *out,
                                                      vch_json **self, vouch_error *err);

/* Start a collaborator in its site's directory. */
VOUCH_MUST_CHECK vouch_code vch_demo_start_collaborator(const vch_demo_scene *scene,
                                                        const vch_demo_federation *f,
                                                        const char *actor_name, const char *site,
                                                        const vch_demo_disguise *disguise,
                                                        vch_demo_actor *out, vouch_error *err);

#endif
