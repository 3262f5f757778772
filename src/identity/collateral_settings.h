/*
 * The mapping `collateral:` of attestation.yaml and of vouch-verifyd's configuration: a directory or
 * bundle file, or services with the store of what came from them. Values; borrowed from the document.
 */
#ifndef VCH_IDENTITY_COLLATERAL_SETTINGS_H
#define VCH_IDENTITY_COLLATERAL_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "config/faults.h"
#include "config/yaml.h"
#include "identity/collateral_cache.h"
#include "vouch/error.h"

#define VCH_COLLATERAL_URLS_MAX 9 /* eight PCCS and Intel's own */

typedef struct vch_collateral_settings { /* zeroed: nothing is set */
    const char *dir;                     /* directory or bundle file; NULL: services */
    const char *urls[VCH_COLLATERAL_URLS_MAX];
    size_t url_count;
    const char *ca;    /* PEM: roots of the PCCSs' TLS certificates; NULL: the system's */
    const char *store; /* SQLite file */
    int64_t refresh_h;
    int update; /* a vch_pcs_update */
} vch_collateral_settings;

/* False: faults were added. */
bool vch_collateral_settings_read(const vch_yaml_node *mapping, vch_collateral_settings *out,
                                  vch_faults *faults);
bool vch_collateral_settings_are_there(const vch_collateral_settings *settings);

/* What a live cache needs besides. */
typedef struct vch_collateral_surroundings {
    const vch_root_pins *pins; /* copied */
    const vch_log *log;        /* may be NULL; kept */
    int64_t (*now_unix_s)(void *clock);
    void *clock;
} vch_collateral_surroundings;

VOUCH_MUST_CHECK vouch_code vch_collateral_settings_open(const vch_collateral_settings *settings,
                                                         const vch_collateral_surroundings *around,
                                                         vch_collateral_cache **out,
                                                         vouch_error *err);

#endif
