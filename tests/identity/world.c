#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "codec/base64.h"
#include "codec/cbor.h"
#include "codec/hex.h"
#include "crypto/cert_builder.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "identity/enrolment.h"
#include "identity/keypair.h"
#include "identity/ratls_cert.h"
#include "identity/token_quote.h"
#include "result/jwks.h"
#include "result/token_build.h"
#include "sim/quote_make.h"

#define BACKDATE_S 600
#define LIFE_S 86400

static const char *const site_names[WORLD_SITES] = { WORLD_AGGREGATOR, "col1", "col2" };

static void hex(const uint8_t *bytes, size_t size, char *out)
{
    (void)vch_hex_encode((vouch_span) { bytes, size }, out);
}

static const char *usually(const char *given, const char *usual)
{
    return given != NULL ? given : usual;
}

void world_policy_text(const world *w, const world_policy *p, vch_buffer *out)
{
    char pins[WORLD_SITES][65];
    char root[65];
    char issuer_root[65];
    uint8_t measurement[32];
    char aggregator[65];
    char collaborator[65];
    for (size_t i = 0; i < WORLD_SITES; i++)
        hex(w->enrolment[i], 32, pins[i]);
    hex(w->root_sha256, 32, root);
    hex(w->issuer.root_sha256, 32, issuer_root);
    memset(measurement, WORLD_AGGREGATOR_MEASUREMENT, 32);
    hex(measurement, 32, aggregator);
    memset(measurement, WORLD_COLLABORATOR_MEASUREMENT, 32);
    hex(measurement, 32, collaborator);
    vch_buffer_append_fmt(
        out,
        "version: 1\n"
        "federation:\n"
        "  id: %s\n"
        "  from: %s\n"
        "  enable: {aggregator: %s, collaborator: true}\n"
        "  initial_model: "
        "'%s11111111111111111111111111111111111111111111111111111111111111'\n"
        "  participants:\n"
        "    - {name: %s, role: aggregator, enrolment: '%s'}\n"
        "    - {name: col1, role: collaborator, enrolment: '%s'%s}\n"
        "    - {name: col2, role: collaborator, enrolment: '%s'%s}\n"
        "  measurements:\n"
        "    aggregator: [{mrenclave: '%s'}]\n"
        "    collaborator: [{mrenclave: '%s'}%s]\n"
        "  tcb: %s\n"
        "  token: %s\n"
        "  token_issuers: [{base_url: '%s', root: '%s'}]\n"
        "  channel: %s\n"
        "  roots: ['%s']\n"
        "  model_export: %s\n%s%s"
        "local:\n"
        "  collateral: {dir: '%s'}\n%s",
        usually(p->id, "000102030405060708090a0b0c0d0e0f"),
        usually(p->from, "2026-12-01T09:00:00Z"), usually(p->enable_aggregator, "true"),
        usually(p->initial_model, "11"), WORLD_AGGREGATOR, pins[WORLD_AGG], pins[WORLD_COL1],
        usually(p->col1, ""), pins[WORLD_COL2], usually(p->col2, ", attested: false"), aggregator,
        collaborator, usually(p->collaborator, ""), usually(p->tcb, "{accept: [UpToDate]}"),
        usually(p->token, "required"), WORLD_ISSUER, issuer_root, usually(p->channel, "key"),
        usually(p->root, root), usually(p->model_export, "clear"), usually(p->federation, ""),
        usually(p->top, ""), w->collateral_dir, usually(p->local, ""));
}

static void drop_policy(world *w)
{
    vch_issuer_keys_free(w->issuers);
    vch_collateral_cache_free(w->collateral);
    vch_attestation_file_free(w->file);
    w->issuers = NULL;
    w->collateral = NULL;
    w->file = NULL;
}

static void put_keys(world *w)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer jwks = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
    const vouch_span chain[] = { vch_buffer_span(&w->issuer.leaf), vch_buffer_span(&w->issuer.ca),
                                 vch_buffer_span(&w->issuer.root) };
    const vch_jwks_entry entry = { ISSUER_KID, chain, 3 };
    CHECK_OK(vch_jwks_build(&entry, 1, &jwks, &err), &err);
    CHECK_OK(vch_issuer_keys_put(w->issuers, vch_buffer_span(&jwks), w->issuer.crls, 2, &err),
             &err);
}

