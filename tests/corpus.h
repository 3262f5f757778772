/* Files of the quote corpus (tests/vectors/quotes) for unit tests. */
#ifndef VCH_TESTS_CORPUS_H
#define VCH_TESTS_CORPUS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "vouch/collateral.h"
#include "vouch/span.h"

/* A genuine SGX quote (v3, platform CA), its collateral and a moment at which all of it holds. */
#define CORPUS_SGX_QUOTE "quote/268c06813379d1af.bin"
#define CORPUS_SGX_TCB_INFO "collateral/1316cacf45d39079.tcb.json"
#define CORPUS_SGX_QE_IDENTITY "collateral/314bda27a571e42e.qe.json"
#define CORPUS_SGX_PCK_CRL "collateral/8b661233b516d13e.crl.der"
#define CORPUS_SGX_ROOT_CRL "collateral/ad6f3f4e0673bb14.crl.der"
#define CORPUS_SIGNING_CHAIN "collateral/6d58c08156552520.chain.pem"
#define CORPUS_SGX_TIME INT64_C(1756530546)

/* A genuine TDX quote (v4, padded) that shares the issuer chain. */
#define CORPUS_TDX_QUOTE "quote/a2c43c6937dcdb91.bin"
#define CORPUS_TDX_TCB_INFO "collateral/2b140c112bd3b06e.tcb.json"
#define CORPUS_TDX_QE_IDENTITY "collateral/895d3e5ea749799e.qe.json"
#define CORPUS_TDX_PCK_CRL "collateral/8c47d408f7daaf1f.crl.der"
#define CORPUS_TDX_ROOT_CRL "collateral/c114be5d5ca7aab2.crl.der"
#define CORPUS_TDX_TIME INT64_C(1782599235)
#define CORPUS_TDX_STATUS VOUCH_TCB_OUT_OF_DATE

/* A whole file on the heap, in a block of exactly its size so that a sanitizer sees every step
 * past its end. Free `data`. */
static inline vouch_span corpus_read(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/quotes/%s", VCH_TEST_VECTORS, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("cannot open %s", path);
    static uint8_t room[1 << 17];
    size_t size = fread(room, 1, sizeof room, file);
    (void)fclose(file);
    uint8_t *data = malloc(size);
    CHECK(data != NULL);
    memcpy(data, room, size);
    return (vouch_span) { data, size };
}

/* The heap's own block behind a span of corpus_read or corpus_copy. */
static inline uint8_t *corpus_bytes(vouch_span s)
{
    union {
        const uint8_t *shown;
        uint8_t *own;
    } view = { .shown = s.data };
    return view.own;
}

static inline void corpus_free(vouch_span s)
{
    free(corpus_bytes(s));
}

static inline vouch_span corpus_copy(vouch_span s, size_t size)
{
    uint8_t *data = calloc(1, size == 0 ? 1 : size);
    CHECK(data != NULL);
    memcpy(data, s.data, size < s.size ? size : s.size);
    return (vouch_span) { data, size };
}

static inline vouch_collateral_parts corpus_sgx_parts(void)
{
    return (vouch_collateral_parts) {
        .tcb_info = corpus_read(CORPUS_SGX_TCB_INFO),
        .tcb_info_issuer_chain = corpus_read(CORPUS_SIGNING_CHAIN),
        .qe_identity = corpus_read(CORPUS_SGX_QE_IDENTITY),
        .qe_identity_issuer_chain = corpus_read(CORPUS_SIGNING_CHAIN),
        .pck_crl = corpus_read(CORPUS_SGX_PCK_CRL),
        .root_ca_crl = corpus_read(CORPUS_SGX_ROOT_CRL),
    };
}

static inline vouch_collateral_parts corpus_tdx_parts(void)
{
    return (vouch_collateral_parts) {
        .tcb_info = corpus_read(CORPUS_TDX_TCB_INFO),
        .tcb_info_issuer_chain = corpus_read(CORPUS_SIGNING_CHAIN),
        .qe_identity = corpus_read(CORPUS_TDX_QE_IDENTITY),
        .qe_identity_issuer_chain = corpus_read(CORPUS_SIGNING_CHAIN),
        .pck_crl = corpus_read(CORPUS_TDX_PCK_CRL),
        .root_ca_crl = corpus_read(CORPUS_TDX_ROOT_CRL),
    };
}

static inline void corpus_parts_free(vouch_collateral_parts *p)
{
    corpus_free(p->tcb_info);
    corpus_free(p->tcb_info_issuer_chain);
    corpus_free(p->qe_identity);
    corpus_free(p->qe_identity_issuer_chain);
    corpus_free(p->pck_crl);
    corpus_free(p->root_ca_crl);
    corpus_free(p->pck_chain);
}

#endif
