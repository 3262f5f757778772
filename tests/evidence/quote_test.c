#include "evidence/quote.h"

#include <string.h>

#include "base/bytes.h"
#include "corpus.h"

/* Offsets of spec section 1; the SGX quote is of version 3, the TDX quote of version 4. */
enum {
    VERSION = 0,
    KEY_TYPE = 2,
    TEE_TYPE = 4,
    VENDOR = 12,
    SGX_SECTION_SIZE = 48 + 384,
    SGX_SECTION = SGX_SECTION_SIZE + 4,
    TDX_SECTION_SIZE = 48 + 584,
    TDX_SECTION = TDX_SECTION_SIZE + 4
};

static vouch_span sgx;
static vouch_span tdx;

static int set_up(void **state)
{
    (void)state;
    sgx = corpus_read(CORPUS_SGX_QUOTE);
    tdx = corpus_read(CORPUS_TDX_QUOTE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    corpus_free(sgx);
    corpus_free(tdx);
    return 0;
}

static vouch_code parse(vouch_span in)
{
    vch_quote q = { .body_type = 77 };
    vouch_claims claims = { .quote_version = 77 };
    vouch_error err = { 0 };
    vouch_code rc = vch_quote_parse(in, &q, &claims, &err);
    if (rc != VOUCH_OK) /* outputs are untouched, and there is a reason */
        CHECK(q.body_type == 77 && claims.quote_version == 77 && err.depth > 0);
    return rc;
}

static void a_version_3_quote_is_read_field_by_field(void **state)
{
    (void)state;
    vch_quote q;
    vouch_claims c;
    vouch_error err = { 0 };
    CHECK_OK(vch_quote_parse(sgx, &q, &c, &err), &err);
    CHECK(c.tee == VOUCH_TEE_SGX && c.quote_version == 3 && q.body_type == VCH_BODY_SGX);
    CHECK(q.signed_bytes.data == sgx.data && q.signed_bytes.size == 432);
    CHECK(memcmp(c.sgx.cpu_svn, sgx.data + 48, 16) == 0);
    CHECK(memcmp(c.sgx.mrenclave, sgx.data + 48 + 64, 32) == 0);
    CHECK(memcmp(c.sgx.mrsigner, sgx.data + 48 + 128, 32) == 0);
    CHECK(memcmp(c.report_data, sgx.data + 48 + 320, 64) == 0);
    CHECK(c.sgx.isv_svn == (sgx.data[48 + 258] | sgx.data[48 + 259] << 8));
    CHECK((c.sgx.attribute_flags & VOUCH_SGX_ATTRIBUTE_INIT) != 0 && !c.debug);
    CHECK(memcmp(q.sig.signature, sgx.data + SGX_SECTION, 64) == 0);
    CHECK(memcmp(q.sig.attestation_key, sgx.data + SGX_SECTION + 64, 64) == 0);
    CHECK(q.sig.qe_report.data == sgx.data + SGX_SECTION + 128);
    CHECK(q.sig.qe_auth.size == 32 && q.sig.cert_type == VCH_CERT_DATA_PCK_CHAIN);
    CHECK(q.sig.platform.data == sgx.data + SGX_SECTION + 64);
    CHECK(q.padding_size == 0 && c.tcb_status == VOUCH_TCB_NONE && !c.has_platform);
}

static void a_version_4_quote_is_read_field_by_field(void **state)
{
    (void)state;
    vch_quote q;
    vouch_claims c;
    vouch_error err = { 0 };
    CHECK_OK(vch_quote_parse(tdx, &q, &c, &err), &err);
    CHECK(c.tee == VOUCH_TEE_TDX && c.quote_version == 4 && q.body_type == VCH_BODY_TD_10);
    CHECK(q.signed_bytes.size == 632);
    CHECK(memcmp(c.tdx.tee_tcb_svn, tdx.data + 48, 16) == 0);
    CHECK(memcmp(c.tdx.mrtd, tdx.data + 48 + 136, 48) == 0);
    CHECK(memcmp(c.tdx.rtmr[0], tdx.data + 48 + 328, 48) == 0);
    CHECK(memcmp(c.tdx.rtmr[3], tdx.data + 48 + 472, 48) == 0);
    CHECK(memcmp(c.report_data, tdx.data + 48 + 520, 64) == 0);
    CHECK(vch_span_is_zero((vouch_span) { c.tdx.tee_tcb_svn_2, 16 }));
    CHECK(q.sig.cert_type == VCH_CERT_DATA_PCK_CHAIN && q.padding_size > 0);
    CHECK(c.padding_size == q.padding_size);
}

/* Padding is part of the file: what is cut there is still a quote. */
static void a_quote_cut_short_before_its_end_is_truncated(void **state)
{
    (void)state;
    const vouch_span quotes[] = { sgx, tdx };
    for (size_t i = 0; i < 2; i++) {
        vch_quote q;
        vouch_claims c;
        vouch_error err = { 0 };
        CHECK_OK(vch_quote_parse(quotes[i], &q, &c, &err), &err);
        for (size_t size = 0; size < quotes[i].size - q.padding_size; size++) {
            vouch_span cut = corpus_copy(quotes[i], size);
            CHECK(parse(cut) == VOUCH_E_TRUNCATED);
            corpus_free(cut);
        }
        vouch_span bare = corpus_copy(quotes[i], quotes[i].size - q.padding_size);
        CHECK(parse(bare) == VOUCH_OK);
        corpus_free(bare);
    }
}

static void padding_may_be_zeros_and_nothing_else(void **state)
{
    (void)state;
    vouch_span padded = corpus_copy(sgx, sgx.size + 9);
    CHECK(parse(padded) == VOUCH_OK);
    for (size_t i = 0; i < 9; i++) {
        corpus_bytes(padded)[sgx.size + i] = 1;
        CHECK(parse(padded) == VOUCH_E_FORMAT);
        corpus_bytes(padded)[sgx.size + i] = 0;
    }
    corpus_free(padded);
}

static const struct {
    const char *name;
    size_t at;
    uint8_t value;
    vouch_code want;
} sgx_bytes[] = {
    { "version 0", VERSION, 0, VOUCH_E_UNSUPPORTED },
    { "version 2", VERSION, 2, VOUCH_E_UNSUPPORTED },
    { "version 6", VERSION, 6, VOUCH_E_UNSUPPORTED },
    { "version 259", VERSION + 1, 1, VOUCH_E_UNSUPPORTED },
    { "key type 3, P-384", KEY_TYPE, 3, VOUCH_E_UNSUPPORTED },
    { "a TDX quote of version 3", TEE_TYPE, 0x81, VOUCH_E_UNSUPPORTED },
    { "an unknown TEE", TEE_TYPE, 0x82, VOUCH_E_UNSUPPORTED },
    { "a reserved TEE byte", TEE_TYPE + 3, 1, VOUCH_E_UNSUPPORTED },
    { "another vendor", VENDOR, 0, VOUCH_E_UNSUPPORTED },
    { "another vendor's last byte", VENDOR + 15, 8, VOUCH_E_UNSUPPORTED },
    { "certification data type 0", SGX_SECTION + 578 + 32, 0, VOUCH_E_UNSUPPORTED },
    { "certification data type 1 with a chain", SGX_SECTION + 578 + 32, 1, VOUCH_E_FORMAT },
    { "certification data type 2 with a chain", SGX_SECTION + 578 + 32, 2, VOUCH_E_FORMAT },
    { "certification data type 3 with a chain", SGX_SECTION + 578 + 32, 3, VOUCH_E_FORMAT },
    { "certification data type 4", SGX_SECTION + 578 + 32, 4, VOUCH_OK },
    { "certification data type 6 inside", SGX_SECTION + 578 + 32, 6, VOUCH_E_UNSUPPORTED },
    { "certification data type 7", SGX_SECTION + 578 + 32, 7, VOUCH_E_UNSUPPORTED },
    { "more authentication data than there is", SGX_SECTION + 577, 0xff, VOUCH_E_TRUNCATED },
    { "more certification data than there is", SGX_SECTION + 580 + 32 + 3, 0xff,
      VOUCH_E_TRUNCATED },
    { "a section larger than the quote", SGX_SECTION_SIZE + 3, 0xff, VOUCH_E_TRUNCATED },
    { "QE SVN is not judged", 8, 0xee, VOUCH_OK },
    { "PCE SVN is not judged", 10, 0xee, VOUCH_OK },
};

static void each_field_that_decides_the_layout_is_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sgx_bytes / sizeof *sgx_bytes; i++) {
        vouch_span copy = corpus_copy(sgx, sgx.size);
        corpus_bytes(copy)[sgx_bytes[i].at] = sgx_bytes[i].value;
        vouch_code rc = parse(copy);
        if (rc != sgx_bytes[i].want)
            fail_msg("%s: %s", sgx_bytes[i].name, vouch_code_name(rc));
        corpus_free(copy);
    }
}