void world_set_policy(world *w, const world_policy *p)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(65536);
    drop_policy(w);
    world_policy_text(w, p, &text);
    CHECK_OK(vch_attestation_file_parse(vch_buffer_span(&text), "attestation.yaml", NULL, NULL,
                                        &w->file, &err),
             &err);
    const vch_federation *f = vch_attestation_file_federation(w->file);
    const vch_root_pins pins = { .sha256 = f->roots, .count = f->root_count };
    CHECK_OK(vch_collateral_cache_from_path(w->collateral_dir, &pins, &w->collateral, &err), &err);
    CHECK_OK(vch_issuer_keys_new(f->issuers, f->issuer_count, (vouch_span) { 0 }, NULL, &w->issuers,
                                 &err),
             &err);
    put_keys(w);
}

static void make_platform(world *w)
{
    vouch_error err = { 0 };
    char root[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(8192);
    const vch_sim_platform_options options = { .tee = VOUCH_TEE_SGX,
                                               .status = VOUCH_TCB_UP_TO_DATE,
                                               .now_unix_s = WORLD_NOW };
    CHECK_OK(vch_path_join(w->dir, "platform", w->platform_dir, &err), &err);
    CHECK_OK(vch_path_join(w->platform_dir, "collateral", w->collateral_dir, &err), &err);
    CHECK_OK(vch_path_join(w->platform_dir, "root.pem", root, &err), &err);
    CHECK_OK(vch_sim_platform_create(w->platform_dir, &options, &err), &err);
    CHECK_OK(vch_sim_platform_open(w->platform_dir, &w->platform, &err), &err);
    CHECK_OK(vch_file_read(root, 65536, &pem, &err), &err);
    CHECK_OK(
        vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_NO_TEXT, &der, &err),
        &err);
    CHECK_OK(vch_sha256(vch_buffer_span(&der), w->root_sha256, &err), &err);
}

static void make_site(world *w, size_t i)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    CHECK_OK(vch_key_generate(VCH_KEY_P256, &w->site[i], &err), &err);
    CHECK_OK(vch_key_spki(w->site[i], &spki, &err), &err);
    CHECK_OK(vch_sha256(vch_buffer_span(&spki), w->enrolment[i], &err), &err);
}

void world_make(world *w)
{
    vouch_error err = { 0 };
    *w = (world) { 0 };
    CHECK_OK(vch_dir_make_temporary(NULL, "vouch-world-", w->dir, &err), &err);
    make_platform(w);
    issuer_make(&w->issuer, NULL, NULL);
    for (size_t i = 0; i < WORLD_SITES; i++)
        make_site(w, i);
    memset(w->plan, 0x77, sizeof w->plan);
    world_set_policy(w, &(world_policy) { 0 });
}

void world_drop(world *w)
{
    drop_policy(w);
    for (size_t i = 0; i < WORLD_SITES; i++)
        vch_key_free(w->site[i]);
    issuer_drop(&w->issuer);
    vch_sim_platform_free(w->platform);
    CHECK(vch_dir_remove_tree(w->dir, NULL) == VOUCH_OK);
}

vch_admission_rules world_rules(const world *w)
{
    return (vch_admission_rules) {
        .file = w->file, .plan_digest = w->plan, .collateral = w->collateral, .issuers = w->issuers
    };
}

