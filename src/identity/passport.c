#include "identity/passport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/base64.h"
#include "codec/hex.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "crypto/cert_chain.h"
#include "crypto/pem.h"
#include "identity/ratls_cert.h"
#include "vouch/evidence.h"
#include "vouch/token.h"

#define PASSPORT_VERSION 1
#define PASSPORT_DEPTH 16
#define SLOT_COUNT (16 + VCH_ISSUER_CRLS_MAX)

struct vch_passport {
    vch_passport_contents contents;
    vch_buffer slots[SLOT_COUNT]; /* decoded bytes that the contents point into */
    size_t slot_count;
};

void vch_passport_free(vch_passport *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->slot_count; i++)
        vch_buffer_drop(&p->slots[i]);
    free(p);
}

const vch_passport_contents *vch_passport_contents_of(const vch_passport *p)
{
    return &p->contents;
}

/* The members of `collateral`, texts as they are and CRLs in base64. */
static const struct {
    const char *name;
    size_t offset;
    bool binary;
    bool optional;
} parts_table[] = {
    { "tcb_info", offsetof(vouch_collateral_parts, tcb_info), false, false },
    { "tcb_info_issuer_chain", offsetof(vouch_collateral_parts, tcb_info_issuer_chain), false,
      false },
    { "qe_identity", offsetof(vouch_collateral_parts, qe_identity), false, false },
    { "qe_identity_issuer_chain", offsetof(vouch_collateral_parts, qe_identity_issuer_chain), false,
      false },
    { "pck_crl", offsetof(vouch_collateral_parts, pck_crl), true, false },
    { "root_ca_crl", offsetof(vouch_collateral_parts, root_ca_crl), true, false },
    { "pck_chain", offsetof(vouch_collateral_parts, pck_chain), false, true },
};
#define PART_COUNT (sizeof parts_table / sizeof *parts_table)

static vouch_span *part_of(vouch_collateral_parts *parts, size_t i)
{
    return (vouch_span *)(void *)((char *)parts + parts_table[i].offset);
}

static void put_pem(vch_json_writer *w, const char *name, vouch_span der)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    vch_json_key(w, name);
    if (der.size == 0) {
        vch_json_null(w);
        return;
    }
    vch_pem_encode(VCH_PEM_CERTIFICATE, der, &pem);
    vch_json_string_span(w, vch_buffer_span(&pem));
}

static void put_text_or_null(vch_json_writer *w, const char *name, vouch_span text)
{
    vch_json_key(w, name);
    if (text.size == 0)
        vch_json_null(w);
    else
        vch_json_string_span(w, text);
}

static void put_base64_or_null(vch_json_writer *w, const char *name, vouch_span bytes)
{
    vch_json_key(w, name);
    if (bytes.size == 0)
        vch_json_null(w);
    else
        vch_json_base64(w, bytes);
}

static void put_collateral(vch_json_writer *w, const vouch_collateral_parts *given)
{
    vouch_collateral_parts parts = *given;
    vch_json_key(w, "collateral");
    vch_json_begin_object(w);
    for (size_t i = 0; i < PART_COUNT; i++) {
        if (parts_table[i].binary)
            put_base64_or_null(w, parts_table[i].name, *part_of(&parts, i));
        else
            put_text_or_null(w, parts_table[i].name, *part_of(&parts, i));
    }
    vch_json_end(w);
}

static void put_crls(vch_json_writer *w, const vch_passport_contents *c)
{
    vch_json_key(w, "crls");
    vch_json_begin_array(w);
    for (size_t i = 0; i < c->crl_count; i++)
        vch_json_base64(w, c->crls[i]);
    vch_json_end(w);
}

static void put_evidence(vch_json_writer *w, const vch_passport_contents *c)
{
    vch_json_key(w, "evidence");
    vch_json_begin_object(w);
    put_base64_or_null(w, "claims", c->claims);
    put_base64_or_null(w, "quote", c->quote);
    put_base64_or_null(w, "token_quote", c->token_quote);
    vch_json_end(w);
}