/* Add `delta` to the little-endian 32-bit number at `at`. */
static void bump(vouch_span in, size_t at, int delta)
{
    uint32_t v = 0;
    for (size_t i = 4; i-- > 0;)
        v = v << 8 | in.data[at + i];
    v += (uint32_t)delta;
    for (size_t i = 0; i < 4; i++)
        corpus_bytes(in)[at + i] = (uint8_t)(v >> (8 * i));
}

static void every_length_must_be_consumed_exactly(void **state)
{
    (void)state;
    const struct {
        vouch_span quote;
        size_t at;
    } lengths[] = {
        { sgx, SGX_SECTION_SIZE },
        { sgx, SGX_SECTION + 580 + 32 },
        { tdx, TDX_SECTION_SIZE },
        { tdx, TDX_SECTION + 130 },
        { tdx, TDX_SECTION + 134 + 448 + 2 + 32 + 2 },
    };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int delta = -1; delta <= 1; delta += 2) {
            vouch_span copy = corpus_copy(lengths[i].quote, lengths[i].quote.size);
            bump(copy, lengths[i].at, delta);
            if (parse(copy) == VOUCH_OK)
                fail_msg("length %zu changed by %d is accepted", i, delta);
            corpus_free(copy);
        }
    }
}

static void stray_bytes_inside_the_section_are_refused(void **state)
{
    (void)state;
    vouch_span copy = corpus_copy(sgx, sgx.size + 2);
    bump(copy, SGX_SECTION_SIZE, 2); /* zeros, covered by the section's length and by no field */
    CHECK(parse(copy) == VOUCH_E_FORMAT);
    corpus_free(copy);
}

