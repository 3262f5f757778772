#include "identity/federation_ca.h"

#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "crypto/pem.h"
#include "identity/ratls_cert.h"
#include "net/tls_chain.h"

#define NOW INT64_C(1764579600)

static bool trusts(vouch_span ca_der, vouch_span leaf, const char *host, int64_t at)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    VCH_SCOPED(vch_tls_trust_drop) vch_tls_trust *trust = NULL;
    vch_pem_encode(VCH_PEM_CERTIFICATE, ca_der, &pem);
    CHECK_OK(vch_tls_trust_from_pem(vch_buffer_span(&pem), &trust, &err), &err);
    const vch_tls_peer peer = { .certificate = leaf, .host = host, .face = VCH_TLS_FACE_STOCK };
    bool trusted = false;
    char why[VCH_TLS_WHY_SIZE];
    CHECK_OK(vch_tls_verify_chain(trust, &peer, at, &trusted, why, &err), &err);
    return trusted;
}

static void a_stock_peer_trusts_the_leaf_for_its_address_alone(void **state)
{
    (void)state;
    static const char *const addresses[] = { "agg.example.org", "10.1.2.3" };
    for (size_t i = 0; i < 2; i++) {
        vouch_error err = { 0 };
        vch_federation_ca *ca = NULL;
        vch_key *key = NULL;
        vch_ratls_cert parsed = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer leaf = vch_buffer_with_cap(8192);
        CHECK_OK(vch_federation_ca_new(addresses[i], NOW, &ca, &err), &err);
        CHECK_OK(vch_key_generate(VCH_KEY_P384, &key, &err), &err);
        CHECK_OK(vch_federation_ca_issue(ca, key, NOW - 600, NOW + 86400, &leaf, &err), &err);
        vouch_span root = vch_federation_ca_certificate(ca);
        CHECK_OK(vch_ratls_cert_parse(root, &parsed, &err), &err);
        CHECK(parsed.is_ca);
        CHECK(trusts(root, vch_buffer_span(&leaf), addresses[i], NOW));
        CHECK(!trusts(root, vch_buffer_span(&leaf), "other.example.org", NOW));
        CHECK(!trusts(root, vch_buffer_span(&leaf), addresses[i], NOW + 86401));
        vch_key_free(key);
        vch_federation_ca_free(ca);
    }
}

static void another_ca_of_the_same_name_is_not_trusted(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_federation_ca *ca = NULL;
    vch_federation_ca *twin = NULL;
    vch_key *key = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer leaf = vch_buffer_with_cap(8192);
    CHECK_OK(vch_federation_ca_new("agg.example.org", NOW, &ca, &err), &err);
    CHECK_OK(vch_federation_ca_new("agg.example.org", NOW, &twin, &err), &err);
    CHECK_OK(vch_key_generate(VCH_KEY_P384, &key, &err), &err);
    CHECK_OK(vch_federation_ca_issue(twin, key, NOW - 600, NOW + 86400, &leaf, &err), &err);
    CHECK(
        !trusts(vch_federation_ca_certificate(ca), vch_buffer_span(&leaf), "agg.example.org", NOW));
    vch_key_free(key);
    vch_federation_ca_free(ca);
    vch_federation_ca_free(twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stock_peer_trusts_the_leaf_for_its_address_alone),
        TEST(another_ca_of_the_same_name_is_not_trusted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
