/*
 * A token issuer's key set with the CRLs that its certificates name: fetched, or as it was kept
 * (issuer_cache.h). Untrusted in either case until a token is judged with it. Values; any thread.
 */
#ifndef VCH_IDENTITY_ISSUER_FETCH_H
#define VCH_IDENTITY_ISSUER_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "net/http_client.h"
#include "vouch/error.h"
#include "vouch/span.h"
#include "vouch/token.h"

#define VCH_ISSUER_CRLS_MAX 8     /* of one issuer */
#define VCH_ISSUER_REFRESH_S 3600 /* what was kept for longer is fetched anew, if it can be */

/* A key set and CRLs (DER) as they came. */
typedef struct vch_issuer_text {
    vch_buffer jwks;
    vch_buffer crl[VCH_ISSUER_CRLS_MAX];
    size_t crl_count;
} vch_issuer_text;

void vch_issuer_text_drop(vch_issuer_text *text); /* safe twice and on a zeroed value */

typedef enum vch_issuer_way {
    /* What was kept for less than VCH_ISSUER_REFRESH_S and, of CRLs, holds at `at_unix_s`; else what
     * is fetched; else, where nobody answers, what was kept for longer, as long as it holds. */
    VCH_ISSUER_KEPT_FIRST = 1,
    VCH_ISSUER_FETCHED = 2,  /* nothing that was kept */
    VCH_ISSUER_KEPT_ONLY = 3 /* no network; of any age */
} vch_issuer_way;

typedef struct vch_issuer_source {
    const char *url;   /* of the key set */
    vouch_span ca_pem; /* TLS roots; empty: ca_file, then the system's */
    const char *ca_file;
    const char *cache;   /* directory; NULL: nothing is kept */
    int64_t now_unix_s;  /* the clock's: how old is what was kept? */
    int64_t at_unix_s;   /* the moment to judge at */
    int64_t deadline_ms; /* of one request; 0: the client's */
    vouch_code (*fetch)(const vch_http_call *call, vch_http_answer *out, vouch_error *err);
    /* NULL: vch_http_fetch */
} vch_issuer_source;

typedef struct vch_issuer_set {
    vouch_jwks *keys; /* NULL: what was fetched is no key set, `fault` says why */
    vch_issuer_text text;
    bool kept;        /* some of it was kept: what is fetched may say more */
    bool unreachable; /* some of it is older than it should be: nobody answered, `fault` says why */
    vouch_error fault;
    bool not_kept; /* the cache could not be written, which harms nothing; `cache_fault` says why */
    vouch_error cache_fault;
} vch_issuer_set;

void vch_issuer_set_drop(vch_issuer_set *set); /* safe twice and on a zeroed value */

/*
 * out  Set on VOUCH_OK. Drop it.
 * Fails with VOUCH_E_NOT_FOUND (KEPT_ONLY: it is not there), _NETWORK (a status, too), _LIMIT (too many
 * CRLs), _MEMORY, and as vch_http_fetch().
 */
VOUCH_MUST_CHECK vouch_code vch_issuer_fetch(const vch_issuer_source *source, vch_issuer_way way,
                                             vch_issuer_set *out, vouch_error *err);

#endif
