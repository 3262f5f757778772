#include "collateral/chain.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "collateral/pem_body.h"

#define NAME_ROOT "Intel SGX Root CA"
#define NAME_PROCESSOR_CA "Intel SGX PCK Processor CA"
#define NAME_PLATFORM_CA "Intel SGX PCK Platform CA"
#define NAME_PCK "Intel SGX PCK Certificate"
#define NAME_TCB_SIGNING "Intel SGX TCB Signing"

enum { HAS_ROOT = 1, HAS_INTERMEDIATE = 2, HAS_LEAF = 4 };

/* Put a certificate where its name belongs; which place that is, or 0 if the kind has none. */
static unsigned place(vch_chain *chain, vch_chain_kind kind, const vch_cert *cert)
{
    if (vch_span_is(cert->common_name, NAME_ROOT)) {
        chain->root = *cert;
        return HAS_ROOT;
    }
    bool platform = vch_span_is(cert->common_name, NAME_PLATFORM_CA);
    if (kind == VCH_CHAIN_PCK && (platform || vch_span_is(cert->common_name, NAME_PROCESSOR_CA))) {
        chain->intermediate = *cert;
        chain->ca = platform ? VCH_PCK_CA_PLATFORM : VCH_PCK_CA_PROCESSOR;
        return HAS_INTERMEDIATE;
    }
    if (vch_span_is(cert->common_name, kind == VCH_CHAIN_PCK ? NAME_PCK : NAME_TCB_SIGNING)) {
        chain->leaf = *cert;
        return HAS_LEAF;
    }
    return 0;
}

static vouch_span after(vouch_span s, size_t size)
{
    return (vouch_span) { s.data + size, s.size - size };
}

/* White space before a block, and NULs where nothing else follows. */
static vouch_span skip_blanks(vouch_span rest)
{
    while (rest.size > 0 && memchr(" \t\r\n", rest.data[0], 4) != NULL)
        rest = after(rest, 1);
    return vch_span_is_zero(rest) ? (vouch_span) { 0 } : rest;
}

/*
 * Take the next block's base64 off `rest`. Platforms of before 2021 write the end
 * of one block and the beginning of the next on one line, which crypto/pem.h rightly refuses.
 */
static vouch_code next_block(vouch_span *rest, vouch_span *body, bool *found, vouch_error *err)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    static const char end[] = "-----END CERTIFICATE-----";
    vouch_span in = skip_blanks(*rest);
    *found = in.size > 0;
    if (!*found)
        return VOUCH_OK;
    if (in.size < sizeof begin - 1 || memcmp(in.data, begin, sizeof begin - 1) != 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "something that is not a PEM certificate");
    in = after(in, sizeof begin - 1);
    const uint8_t *last = memmem(in.data, in.size, end, sizeof end - 1);
    if (last == NULL)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "a PEM certificate does not end");
    *body = (vouch_span) { in.data, (size_t)(last - in.data) };
    *rest = after(in, body->size + sizeof end - 1);
    return VOUCH_OK;
}

/* Read the next certificate's DER into `room`; its size, or 0 at the end. */
static vouch_code next_der(vouch_span *rest, uint8_t *room, size_t room_size, size_t *out,
                           vouch_error *err)
{
    vouch_span body = { 0 };
    bool found = false;
    *out = 0;
    vouch_code rc = next_block(rest, &body, &found, err);
    if (rc != VOUCH_OK || !found)
        return rc;
    if (body.size / 4 * 3 > room_size)
        return vouch_fail(err, VOUCH_E_LIMIT, "the certificates are too large");
    return vch_pem_body_read(body, room, out,
                             err); /* never 0 bytes, which would pass for the end */
}

static vouch_code read_certificates(vouch_span pem, vch_chain_kind kind, vch_chain *chain,
                                    vouch_error *err)
{
    unsigned wanted =
        kind == VCH_CHAIN_PCK ? HAS_ROOT | HAS_INTERMEDIATE | HAS_LEAF : HAS_ROOT | HAS_LEAF;
    unsigned seen = 0;
    vouch_span rest = pem;
    for (size_t used = 0, size = 0;; used += size) {
        /* DER is shorter than its PEM, so the text's size is room enough for all. */
        vouch_code rc = next_der(&rest, chain->der + used, pem.size - used, &size, err);
        if (rc != VOUCH_OK)
            return rc;
        if (size == 0)
            break;
        vch_cert cert;
        rc = vch_cert_parse((vouch_span) { chain->der + used, size }, &cert, err);
        if (rc != VOUCH_OK)
            return rc;
        unsigned where = place(chain, kind, &cert);
        if (where == 0 || (seen & where) != 0)
            return vouch_fail(err, VOUCH_E_FORMAT, "a certificate that does not belong: '%.*s'",
                              (int)cert.common_name.size, (const char *)cert.common_name.data);
        seen |= where;
    }
    if (seen != wanted)
        return vouch_fail(err, VOUCH_E_FORMAT, "not all of its certificates are there");
    return VOUCH_OK;
}

