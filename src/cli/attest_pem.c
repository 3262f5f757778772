#include "cli/attest_pem.h"

#include <stdio.h>
#include <string.h>

#include "attester/attester.h"
#include "base/bytes.h"
#include "base/scope.h"
#include "codec/json_writer.h"
#include "crypto/cert_builder.h"
#include "crypto/pem.h"
#include "crypto/rand.h"
#include "host/clock.h"
#include "host/file.h"
#include "identity/attestation_file.h"
#include "identity/ita_client.h"
#include "identity/keypair.h"
#include "result/token_content.h"
#include "vouch/evidence.h"

#define DEVICE_TIMEOUT_MS 20000
#define CA_MAX_SIZE ((size_t)1 << 20)
#define LIFE_S (24 * INT64_C(3600))
#define BACK_DATE_S 600

typedef struct work {
    const vch_attest_pem_options *o;
    vch_key *key;
    vch_attester *attester;
    vch_ita_client *client;
    vch_buffer pem, quote, token;
} work;

static void drop_work(work *w)
{
    vch_key_free(w->key);
    vch_attester_free(w->attester);
    vch_ita_client_free(w->client);
    vch_buffer_drop(&w->pem);
    vch_buffer_drop(&w->quote);
    vch_buffer_drop(&w->token);
}

static vouch_code make_client(work *w, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer ca = { 0 };
    const char *url = w->o->rt->environment(NULL, "AVS_URL");
    const char *text = w->o->rt->environment(NULL, "ITA_API_KEY");
    if (url == NULL || text == NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "set AVS_URL (the verifier) and ITA_API_KEY");
    vouch_code rc = vch_ita_key_read(text, (vouch_span) { 0 }, &key, err);
    if (rc == VOUCH_OK && w->o->ca != NULL)
        rc = vch_file_read(w->o->ca, CA_MAX_SIZE, &ca, err);
    const vch_ita_options options = {
        .api_url = url, .ca_pem = vch_buffer_span(&ca), .api_key = &key, .log = &w->o->rt->log
    };
    return rc == VOUCH_OK ? vch_ita_client_new(&options, &w->client, err) : rc;
}

static vouch_code make_certificate(work *w, vouch_error *err)
{
    uint8_t serial[16];
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    const vch_name_part cn = { "CN", w->o->name };
    int64_t now = vch_clock_unix_s();
    vouch_code rc = vch_keypair_new(&w->key, err); /* first: nothing secret before dumps are off */
    if (rc == VOUCH_OK)
        rc = vch_random_bytes(serial, sizeof serial, err);
    if (rc != VOUCH_OK)
        return rc;
    serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40); /* positive, and never shorter */
    const vch_cert_options options = { .subject = &cn,
                                       .subject_count = 1,
                                       .signer = w->key,
                                       .serial = { serial, sizeof serial },
                                       .not_before_unix_s = now - BACK_DATE_S,
                                       .not_after_unix_s = now + LIFE_S,
                                       .kind = VCH_CERT_LEAF,
                                       .pathlen = VCH_PATHLEN_NONE,
                                       .kind_critical = true,
                                       .key_usage = VCH_USE_DIGITAL_SIGNATURE };
    rc = vch_cert_build(&options, &der, err);
    w->pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&der), &w->pem);
    return rc == VOUCH_OK ? vch_buffer_finish(&w->pem, "certificate", err) : rc;
}

/* Which hash the verifier expects depends on the TEE, and that only a quote tells: the first one,
 * over zeros, goes nowhere. The data begins with "-----BEGIN", so it is no claims buffer's CBOR. */
static vouch_code make_quote(work *w, vouch_error *err)
{
    uint8_t data[VCH_REPORT_DATA_SIZE] = { 0 };
    vouch_claims device = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer first = vch_buffer_with_cap(VCH_ATTESTER_QUOTE_MAX_SIZE);
    const char *dir = w->o->rt->environment(NULL, "VOUCH_ATTESTATION_DIR");
    vouch_code rc = vch_attester_open(dir != NULL ? dir : "/dev/attestation", DEVICE_TIMEOUT_MS,
                                      &w->attester, err);
    if (rc == VOUCH_OK)
        rc = vch_attester_quote(w->attester, data, &first, err);
    if (rc == VOUCH_OK)
        rc = vouch_quote_read(vch_buffer_span(&first), &device, err);
    if (rc == VOUCH_OK)
        rc = vch_token_binding(device.tee == VOUCH_TEE_TDX, (vouch_span) { 0 }, (vouch_span) { 0 },
                               vch_buffer_span(&w->pem), data, err);
    w->quote = vch_buffer_with_cap(VCH_ATTESTER_QUOTE_MAX_SIZE);
    return rc == VOUCH_OK ? vch_attester_quote(w->attester, data, &w->quote, err) : rc;
}

static vouch_code write_one(const work *w, const char *end, vouch_span bytes, vouch_error *err)
{
    char name[VCH_PARTICIPANT_NAME_SIZE + 32];
    char path[VCH_PATH_SIZE];
    (void)snprintf(name, sizeof name, "%s%s", w->o->name, end);
    vouch_code rc = vch_dir_make(w->o->out, 0755, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(w->o->out, name, path, err);
    return rc == VOUCH_OK ? vch_file_write(path, bytes, 0644, err) : rc;
}

static vouch_code write_files(const work *w, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer json = vch_buffer_with_cap(VCH_ITA_TOKEN_MAX_SIZE + 64);
    vch_json_writer j = vch_json_writer_over(&json, false);
    vch_json_begin_object(&j);
    vch_json_key(&j, "token");
    vch_json_string_span(&j, vch_buffer_span(&w->token));
    vch_json_end(&j);
    vch_buffer_append_str(&json, "\n");
    vouch_code rc = vch_buffer_finish(&json, "report", err);
    if (rc == VOUCH_OK)
        rc = write_one(w, "_avs_report.json", vch_buffer_span(&json), err);
    return rc == VOUCH_OK ? write_one(w, "_pubkey.pem", vch_buffer_span(&w->pem), err) : rc;
}

vouch_code vch_attest_pem(const vch_attest_pem_options *options, vouch_error *err)
{
    VCH_SCOPED(drop_work) work w = { .o = options };
    size_t size = strlen(options->name);
    if (size == 0 || size >= VCH_PARTICIPANT_NAME_SIZE || strchr(options->name, '/') != NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "'%.40s' cannot be a name", options->name);
    vouch_code rc = make_client(&w, err);
    if (rc == VOUCH_OK)
        rc = make_certificate(&w, err);
    if (rc == VOUCH_OK)
        rc = make_quote(&w, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_ita_request request = { .quote = vch_buffer_span(&w.quote),
                                      .held_data = vch_buffer_span(&w.pem) };
    w.token = vch_buffer_with_cap(VCH_ITA_TOKEN_MAX_SIZE);
    rc = vch_ita_attest(w.client, &request, &w.token, err);
    return rc == VOUCH_OK ? write_files(&w, err) : rc;
}
