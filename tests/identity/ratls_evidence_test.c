#include "identity/ratls_evidence.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "codec/cbor.h"
#include "crypto/cert_builder.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "host/file.h"
#include "sim/platform.h"
#include "sim/quote_make.h"

#define NOW INT64_C(1795000000)

static char dir[VCH_PATH_SIZE];
static vch_sim_platform *sgx;
static vch_sim_platform *tdx;
static vch_key *key;
static vch_buffer spki;

static void make_platform(const char *name, vouch_tee tee, vch_sim_platform **out)
{
    vouch_error err = { 0 };
    char path[VCH_PATH_SIZE];
    const vch_sim_platform_options o = { .tee = tee,
                                         .status = VOUCH_TCB_UP_TO_DATE,
                                         .now_unix_s = NOW };
    CHECK_OK(vch_path_join(dir, name, path, &err), &err);
    CHECK_OK(vch_sim_platform_create(path, &o, &err), &err);
    CHECK_OK(vch_sim_platform_open(path, out, &err), &err);
}

static int set_up(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    CHECK_OK(vch_dir_make_temporary(NULL, "vouch-dialects-", dir, &err), &err);
    make_platform("sgx", VOUCH_TEE_SGX, &sgx);
    make_platform("tdx", VOUCH_TEE_TDX, &tdx);
    CHECK_OK(vch_key_generate(VCH_KEY_P256, &key, &err), &err);
    spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    CHECK_OK(vch_key_spki(key, &spki, &err), &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    vch_sim_platform_free(sgx);
    vch_sim_platform_free(tdx);
    vch_key_free(key);
    vch_buffer_drop(&spki);
    return vch_dir_remove_tree(dir, NULL) == VOUCH_OK ? 0 : -1;
}

/* A certificate over `key` with one evidence extension; what was read of it. */
static vch_ratls_evidence read_with(const char *oid, vouch_span value, vch_buffer *der)
{
    static const uint8_t serial[] = { 0x46 };
    vouch_error err = { 0 };
    vch_ratls_cert cert = { 0 };
    vch_ratls_evidence e = { 0 };
    const vch_name_part subject = { "CN", "x" };
    const vch_cert_extension extension = { oid, false, value };
    const vch_cert_options o = { .subject = &subject,
                                 .subject_count = 1,
                                 .signer = key,
                                 .serial = { serial, sizeof serial },
                                 .not_before_unix_s = NOW,
                                 .not_after_unix_s = NOW + 86400,
                                 .pathlen = VCH_PATHLEN_NONE,
                                 .extensions = &extension,
                                 .extension_count = 1 };
    *der = vch_buffer_with_cap(65536);
    CHECK_OK(vch_cert_build(&o, der, &err), &err);
    CHECK_OK(vch_ratls_cert_parse(vch_buffer_span(der), &cert, &err), &err);
    CHECK_OK(vch_ratls_evidence_read(&cert, &e, &err), &err);
    return e;
}

static void quote_over(const vch_sim_platform *platform, const uint8_t report_data[64],
                       vch_buffer *out)
{
    vouch_error err = { 0 };
    vch_sim_quote_options o = { 0 };
    memcpy(o.report_data, report_data, 64);
    CHECK_OK(vch_sim_quote_make(platform, &o, out, &err), &err);
}

/* What each dialect hashes into REPORTDATA, in our words of ra_tls.md section 2. */
typedef void (*binding)(uint8_t report_data[64]);

static void sha256_of_der(uint8_t report_data[64])
{
    CHECK(vch_sha256(vch_buffer_span(&spki), report_data, NULL) == VOUCH_OK);
}

static void sha256_of_pem_and_nul(uint8_t report_data[64])
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(4096);
    CHECK(vch_key_public_pem(key, &pem, NULL) == VOUCH_OK);
    vch_buffer_u8(&pem, 0);
    CHECK(vch_sha256(vch_buffer_span(&pem), report_data, NULL) == VOUCH_OK);
}

static void sha512_of_label_and_der(uint8_t report_data[64])
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(4096);
    vch_buffer_append_str(&text, "ratls-cert:");
    vch_buffer_append(&text, vch_buffer_span(&spki));
    CHECK(vch_sha512(vch_buffer_span(&text), report_data, NULL) == VOUCH_OK);
}

static void plain(vouch_span quote, vch_buffer *out)
{
    vch_buffer_append(out, quote);
}

static void under_open_enclaves_header(vouch_span quote, vch_buffer *out)
{
    vch_buffer_u32le(out, 1);
    vch_buffer_u32le(out, 2);
    vch_buffer_u32le(out, (uint32_t)quote.size);
    vch_buffer_u32le(out, 0);
    vch_buffer_append(out, quote);
}

