#include "collateral/chain.h"

#include "base/bytes.h"
#include "base/scope.h"
#include "document.h"
#include "evidence/quote.h"

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"

static vouch_span signing;
static vouch_span pck; /* of the SGX quote, with its NUL */
static vouch_span quote;

static int set_up(void **state)
{
    (void)state;
    vch_quote q;
    vouch_claims c;
    vouch_error err = { 0 };
    signing = corpus_read(CORPUS_SIGNING_CHAIN);
    quote = corpus_read(CORPUS_SGX_QUOTE);
    CHECK_OK(vch_quote_parse(quote, &q, &c, &err), &err);
    pck = corpus_copy(q.sig.cert_data, q.sig.cert_data.size);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    corpus_free(signing);
    corpus_free(pck);
    corpus_free(quote);
    return 0;
}

static vouch_code parse(vouch_span pem, vch_chain_kind kind)
{
    vch_chain chain = { .ca = 77 };
    vouch_error err = { 0 };
    vouch_code rc = vch_chain_parse(pem, kind, &chain, &err);
    if (rc == VOUCH_OK)
        vch_chain_drop(&chain);
    else
        CHECK(chain.ca == 77 && chain.der == NULL && err.depth > 0);
    return rc;
}

static void intels_chains_are_read(void **state)
{
    (void)state;
    VCH_SCOPED(vch_chain_drop) vch_chain chain = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_chain_parse(signing, VCH_CHAIN_SIGNING, &chain, &err), &err);
    CHECK(vch_span_is(chain.leaf.common_name, "Intel SGX TCB Signing"));
    vch_chain_drop(&chain);
    CHECK_OK(vch_chain_parse(pck, VCH_CHAIN_PCK, &chain, &err), &err);
    CHECK(vch_span_is(chain.leaf.common_name, "Intel SGX PCK Certificate"));
    CHECK(chain.ca == VCH_PCK_CA_PLATFORM && chain.leaf.sgx_extension.size > 100);
}

static void a_chain_of_one_kind_is_none_of_the_other(void **state)
{
    (void)state;
    CHECK(parse(signing, VCH_CHAIN_PCK) == VOUCH_E_FORMAT);
    CHECK(parse(pck, VCH_CHAIN_SIGNING) == VOUCH_E_FORMAT);
}

/* The blocks of the PCK chain, as spans over it. */
static void blocks(vouch_span out[static 3])
{
    vouch_span rest = pck;
    for (size_t i = 0; i < 3; i++) {
        const uint8_t *begin = memmem(rest.data, rest.size, BEGIN, strlen(BEGIN));
        const uint8_t *end = memmem(rest.data, rest.size, END, strlen(END));
        CHECK(begin != NULL && end != NULL);
        size_t past = (size_t)(end - rest.data) + strlen(END);
        out[i] = (vouch_span) { begin, (size_t)(end - begin) + strlen(END) };
        rest = (vouch_span) { rest.data + past, rest.size - past };
    }
}

/* Three blocks (by index, -1 for none) with something between and after them. */
static vouch_code assembled(const int order[static 4], const char *between, const char *after,
                            size_t after_size)
{
    vouch_span block[3];
    blocks(block);
    vch_buffer b = vch_buffer_with_cap(1 << 16);
    for (size_t i = 0; i < 4; i++) {
        if (order[i] < 0)
            continue;
        if (b.size > 0)
            vch_buffer_append_str(&b, between);
        vch_buffer_append(&b, block[order[i]]);
    }
    vch_buffer_append(&b, (vouch_span) { (const uint8_t *)after, after_size });
    vouch_code rc = parse(vch_buffer_span(&b), VCH_CHAIN_PCK);
    vch_buffer_drop(&b);
    return rc;
}

static void the_forms_of_the_field_are_read(void **state)
{
    (void)state;
    static const int straight[4] = { 0, 1, 2, -1 };
    static const int reversed[4] = { 2, 1, 0, -1 };
    static const int mixed[4] = { 1, 2, 0, -1 };
    CHECK(assembled(straight, "\n", "\n", 1) == VOUCH_OK);
    CHECK(assembled(reversed, "\n", "\n", 1) == VOUCH_OK);
    CHECK(assembled(mixed, "\n", "", 0) == VOUCH_OK);
    CHECK(assembled(straight, "\r\n", "\r\n", 2) == VOUCH_OK);
    CHECK(assembled(straight, "\n\n", "\n\0", 2) == VOUCH_OK);
    CHECK(assembled(straight, "", "\0\0\0", 3) == VOUCH_OK); /* no line end: quotes of 2020 */
}