static void the_outer_certification_type_of_version_4_must_be_6(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 8; type++) {
        vouch_span copy = corpus_copy(tdx, tdx.size);
        corpus_bytes(copy)[TDX_SECTION + 128] = (uint8_t)type;
        CHECK(parse(copy) == (type == 6 ? VOUCH_OK : VOUCH_E_UNSUPPORTED));
        corpus_free(copy);
    }
}

/* A version 5 quote of the corpus' TDX quote: descriptor, then the body padded to its type's size. */
static vouch_span version_5(uint16_t type, uint32_t size)
{
    size_t body = type == 1 ? 384 : type == 3 ? 648 : type == 4 ? 885 : 584;
    size_t rest = tdx.size - TDX_SECTION_SIZE;
    uint8_t *data = calloc(1, 54 + body + rest);
    CHECK(data != NULL);
    memcpy(data, tdx.data, 48);
    data[0] = 5;
    data[4] = type == 1 ? 0 : 0x81;
    data[48] = (uint8_t)type;
    data[50] = (uint8_t)size;
    data[51] = (uint8_t)(size >> 8);
    memcpy(data + 54, tdx.data + 48, body < 584 ? body : 584);
    memset(data + 54 + 320, 0x5a, 64);
    for (size_t i = 584; i < body; i++)
        data[54 + i] = (uint8_t)i;
    memcpy(data + 54 + body, tdx.data + TDX_SECTION_SIZE, rest);
    return (vouch_span) { data, 54 + body + rest };
}

static void version_5_names_each_body_type_and_its_exact_size(void **state)
{
    (void)state;
    static const struct {
        uint16_t type;
        uint32_t size;
        vouch_code want;
    } bodies[] = {
        { 1, 384, VOUCH_OK },
        { 2, 584, VOUCH_OK },
        { 3, 648, VOUCH_OK },
        { 4, 885, VOUCH_OK },
        { 0, 584, VOUCH_E_UNSUPPORTED },
        { 5, 584, VOUCH_E_UNSUPPORTED },
        { 2, 583, VOUCH_E_FORMAT },
        { 2, 585, VOUCH_E_FORMAT },
        { 3, 584, VOUCH_E_FORMAT },
        { 4, 884, VOUCH_E_FORMAT },
        { 1, 385, VOUCH_E_FORMAT },
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        vouch_span q = version_5(bodies[i].type, bodies[i].size);
        vouch_code rc = parse(q);
        if (rc != bodies[i].want)
            fail_msg("type %u of %u bytes: %s", bodies[i].type, bodies[i].size,
                     vouch_code_name(rc));
        corpus_free(q);
    }
}

/* Whatever else fits: the version and the TEE decide alone. */
static void a_version_or_tee_that_is_not_known_is_refused_in_every_layout(void **state)
{
    (void)state;
    vouch_span q = version_5(2, 584);
    for (unsigned version = 0; version < 256; version++) {
        corpus_bytes(q)[0] = (uint8_t)version;
        if (version < 3 || version > 5)
            CHECK(parse(q) == VOUCH_E_UNSUPPORTED);
    }
    corpus_bytes(q)[0] = 5;
    CHECK(parse(q) == VOUCH_OK);
    for (unsigned i = 0; i < 4; i++) {
        corpus_bytes(q)[4 + i] ^= 2;
        CHECK(parse(q) == VOUCH_E_UNSUPPORTED);
        corpus_bytes(q)[4 + i] ^= 2;
    }
    corpus_free(q);
}