void world_evidence_begin(const world *w, world_site site, world_evidence *e)
{
    vouch_error err = { 0 };
    const vch_federation *f = vch_attestation_file_federation(w->file);
    *e = (world_evidence) { .site_key = w->site[site],
                            .measurement = site == WORLD_AGG ? WORLD_AGGREGATOR_MEASUREMENT
                                                             : WORLD_COLLABORATOR_MEASUREMENT,
                            .dice_oid = "2.23.133.5.4.9" };
    e->legacy_measurement = e->measurement;
    e->claims.role = site == WORLD_AGG ? VCH_ROLE_AGGREGATOR : VCH_ROLE_COLLABORATOR;
    e->claims.has_ca = site == WORLD_AGG;
    (void)snprintf(e->claims.name, sizeof e->claims.name, "%s", site_names[site]);
    memcpy(e->claims.federation, f->id, sizeof f->id);
    memcpy(e->claims.policy, f->digest, sizeof f->digest);
    memcpy(e->claims.plan, w->plan, sizeof w->plan);
    e->claims.nbf_unix_s = WORLD_NOW - BACKDATE_S;
    e->claims.exp_unix_s = WORLD_NOW + LIFE_S;
    CHECK_OK(vch_key_generate(VCH_KEY_P384, &e->key, &err), &err);
    CHECK_OK(vch_keypair_digest(e->key, e->claims.key_digest, &err), &err);
}

void world_quote(const world *w, uint8_t measurement, bool debug, const uint8_t report_data[64],
                 vch_buffer *out)
{
    vouch_error err = { 0 };
    vch_sim_quote_options options = { .debug = debug };
    memset(options.measurement.mrenclave, measurement, sizeof options.measurement.mrenclave);
    memcpy(options.report_data, report_data, 64);
    CHECK_OK(vch_sim_quote_make(w->platform, &options, out, &err), &err);
}

static void put_legacy(const world *w, const world_evidence *e, const vch_key *key, vch_buffer *out)
{
    uint8_t report_data[64] = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    CHECK(vch_key_spki(key, &spki, NULL) == VOUCH_OK);
    CHECK(vch_sha256(vch_buffer_span(&spki), report_data, NULL) == VOUCH_OK);
    world_quote(w, e->legacy_measurement, e->debug, report_data, out);
}

static void put_dice(const world_evidence *e, vch_buffer *out)
{
    vch_cbor_put_tag(out, 60000);
    vch_cbor_put_array(out, 2);
    vch_cbor_put_bytes(out, vch_buffer_span(&e->quote));
    vch_cbor_put_bytes(out, vch_buffer_span(&e->claims_bytes));
}

void world_certify(const world *w, world_evidence *e)
{
    vouch_error err = { 0 };
    const vch_key *key = e->certified_key != NULL ? e->certified_key : e->key;
    const char *subject = usually(e->subject, e->claims.name);
    VCH_SCOPED(vch_buffer_drop) vch_buffer dice = vch_buffer_with_cap(32768);
    VCH_SCOPED(vch_buffer_drop) vch_buffer legacy = vch_buffer_with_cap(32768);
    VCH_SCOPED(vch_buffer_drop) vch_buffer enrolment = vch_buffer_with_cap(4096);
    vch_cert_extension extensions[4];
    size_t count = 0;
    put_dice(e, &dice);
    if (e->dice_oid[0] != 0)
        extensions[count++] = (vch_cert_extension) { e->dice_oid, false, vch_buffer_span(&dice) };
    if (e->legacy) {
        put_legacy(w, e, key, &legacy);
        extensions[count++] =
            (vch_cert_extension) { "0.6.9.42.840.113741.1337.6", false, vch_buffer_span(&legacy) };
    }
    if (e->site_key != NULL) {
        CHECK_OK(
            vch_enrolment_build(e->site_key, vch_buffer_span(&e->claims_bytes), &enrolment, &err),
            &err);
        extensions[count++] =
            (vch_cert_extension) { VCH_ENROLMENT_OID, false, vch_buffer_span(&enrolment) };
    }
    if (e->critical_oid != NULL)
        extensions[count++] = (vch_cert_extension) { e->critical_oid, true, vch_span_str("x") };
    static const uint8_t serial[] = { 0x42 };
    const vch_name_part name = { "CN", subject };
    const vch_cert_options options = {
        .subject = &name,
        .subject_count = 1,
        .signer = key,
        .serial = { serial, sizeof serial },
        .not_before_unix_s = e->nbf_unix_s != 0 ? e->nbf_unix_s : e->claims.nbf_unix_s,
        .not_after_unix_s = e->exp_unix_s != 0 ? e->exp_unix_s : e->claims.exp_unix_s,
        .kind = VCH_CERT_LEAF,
        .pathlen = VCH_PATHLEN_NONE,
        .alt = { .dns = &subject, .dns_count = 1 },
        .extensions = extensions,
        .extension_count = count,
    };
    CHECK_OK(vch_cert_build(&options, &e->certificate, &err), &err);
}