static vouch_code check_ca(const vch_cert *ca, uint64_t cas_below, const char *name,
                           vouch_error *err)
{
    const unsigned usage = VCH_KEY_USAGE_CERT_SIGN | VCH_KEY_USAGE_CRL_SIGN;
    if (!ca->is_ca || (ca->key_usage & usage) != usage)
        return vouch_fail(err, VOUCH_E_FORMAT, "the %s is not a CA for certificates and CRLs",
                          name);
    if (ca->has_path_length && ca->path_length < cas_below)
        return vouch_fail(err, VOUCH_E_FORMAT, "the %s may not stand so far above the leaf", name);
    return VOUCH_OK;
}

static vouch_code check_leaf(const vch_cert *leaf, vouch_error *err)
{
    if (leaf->is_ca || (leaf->key_usage & (VCH_KEY_USAGE_CERT_SIGN | VCH_KEY_USAGE_CRL_SIGN)) != 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "the leaf may sign certificates or CRLs");
    return VOUCH_OK;
}

vouch_code vch_root_check(const vch_cert *root, vouch_error *err)
{
    if (!vch_span_equal(root->issuer, root->subject))
        return vouch_fail(err, VOUCH_E_FORMAT, "the root does not name itself as its issuer");
    return check_ca(root, 0, "root", err);
}

static vouch_code check_links(const vch_chain *chain, vch_chain_kind kind, vouch_error *err)
{
    bool pck = kind == VCH_CHAIN_PCK;
    vouch_code rc = vch_root_check(&chain->root, err);
    if (rc == VOUCH_OK)
        rc = check_ca(&chain->root, pck ? 1 : 0, "root", err);
    if (rc == VOUCH_OK && pck)
        rc = check_ca(&chain->intermediate, 0, "intermediate", err);
    if (rc == VOUCH_OK)
        rc = check_leaf(&chain->leaf, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_cert *parent = pck ? &chain->intermediate : &chain->root;
    if (pck && !vch_span_equal(chain->intermediate.issuer, chain->root.subject))
        return vouch_fail(err, VOUCH_E_FORMAT, "the intermediate is not issued by the root");
    if (!vch_span_equal(chain->leaf.issuer, parent->subject))
        return vouch_fail(err, VOUCH_E_FORMAT,
                          "the leaf is not issued by the certificate above it");
    return VOUCH_OK;
}

vouch_code vch_chain_parse(vouch_span pem, vch_chain_kind kind, vch_chain *out, vouch_error *err)
{
    if (pem.size == 0)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "certificate chain: empty");
    if (pem.size > VCH_CHAIN_PEM_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "certificate chain: %zu bytes exceed %zu", pem.size,
                          VCH_CHAIN_PEM_MAX_SIZE);
    VCH_SCOPED(vch_chain_drop) vch_chain chain = { .der = malloc(pem.size) };
    if (chain.der == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "certificate chain");
    vouch_code rc = read_certificates(pem, kind, &chain, err);
    if (rc == VOUCH_OK)
        rc = check_links(&chain, kind, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "certificate chain");
    *out = chain;
    chain = (vch_chain) { 0 };
    return VOUCH_OK;
}

bool vch_chain_leaf_is(const vch_chain *chain, vouch_span pem)
{
    uint8_t der[VCH_PCK_CERT_MAX_SIZE];
    size_t size = 0;
    size_t more = 0;
    return next_der(&pem, der, sizeof der, &size, NULL) == VOUCH_OK
           && vch_span_equal((vouch_span) { der, size }, chain->leaf.der)
           && next_der(&pem, der, sizeof der, &more, NULL) == VOUCH_OK && more == 0;
}

void vch_chain_drop(vch_chain *chain)
{
    free(chain->der);
    *chain = (vch_chain) { 0 };
}
