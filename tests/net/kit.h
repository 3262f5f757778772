/* Certificates and a scripted gate for the tests of net/. */
#ifndef VCH_TESTS_NET_KIT_H
#define VCH_TESTS_NET_KIT_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "check.h"
#include "crypto/cert_builder.h"
#include "crypto/pem.h"
#include "host/clock.h"
#include "net/tls.h"

#define KIT_NOW INT64_C(1767225600) /* 2026-01-01 */
#define KIT_YEAR (INT64_C(365) * 86400)

typedef struct kit {
    vch_key *ca_key, *server_key, *client_key;
    vch_buffer ca, server, client; /* DER */
    vch_buffer ca_pem;
    vch_tls_identity server_identity, client_identity;
} kit;

static const uint8_t kit_serial[] = { 0x11 };
static const char *const kit_dns[] = { "localhost" };
static const char *const kit_ip[] = { "127.0.0.1" };

static inline void kit_leaf_until(const kit *k, const char *name, const vch_key *key,
                                  int64_t not_after_unix_s, vch_buffer *out)
{
    const vch_name_part subject[] = { { "CN", name } };
    const vch_cert_options o = {
        .subject = subject,
        .subject_count = 1,
        .public_key = key,
        .signer = k->ca_key,
        .issuer_cert = vch_buffer_span(&k->ca),
        .serial = { kit_serial, sizeof kit_serial },
        .not_before_unix_s = KIT_NOW,
        .not_after_unix_s = not_after_unix_s,
        .kind = VCH_CERT_LEAF,
        .alt = { .dns = kit_dns, .dns_count = 1, .ip = kit_ip, .ip_count = 1 },
    };
    vouch_error err = { 0 };
    *out = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    CHECK_OK(vch_cert_build(&o, out, &err), &err);
}

static inline void kit_leaf(const kit *k, const char *name, const vch_key *key, vch_buffer *out)
{
    kit_leaf_until(k, name, key, KIT_NOW + 20 * KIT_YEAR, out);
}

static inline void kit_ca(kit *k)
{
    static const vch_name_part subject[] = { { "CN", "Kit CA" } };
    const vch_cert_options o = {
        .subject = subject,
        .subject_count = 1,
        .signer = k->ca_key,
        .serial = { kit_serial, sizeof kit_serial },
        .not_before_unix_s = KIT_NOW,
        .not_after_unix_s = KIT_NOW + 20 * KIT_YEAR,
        .kind = VCH_CERT_CA,
        .kind_critical = true,
        .pathlen = VCH_PATHLEN_NONE,
    };
    vouch_error err = { 0 };
    k->ca = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    CHECK_OK(vch_cert_build(&o, &k->ca, &err), &err);
    k->ca_pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&k->ca), &k->ca_pem);
}

static inline void kit_make(kit *k)
{
    vouch_error err = { 0 };
    CHECK_OK(vch_key_generate(VCH_KEY_P256, &k->ca_key, &err), &err);
    CHECK_OK(vch_key_generate(VCH_KEY_P256, &k->server_key, &err), &err);
    CHECK_OK(vch_key_generate(VCH_KEY_P384, &k->client_key, &err), &err);
    kit_ca(k);
    kit_leaf(k, "server", k->server_key, &k->server);
    kit_leaf(k, "client", k->client_key, &k->client);
    k->server_identity =
        (vch_tls_identity) { .certificate = vch_buffer_span(&k->server), .key = k->server_key };
    k->client_identity =
        (vch_tls_identity) { .certificate = vch_buffer_span(&k->client), .key = k->client_key };
}

static inline void kit_drop(kit *k)
{
    vch_key_free(k->ca_key);
    vch_key_free(k->server_key);
    vch_key_free(k->client_key);
    vch_buffer_drop(&k->ca);
    vch_buffer_drop(&k->ca_pem);
    vch_buffer_drop(&k->server);
    vch_buffer_drop(&k->client);
}

/* A gate that does what the test says and counts. A zeroed one admits. */
typedef struct kit_gate {
    bool refuse_certificate, refuse, no_message;
    int hold_ms; /* how long admit takes */
    const char *reason;
    const char *message; /* what it sends; NULL: "hello" */
    int checked, made, admitted, sessions;
    vouch_code export_rc; /* of the exporter inside admit */
    uint8_t exported[32];
    char heard[64];
    vch_tls_face face;
    size_t certificate_size, own_size;
} kit_gate;

static inline vouch_code kit_check(void *context, const vch_tls_peer *peer, vouch_error *err)
{
    kit_gate *g = context;
    g->checked++;
    g->face = peer->face;
    g->certificate_size = peer->certificate.size;
    g->own_size = peer->own_certificate.size;
    return g->refuse_certificate ? vouch_fail(err, VOUCH_E_REFUSED, "kit: no to the certificate")
                                 : VOUCH_OK;
}

static inline vouch_code kit_make_message(void *context, const vch_tls_peer *peer, vch_buffer *out,
                                          vouch_error *err)
{
    kit_gate *g = context;
    (void)peer;
    g->made++;
    if (g->no_message)
        return vouch_fail(err, VOUCH_E_IO, "kit: no message");
    vch_buffer_append_str(out, g->message != NULL ? g->message : "hello");
    return VOUCH_OK;
}

static inline vouch_code kit_admit(void *context, const vch_tls_peer *peer, vouch_span message,
                                   void **session, vouch_error *err)
{
    kit_gate *g = context;
    if (g->hold_ms > 0)
        (void)usleep((useconds_t)g->hold_ms * 1000);
    g->admitted++;
    memset(g->heard, 0, sizeof g->heard);
    if (message.size > 0 && message.size < sizeof g->heard)
        memcpy(g->heard, message.data, message.size);
    g->export_rc = vch_tls_peer_export(peer, "EXPORTER-kit", vch_span_str("role"), g->exported,
                                       sizeof g->exported, NULL);
    if (g->reason != NULL)
        vch_tls_peer_set_reason(peer, g->reason);
    if (g->refuse)
        return vouch_fail(err, VOUCH_E_REFUSED, "kit: no to the peer");
    g->sessions++;
    *session = g;
    return VOUCH_OK;
}

static inline void kit_session_free(void *session)
{
    ((kit_gate *)session)->sessions--;
}

static inline vch_tls_gate kit_functions(kit_gate *g)
{
    return (vch_tls_gate) { .context = g,
                            .check_certificate = kit_check,
                            .make_message = kit_make_message,
                            .admit = kit_admit,
                            .session_free = kit_session_free };
}

static inline vch_tls_settings *kit_settings(const kit *k, kit_gate *g, bool server, bool vouch,
                                             bool stock)
{
    const vch_tls_identity *own = server ? &k->server_identity : &k->client_identity;
    const vch_tls_options o = { .server = server,
                                .gate = kit_functions(g),
                                .vouch = vouch ? own : NULL,
                                .stock = stock ? own : NULL };
    vch_tls_settings *s = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_tls_settings_new(&o, &s, &err), &err);
    return s;
}

#endif
