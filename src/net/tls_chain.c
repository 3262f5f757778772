#include "net/tls_chain.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/pem.h"

#define TRUSTED_MAX 64
#define CERT_MAX_SIZE ((size_t)64 << 10)

struct vch_tls_trust {
    X509_STORE *store;
};

VCH_DEFINE_DROP(x509_drop, X509, X509_free)
VCH_DEFINE_DROP(store_ctx_drop, X509_STORE_CTX, X509_STORE_CTX_free)

static void stack_drop(STACK_OF(X509) * *stack)
{
    sk_X509_pop_free(*stack, X509_free);
    *stack = NULL;
}

static X509 *read_one(vouch_span der)
{
    const unsigned char *at = der.data;
    if (der.size == 0 || der.size > CERT_MAX_SIZE)
        return NULL;
    X509 *x = d2i_X509(NULL, &at, (long)der.size);
    ERR_clear_error();
    if (x != NULL && at != der.data + der.size) {
        X509_free(x);
        return NULL;
    }
    return x;
}

static vouch_code add_one(vch_tls_trust *trust, vouch_span der, vouch_error *err)
{
    VCH_SCOPED(x509_drop) X509 *x = read_one(der);
    if (x == NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "not a certificate");
    if (X509_STORE_add_cert(trust->store, x) != 1) {
        ERR_clear_error();
        return vouch_fail(err, VOUCH_E_MEMORY, "out of memory");
    }
    return VOUCH_OK;
}

static vouch_code add_all(vch_tls_trust *trust, vouch_span pem, vouch_error *err)
{
    vch_pem_reader reader = { pem, VCH_PEM_TEXT_BEFORE };
    for (int count = 0;; count++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(CERT_MAX_SIZE);
        vouch_code rc = vch_pem_next_der(&reader, VCH_PEM_CERTIFICATE, &der, err);
        if (rc == VOUCH_E_NOT_FOUND && count > 0)
            return VOUCH_OK;
        if (rc == VOUCH_OK && count == TRUSTED_MAX)
            rc = vouch_fail(err, VOUCH_E_LIMIT, "more than %d certificates", TRUSTED_MAX);
        if (rc == VOUCH_OK)
            rc = add_one(trust, vch_buffer_span(&der), err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "trusted certificate %d", count + 1);
    }
}

vouch_code vch_tls_trust_from_pem(vouch_span pem, vch_tls_trust **out, vouch_error *err)
{
    VCH_SCOPED(vch_tls_trust_drop) vch_tls_trust *trust = calloc(1, sizeof *trust);
    if (trust != NULL)
        trust->store = X509_STORE_new();
    if (trust == NULL || trust->store == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "trusted certificates: out of memory");
    vouch_code rc = add_all(trust, pem, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(trust);
    return VOUCH_OK;
}

void vch_tls_trust_free(vch_tls_trust *trust)
{
    if (trust == NULL)
        return;
    X509_STORE_free(trust->store);
    free(trust);
}

static STACK_OF(X509) * read_sent(const vch_tls_peer *peer)
{
    STACK_OF(X509) *sent = sk_X509_new_null();
    for (size_t i = 0; sent != NULL && i < peer->chain_count; i++) {
        X509 *x = read_one(peer->chain[i]);
        if (x == NULL || sk_X509_push(sent, x) <= 0) {
            X509_free(x);
            stack_drop(&sent);
        }
    }
    return sent;
}

/* grpc-core's rule: an IP target may also be spelled in a DNS SAN; the CN counts without SANs. */
static bool names_host(X509 *leaf, const char *host)
{
    return X509_check_ip_asc(leaf, host, 0) == 1
           || X509_check_host(leaf, host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

static vouch_code judge(X509_STORE_CTX *ctx, const vch_tls_peer *peer, int64_t now_unix_s,
                        bool *out_trusted, char why[static VCH_TLS_WHY_SIZE], vouch_error *err)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    int purpose = peer->we_serve ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER;
    if (X509_VERIFY_PARAM_set_purpose(param, purpose) != 1
        || X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN) != 1)
        return vouch_fail(err, VOUCH_E_CRYPTO, "certificate path: a setting was not taken");
    X509_VERIFY_PARAM_set_time(param, (time_t)now_unix_s);
    X509_VERIFY_PARAM_set_auth_level(param, 2);
    X509_VERIFY_PARAM_set_depth(param, VCH_TLS_CHAIN_MAX_COUNT);
    bool trusted = X509_verify_cert(ctx) == 1;
    int reason = X509_STORE_CTX_get_error(ctx);
    ERR_clear_error();
    if (!trusted && reason == X509_V_ERR_OUT_OF_MEM)
        return vouch_fail(err, VOUCH_E_MEMORY, "certificate path: out of memory");
    (void)snprintf(why, VCH_TLS_WHY_SIZE, "%s",
                   trusted ? "" : X509_verify_cert_error_string(reason));
    if (trusted && peer->host != NULL && !names_host(X509_STORE_CTX_get0_cert(ctx), peer->host)) {
        trusted = false;
        (void)snprintf(why, VCH_TLS_WHY_SIZE, "the certificate does not name '%.100s'", peer->host);
    }
    *out_trusted = trusted;
    return VOUCH_OK;
}

vouch_code vch_tls_verify_chain(const vch_tls_trust *trust, const vch_tls_peer *peer,
                                int64_t now_unix_s, bool *out_trusted,
                                char why[static VCH_TLS_WHY_SIZE], vouch_error *err)
{
    VCH_SCOPED(x509_drop) X509 *leaf = read_one(peer->certificate);
    VCH_SCOPED(stack_drop) STACK_OF(X509) *sent = read_sent(peer);
    if (leaf == NULL || sent == NULL) {
        (void)snprintf(why, VCH_TLS_WHY_SIZE, "what the peer sent is not a certificate");
        *out_trusted = false;
        return VOUCH_OK;
    }
    VCH_SCOPED(store_ctx_drop) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (ctx == NULL || X509_STORE_CTX_init(ctx, trust->store, leaf, sent) != 1)
        return vouch_fail(err, VOUCH_E_MEMORY, "certificate path: out of memory");
    return judge(ctx, peer, now_unix_s, out_trusted, why, err);
}