/* Evidence of Open Enclave, version 3: header, quote, and the key as custom claims. */
static void as_open_enclaves_evidence(vouch_span quote, vch_buffer *out)
{
    static const uint8_t sgx_ecdsa[] = { 0xa3, 0xa2, 0x1e, 0x87, 0x1b, 0x4d, 0x40, 0x14,
                                         0xb7, 0x0a, 0xa1, 0x25, 0xd2, 0xfb, 0xcd, 0x8c };
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(4096);
    CHECK(vch_key_public_pem(key, &pem, NULL) == VOUCH_OK);
    vch_buffer_u8(&pem, 0);
    vch_buffer_u32le(out, 3);
    vch_buffer_append(out, (vouch_span) { sgx_ecdsa, sizeof sgx_ecdsa });
    vch_buffer_u32le(out, 0xa5a5a5a5U); /* padding: whatever lay there */
    vch_buffer_u32le(out, (uint32_t)(quote.size + pem.size));
    vch_buffer_u32le(out, 0);
    vch_buffer_append(out, quote);
    vch_buffer_append(out, vch_buffer_span(&pem));
}

static const struct {
    const char *oid;
    vch_ratls_dialect dialect;
    bool tdx;
    void (*wrap)(vouch_span quote, vch_buffer *out);
    binding bind;
} dialect_cases[] = {
    { "0.6.9.42.840.113741.1337.6", VCH_RATLS_GRAMINE_LEGACY, false, plain, sha256_of_der },
    { "1.2.840.113741.1337.6", VCH_RATLS_GRAMINE_LEGACY, false, plain, sha256_of_der },
    { "1.2.840.113741.1.13.1", VCH_RATLS_INTEL_LEGACY, false, plain, sha256_of_der },
    { "1.2.840.113556.10.1.1", VCH_RATLS_OE_REPORT_OLD, false, under_open_enclaves_header,
      sha256_of_pem_and_nul },
    { "1.3.6.1.4.1.311.105.1", VCH_RATLS_OE_REPORT_NEW, false, under_open_enclaves_header,
      sha256_of_pem_and_nul },
    { "1.3.6.1.4.1.311.105.1", VCH_RATLS_OE_REPORT_NEW, false, under_open_enclaves_header,
      sha256_of_der }, /* EGo */
    { "1.2.840.113556.10.1.2", VCH_RATLS_OE_EVIDENCE_OLD, false, as_open_enclaves_evidence,
      sha256_of_pem_and_nul },
    { "1.3.6.1.4.1.311.105.2", VCH_RATLS_OE_EVIDENCE_NEW, false, as_open_enclaves_evidence,
      sha256_of_pem_and_nul },
    { "1.3.6.1.4.1.62397.1.1", VCH_RATLS_DSTACK_QUOTE, true, plain, sha512_of_label_and_der },
};

static void each_dialect_is_bound_by_its_own_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dialect_cases / sizeof *dialect_cases; i++) {
        for (int flip = 0; flip < 2; flip++) {
            uint8_t report_data[64] = { 0 };
            VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(16384);
            VCH_SCOPED(vch_buffer_drop) vch_buffer value = vch_buffer_with_cap(16384);
            VCH_SCOPED(vch_buffer_drop) vch_buffer der = { 0 };
            dialect_cases[i].bind(report_data);
            report_data[63] = (uint8_t)(report_data[63] ^ flip); /* all 64 bytes are compared */
            quote_over(dialect_cases[i].tdx ? tdx : sgx, report_data, &quote);
            dialect_cases[i].wrap(vch_buffer_span(&quote), &value);
            vch_ratls_evidence e = read_with(dialect_cases[i].oid, vch_buffer_span(&value), &der);
            if (!e.found || e.dialect != dialect_cases[i].dialect || e.bound != (flip == 0))
                fail_msg("%s, %d: %s", dialect_cases[i].oid, flip, e.why);
            CHECK(vch_span_equal(e.quote, vch_buffer_span(&quote)));
        }
    }
}