void world_issue(const world *w, world_evidence *e)
{
    vouch_error err = { 0 };
    uint8_t report_data[64];
    e->claims_bytes = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
    e->quote = vch_buffer_with_cap(16384);
    e->certificate = vch_buffer_with_cap(65536);
    CHECK_OK(vch_claims_build(&e->claims, &e->claims_bytes, &err), &err);
    vouch_span quoted =
        e->quoted_claims.size > 0 ? e->quoted_claims : vch_buffer_span(&e->claims_bytes);
    CHECK_OK(vch_claims_report_data(quoted, report_data, &err), &err);
    world_quote(w, e->measurement, e->debug, report_data, &e->quote);
    world_certify(w, e);
}

void world_evidence_drop(world_evidence *e)
{
    vch_key_free(e->key);
    vch_buffer_drop(&e->claims_bytes);
    vch_buffer_drop(&e->quote);
    vch_buffer_drop(&e->certificate);
}

void world_token_usual(const world_evidence *e, world_token *t)
{
    *t = (world_token) { .held_data = vch_buffer_span(&e->claims_bytes),
                         .measurement = e->measurement,
                         .status = VOUCH_TCB_UP_TO_DATE,
                         .issued_at_unix_s = WORLD_NOW - 10,
                         .debug = e->debug };
}

static void base64(const char *text, char out[static 128])
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer b = vch_buffer_with_cap(127);
    vch_base64_encode(vch_span_str(text), &b);
    CHECK(b.failed == VOUCH_OK);
    memcpy(out, b.data, b.size);
    out[b.size] = 0;
}

void world_token_make(const world *w, const world_evidence *e, const world_token *t,
                      vch_buffer *out)
{
    vouch_error err = { 0 };
    char val[128];
    char iat[128];
    vouch_claims c = { .tee = VOUCH_TEE_SGX,
                       .debug = t->debug,
                       .simulated = !t->not_simulated,
                       .tcb_status = t->status,
                       .tcb_date_unix_s = WORLD_NOW - 86400,
                       .advisory_ids = &t->advisory,
                       .advisory_count = t->advisory == NULL ? 0 : 1 };
    memset(c.sgx.mrenclave, t->measurement, sizeof c.sgx.mrenclave);
    base64(WORLD_NONCE_VAL, val);
    base64(WORLD_NONCE_IAT, iat);
    if (t->no_nonce)
        CHECK_OK(vch_claims_report_data(t->held_data, c.report_data, &err), &err);
    else
        CHECK_OK(vch_token_quote_report_data(false, vch_span_str(WORLD_NONCE_VAL),
                                             vch_span_str(WORLD_NONCE_IAT), t->held_data,
                                             c.report_data, &err),
                 &err);
    const vch_token_statement statement = {
        .version = 1,
        .base_url = WORLD_ISSUER,
        .id = "59aeaed5-d127-420b-939d-b378ad4ac300",
        .instance_id = "d970fa2b-34bc-476d-ad8f-7a1b78f2885e",
        .issued_at_unix_s = t->issued_at_unix_s,
        .lifetime_s = 300,
        .claims = &c,
        .quote = vch_buffer_span(&e->quote),
        .held_data = t->held_data,
        .nonce = { t->no_nonce ? NULL : val, iat, "c2ln" },
    };
    VCH_SCOPED(vch_buffer_drop) vch_buffer payload = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    CHECK_OK(vch_token_payload_build(&statement, &payload, &err), &err);
    issuer_sign(&w->issuer, ISSUER_KID, vch_buffer_span(&payload), out);
}
