#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "host/file.h"
#include "identity/keypair.h"
#include "identity/participant_parts.h"
#include "identity/ratls_cert.h"

#define DEVICE_TIMEOUT_MS 20000
#define CA_FILE_MAX_SIZE ((size_t)1 << 20)
#define API_KEY_FILE_MAX_SIZE 4096
#define ISSUERS_DIR "issuers" /* of the state: key sets and CRLs of the token issuers */

/* What the start-up needs, found out once. */
typedef struct needs {
    bool attested;  /* we owe evidence */
    bool appraises; /* some peer owes evidence */
    bool token;     /* we get tokens */
    bool pki;       /* some peer comes with a PKI certificate only */
    const char *cert_path;
    const char *key_path;
} needs;

static bool is_counterpart(const vch_participant *p, const vch_member *m)
{
    return m->role != p->role;
}

static needs find_needs(const vch_participant *p, const vch_participant_options *o)
{
    needs n = { .cert_path = o->pki_cert, .key_path = o->pki_key };
    if (p->file == NULL) {
        n.pki = true;
        return n;
    }
    n.attested = p->member->attested;
    n.token = n.attested && p->federation->token_required;
    for (size_t i = 0; i < p->federation->member_count; i++) {
        const vch_member *m = &p->federation->members[i];
        if (is_counterpart(p, m))
            *(m->attested ? &n.appraises : &n.pki) = true;
    }
    if (p->local->enrolment_cert != NULL) {
        n.cert_path = p->local->enrolment_cert;
        n.key_path = p->local->enrolment_key;
    }
    return n;
}

static void missing(vch_buffer *list, bool is_missing, const char *what)
{
    if (is_missing)
        vch_buffer_append_fmt(list, "%s%s", list->size == 0 ? "" : "; ", what);
}

/* Enabled but not configured: never "go on without". */
static vouch_code check_configured(const vch_participant *p, const vch_participant_options *o,
                                   const needs *n, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer list = vch_buffer_with_cap(2048);
    const vch_local *l = p->local;
    missing(&list, n->key_path == NULL, "local.enrolment.key");
    missing(&list, !n->attested && n->cert_path == NULL, "local.enrolment.cert");
    missing(&list,
            (n->attested || n->appraises) && !vch_collateral_settings_are_there(&l->collateral),
            "local.collateral");
    missing(&list, n->token && l->verifier_url == NULL, "AVS_URL or local.verifier.url");
    missing(&list, n->token && o->api_key == NULL && l->api_key_file == NULL,
            "ITA_API_KEY or local.verifier.api_key_file");
    missing(&list, n->attested && p->role == VCH_ROLE_AGGREGATOR && p->address == NULL,
            "agg_addr in the plan (not auto)");
    missing(&list, n->pki && o->pki_chain == NULL, "cert_chain.crt (the PKI)");
    if (list.size == 0)
        return VOUCH_OK;
    const char *text = vch_buffer_text(&list); /* short enough for one line of an error */
    return vouch_fail(err, VOUCH_E_CONFIG, "'%s' lacks: %s", p->name, text ? text : "memory");
}

static vouch_code load_key(const char *path, vch_key **out, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret pem = { 0 };
    vouch_code rc = vch_file_read_secret(path, VCH_KEY_PEM_MAX_SIZE, &pem, err);
    if (rc == VOUCH_OK)
        rc = vch_key_from_private_pem((vouch_span) { pem.data, pem.size }, out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, VOUCH_E_CONFIG, "the site's PKI key '%s'", path);
}

/*
 * Peers decide whether they take an attested collaborator; its operator is told here what they will
 * say. Where nothing but this process would notice, it is a failure.
 */
static vouch_code doubt(const vch_participant *p, vouch_code rc, const vouch_error *err)
{
    char text[VOUCH_ERROR_TEXT];
    bool attested = p->member != NULL && p->member->attested;
    if (p->role != VCH_ROLE_COLLABORATOR || !attested)
        return rc;
    vch_log(p->log, VCH_LOG_WARN, "participant.doubtful", VCH_STR("name", p->name),
            VCH_STR("reason", err == NULL ? "" : vouch_error_text(err, text, sizeof text)));
    return VOUCH_OK;
}