vouch_code vch_passport_build(const vch_passport_contents *c, vch_buffer *out, vouch_error *err)
{
    vouch_claims quote = { 0 };
    vouch_code rc = vouch_quote_read(c->quote, &quote, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "passport of '%s'", c->name);
    bool tdx = quote.tee == VOUCH_TEE_TDX;
    vch_json_writer w = vch_json_writer_over(out, true);
    vch_json_begin_object(&w);
    /* The pull request's names. A TD has no MRENCLAVE: its MRTD stands under its own name. */
    vch_json_put_hex(&w, tdx ? "mrtd" : "mrenclave",
                     tdx ? (vouch_span) { quote.tdx.mrtd, sizeof quote.tdx.mrtd }
                         : (vouch_span) { quote.sgx.mrenclave, sizeof quote.sgx.mrenclave });
    vch_json_put_string(&w, "name", c->name);
    put_text_or_null(&w, "token", c->token);
    put_pem(&w, "cert", c->certificate);
    vch_json_put_int(&w, "version", PASSPORT_VERSION);
    vch_json_put_string(&w, "role", vch_role_name(c->role));
    vch_json_put_hex(&w, "federation", (vouch_span) { c->federation, sizeof c->federation });
    put_evidence(&w, c);
    put_collateral(&w, &c->collateral);
    put_text_or_null(&w, "jwks", c->jwks);
    put_crls(&w, c);
    put_pem(&w, "ca", c->ca);
    vch_json_put_hex(&w, "policy_digest",
                     (vouch_span) { c->policy_digest, sizeof c->policy_digest });
    vch_json_put_moment(&w, "created", c->created_unix_s);
    vch_json_end(&w);
    vch_buffer_append_str(out, "\n");
    return vch_buffer_finish(out, "passport", err);
}

/* A new buffer of the passport's; NULL if there are too many, which the tables exclude. */
static vch_buffer *new_slot(vch_passport *p, size_t cap)
{
    vch_buffer *slot = &p->slots[p->slot_count++];
    *slot = vch_buffer_with_cap(cap);
    return slot;
}

/* A member that is text or, where it may be, null. */
static vouch_code get_text(const vch_json *object, const char *name, bool optional,
                           const char **out, vouch_error *err)
{
    const vch_json *member = vch_json_member(object, name);
    *out = NULL;
    if (optional && member != NULL && vch_json_kind_of(member) == VCH_JSON_NULL)
        return VOUCH_OK;
    return vch_json_get_string(object, name, out, err);
}

typedef struct member_form {
    const char *name;
    bool optional;
    enum { FORM_TEXT, FORM_BASE64, FORM_PEM } form;
    size_t max; /* bytes decoded */
} member_form;

static vouch_code decode_member(vch_passport *p, const vch_json *object, const member_form *form,
                                vouch_span *out, vouch_error *err)
{
    const char *text = NULL;
    vouch_code rc = get_text(object, form->name, form->optional, &text, err);
    if (rc != VOUCH_OK || text == NULL)
        return rc;
    vch_buffer *slot = new_slot(p, form->max);
    if (form->form == FORM_BASE64)
        rc = vch_base64_decode(vch_span_str(text), VCH_BASE64_STANDARD | VCH_BASE64_PADDED, slot,
                               err);
    else if (form->form == FORM_PEM)
        rc =
            vch_pem_decode_one(vch_span_str(text), VCH_PEM_CERTIFICATE, VCH_PEM_NO_TEXT, slot, err);
    else
        vch_buffer_append_str(slot, text);
    if (rc == VOUCH_OK)
        rc = vch_buffer_finish(slot, form->name, err);
    if (rc == VOUCH_OK && slot->size == 0)
        rc = vouch_fail(err, VOUCH_E_FORMAT, "it is empty");
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "member '%s'", form->name);
    *out = vch_buffer_span(slot);
    return VOUCH_OK;
}