static void open_enclaves_evidence_is_read_to_the_byte(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int at; /* from the end if negative */
        bool read;
    } cases[] = {
        { "another version", 0, false },      { "another format", 4, false },
        { "whatever the padding", 20, true }, { "another size", 24, false },
        { "a longer signature", 465, false }, /* of the quote: its length, second byte */
        { "other custom claims", -2, true },
    };
    uint8_t report_data[64] = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(16384);
    sha256_of_pem_and_nul(report_data);
    quote_over(sgx, report_data, &quote);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer value = vch_buffer_with_cap(16384);
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = { 0 };
        as_open_enclaves_evidence(vch_buffer_span(&quote), &value);
        size_t at = cases[i].at < 0 ? value.size - (size_t)-cases[i].at : (size_t)cases[i].at;
        value.data[at] ^= 0x40U;
        vch_ratls_evidence e = read_with("1.3.6.1.4.1.311.105.2", vch_buffer_span(&value), &der);
        if ((e.quote.size > 0) != cases[i].read || e.bound != (cases[i].at == 20))
            fail_msg("%s: %s", cases[i].what, e.why);
    }
    for (size_t n = 0; n < 600; n++) { /* cut short */
        VCH_SCOPED(vch_buffer_drop) vch_buffer value = vch_buffer_with_cap(16384);
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = { 0 };
        as_open_enclaves_evidence(vch_buffer_span(&quote), &value);
        value.size -= n * (value.size / 600) + 1;
        vch_ratls_evidence e = read_with("1.3.6.1.4.1.311.105.2", vch_buffer_span(&value), &der);
        CHECK(e.found && !e.bound && e.quote.size == 0 && e.why[0] != 0);
    }
}

static void dice_value(const vch_sim_platform *platform, vouch_span claims, bool sha384,
                       vch_buffer *out)
{
    uint8_t report_data[64] = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(16384);
    if (sha384)
        CHECK(vch_sha384(claims, report_data, NULL) == VOUCH_OK);
    else
        CHECK(vch_sha256(claims, report_data, NULL) == VOUCH_OK);
    quote_over(platform, report_data, &quote);
    vch_cbor_put_tag(out, 60000);
    vch_cbor_put_array(out, 2);
    vch_cbor_put_bytes(out, vch_buffer_span(&quote));
    vch_cbor_put_bytes(out, claims);
}

static void put_key_hash(uint64_t alg, vouch_span der, vch_buffer *out)
{
    uint8_t digest[64];
    size_t size = alg == 1 ? 32 : alg == 7 ? 48 : 64;
    CHECK((alg == 1   ? vch_sha256(der, digest, NULL)
           : alg == 7 ? vch_sha384(der, digest, NULL)
                      : vch_sha512(der, digest, NULL))
          == VOUCH_OK);
    vch_cbor_put_array(out, 2);
    vch_cbor_put_uint(out, alg);
    vch_cbor_put_bytes(out, (vouch_span) { digest, size });
}

static void interoperable_claims_hash_the_key_in_three_ways(void **state)
{
    (void)state;
    static const uint64_t algs[] = { 1, 7, 8 };
    for (size_t i = 0; i < 3; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer hash = vch_buffer_with_cap(128);
        VCH_SCOPED(vch_buffer_drop) vch_buffer claims = vch_buffer_with_cap(1024);
        VCH_SCOPED(vch_buffer_drop) vch_buffer value = vch_buffer_with_cap(16384);
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = { 0 };
        put_key_hash(algs[i], vch_buffer_span(&spki), &hash);
        vch_cbor_put_map(&claims, 2); /* not in order, as others write it */
        vch_cbor_put_text(&claims, "pubkey-hash");
        vch_cbor_put_bytes(&claims, vch_buffer_span(&hash));
        vch_cbor_put_text(&claims, "nonce");
        vch_cbor_put_bytes(&claims, vch_span_str("n"));
        dice_value(sgx, vch_buffer_span(&claims), false, &value);
        vch_ratls_evidence e = read_with("2.23.133.5.4.9", vch_buffer_span(&value), &der);
        if (!e.bound)
            fail_msg("%s", e.why);
    }
}

static void sha384_report_data_is_accepted_of_tdx_alone(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer hash = vch_buffer_with_cap(128);
        VCH_SCOPED(vch_buffer_drop) vch_buffer claims = vch_buffer_with_cap(1024);
        VCH_SCOPED(vch_buffer_drop) vch_buffer value = vch_buffer_with_cap(16384);
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = { 0 };
        put_key_hash(7, vch_buffer_span(&spki), &hash);
        vch_cbor_put_map(&claims, 1);
        vch_cbor_put_text(&claims, "pubkey-hash");
        vch_cbor_put_bytes(&claims, vch_buffer_span(&hash));
        dice_value(i == 0 ? tdx : sgx, vch_buffer_span(&claims), true, &value);
        vch_ratls_evidence e = read_with("2.23.133.5.4.9", vch_buffer_span(&value), &der);
        CHECK(e.bound == (i == 0));
    }
}

