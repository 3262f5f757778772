/*
 * Set up a verification service in a directory: keys, CRLs' signers, an API key, policies and a
 * commented configuration. Refuses a directory that holds one already.
 */
#ifndef VCH_SVC_VERIFYD_INIT_H
#define VCH_SVC_VERIFYD_INIT_H

#include <stdint.h>

#include "svc/verifyd_config.h"

#define VCH_VERIFYD_INIT_POLICIES_MAX 64

typedef struct vch_verifyd_init_options {
    const char *dir;
    const char *host;         /* DNS name or IP literal that clients use */
    const char *listen;       /* ADDRESS:PORT */
    const char *crl_listen;   /* ADDRESS:PORT for CRLs over plain HTTP; NULL: with the service */
    const char *const *roots; /* PEM files; none: Intel's built-in root */
    size_t root_count;
    const char *collateral_dir;  /* NULL: <dir>/collateral, made empty */
    const char *const *policies; /* files, copied */
    size_t policy_count;
    int64_t nonce_lifetime_s;
    int64_t token_lifetime_s;
    int64_t now_unix_s;
} vch_verifyd_init_options;

typedef struct vch_verifyd_init_result {
    char config[VCH_PATH_SIZE];
    char tls_ca[VCH_PATH_SIZE];
    char api_key_file[VCH_PATH_SIZE];
    char token_root[VCH_PATH_SIZE];
    char token_root_sha256[65]; /* what attestation.yaml pins in token_issuers */
    char base_url[VCH_VERIFYD_URL_SIZE];
    char policy_ids[VCH_VERIFYD_INIT_POLICIES_MAX][VCH_UUID_TEXT_SIZE + 1];
    char policy_files[VCH_VERIFYD_INIT_POLICIES_MAX][64]; /* within the directory */
} vch_verifyd_init_result;

/* Fails with VOUCH_E_CONFIG, _IO, _CRYPTO, _MEMORY; what was written by then stays. */
VOUCH_MUST_CHECK vouch_code vch_verifyd_init(const vch_verifyd_init_options *options,
                                             vch_verifyd_init_result *out, vouch_error *err);

#endif
