/*
 * vouch-sim impostor: an attacker offers somebody's certificate, with its stolen key or, where he
 * has only seen it, its evidence over a key of his own. He would believe any server: he has nothing to lose.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "cli_sim/commands.h"
#include "codec/cbor.h"
#include "crypto/pem.h"
#include "host/file.h"
#include "net/grpc_client.h"
#include "sim/forge.h"

typedef struct values {
    vch_common_options common;
    const char *certificate;
    const char *key;
    const char *connect;
} values;

static vouch_code believe_any(void *context, const vch_tls_peer *peer, vouch_error *err)
{
    (void)context;
    (void)peer;
    (void)err;
    return VOUCH_OK;
}

/* The channel message of an honest client without a token; the key is judged before it. */
static vouch_code say_hello(void *context, const vch_tls_peer *peer, vch_buffer *out,
                            vouch_error *err)
{
    (void)context;
    (void)peer;
    vch_cbor_put_map(out, 3);
    vch_cbor_put_uint(out, 1);
    vch_cbor_put_uint(out, 1);
    vch_cbor_put_uint(out, 2);
    vch_cbor_put_null(out);
    vch_cbor_put_uint(out, 3);
    vch_cbor_put_null(out);
    return vch_buffer_finish(out, "channel message", err);
}

static vouch_code enter(void *context, const vch_tls_peer *peer, vouch_span message, void **session,
                        vouch_error *err)
{
    (void)context;
    (void)peer;
    (void)message;
    (void)err;
    *session = NULL;
    return VOUCH_OK; /* the server let us in */
}

static void forget(void *session)
{
    (void)session;
}

static const vch_tls_gate gate = { .check_certificate = believe_any,
                                   .make_message = say_hello,
                                   .admit = enter,
                                   .session_free = forget };

static vouch_code read_certificate(const char *path, vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    vouch_code rc = vch_file_read(path, VCH_PEM_MAX_SIZE, &pem, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_NO_TEXT, out,
                              err);
}

static vouch_code read_key(const char *path, vch_key **out, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret pem = { 0 };
    vouch_code rc = vch_file_read_secret(path, VCH_KEY_PEM_MAX_SIZE, &pem, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_key_from_private_pem((vouch_span) { pem.data, pem.size }, out, err);
}

/* The certificate as it is with its stolen key, or its evidence over a key of our own. */
static vouch_code make_identity(const values *v, vch_key **key, vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer genuine = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    if (v->key != NULL) {
        vouch_code rc = read_key(v->key, key, err);
        return rc == VOUCH_OK ? read_certificate(v->certificate, out, err) : rc;
    }
    vouch_code rc = vch_key_generate(VCH_KEY_P384, key, err);
    if (rc == VOUCH_OK)
        rc = read_certificate(v->certificate, &genuine, err);
    if (rc == VOUCH_OK)
        rc = vch_sim_forge_certificate(vch_buffer_span(&genuine), *key, out, err);
    return rc;
}

static vouch_code split_address(const char *text, char *host, size_t size, uint16_t *port,
                                vouch_error *err)
{
    const char *colon = strrchr(text, ':');
    size_t length = colon == NULL ? 0 : (size_t)(colon - text);
    char *end = NULL;
    unsigned long number = colon == NULL ? 0 : strtoul(colon + 1, &end, 10);
    if (length == 0 || length >= size || number == 0 || number > 65535 || *end != '\0')
        return vouch_fail(err, VOUCH_E_CONFIG, "--connect is '%s'; it must be HOST:PORT", text);
    memcpy(host, text, length);
    host[length] = '\0';
    *port = (uint16_t)number;
    return VOUCH_OK;
}

static vouch_code knock(const char *address, vouch_span certificate, const vch_key *key,
                        vouch_error *err)
{
    char host[256];
    uint16_t port = 0;
    VCH_SCOPED(vch_tls_settings_drop) vch_tls_settings *tls = NULL;
    VCH_SCOPED(vch_grpc_client_drop) vch_grpc_client *client = NULL;
    const vch_tls_identity identity = { .certificate = certificate, .key = key };
    const vch_tls_options options = { .gate = gate, .vouch = &identity };
    vouch_code rc = split_address(address, host, sizeof host, &port, err);
    if (rc == VOUCH_OK)
        rc = vch_tls_settings_new(&options, &tls, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_grpc_client_options to = { .tls = tls, .host = host, .port = port };
    return vch_grpc_client_connect(&to, &client, err);
}

static const vch_option options[] = {
    { .name = "certificate",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, certificate),
      .argument = "PEM",
      .required = true,
      .help = "the genuine certificate" },
    { .name = "key",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, key),
      .argument = "PEM",
      .help = "its stolen key: offer the certificate as it is" },
    { .name = "connect",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, connect),
      .argument = "HOST:PORT",
      .required = true,
      .help = "the participant to deceive" },
    VCH_COMMON_OPTIONS(values),
};

static const vch_usage usage = {
    .command = "vouch-sim impostor",
    .operands = "",
    .summary = "Offer a certificate of others: with its stolen key, or over another. Exit status "
               "1: refused.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

int vch_cmd_impostor(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    vouch_error err = { 0 };
    int status = 0;
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer forged = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    vouch_code rc = make_identity(&v, &key, &forged, &err);
    if (rc == VOUCH_OK)
        rc = knock(v.connect, vch_buffer_span(&forged), key, &err);
    if (rc != VOUCH_OK)
        return vch_command_fail(rt, usage.command, rc, &err);
    (void)fprintf(rt->out, "admitted\n");
    return VCH_EXIT_DONE;
}
