#include "collateral/bundle.h"

#include "base/scope.h"
#include "crypto/pem.h"
#include "document.h"

static vouch_collateral_parts parts;

static int set_up(void **state)
{
    (void)state;
    parts = corpus_sgx_parts();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    corpus_parts_free(&parts);
    return 0;
}

static vouch_collateral *parse(const vouch_collateral_parts *p)
{
    vouch_collateral *c = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vouch_collateral_parse(p, &c, &err), &err);
    return c;
}

/* These parts have this fault. */
static void expect_fault(const vouch_collateral_parts *p, const char *code)
{
    vouch_collateral *c = parse(p);
    bool found = false;
    for (size_t i = 0; i < c->faults.count; i++)
        found = found || strcmp(c->faults.list[i].code, code) == 0;
    if (!found)
        fail_msg("expected %s, found %s", code,
                 c->faults.count > 0 ? c->faults.list[0].code : "none");
    vouch_collateral_free(c);
}

static void a_genuine_set_has_no_fault_and_outlives_its_bytes(void **state)
{
    (void)state;
    vouch_collateral_parts own = corpus_sgx_parts();
    vouch_collateral *c = parse(&own);
    corpus_parts_free(&own); /* the object keeps a copy */
    CHECK(!vch_reasons_any(&c->faults) && c->has_pck_crl && c->has_root_crl);
    CHECK(c->qe_identity_chain.der == NULL); /* the same text as the other chain: read once */
    CHECK(c->tcb_info.evaluation_number == 17 && c->pck_crl.revoked_count > 40);
    CHECK(c->tcb_info.signed_bytes.data[0] == '{');
    vouch_collateral_free(c);
    vouch_collateral_free(NULL);
}

static void each_missing_part_is_a_fault_but_the_pck_chain_is_optional(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        vouch_collateral_parts p = parts;
        vouch_span *all[] = { &p.tcb_info,    &p.tcb_info_issuer_chain,
                              &p.qe_identity, &p.qe_identity_issuer_chain,
                              &p.pck_crl,     &p.root_ca_crl };
        *all[i] = (vouch_span) { 0 };
        expect_fault(&p, "collateral_missing");
    }
    expect_fault(&(vouch_collateral_parts) { 0 }, "collateral_missing");
}

static void a_part_above_the_limit_is_a_fault(void **state)
{
    (void)state;
    vouch_collateral_parts p = parts;
    vouch_span large = corpus_copy(parts.tcb_info, VOUCH_COLLATERAL_PART_MAX_SIZE + 1);
    p.tcb_info = large;
    expect_fault(&p, "collateral_too_large");
    corpus_free(large);
}

static void a_malformed_part_is_a_fault_of_its_name(void **state)
{
    (void)state;
    static const char *const codes[] = { "tcb_info_malformed",    "issuer_chain_malformed",
                                         "qe_identity_malformed", "issuer_chain_malformed",
                                         "pck_crl_malformed",     "root_crl_malformed" };
    static const uint8_t junk[] = "junk";
    for (size_t i = 0; i < 6; i++) {
        vouch_collateral_parts p = parts;
        vouch_span *all[] = { &p.tcb_info,    &p.tcb_info_issuer_chain,
                              &p.qe_identity, &p.qe_identity_issuer_chain,
                              &p.pck_crl,     &p.root_ca_crl };
        *all[i] = (vouch_span) { junk, sizeof junk };
        expect_fault(&p, codes[i]);
    }
}

static void a_signature_that_does_not_verify_is_a_fault(void **state)
{
    (void)state;
    vouch_collateral_parts p = parts;
    p.tcb_info = with_replaced(parts.tcb_info, "\"OutOfDate\"", "\"UpToDate\"");
    expect_fault(&p, "tcb_info_signature_invalid");
    corpus_free(p.tcb_info);
    p = parts;
    p.tcb_info = with_replaced(parts.tcb_info, "\"tcbInfo\":{", "\"tcbInfo\":{ "); /* white space */
    expect_fault(&p, "tcb_info_signature_invalid");
    corpus_free(p.tcb_info);
    p = parts;
    p.qe_identity = with_replaced(parts.qe_identity, "\"OutOfDate\"", "\"UpToDate\"");
    expect_fault(&p, "qe_identity_signature_invalid");
    corpus_free(p.qe_identity);
    p = parts;
    p.root_ca_crl = corpus_copy(parts.root_ca_crl, parts.root_ca_crl.size);
    corpus_bytes(p.root_ca_crl)[p.root_ca_crl.size - 1] ^= 1;
    expect_fault(&p, "root_crl_signature_invalid");
    corpus_free(p.root_ca_crl);
}