static void anything_else_in_the_text_is_refused(void **state)
{
    (void)state;
    static const int straight[4] = { 0, 1, 2, -1 };
    CHECK(assembled(straight, "\ntext\n", "\n", 1) != VOUCH_OK);
    CHECK(assembled(straight, "\n", "text", 4) != VOUCH_OK);
    CHECK(assembled(straight, "\n", "\0text", 5) != VOUCH_OK);
    CHECK(assembled(straight, "\0", "\n", 1) == VOUCH_OK); /* as a string: nothing between */
    CHECK(assembled(straight, "\n", "\n" BEGIN "\n" END "\n", 2 + 27 + 1 + 25 + 1) != VOUCH_OK);
    CHECK(assembled(straight, "\n", "\n" BEGIN, 28) == VOUCH_E_TRUNCATED);
    CHECK(assembled(straight, "\n", "\n" BEGIN "\nAAAA\n", 34) == VOUCH_E_TRUNCATED);
    CHECK(parse((vouch_span) { NULL, 0 }, VCH_CHAIN_PCK) == VOUCH_E_TRUNCATED);
}

static void exactly_the_certificates_of_the_kind_must_be_there(void **state)
{
    (void)state;
    static const int sets[][4] = { { 0, -1, -1, -1 }, { 0, 1, -1, -1 }, { 0, 2, -1, -1 },
                                   { 1, 2, -1, -1 },  { 0, 1, 2, 0 },   { 0, 1, 2, 2 },
                                   { 0, 0, 1, 2 },    { 0, 1, 1, -1 } };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        CHECK(assembled(sets[i], "\n", "\n", 1) == VOUCH_E_FORMAT);
}

static void a_text_above_the_limit_is_not_parsed(void **state)
{
    (void)state;
    vouch_span large = corpus_copy(signing, VCH_CHAIN_PEM_MAX_SIZE + 1);
    CHECK(parse(large, VCH_CHAIN_SIGNING) == VOUCH_E_LIMIT);
    large.size--;
    CHECK(parse(large, VCH_CHAIN_SIGNING) == VOUCH_OK);
    corpus_free(large);
}

static void a_leaf_alone_is_compared_byte_for_byte(void **state)
{
    (void)state;
    vouch_span block[3];
    VCH_SCOPED(vch_chain_drop) vch_chain chain = { 0 };
    vouch_error err = { 0 };
    blocks(block);
    CHECK_OK(vch_chain_parse(pck, VCH_CHAIN_PCK, &chain, &err), &err);
    CHECK(vch_chain_leaf_is(&chain, block[0]));
    CHECK(!vch_chain_leaf_is(&chain, block[1]));
    CHECK(!vch_chain_leaf_is(&chain, pck)); /* more than the leaf */
    CHECK(!vch_chain_leaf_is(&chain, (vouch_span) { NULL, 0 }));
    vch_buffer b = vch_buffer_with_cap(1 << 16);
    vch_buffer_append(&b, block[0]);
    vch_buffer_append_str(&b, "\njunk");
    CHECK(!vch_chain_leaf_is(&chain, vch_buffer_span(&b)));
    b.size = 0;
    vch_buffer_append_str(&b, BEGIN "\n"); /* far larger than a certificate may be */
    while (b.size < 30000)
        vch_buffer_append_str(&b, "AAAAAAAAAAAAAAAA");
    vch_buffer_append_str(&b, "\n" END "\n");
    CHECK(!vch_chain_leaf_is(&chain, vch_buffer_span(&b)));
    vch_buffer_drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(intels_chains_are_read),
        TEST(a_chain_of_one_kind_is_none_of_the_other),
        TEST(the_forms_of_the_field_are_read),
        TEST(anything_else_in_the_text_is_refused),
        TEST(exactly_the_certificates_of_the_kind_must_be_there),
        TEST(a_text_above_the_limit_is_not_parsed),
        TEST(a_leaf_alone_is_compared_byte_for_byte),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
