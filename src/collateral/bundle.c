#include "collateral/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/scope.h"
#include "codec/hex.h"
#include "crypto/hash.h"

#define STEP "collateral"
#define PART_COUNT 7

VCH_DEFINE_DROP(drop_collateral, vouch_collateral, vouch_collateral_free)

typedef struct part {
    const char *name;
    vouch_span *span;
} part;

static void list_parts(vouch_collateral_parts *parts, part out[static PART_COUNT])
{
    out[0] = (part) { "TCB info", &parts->tcb_info };
    out[1] = (part) { "TCB info issuer chain", &parts->tcb_info_issuer_chain };
    out[2] = (part) { "QE identity", &parts->qe_identity };
    out[3] = (part) { "QE identity issuer chain", &parts->qe_identity_issuer_chain };
    out[4] = (part) { "PCK CRL", &parts->pck_crl };
    out[5] = (part) { "root CA CRL", &parts->root_ca_crl };
    out[6] = (part) { "PCK chain", &parts->pck_chain };
}

/* Each part after its size as 8 bytes, so that no two sets have the same bytes. */
static vouch_code copy_parts(vouch_collateral *c, vouch_collateral_parts *parts, vouch_error *err)
{
    part list[PART_COUNT];
    list_parts(parts, list);
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer all = vch_buffer_with_cap(PART_COUNT * (8 + VOUCH_COLLATERAL_PART_MAX_SIZE));
    size_t begin[PART_COUNT];
    for (size_t i = 0; i < PART_COUNT; i++) {
        if (list[i].span->size > VOUCH_COLLATERAL_PART_MAX_SIZE) {
            vch_reasons_add_values(&c->faults, STEP, "collateral_too_large", "at most 262144 bytes",
                                   "more", "%s: %zu bytes exceed %zu", list[i].name,
                                   list[i].span->size, VOUCH_COLLATERAL_PART_MAX_SIZE);
            *list[i].span = (vouch_span) { 0 };
        } else if (list[i].span->size == 0 && i < PART_COUNT - 1) {
            vch_reasons_add_values(&c->faults, STEP, "collateral_missing", list[i].name, "none",
                                   "%s is missing", list[i].name);
        }
        vch_buffer_u64be(&all, list[i].span->size);
        begin[i] = all.size;
        vch_buffer_append(&all, *list[i].span);
    }
    vouch_code rc = vch_buffer_finish(&all, "collateral", err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(vch_buffer_span(&all), c->digest, err);
    if (rc != VOUCH_OK)
        return rc;
    c->bytes = all.data;
    all = (vch_buffer) { 0 };
    for (size_t i = 0; i < PART_COUNT; i++)
        list[i].span->data = list[i].span->size == 0 ? NULL : c->bytes + begin[i];
    return VOUCH_OK;
}

/* Note why a part cannot be read; true if it can. That memory ran out is no fault of the part. */
static bool readable(vouch_collateral *c, vouch_code rc, const vouch_error *why, const char *code)
{
    char text[VCH_REASON_MESSAGE_SIZE];
    if (rc == VOUCH_E_MEMORY)
        c->faults.lost = c->faults.out_of_memory = true;
    else if (rc != VOUCH_OK)
        vch_reasons_add_values(&c->faults, STEP, code, "well-formed",
                               rc == VOUCH_E_TRUNCATED ? "truncated" : "malformed", "%s",
                               vouch_error_text(why, text, sizeof text));
    return rc == VOUCH_OK;
}

static bool read_chain(vouch_collateral *c, vouch_span pem, const char *name, vch_chain *out)
{
    vouch_error why = { 0 };
    vouch_code rc = vch_chain_parse(pem, VCH_CHAIN_SIGNING, out, &why);
    if (rc != VOUCH_OK)
        rc = vouch_wrap(&why, rc, "%s", name);
    return readable(c, rc, &why, "issuer_chain_malformed");
}

static void read_crls(vouch_collateral *c, const vouch_collateral_parts *parts)
{
    vouch_error why = { 0 };
    vouch_code rc = vch_crl_parse(parts->pck_crl, &c->pck_crl, &why);
    if (rc != VOUCH_OK)
        rc = vouch_wrap(&why, rc, "PCK CRL");
    c->has_pck_crl = readable(c, rc, &why, "pck_crl_malformed");
    why = (vouch_error) { 0 };
    rc = vch_crl_parse(parts->root_ca_crl, &c->root_crl, &why);
    if (rc != VOUCH_OK)
        rc = vouch_wrap(&why, rc, "root CA CRL");
    c->has_root_crl = readable(c, rc, &why, "root_crl_malformed");
}

/* Read all that is there; false if something that the signatures need is not. */
static bool read_parts(vouch_collateral *c, const vouch_collateral_parts *parts)
{
    vouch_error why = { 0 };
    bool same = vch_span_equal(parts->tcb_info_issuer_chain, parts->qe_identity_issuer_chain);
    bool good =
        read_chain(c, parts->tcb_info_issuer_chain, "TCB info issuer chain", &c->tcb_info_chain);
    good = (same
            || read_chain(c, parts->qe_identity_issuer_chain, "QE identity issuer chain",
                          &c->qe_identity_chain))
           && good;
    read_crls(c, parts);
    vouch_code rc = vch_tcb_info_parse(parts->tcb_info, &c->tcb_info, &why);
    good = readable(c, rc, &why, "tcb_info_malformed") && good;
    why = (vouch_error) { 0 };
    rc = vch_qe_identity_parse(parts->qe_identity, &c->qe_identity, &why);
    good = readable(c, rc, &why, "qe_identity_malformed") && good;
    return good && c->has_root_crl;
}

/* Note a signature that does not verify. An error is the library's failure. */
static vouch_code expect_valid(vouch_collateral *c, vouch_code rc, bool valid, const char *code,
                               const char *what)
{
    if (rc == VOUCH_OK && !valid)
        vch_reasons_add_values(&c->faults, STEP, code, "a valid signature", "an invalid one",
                               "the signature of the %s does not verify", what);
    return rc;
}

static vouch_code verify_root_crl(vouch_collateral *c, const vch_p256_key *root, vouch_error *err)
{
    if (!vch_span_equal(c->root_crl.issuer, c->tcb_info_chain.root.subject)) {
        vch_reasons_add_values(&c->faults, STEP, "root_crl_issuer_mismatch", "the root", "another",
                               "the root CA CRL is not issued by the root");
        return VOUCH_OK;
    }
    bool valid = false;
    vouch_code rc = vch_crl_signed_by(&c->root_crl, root, &valid, err);
    return expect_valid(c, rc, valid, "root_crl_signature_invalid", "root CA CRL");
}

/* The TCB signing certificate of a chain under `root`, not revoked; its key. */
static vouch_code verify_signer(vouch_collateral *c, const vch_cert *signer,
                                const vch_p256_key *root, vch_p256_key **out, vouch_error *err)
{
    bool valid = false;
    char serial[2 * VCH_SERIAL_MAX_SIZE + 1];
    vouch_code rc = vch_cert_signed_by(signer, root, &valid, err);
    rc = expect_valid(c, rc, valid, "tcb_signing_signature_invalid", "TCB signing certificate");
    if (rc != VOUCH_OK)
        return rc;
    if (vch_crl_lists(&c->root_crl, signer->serial))
        vch_reasons_add_values(
            &c->faults, STEP, "tcb_signing_revoked", "not revoked",
            vch_hex_encode((vouch_span) { signer->serial, sizeof signer->serial }, serial),
            "the TCB signing certificate is revoked");
    rc = vch_p256_key_new(signer->point, root, out, err);
    if (rc == VOUCH_E_FORMAT) {
        vch_reasons_add_values(&c->faults, STEP, "tcb_signing_key_invalid", "a point of P-256",
                               "no point of the curve",
                               "the key of the TCB signing certificate is not on the curve");
        return VOUCH_OK;
    }
    return rc;
}

static vouch_code verify_document(vouch_collateral *c, const vch_p256_key *signer, vouch_span bytes,
                                  const uint8_t signature[static 64], const char *code,
                                  const char *what, vouch_error *err)
{
    bool valid = false;
    vouch_code rc = vch_p256_verify(signer, bytes, signature, &valid, err);
    return expect_valid(c, rc, valid, code, what);
}

/* Both documents by their signers; `key` is that of the TCB info's chain. */
static vouch_code verify_documents(vouch_collateral *c, const vch_p256_key *root, vouch_error *err)
{
    VCH_SCOPED(vch_p256_key_drop) vch_p256_key *key = NULL;
    VCH_SCOPED(vch_p256_key_drop) vch_p256_key *other = NULL;
    vouch_code rc = verify_signer(c, &c->tcb_info_chain.leaf, root, &key, err);
    bool same = c->qe_identity_chain.der == NULL;
    if (rc == VOUCH_OK && !same)
        rc = verify_signer(c, &c->qe_identity_chain.leaf, root, &other, err);
    const vch_p256_key *qe_key = same ? key : other;
    if (rc == VOUCH_OK && key != NULL)
        rc = verify_document(c, key, c->tcb_info.signed_bytes, c->tcb_info.signature,
                             "tcb_info_signature_invalid", "TCB info", err);
    if (rc == VOUCH_OK && qe_key != NULL)
        rc = verify_document(c, qe_key, c->qe_identity.signed_bytes, c->qe_identity.signature,
                             "qe_identity_signature_invalid", "QE identity", err);
    return rc;
}

static vouch_code verify_parts(vouch_collateral *c, vouch_error *err)
{
    const vch_cert *root = &c->tcb_info_chain.root;
    if (c->qe_identity_chain.der != NULL
        && !vch_span_equal(root->der, c->qe_identity_chain.root.der)) {
        vch_reasons_add_values(&c->faults, STEP, "issuer_chain_roots_differ", "the same root twice",
                               "two",
                               "the two issuer chains do not end in the same root certificate");
        return VOUCH_OK;
    }
    vouch_code rc = vch_sha256(root->der, c->root_digest, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_p256_key_drop) vch_p256_key *key = NULL;
    rc = vch_p256_key_new(root->point, NULL, &key, err);
    if (rc == VOUCH_E_FORMAT) {
        vch_reasons_add_values(&c->faults, STEP, "root_key_invalid", "a point of P-256",
                               "no point of the curve",
                               "the key of the root certificate is not on the curve");
        return VOUCH_OK;
    }
    if (rc == VOUCH_OK)
        rc = verify_root_crl(c, key, err);
    if (rc == VOUCH_OK)
        rc = verify_documents(c, key, err);
    return rc;
}

static vouch_code keep_digests(vouch_collateral *c, const vouch_collateral_parts *parts,
                               vouch_error *err)
{
    vouch_code rc = vch_sha256(parts->pck_crl, c->pck_crl_digest, err);
    c->pck_chain = parts->pck_chain;
    if (rc == VOUCH_OK && parts->pck_chain.size > 0)
        rc = vch_sha256(parts->pck_chain, c->pck_chain_digest, err);
    return rc;
}

vouch_code vouch_collateral_parse(const vouch_collateral_parts *parts, vouch_collateral **out,
                                  vouch_error *err)
{
    VCH_SCOPED(drop_collateral) vouch_collateral *c = calloc(1, sizeof *c);
    if (c == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "collateral");
    vouch_collateral_parts own = *parts;
    vouch_code rc = copy_parts(c, &own, err);
    if (rc == VOUCH_OK)
        rc = keep_digests(c, &own, err);
    if (rc == VOUCH_OK && read_parts(c, &own))
        rc = verify_parts(c, err);
    if (rc == VOUCH_OK && c->faults.out_of_memory)
        rc = vouch_fail(err, VOUCH_E_MEMORY, "reading its parts");
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "collateral");
    *out = VCH_MOVE(c);
    return VOUCH_OK;
}

void vouch_collateral_free(vouch_collateral *c)
{
    if (c == NULL)
        return;
    vch_chain_drop(&c->tcb_info_chain);
    vch_chain_drop(&c->qe_identity_chain);
    vch_tcb_info_drop(&c->tcb_info);
    vch_qe_identity_drop(&c->qe_identity);
    vch_crl_drop(&c->pck_crl);
    vch_crl_drop(&c->root_crl);
    vch_reasons_drop(&c->faults);
    free(c->bytes);
    free(c);
}
