#include <stdio.h>
#include <string.h>

#include "codec/json_writer.h"
#include "crypto/pem.h"
#include "host/file.h"
#include "identity/participant_parts.h"
#include "identity/passport.h"

static vch_passport_contents fill(const vch_participant *p, const vch_credentials *c,
                                  const vch_issuer_text *issuer, const vch_collateral_set *set)
{
    vch_passport_contents out = {
        .role = p->role,
        .certificate = c->certificate,
        .claims = c->claims,
        .quote = c->quote,
        .token_quote = c->token_quote,
        .token = c->token,
        .jwks = vch_buffer_span(&issuer->jwks),
        .crl_count = issuer->crl_count,
        .ca = c->ca,
        .collateral = set->parts,
        .created_unix_s = vch_participant_now(p),
    };
    for (size_t i = 0; i < issuer->crl_count; i++)
        out.crls[i] = vch_buffer_span(&issuer->crl[i]);
    memcpy(out.name, p->name, sizeof out.name);
    memcpy(out.federation, p->federation->id, sizeof out.federation);
    memcpy(out.policy_digest, p->federation->digest, sizeof out.policy_digest);
    return out;
}

static vouch_code passport_of(vch_participant *p, const vch_credentials *c, vch_buffer *out,
                              vouch_error *err)
{
    VCH_SCOPED(vch_collateral_set_drop) const vch_collateral_set *set = NULL;
    VCH_SCOPED(vch_issuer_text_drop) vch_issuer_text issuer = { 0 };
    vouch_code rc = VOUCH_OK;
    if (!c->attested)
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' is not attested: it has no passport", p->name);
    if (c->token.size > 0)
        rc = vch_issuer_keys_text(p->issuers, &issuer, err);
    if (rc == VOUCH_OK)
        rc = vch_collateral_cache_get(p->collateral, c->quote, &set, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_passport_contents contents = fill(p, c, &issuer, set);
    return vch_passport_build(&contents, out, err);
}

vouch_code vch_participant_passport(vch_participant *p, vch_buffer *out, vouch_error *err)
{
    const vch_credentials *c = vch_participant_credentials(p);
    vouch_code rc = passport_of(p, c, out, err);
    vch_credentials_unref(c);
    return rc;
}

static vouch_code write_one(const char *dir, const char *name, const char *suffix, vouch_span bytes,
                            vouch_error *err)
{
    char file[VCH_PARTICIPANT_NAME_SIZE + 32];
    char path[VCH_PATH_SIZE];
    (void)snprintf(file, sizeof file, "%s%s", name, suffix);
    vouch_code rc = vch_dir_make(dir, 0755, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(dir, file, path, err);
    return rc == VOUCH_OK ? vch_file_write(path, bytes, 0644, err) : rc;
}

static vouch_code write_report(const char *dir, const char *name, vouch_span token,
                               vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer json = vch_buffer_with_cap(VCH_ITA_TOKEN_MAX_SIZE + 64);
    vch_json_writer w = vch_json_writer_over(&json, false);
    vch_json_begin_object(&w);
    vch_json_key(&w, "token");
    vch_json_string_span(&w, token);
    vch_json_end(&w);
    vch_buffer_append_str(&json, "\n");
    vouch_code rc = vch_buffer_finish(&json, "report", err);
    return rc == VOUCH_OK ? write_one(dir, name, "_avs_report.json", vch_buffer_span(&json), err)
                          : rc;
}

static vouch_code write_pem(const char *dir, const char *name, const char *suffix, vouch_span der,
                            vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    vch_pem_encode(VCH_PEM_CERTIFICATE, der, &pem);
    vouch_code rc = vch_buffer_finish(&pem, "certificate", err);
    return rc == VOUCH_OK ? write_one(dir, name, suffix, vch_buffer_span(&pem), err) : rc;
}

vouch_code vch_participant_write_passport(vch_participant *p, const char *dir, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer json = vch_buffer_with_cap(VCH_PASSPORT_MAX_SIZE);
    const vch_credentials *c = vch_participant_credentials(p);
    vouch_code rc = passport_of(p, c, &json, err);
    if (rc == VOUCH_OK)
        rc = write_one(dir, p->name, "_passport.json", vch_buffer_span(&json), err);
    if (rc == VOUCH_OK && c->token.size > 0)
        rc = write_report(dir, p->name, c->token, err);
    if (rc == VOUCH_OK)
        rc = write_pem(dir, p->name, "_pubkey.pem", c->certificate, err);
    vch_credentials_unref(c);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "writing the passport into '%s'", dir);
}

vouch_code vch_participant_write_root(vch_participant *p, const char *dir, vouch_error *err)
{
    if (p->ca == NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' has no federation CA", p->name);
    vouch_code rc = write_pem(dir, p->name, "_root.pem", vch_federation_ca_certificate(p->ca), err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "writing the root into '%s'", dir);
}