static vouch_code read_evidence(vch_passport *p, const vch_json *root, vouch_error *err)
{
    static const char *const names[] = { "claims", "quote", "token_quote", NULL };
    const vch_json *evidence = NULL;
    vch_passport_contents *c = &p->contents;
    vouch_code rc = vch_json_get_object(root, "evidence", &evidence, err);
    if (rc == VOUCH_OK)
        rc = vch_json_only(evidence, names, err);
    if (rc == VOUCH_OK)
        rc = decode_member(p, evidence, &(member_form) { "claims", false, FORM_BASE64, 4096 },
                           &c->claims, err);
    if (rc == VOUCH_OK)
        rc = decode_member(p, evidence,
                           &(member_form) { "quote", false, FORM_BASE64, VOUCH_QUOTE_MAX_SIZE },
                           &c->quote, err);
    if (rc == VOUCH_OK)
        rc = decode_member(
            p, evidence, &(member_form) { "token_quote", true, FORM_BASE64, VOUCH_QUOTE_MAX_SIZE },
            &c->token_quote, err);
    return rc;
}

static vouch_code read_crls(vch_passport *p, const vch_json *root, vouch_error *err)
{
    const vch_json *list = NULL;
    vch_passport_contents *c = &p->contents;
    vouch_code rc = vch_json_get_array(root, "crls", &list, err);
    if (rc == VOUCH_OK && vch_json_count(list) > VCH_ISSUER_CRLS_MAX)
        rc = vouch_fail(err, VOUCH_E_FORMAT, "'crls': at most %d", VCH_ISSUER_CRLS_MAX);
    for (size_t i = 0; rc == VOUCH_OK && i < vch_json_count(list); i++) {
        const char *text = vch_json_text(vch_json_at(list, i));
        vch_buffer *slot = new_slot(p, VCH_CERT_CHAIN_MAX_CRL_SIZE);
        rc = text == NULL ? vouch_fail(err, VOUCH_E_FORMAT, "one is no text")
                          : vch_base64_decode(vch_span_str(text),
                                              VCH_BASE64_STANDARD | VCH_BASE64_PADDED, slot, err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "'crls'");
        c->crls[c->crl_count++] = vch_buffer_span(slot);
    }
    return rc;
}

static vouch_code read_collateral(vch_passport *p, const vch_json *root, vouch_error *err)
{
    const char *names[PART_COUNT + 1] = { NULL };
    const vch_json *collateral = NULL;
    for (size_t i = 0; i < PART_COUNT; i++)
        names[i] = parts_table[i].name;
    vouch_code rc = vch_json_get_object(root, "collateral", &collateral, err);
    if (rc == VOUCH_OK)
        rc = vch_json_only(collateral, names, err);
    for (size_t i = 0; i < PART_COUNT && rc == VOUCH_OK; i++) {
        const member_form form = { parts_table[i].name, parts_table[i].optional,
                                   parts_table[i].binary ? FORM_BASE64 : FORM_TEXT,
                                   VOUCH_COLLATERAL_PART_MAX_SIZE };
        rc = decode_member(p, collateral, &form, part_of(&p->contents.collateral, i), err);
    }
    return rc;
}

static vouch_code read_names(vch_passport *p, const vch_json *root, vouch_error *err)
{
    vch_passport_contents *c = &p->contents;
    const char *name = NULL;
    const char *role = NULL;
    uint64_t version = 0;
    vouch_code rc = vch_json_get_uint(root, "version", 1000, &version, err);
    if (rc == VOUCH_OK && version != PASSPORT_VERSION)
        rc = vouch_fail(err, VOUCH_E_UNSUPPORTED, "version %llu", (unsigned long long)version);
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(root, "name", &name, err);
    if (rc == VOUCH_OK && (name[0] == 0 || strlen(name) >= sizeof c->name))
        rc = vouch_fail(err, VOUCH_E_FORMAT, "the name is empty or too long");
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(root, "role", &role, err);
    if (rc == VOUCH_OK)
        rc = vch_role_parse(role, &c->role, err);
    if (rc == VOUCH_OK)
        (void)snprintf(c->name, sizeof c->name, "%s", name);
    if (rc == VOUCH_OK)
        rc = vch_json_get_hex(root, "federation", c->federation, sizeof c->federation, err);
    if (rc == VOUCH_OK)
        rc =
            vch_json_get_hex(root, "policy_digest", c->policy_digest, sizeof c->policy_digest, err);
    return rc == VOUCH_OK ? vch_json_get_moment(root, "created", &c->created_unix_s, err) : rc;
}

