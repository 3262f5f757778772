/*
 * The verification service's configuration file: YAML, strict, every fault with its place in one
 * run. Relative paths are relative to the file. Immutable after reading.
 */
#ifndef VCH_SVC_VERIFYD_CONFIG_H
#define VCH_SVC_VERIFYD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "config/faults.h"
#include "config/yaml.h"
#include "host/file.h"
#include "identity/collateral_settings.h"
#include "svc/attest_request.h"
#include "svc/verifyd_ring.h"

#define VCH_VERIFYD_KEYS_MAX VCH_RING_KEYS_MAX
#define VCH_VERIFYD_ROOTS_MAX 16
#define VCH_VERIFYD_POLICIES_MAX 100
#define VCH_VERIFYD_URL_SIZE 256
#define VCH_VERIFYD_KEY_RULES_MAX 1000
#define VCH_VERIFYD_KEY_NAME_SIZE 64

typedef struct vch_verifyd_listen {
    char address[64]; /* "" : not listening */
    uint16_t port;
} vch_verifyd_listen;

typedef struct vch_verifyd_policy_file {
    char id[VCH_UUID_TEXT_SIZE + 1];
    char file[VCH_PATH_SIZE];
} vch_verifyd_policy_file;

typedef struct vch_verifyd_key_files {
    char key[VCH_PATH_SIZE];
    char chain[VCH_PATH_SIZE]; /* PEM: leaf, signing CA, root */
    int64_t signs_from_unix_s; /* of a ring; else always */
    int64_t until_unix_s;      /* no longer published; VCH_RING_NO_END: always */
} vch_verifyd_key_files;

/* A limit on what one API key may ask: on average, and at once. */
typedef struct vch_verifyd_rate {
    int64_t per_s, burst;
} vch_verifyd_rate;

/* What holds for one API key in place of the general. */
typedef struct vch_verifyd_key_rule {
    char name[VCH_VERIFYD_KEY_NAME_SIZE];
    vch_verifyd_rate rate;
    bool own_policies; /* else every policy of the service */
    char policies[VCH_ATTEST_POLICIES_MAX][VCH_UUID_TEXT_SIZE + 1];
    size_t policy_count;
} vch_verifyd_key_rule;

typedef struct vch_verifyd_config {
    vch_verifyd_listen listen;
    vch_verifyd_listen crl_listen; /* plain HTTP, CRLs only */
    vch_verifyd_listen operations; /* plain HTTP, health and metrics */
    char base_url[VCH_VERIFYD_URL_SIZE];
    char instance_id[VCH_UUID_TEXT_SIZE + 1];
    char tls_certificate[VCH_PATH_SIZE];
    char tls_key[VCH_PATH_SIZE];
    /* The youngest that may sign does, of equals the first; all are published until they end. */
    vch_verifyd_key_files keys[VCH_VERIFYD_KEYS_MAX];
    char ring[VCH_PATH_SIZE]; /* the keys are this file's; "": a list kept by hand */
    size_t key_count;
    char root_ca_key[VCH_PATH_SIZE]; /* sign the CRLs */
    char signing_ca_key[VCH_PATH_SIZE];
    int64_t token_lifetime_s;
    int64_t nonce_lifetime_s;
    bool intel_root;
    char roots[VCH_VERIFYD_ROOTS_MAX][VCH_PATH_SIZE];
    size_t root_count;
    vch_collateral_settings collateral; /* its paths are in the buffers, the rest in `document` */
    char collateral_dir[VCH_PATH_SIZE];
    char collateral_ca[VCH_PATH_SIZE];
    char collateral_store[VCH_PATH_SIZE];
    vch_yaml *document;
    vch_verifyd_policy_file *policies;
    size_t policy_count;
    vch_verifyd_rate rate;
    int64_t connections_max;
    vch_verifyd_key_rule *key_rules;
    size_t key_rule_count;
    char state[VCH_PATH_SIZE];
} vch_verifyd_config;

/*
 * Read the file. Free with vch_verifyd_config_free().
 * Fails with VOUCH_E_CONFIG (faults has all), _NOT_FOUND, _IO, _LIMIT, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_verifyd_config_read(const char *path, vch_faults *faults,
                                                    vch_verifyd_config **out, vouch_error *err);
void vch_verifyd_config_free(vch_verifyd_config *config);
VCH_DEFINE_DROP(vch_verifyd_config_drop, vch_verifyd_config, vch_verifyd_config_free)

/* "127.0.0.1:8443", "[::1]:8443". VOUCH_E_CONFIG for anything else; the port is 1 to 65535. */
VOUCH_MUST_CHECK vouch_code vch_verifyd_listen_parse(const char *text, vch_verifyd_listen *out,
                                                     vouch_error *err);

#endif