/* The policy pins this key for the name: better to hear of a mix-up here than from every peer. */
static vouch_code check_pinned(const vch_participant *p, const vch_key *key, const char *path,
                               vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    uint8_t digest[VCH_SHA256_SIZE];
    if (p->member == NULL)
        return VOUCH_OK;
    vouch_code rc = vch_key_spki(key, &spki, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(vch_buffer_span(&spki), digest, err);
    if (rc == VOUCH_OK && memcmp(digest, p->member->enrolment, sizeof digest) != 0)
        rc = doubt(p,
                   vouch_fail(err, VOUCH_E_CONFIG,
                              "'%s' is not the key that the policy pins for '%s'", path, p->name),
                   err);
    return rc;
}

static vouch_code load_pki_certificate(vch_participant *p, const char *path, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    vch_ratls_cert parsed = { 0 };
    vouch_code rc = vch_file_read(path, VCH_PEM_MAX_SIZE, &pem, err);
    if (rc == VOUCH_OK)
        rc = vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_TEXT_BEFORE,
                                &p->pki_certificate, err);
    if (rc == VOUCH_OK)
        rc = vch_ratls_cert_parse(vch_buffer_span(&p->pki_certificate), &parsed, err);
    if (rc == VOUCH_OK)
        rc = vch_key_spki(p->key, &spki, err);
    if (rc == VOUCH_OK && !vch_span_equal(vch_buffer_span(&spki), parsed.spki))
        rc = vouch_fail(err, VOUCH_E_CONFIG, "it does not belong to the site's key");
    return rc == VOUCH_OK
               ? rc
               : vouch_wrap(err, VOUCH_E_CONFIG, "the site's PKI certificate '%s'", path);
}

static vouch_code load_trust(vch_participant *p, const char *path, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
    vouch_code rc = vch_file_read(path, VCH_PEM_MAX_SIZE, &pem, err);
    if (rc == VOUCH_OK)
        rc = vch_tls_trust_from_pem(vch_buffer_span(&pem), &p->pki, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, VOUCH_E_CONFIG, "the federation's PKI '%s'", path);
}

static vouch_code read_verifier_ca(const vch_participant *p, vch_buffer *out, vouch_error *err)
{
    if (p->local->verifier_ca == NULL)
        return VOUCH_OK;
    vouch_code rc = vch_file_read(p->local->verifier_ca, CA_FILE_MAX_SIZE, out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, VOUCH_E_CONFIG, "local.verifier.ca");
}

static vouch_code make_client(vch_participant *p, const char *api_key, vouch_span ca,
                              vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret file = { 0 };
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    vouch_code rc = VOUCH_OK;
    if (api_key == NULL)
        rc = vch_file_read_secret(p->local->api_key_file, API_KEY_FILE_MAX_SIZE, &file, err);
    if (rc == VOUCH_OK)
        rc = vch_ita_key_read(api_key, (vouch_span) { file.data, file.size }, &key, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, VOUCH_E_CONFIG, "the verifier's API key");
    const vch_ita_options options = {
        .api_url = p->local->verifier_url,
        .ca_pem = ca,
        .api_key = &key,
        .version = p->local->verifier_version,
        .rs256 = p->local->verifier_rs256,
        .policy_ids = p->local->policy_ids,
        .policy_id_count = p->local->policy_id_count,
        .policy_must_match = p->local->policy_must_match,
        .log = p->log,
    };
    return vch_ita_client_new(&options, &p->verifier, err);
}

/* Beside the sealed identity: they outlive the process, too, so that it starts while nobody answers. */
static vouch_code make_issuers(vch_participant *p, vouch_span ca, vouch_error *err)
{
    char cache[VCH_PATH_SIZE];
    vouch_code rc = p->state != NULL ? vch_path_join(p->state, ISSUERS_DIR, cache, err) : VOUCH_OK;
    if (rc == VOUCH_OK)
        rc = vch_issuer_keys_new(p->federation->issuers, p->federation->issuer_count, ca,
                                 p->state != NULL ? cache : NULL, &p->issuers, err);
    return rc;
}