/* Gramine accepts a map without pubkey-hash; whoever can quote 64 bytes could then take any key. */
static void claims_without_a_key_or_with_two_are_not_bound(void **state)
{
    (void)state;
    for (size_t times = 0; times <= 2; times++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer hash = vch_buffer_with_cap(128);
        VCH_SCOPED(vch_buffer_drop) vch_buffer claims = vch_buffer_with_cap(1024);
        VCH_SCOPED(vch_buffer_drop) vch_buffer value = vch_buffer_with_cap(16384);
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = { 0 };
        put_key_hash(1, vch_buffer_span(&spki), &hash);
        vch_cbor_put_map(&claims, times + 1);
        vch_cbor_put_text(&claims, "a");
        vch_cbor_put_bytes(&claims, vch_span_str("b"));
        for (size_t i = 0; i < times; i++) {
            vch_cbor_put_text(&claims, "pubkey-hash");
            vch_cbor_put_bytes(&claims, vch_buffer_span(&hash));
        }
        dice_value(sgx, vch_buffer_span(&claims), false, &value);
        vch_ratls_evidence e = read_with("2.23.133.5.4.9", vch_buffer_span(&value), &der);
        CHECK(e.found && e.bound == (times == 1));
    }
}

static void the_key_of_another_certificate_is_not_bound(void **state)
{
    (void)state;
    vch_key *other = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer other_spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer hash = vch_buffer_with_cap(128);
    VCH_SCOPED(vch_buffer_drop) vch_buffer claims = vch_buffer_with_cap(1024);
    VCH_SCOPED(vch_buffer_drop) vch_buffer value = vch_buffer_with_cap(16384);
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = { 0 };
    CHECK(vch_key_generate(VCH_KEY_P256, &other, NULL) == VOUCH_OK);
    CHECK(vch_key_spki(other, &other_spki, NULL) == VOUCH_OK);
    put_key_hash(1, vch_buffer_span(&other_spki), &hash);
    vch_cbor_put_map(&claims, 1);
    vch_cbor_put_text(&claims, "pubkey-hash");
    vch_cbor_put_bytes(&claims, vch_buffer_span(&hash));
    dice_value(sgx, vch_buffer_span(&claims), false, &value);
    vch_ratls_evidence e = read_with("2.23.133.5.4.9", vch_buffer_span(&value), &der);
    CHECK(e.found && !e.bound && strstr(e.why, "key") != NULL);
    vch_key_free(other);
}

static void what_cannot_be_read_is_said(void **state)
{
    (void)state;
    static const uint8_t junk[] = { 1, 2, 3, 4 };
    static const char *const oids[] = { "2.23.133.5.4.9", "0.6.9.42.840.113741.1337.6",
                                        "1.3.6.1.4.1.311.105.1", "1.3.6.1.4.1.311.105.2" };
    for (size_t i = 0; i < 4; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = { 0 };
        vch_ratls_evidence e = read_with(oids[i], (vouch_span) { junk, sizeof junk }, &der);
        CHECK(e.found && !e.bound && e.quote.size == 0 && e.why[0] != 0);
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = { 0 };
    vch_ratls_evidence none = read_with("1.2.3.4", (vouch_span) { junk, sizeof junk }, &der);
    CHECK(!none.found && !none.bound && none.why[0] != 0);
}

static void the_real_certificates_are_bound_to_their_keys(void **state)
{
    (void)state;
    static const char *const names[] = { "gramine-cert.pem", "rats-tls-cert.pem" };
    for (size_t i = 0; i < 2; i++) {
        vouch_error err = { 0 };
        char path[1024];
        vch_ratls_cert cert = { 0 };
        vch_ratls_evidence e = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_RATLS_CERT_MAX_SIZE);
        (void)snprintf(path, sizeof path, "%s/ratls/%s", VCH_TEST_VECTORS, names[i]);
        CHECK_OK(vch_file_read(path, VCH_PEM_MAX_SIZE, &pem, &err), &err);
        CHECK_OK(vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_TEXT_BEFORE,
                                    &der, &err),
                 &err);
        CHECK_OK(vch_ratls_cert_parse(vch_buffer_span(&der), &cert, &err), &err);
        CHECK_OK(vch_ratls_evidence_read(&cert, &e, &err), &err);
        CHECK(e.bound && e.dialect == VCH_RATLS_DICE);
        cert.evidence[VCH_RATLS_DICE] = (vouch_span) { 0 }; /* Gramine's legacy one alone */
        CHECK_OK(vch_ratls_evidence_read(&cert, &e, &err), &err);
        CHECK(e.found == (i == 0) && e.bound == (i == 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_dialect_is_bound_by_its_own_rule),
        TEST(open_enclaves_evidence_is_read_to_the_byte),
        TEST(interoperable_claims_hash_the_key_in_three_ways),
        TEST(sha384_report_data_is_accepted_of_tdx_alone),
        TEST(claims_without_a_key_or_with_two_are_not_bound),
        TEST(the_key_of_another_certificate_is_not_bound),
        TEST(what_cannot_be_read_is_said),
        TEST(the_real_certificates_are_bound_to_their_keys),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