static void a_version_5_quote_cut_short_is_truncated(void **state)
{
    (void)state;
    vouch_span q = version_5(3, 648);
    vch_quote whole;
    vouch_claims c;
    vouch_error err = { 0 };
    CHECK_OK(vch_quote_parse(q, &whole, &c, &err), &err);
    for (size_t size = 0; size < q.size - whole.padding_size; size++) {
        vouch_span cut = corpus_copy(q, size);
        CHECK(parse(cut) == VOUCH_E_TRUNCATED);
        corpus_free(cut);
    }
    corpus_free(q);
}

/* A report is read from exactly its bytes. */
static void a_report_of_another_size_is_refused(void **state)
{
    (void)state;
    static const uint8_t bytes[886];
    static const struct {
        uint16_t type;
        size_t size;
    } reports[] = { { 1, 384 }, { 2, 584 }, { 3, 648 }, { 4, 885 } };
    for (size_t i = 0; i < 4; i++) {
        for (size_t size = reports[i].size - 1; size <= reports[i].size + 1; size++) {
            vouch_sgx_claims sgx_claims = { 0 };
            vouch_tdx_claims tdx_claims = { .body_type = 77 };
            uint8_t data[64];
            vouch_span in = { bytes, size };
            vouch_code rc = reports[i].type == 1
                                ? vch_sgx_report_parse(in, &sgx_claims, data, NULL)
                                : vch_td_report_parse(in, reports[i].type, &tdx_claims, data, NULL);
            CHECK((rc == VOUCH_OK) == (size == reports[i].size));
            CHECK(rc == VOUCH_OK || tdx_claims.body_type == 77);
        }
    }
}

static void the_body_type_of_version_5_must_fit_the_tee(void **state)
{
    (void)state;
    vouch_span q = version_5(1, 384);
    corpus_bytes(q)[4] = 0x81;
    CHECK(parse(q) == VOUCH_E_FORMAT);
    corpus_free(q);
    q = version_5(2, 584);
    corpus_bytes(q)[4] = 0;
    CHECK(parse(q) == VOUCH_E_FORMAT);
    corpus_free(q);
}

static void the_longer_td_reports_are_read_to_their_end(void **state)
{
    (void)state;
    vouch_span bytes = version_5(4, 885);
    vch_quote q;
    vouch_claims c;
    vouch_error err = { 0 };
    CHECK_OK(vch_quote_parse(bytes, &q, &c, &err), &err);
    CHECK(q.signed_bytes.size == 54 + 885);
    CHECK(memcmp(c.tdx.tee_tcb_svn_2, bytes.data + 54 + 584, 16) == 0);
    CHECK(memcmp(c.tdx.mrservicetd, bytes.data + 54 + 600, 48) == 0);
    CHECK(memcmp(c.tdx.extended, bytes.data + 54 + 648, 237) == 0);
    corpus_free(bytes);
}

static void debug_is_any_bit_of_its_group(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 8; bit++) {
        vouch_claims c;
        vouch_error err = { 0 };
        vouch_span td = corpus_copy(tdx, tdx.size);
        corpus_bytes(td)[48 + 120] = (uint8_t)(1U << bit);
        CHECK_OK(vouch_quote_read(td, &c, &err), &err);
        CHECK(c.debug);
        corpus_free(td);
    }
    vouch_claims c;
    vouch_error err = { 0 };
    vouch_span enclave = corpus_copy(sgx, sgx.size);
    corpus_bytes(enclave)[48 + 48] |= 2;
    CHECK_OK(vouch_quote_read(enclave, &c, &err), &err);
    CHECK(c.debug);
    corpus_free(enclave);
}

static void the_size_is_limited_before_anything_is_read(void **state)
{
    (void)state;
    vouch_span large = corpus_copy(sgx, VOUCH_QUOTE_MAX_SIZE + 1);
    CHECK(parse(large) == VOUCH_E_LIMIT);
    large.size--;
    CHECK(parse(large) == VOUCH_OK); /* zero padding up to the limit */
    corpus_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_version_3_quote_is_read_field_by_field),
        TEST(a_version_4_quote_is_read_field_by_field),
        TEST(a_quote_cut_short_before_its_end_is_truncated),
        TEST(padding_may_be_zeros_and_nothing_else),
        TEST(each_field_that_decides_the_layout_is_checked),
        TEST(every_length_must_be_consumed_exactly),
        TEST(stray_bytes_inside_the_section_are_refused),
        TEST(the_outer_certification_type_of_version_4_must_be_6),
        TEST(version_5_names_each_body_type_and_its_exact_size),
        TEST(a_version_or_tee_that_is_not_known_is_refused_in_every_layout),
        TEST(a_version_5_quote_cut_short_is_truncated),
        TEST(a_report_of_another_size_is_refused),
        TEST(the_body_type_of_version_5_must_fit_the_tee),
        TEST(the_longer_td_reports_are_read_to_their_end),
        TEST(debug_is_any_bit_of_its_group),
        TEST(the_size_is_limited_before_anything_is_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