static vouch_code set_up_verifier(vch_participant *p, const char *api_key, const needs *n,
                                  vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer ca = { 0 };
    if (p->file == NULL || p->federation->issuer_count == 0 || !p->federation->token_required
        || !(n->attested || n->appraises))
        return VOUCH_OK;
    vouch_code rc = read_verifier_ca(p, &ca, err);
    if (rc == VOUCH_OK)
        rc = make_issuers(p, vch_buffer_span(&ca), err);
    if (rc == VOUCH_OK)
        rc = vch_issuer_keys_fetch(p->issuers, vch_participant_now(p), err);
    if (rc == VOUCH_OK && n->token)
        rc = make_client(p, api_key, vch_buffer_span(&ca), err);
    return rc;
}

static int64_t clock_of(void *participant)
{
    return vch_participant_now(participant);
}

static vouch_code set_up_collateral(vch_participant *p, const needs *n, vouch_error *err)
{
    if (!n->attested && !n->appraises)
        return VOUCH_OK;
    const vch_root_pins pins = { .intel = p->federation->intel_root,
                                 .sha256 = p->federation->roots,
                                 .count = p->federation->root_count };
    const vch_collateral_surroundings around = {
        .pins = &pins, .log = p->log, .now_unix_s = clock_of, .clock = p
    };
    vouch_code rc =
        vch_collateral_settings_open(&p->local->collateral, &around, &p->collateral, err);
    return rc == VOUCH_OK || rc == VOUCH_E_MEMORY ? rc
                                                  : vouch_wrap(err, VOUCH_E_CONFIG, "collateral");
}

static vouch_code set_up_attested(vch_participant *p, const needs *n, vouch_error *err)
{
    vouch_code rc = vch_keypair_guard(err); /* first: nothing secret before dumps are off */
    if (rc == VOUCH_OK)
        rc = load_key(n->key_path, &p->site_key, err);
    if (rc == VOUCH_OK)
        rc = check_pinned(p, p->site_key, n->key_path, err);
    if (rc == VOUCH_OK)
        rc = vch_attester_open(p->local->attestation_dir, DEVICE_TIMEOUT_MS, &p->attester, err);
    return rc;
}

static vouch_code set_up_unattested(vch_participant *p, const needs *n, vouch_error *err)
{
    vouch_code rc = load_key(n->key_path, &p->key, err);
    if (rc == VOUCH_OK)
        rc = check_pinned(p, p->key, n->key_path, err);
    return rc == VOUCH_OK ? load_pki_certificate(p, n->cert_path, err) : rc;
}

static vouch_code find_member(vch_participant *p, vouch_error *err)
{
    if (p->file == NULL)
        return VOUCH_OK;
    p->member = vch_federation_member(p->federation, p->name);
    if (p->member == NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' is not among the participants", p->name);
    if (p->member->role != p->role)
        return doubt(p,
                     vouch_fail(err, VOUCH_E_CONFIG, "'%s' is listed as %s, not as %s", p->name,
                                vch_role_name(p->member->role), vch_role_name(p->role)),
                     err);
    return VOUCH_OK;
}

vouch_code vch_participant_set_up(vch_participant *p, const vch_participant_options *options,
                                  vouch_error *err)
{
    vouch_code rc = find_member(p, err);
    if (rc != VOUCH_OK)
        return rc;
    needs n = find_needs(p, options);
    rc = check_configured(p, options, &n, err);
    if (rc == VOUCH_OK && n.pki && options->pki_chain != NULL)
        rc = load_trust(p, options->pki_chain, err);
    if (rc == VOUCH_OK)
        rc = n.attested ? set_up_attested(p, &n, err) : set_up_unattested(p, &n, err);
    if (rc == VOUCH_OK)
        rc = vch_proven_new(&p->proven, err);
    if (rc == VOUCH_OK)
        rc = set_up_collateral(p, &n, err);
    if (rc == VOUCH_OK)
        rc = set_up_verifier(p, options->api_key, &n, err);
    return rc;
}