static void another_cas_list_is_no_root_crl(void **state)
{
    (void)state;
    vouch_collateral_parts p = parts;
    p.root_ca_crl = parts.pck_crl;
    expect_fault(&p, "root_crl_issuer_mismatch");
}

/* The 2033 root has the name and key of the 2049 one: pinning is by certificate. */
static void both_chains_must_end_in_the_same_root_certificate(void **state)
{
    (void)state;
    vouch_collateral_parts p = parts;
    vouch_span other =
        corpus_copy(parts.qe_identity_issuer_chain, parts.qe_identity_issuer_chain.size);
    vch_chain chain = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_chain_parse(other, VCH_CHAIN_SIGNING, &chain, &err), &err);
    vch_chain_drop(&chain);
    /* the base64 of "491231235959Z" inside the root, one digit of the year changed */
    vouch_span changed = { 0 };
    static const char *const from[] = { "NDkxMjMxMjM1OTU5", "0OTEyMzEyMzU5NTla",
                                        "Q5MTIzMTIzNTk1OV" };
    static const char *const to[] = { "NDgxMjMxMjM1OTU5", "0ODEyMzEyMzU5NTla", "Q4MTIzMTIzNTk1OV" };
    for (size_t i = 0; i < 3 && changed.data == NULL; i++) {
        if (memmem(other.data, other.size, from[i], strlen(from[i])) != NULL)
            changed = with_replaced(other, from[i], to[i]);
    }
    if (changed.data == NULL)
        fail_msg("the root's date was not found in the text");
    p.qe_identity_issuer_chain = changed;
    expect_fault(&p, "issuer_chain_roots_differ");
    corpus_free(changed);
    corpus_free(other);
}

/* A chain with one byte of the root's or the signer's key changed: no point of the curve. */
static vouch_span with_key_changed(bool of_root)
{
    vch_chain chain = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_chain_parse(parts.tcb_info_issuer_chain, VCH_CHAIN_SIGNING, &chain, &err), &err);
    const vch_cert *certs[] = { &chain.leaf, &chain.root };
    vch_buffer pem = vch_buffer_with_cap(1 << 16);
    for (size_t i = 0; i < 2; i++) {
        vouch_span der = corpus_copy(certs[i]->der, certs[i]->der.size);
        const uint8_t *point = memmem(der.data, der.size, certs[i]->point, sizeof certs[i]->point);
        CHECK(point != NULL);
        corpus_bytes(der)[point - der.data + 63] ^= (i == 1) == of_root ? 1 : 0;
        vch_pem_encode(VCH_PEM_CERTIFICATE, der, &pem);
        corpus_free(der);
    }
    vouch_span out = corpus_copy(vch_buffer_span(&pem), pem.size);
    vch_buffer_drop(&pem);
    vch_chain_drop(&chain);
    return out;
}

static void a_key_off_the_curve_is_a_fault(void **state)
{
    (void)state;
    for (int of_root = 0; of_root < 2; of_root++) {
        vouch_collateral_parts p = parts;
        p.tcb_info_issuer_chain = with_key_changed(of_root == 1);
        p.qe_identity_issuer_chain = p.tcb_info_issuer_chain;
        expect_fault(&p, of_root == 1 ? "root_key_invalid" : "tcb_signing_key_invalid");
        corpus_free(p.tcb_info_issuer_chain);
    }
}

static void the_digest_tells_sets_apart(void **state)
{
    (void)state;
    vouch_collateral_parts p = parts;
    vouch_collateral *a = parse(&parts);
    vouch_collateral *b = parse(&parts);
    CHECK(memcmp(a->digest, b->digest, sizeof a->digest) == 0);
    vouch_collateral_free(b);
    p.pck_chain = parts.tcb_info_issuer_chain;
    b = parse(&p);
    CHECK(memcmp(a->digest, b->digest, sizeof a->digest) != 0);
    vouch_collateral_free(b);
    vouch_collateral_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_genuine_set_has_no_fault_and_outlives_its_bytes),
        TEST(each_missing_part_is_a_fault_but_the_pck_chain_is_optional),
        TEST(a_part_above_the_limit_is_a_fault),
        TEST(a_malformed_part_is_a_fault_of_its_name),
        TEST(a_signature_that_does_not_verify_is_a_fault),
        TEST(another_cas_list_is_no_root_crl),
        TEST(both_chains_must_end_in_the_same_root_certificate),
        TEST(a_key_off_the_curve_is_a_fault),
        TEST(the_digest_tells_sets_apart),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