/* The measurement on top is for readers of the pull request's form: it must be the quote's. */
static vouch_code check_measurement(const vch_passport *p, const vch_json *root, vouch_error *err)
{
    vouch_claims quote = { 0 };
    uint8_t shown[48] = { 0 };
    vouch_code rc = vouch_quote_read(p->contents.quote, &quote, err);
    if (rc != VOUCH_OK)
        return rc;
    bool tdx = quote.tee == VOUCH_TEE_TDX;
    const char *mine = tdx ? "mrtd" : "mrenclave";
    if (vch_json_member(root, tdx ? "mrenclave" : "mrtd") != NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "a measurement of another kind of TEE stands there");
    rc = vch_json_get_hex(root, mine, shown, tdx ? 48 : 32, err);
    if (rc == VOUCH_OK
        && memcmp(shown, tdx ? quote.tdx.mrtd : quote.sgx.mrenclave, tdx ? 48 : 32) != 0)
        rc = vouch_fail(err, VOUCH_E_FORMAT, "%s is not the quote's", mine);
    return rc;
}

static vouch_code read_root(vch_passport *p, const vch_json *root, vouch_error *err)
{
    static const char *const names[] = { "mrenclave",     "mrtd",    "name",       "token",
                                         "cert",          "version", "role",       "federation",
                                         "evidence",      "jwks",    "collateral", "ca",
                                         "policy_digest", "created", "crls",       NULL };
    vch_passport_contents *c = &p->contents;
    vouch_code rc = vch_json_only(root, names, err);
    if (rc == VOUCH_OK)
        rc = read_names(p, root, err);
    if (rc == VOUCH_OK)
        rc = decode_member(p, root,
                           &(member_form) { "cert", false, FORM_PEM, VCH_RATLS_CERT_MAX_SIZE },
                           &c->certificate, err);
    if (rc == VOUCH_OK)
        rc = decode_member(p, root,
                           &(member_form) { "token", true, FORM_TEXT, VOUCH_TOKEN_MAX_SIZE },
                           &c->token, err);
    if (rc == VOUCH_OK)
        rc = decode_member(p, root, &(member_form) { "jwks", true, FORM_TEXT, VOUCH_JWKS_MAX_SIZE },
                           &c->jwks, err);
    if (rc == VOUCH_OK)
        rc = decode_member(
            p, root, &(member_form) { "ca", true, FORM_PEM, VCH_RATLS_CERT_MAX_SIZE }, &c->ca, err);
    if (rc == VOUCH_OK)
        rc = read_crls(p, root, err);
    if (rc == VOUCH_OK)
        rc = read_evidence(p, root, err);
    if (rc == VOUCH_OK)
        rc = read_collateral(p, root, err);
    return rc == VOUCH_OK ? check_measurement(p, root, err) : rc;
}

vouch_code vch_passport_parse(vouch_span json, vch_passport **out, vouch_error *err)
{
    const vch_json_limits limits = { VCH_PASSPORT_MAX_SIZE, PASSPORT_DEPTH };
    VCH_SCOPED(vch_json_drop) vch_json *root = NULL;
    VCH_SCOPED(vch_passport_drop) vch_passport *p = calloc(1, sizeof *p);
    if (p == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "passport: out of memory");
    vouch_code rc = vch_json_parse(json, &limits, &root, err);
    if (rc == VOUCH_OK)
        rc = read_root(p, root, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc == VOUCH_E_CONFIG ? VOUCH_E_FORMAT : rc, "passport");
    *out = VCH_MOVE(p);
    return VOUCH_OK;
}
