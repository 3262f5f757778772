/* Each rule of a chain broken by itself, in chains that are otherwise whole and signed. */
#include <string.h>

#include "base/scope.h"
#include "collateral/chain.h"
#include "own_pki.h"

#define PCK "Intel SGX PCK Certificate"
#define TCB "Intel SGX TCB Signing"

static vch_key *root_key, *ca_key, *leaf_key;

static int set_up(void **state)
{
    (void)state;
    root_key = own_key();
    ca_key = own_key();
    leaf_key = own_key();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    vch_key_free(root_key);
    vch_key_free(ca_key);
    vch_key_free(leaf_key);
    return 0;
}

typedef struct variation {
    const char *name;
    int certificate; /* 0 root, 1 intermediate, 2 leaf */
    const char *common_name;
    vch_cert_kind kind;
    int pathlen; /* 77: as it is */
    unsigned key_usage;
    const char *want; /* of the message */
} variation;

static void apply(own_cert *c, const variation *change, int which)
{
    if (change == NULL || change->certificate != which)
        return;
    if (change->common_name != NULL)
        c->common_name = change->common_name;
    if (change->kind != VCH_CERT_NO_BASIC_CONSTRAINTS) {
        c->kind = change->kind;
        if (change->kind == VCH_CERT_LEAF)
            c->pathlen = VCH_PATHLEN_NONE;
    }
    if (change->pathlen != 77)
        c->pathlen = change->pathlen;
    if (change->key_usage != 0)
        c->key_usage = change->key_usage;
}

static void put(const own_cert *c, vch_buffer *der, vch_buffer *pem)
{
    own_issue(c, der);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(der), pem);
}

/* `detached`: the certificate of that number has an issuer of another name. */
static vouch_code parse(vch_chain_kind kind, const variation *change, int detached,
                        vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer root = vch_buffer_with_cap(4096);
    VCH_SCOPED(vch_buffer_drop) vch_buffer ca = vch_buffer_with_cap(4096);
    VCH_SCOPED(vch_buffer_drop) vch_buffer leaf = vch_buffer_with_cap(4096);
    VCH_SCOPED(vch_buffer_drop) vch_buffer stranger = vch_buffer_with_cap(4096);
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(16384);
    VCH_SCOPED(vch_chain_drop) vch_chain chain = { 0 };
    own_cert other = own_root(root_key);
    other.common_name = "Another CA";
    own_issue(&other, &stranger);
    own_cert c = own_root(root_key);
    apply(&c, change, 0);
    c.issuer = detached == 0 ? vch_buffer_span(&stranger) : c.issuer;
    put(&c, &root, &pem);
    if (kind == VCH_CHAIN_PCK) {
        c = own_ca(ca_key, root_key, vch_buffer_span(detached == 1 ? &stranger : &root));
        apply(&c, change, 1);
        put(&c, &ca, &pem);
        c = own_leaf(PCK, leaf_key, ca_key, vch_buffer_span(detached == 2 ? &stranger : &ca));
    } else {
        c = own_leaf(TCB, leaf_key, root_key, vch_buffer_span(detached == 2 ? &stranger : &root));
    }
    apply(&c, change, 2);
    put(&c, &leaf, &pem);
    return vch_chain_parse(vch_buffer_span(&pem), kind, &chain, err);
}

static void whole_chains_are_read(void **state)
{
    (void)state;
    static const variation processor = { "", 1, "Intel SGX PCK Processor CA", 0, 77, 0, "" };
    static const variation unbounded = { "", 0, NULL, 0, VCH_PATHLEN_NONE, 0, "" };
    vouch_error err = { 0 };
    CHECK_OK(parse(VCH_CHAIN_PCK, NULL, -1, &err), &err);
    CHECK_OK(parse(VCH_CHAIN_SIGNING, NULL, -1, &err), &err);
    CHECK_OK(parse(VCH_CHAIN_PCK, &processor, -1, &err), &err);
    CHECK_OK(parse(VCH_CHAIN_PCK, &unbounded, -1, &err), &err);
}

