/*
 * Client of Intel Trust Authority and of services that speak its protocol (vouch-verifyd): nonce,
 * attestation, key set. Knows no device: between the two calls the caller makes the quote. What it
 * brings back is untrusted until vouch_token_verify() has judged it. One thread at a time; blocks.
 * Spec: intel trust authority wire facts, sections 1 to 5.
 */
#ifndef VCH_IDENTITY_ITA_CLIENT_H
#define VCH_IDENTITY_ITA_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/secret.h"
#include "net/http_client.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_ITA_NONCE_MAX_SIZE 4096 /* bytes of a nonce answer */
#define VCH_ITA_TOKEN_MAX_SIZE (64 << 10)
#define VCH_ITA_KEY_MAX_SIZE 256  /* characters of an API key */
#define VCH_ITA_DEADLINE_MS 60000 /* default for one call with its retries */

typedef struct vch_ita_client vch_ita_client;

/* The world outside: the network, waiting, chance. NULL members are the real ones. */
typedef struct vch_ita_world {
    void *context;
    vouch_code (*fetch)(void *context, const vch_http_call *call, vch_http_answer *out,
                        vouch_error *err);
    int64_t (*now_ms)(void *context); /* monotonic */
    void (*sleep_ms)(void *context, int64_t delay_ms);
} vch_ita_world;

typedef struct vch_ita_options {
    const char *api_url;           /* https origin of nonce and attest */
    const char *base_url;          /* https origin of /certs; NULL: the same */
    vouch_span ca_pem;             /* roots for TLS; empty: the system's */
    const vch_secret *api_key;     /* borrowed for the construction; copied to own locked pages */
    unsigned version;              /* 0 or 1: v1 tokens; 2: v2 tokens */
    bool rs256;                    /* default PS384 */
    const char *const *policy_ids; /* for vch_ita_token_get; kept */
    size_t policy_id_count;
    bool policy_must_match;
    uint32_t deadline_ms;       /* total for a call and its retries; 0: VCH_ITA_DEADLINE_MS */
    unsigned attempts;          /* 0: 4 */
    const vch_ita_world *world; /* NULL: the real one; copied */
    const vch_log *log;         /* may be NULL; kept */
} vch_ita_options;

/*
 * Retried, with backoff and jitter, or after Retry-After: 429, 500, 502, 503, 504 and connections
 * that fail or break. Refusals never are.
 */
/* Fails with VOUCH_E_CONFIG if a URL is not https or the key is missing or malformed. */
VOUCH_MUST_CHECK vouch_code vch_ita_client_new(const vch_ita_options *options, vch_ita_client **out,
                                               vouch_error *err);
void vch_ita_client_free(vch_ita_client *client);

/* A nonce as the service gave it. Attacker-controlled: check `val` and `iat` before quoting. */
typedef struct vch_ita_nonce {
    vch_buffer val;       /* decoded once: what is hashed */
    vch_buffer iat;       /* decoded once */
    vch_buffer signature; /* decoded once */
} vch_ita_nonce;

void vch_ita_nonce_drop(vch_ita_nonce *nonce); /* safe twice and on a zeroed value */

/* Fails with VOUCH_E_REFUSED (the service's sentence is in err), _NETWORK, _TIMEOUT, _FORMAT. */
VOUCH_MUST_CHECK vouch_code vch_ita_nonce_get(vch_ita_client *client, vch_ita_nonce *out,
                                              vouch_error *err);

typedef struct vch_ita_request {
    vouch_span quote;
    const vch_ita_nonce *nonce; /* NULL: none; the weaker form of OpenFL PR 1561 */
    vouch_span held_data;       /* the quote is bound to it; sent as runtime_data */
    const char *const *policy_ids;
    size_t policy_id_count;
    bool policy_must_match;
    bool rs256;             /* default PS384 */
    const char *request_id; /* NULL: one is drawn, and stands in the log and in every failure */
} vch_ita_request;

/* out_token  Compact JWS, appended. Fails as vch_ita_nonce_get(). */
VOUCH_MUST_CHECK vouch_code vch_ita_attest(vch_ita_client *client, const vch_ita_request *request,
                                           vch_buffer *out_token, vouch_error *err);

/* Makes a quote bound to `held_data` and the nonce; refuses a nonce that could be misused. */
typedef struct vch_ita_quoter {
    void *context;
    vouch_code (*quote)(void *context, const vch_ita_nonce *nonce, vouch_span held_data,
                        vch_buffer *out_quote, vouch_error *err);
} vch_ita_quoter;

/* Nonce, quote, token in one call. out_nonce and out_quote: what was used, for the check and the
 * passport; drop both. */
VOUCH_MUST_CHECK vouch_code vch_ita_token_get(vch_ita_client *client, const vch_ita_quoter *quoter,
                                              vouch_span held_data, vch_ita_nonce *out_nonce,
                                              vch_buffer *out_quote, vch_buffer *out_token,
                                              vouch_error *err);

/* GET <base>/certs, no key sent: the text for vouch_jwks_parse(), appended. */
VOUCH_MUST_CHECK vouch_code vch_ita_jwks_fetch(vch_ita_client *client, vch_buffer *out,
                                               vouch_error *err);

/* GET a CRL (plain http too: it is signed). DER, appended; judged with the token. */
VOUCH_MUST_CHECK vouch_code vch_ita_crl_fetch(vch_ita_client *client, const char *url,
                                              vch_buffer *out, vouch_error *err);

/*
 * The API key: ITA_API_KEY (as read by host/environment) or, if NULL, the first line of a
 * credential file given by the caller. 1 to VCH_ITA_KEY_MAX_SIZE characters of base64, or a JWT's.
 */
VOUCH_MUST_CHECK vouch_code vch_ita_key_read(const char *environment_value, vouch_span file_text,
                                             vch_secret *out, vouch_error *err);

#endif