static const variation changes[] = {
    { "a root of another name", 0, "Intel SGX Root CA 2", 0, 77, 0, "does not belong" },
    { "a name that only contains the root's", 0, "My Intel SGX Root CA", 0, 77, 0,
      "does not belong" },
    { "a root that is no CA", 0, NULL, VCH_CERT_LEAF, 77, VCH_USE_DIGITAL_SIGNATURE, "not a CA" },
    { "a root that is no CA with a CA's usage", 0, NULL, VCH_CERT_LEAF, 77, OWN_CA_USAGE,
      "not a CA" },
    { "a root that signs no certificates", 0, NULL, 0, 77, VCH_USE_CRL_SIGN, "not a CA" },
    { "a root that signs no CRLs", 0, NULL, 0, 77, VCH_USE_CERT_SIGN, "not a CA" },
    { "a root for leaves only", 0, NULL, 0, 0, 0, "so far above" },
    { "a CA of another name", 1, "Intel SGX PCK CA", 0, 77, 0, "does not belong" },
    { "a CA that is none", 1, NULL, VCH_CERT_LEAF, 77, VCH_USE_DIGITAL_SIGNATURE, "not a CA" },
    { "a CA that is none with a CA's usage", 1, NULL, VCH_CERT_LEAF, 77, OWN_CA_USAGE, "not a CA" },
    { "a CA that signs no certificates", 1, NULL, 0, 77, VCH_USE_CRL_SIGN, "not a CA" },
    { "a CA that signs no CRLs", 1, NULL, 0, 77, VCH_USE_CERT_SIGN, "not a CA" },
    { "a leaf of another name", 2, "Intel SGX PCK", 0, 77, 0, "does not belong" },
    { "a leaf that is a CA", 2, NULL, VCH_CERT_CA, 0, OWN_CA_USAGE, "may sign" },
    { "a leaf that may sign CRLs", 2, NULL, 0, 77, VCH_USE_CRL_SIGN, "may sign" },
    { "a leaf that may sign certificates", 2, NULL, 0, 77,
      VCH_USE_DIGITAL_SIGNATURE | VCH_USE_CERT_SIGN, "may sign" },
    { "a leaf that is a CA without a CA's usage", 2, NULL, VCH_CERT_CA, 0,
      VCH_USE_DIGITAL_SIGNATURE, "may sign" },
};

static void each_rule_of_a_chain_refuses_by_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        for (int kind = VCH_CHAIN_PCK; kind <= VCH_CHAIN_SIGNING; kind++) {
            bool not_there = kind == VCH_CHAIN_SIGNING
                             && (changes[i].certificate == 1 || changes[i].pathlen == 0);
            vouch_error err = { 0 };
            char text[512];
            if (not_there && changes[i].kind != VCH_CERT_CA)
                continue;
            if (parse((vch_chain_kind)kind, &changes[i], -1, &err) != VOUCH_E_FORMAT
                || strstr(vouch_error_text(&err, text, sizeof text), changes[i].want) == NULL)
                fail_msg("%s, kind %d: %s", changes[i].name, kind,
                         vouch_error_text(&err, text, sizeof text));
        }
    }
}

/* A stranger beside the whole chain, and one of the chain's missing: each is said as it is. */
static void no_other_certificate_may_stand_beside_the_chain(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer root = vch_buffer_with_cap(4096);
    VCH_SCOPED(vch_buffer_drop) vch_buffer leaf = vch_buffer_with_cap(4096);
    VCH_SCOPED(vch_buffer_drop) vch_buffer stranger = vch_buffer_with_cap(4096);
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(16384);
    VCH_SCOPED(vch_chain_drop) vch_chain chain = { 0 };
    own_cert c = own_root(root_key);
    put(&c, &root, &pem);
    vouch_error err = { 0 };
    char text[512];
    CHECK(vch_chain_parse(vch_buffer_span(&pem), VCH_CHAIN_SIGNING, &chain, &err)
          == VOUCH_E_FORMAT);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), "not all of its") != NULL);
    c = own_leaf(TCB, leaf_key, root_key, vch_buffer_span(&root));
    put(&c, &leaf, &pem);
    CHECK_OK(vch_chain_parse(vch_buffer_span(&pem), VCH_CHAIN_SIGNING, &chain, &err), &err);
    vch_chain_drop(&chain);
    c = own_leaf("Intel SGX PCK Certificate", leaf_key, root_key, vch_buffer_span(&root));
    put(&c, &stranger, &pem);
    err = (vouch_error) { 0 };
    CHECK(vch_chain_parse(vch_buffer_span(&pem), VCH_CHAIN_SIGNING, &chain, &err)
          == VOUCH_E_FORMAT);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), "does not belong") != NULL);
}

static void each_certificate_must_name_the_one_above_it(void **state)
{
    (void)state;
    static const char *const want[] = { "does not name itself", "not issued by the root",
                                        "not issued by the certificate above" };
    for (int detached = 0; detached < 3; detached++) {
        vouch_error err = { 0 };
        char text[512];
        CHECK(parse(VCH_CHAIN_PCK, NULL, detached, &err) == VOUCH_E_FORMAT);
        CHECK(strstr(vouch_error_text(&err, text, sizeof text), want[detached]) != NULL);
    }
    CHECK(parse(VCH_CHAIN_SIGNING, NULL, 0, NULL) == VOUCH_E_FORMAT);
    CHECK(parse(VCH_CHAIN_SIGNING, NULL, 2, NULL) == VOUCH_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_chains_are_read),
        TEST(each_rule_of_a_chain_refuses_by_itself),
        TEST(no_other_certificate_may_stand_beside_the_chain),
        TEST(each_certificate_must_name_the_one_above_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
