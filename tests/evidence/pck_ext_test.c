#include "evidence/pck_ext.h"

#include <string.h>

#include "base/buffer.h"
#include "codec/der.h"
#include "corpus.h"

#define BASE "1.2.840.113741.1.13.1"

/* What a test leaves out, repeats or changes in an otherwise right extension. */
typedef struct twist {
    bool platform;        /* elements 6 and 7, too */
    unsigned without;     /* element number */
    unsigned twice;       /* element number */
    bool unknown;         /* an element .8 */
    unsigned tcb_without; /* 1 to 18 */
    unsigned tcb_twice;
    uint64_t svn; /* of component 3 */
    uint64_t pce_svn;
    size_t ppid_size;
    uint8_t sgx_type;
    bool negative; /* component 5 is -1 */
    bool reversed; /* elements in descending order */
    bool config_twice;
    bool config_unknown;
    bool config_zero;      /* an element .7.0 */
    const char *element_3; /* in place of .3 */
    const char *tcb_5;     /* in place of .2.5 */
} twist;

static const twist right = { .svn = 7, .pce_svn = 513, .ppid_size = 16, .sgx_type = 1 };

static void put_octets(vch_buffer *b, uint8_t fill, size_t size)
{
    uint8_t bytes[32];
    memset(bytes, fill, sizeof bytes);
    vch_der_put(b, VCH_DER_OCTET_STRING, (vouch_span) { bytes, size });
}

static size_t begin_pair(vch_buffer *b, const char *arcs)
{
    char oid[64];
    (void)snprintf(oid, sizeof oid, BASE "%s", arcs);
    size_t pair = vch_der_begin(b, VCH_DER_SEQUENCE);
    vch_der_put_oid(b, oid);
    return pair;
}

static void put_tcb_element(vch_buffer *b, const twist *t, unsigned i)
{
    char arcs[16];
    (void)snprintf(arcs, sizeof arcs, ".2.%u", i);
    size_t pair = begin_pair(b, i == 5 && t->tcb_5 != NULL ? t->tcb_5 : arcs);
    const uint8_t minus_one = 0xff;
    if (i == 18)
        put_octets(b, 0xc0, 16);
    else if (i == 17)
        vch_der_put_uint(b, t->pce_svn);
    else if (i == 5 && t->negative)
        vch_der_put(b, VCH_DER_INTEGER, (vouch_span) { &minus_one, 1 });
    else
        vch_der_put_uint(b, i == 3 ? t->svn : i);
    vch_der_end(b, pair);
}

static void put_tcb(vch_buffer *b, const twist *t)
{
    size_t list = vch_der_begin(b, VCH_DER_SEQUENCE);
    for (unsigned i = 1; i <= 18; i++) {
        for (unsigned times = i == t->tcb_without ? 0
                              : i == t->tcb_twice ? 2
                                                  : 1;
             times > 0; times--)
            put_tcb_element(b, t, i);
    }
    vch_der_end(b, list);
}

static void put_configuration(vch_buffer *b, const twist *t)
{
    static const char *const arcs[] = { ".7.1", ".7.2", ".7.3", ".7.1", ".7.4", ".7.0" };
    size_t list = vch_der_begin(b, VCH_DER_SEQUENCE);
    for (size_t i = 0; i < 6; i++) {
        if ((i == 3 && !t->config_twice) || (i == 4 && !t->config_unknown)
            || (i == 5 && !t->config_zero))
            continue;
        size_t pair = begin_pair(b, arcs[i]);
        vch_der_put_boolean(b, i != 1);
        vch_der_end(b, pair);
    }
    vch_der_end(b, list);
}

static void put_element(vch_buffer *b, const twist *t, unsigned i)
{
    char arc[8];
    (void)snprintf(arc, sizeof arc, ".%u", i);
    size_t pair = begin_pair(b, i == 3 && t->element_3 != NULL ? t->element_3 : arc);
    if (i == 1)
        put_octets(b, 0xa1, t->ppid_size);
    else if (i == 2)
        put_tcb(b, t);
    else if (i == 3)
        put_octets(b, 0xa3, 2);
    else if (i == 4)
        put_octets(b, 0xa4, 6);
    else if (i == 5)
        vch_der_put(b, VCH_DER_ENUMERATED, (vouch_span) { &t->sgx_type, 1 });
    else if (i == 7)
        put_configuration(b, t);
    else
        put_octets(b, 0xa6, 16);
    vch_der_end(b, pair);
}

static vch_buffer build(const twist *t)
{
    vch_buffer b = vch_buffer_with_cap(4096);
    size_t list = vch_der_begin(&b, VCH_DER_SEQUENCE);
    unsigned count = t->platform ? 7 : 5;
    for (unsigned k = 1; k <= count; k++) {
        unsigned i = t->reversed ? count + 1 - k : k;
        for (unsigned times = i == t->without ? 0 : i == t->twice ? 2 : 1; times > 0; times--)
            put_element(&b, t, i);
    }
    if (t->unknown)
        put_element(&b, t, 8);
    vch_der_end(&b, list);
    CHECK(vch_buffer_finish(&b, "extension", NULL) == VOUCH_OK);
    return b;
}

static vouch_code parse(const twist *t, vch_pck_ca ca, vch_pck_ext *out)
{
    vch_buffer b = build(t);
    vouch_code rc = vch_pck_ext_parse(vch_buffer_span(&b), ca, out, NULL);
    vch_buffer_drop(&b);
    return rc;
}

static void an_extension_of_either_ca_is_read_in_any_order(void **state)
{
    (void)state;
    for (int reversed = 0; reversed < 2; reversed++) {
        twist t = right;
        t.reversed = reversed == 1;
        vch_pck_ext e;
        CHECK(parse(&t, VCH_PCK_CA_PROCESSOR, &e) == VOUCH_OK);
        CHECK(e.ppid[0] == 0xa1 && e.pceid[1] == 0xa3 && e.fmspc[5] == 0xa4);
        CHECK(e.svn[0] == 1 && e.svn[2] == 7 && e.svn[15] == 16 && e.pce_svn == 513);
        CHECK(e.cpu_svn[15] == 0xc0 && !e.has_piid && e.smt_enabled == VOUCH_FLAG_UNKNOWN);
        t.platform = true;
        CHECK(parse(&t, VCH_PCK_CA_PLATFORM, &e) == VOUCH_OK);
        CHECK(e.has_piid && e.piid[3] == 0xa6);
        CHECK(e.dynamic_platform == VOUCH_FLAG_YES && e.cached_keys == VOUCH_FLAG_NO
              && e.smt_enabled == VOUCH_FLAG_YES);
    }
}

static void the_elements_must_be_those_of_the_ca(void **state)
{
    (void)state;
    vch_pck_ext e;
    twist t = right;
    CHECK(parse(&t, VCH_PCK_CA_PLATFORM, &e) == VOUCH_E_FORMAT);
    t.platform = true;
    CHECK(parse(&t, VCH_PCK_CA_PROCESSOR, &e) == VOUCH_E_FORMAT);
    for (unsigned i = 1; i <= 7; i++) {
        twist without = right;
        twist twice = right;
        without.platform = twice.platform = true;
        without.without = i;
        twice.twice = i;
        CHECK(parse(&without, VCH_PCK_CA_PLATFORM, &e) == VOUCH_E_FORMAT);
        CHECK(parse(&twice, VCH_PCK_CA_PLATFORM, &e) == VOUCH_E_FORMAT);
    }
}

static void all_eighteen_tcb_elements_must_be_there_once(void **state)
{
    (void)state;
    vch_pck_ext e;
    for (unsigned i = 1; i <= 18; i++) {
        twist without = right;
        twist twice = right;
        without.tcb_without = i;
        twice.tcb_twice = i;
        CHECK(parse(&without, VCH_PCK_CA_PROCESSOR, &e) == VOUCH_E_FORMAT);
        CHECK(parse(&twice, VCH_PCK_CA_PROCESSOR, &e) == VOUCH_E_FORMAT);
    }
}

static void values_out_of_their_range_are_refused(void **state)
{
    (void)state;
    vch_pck_ext e;
    twist t = right;
    t.svn = 255;
    t.pce_svn = 65535;
    CHECK(parse(&t, VCH_PCK_CA_PROCESSOR, &e) == VOUCH_OK && e.svn[2] == 255);
    t.svn = 256;
    CHECK(parse(&t, VCH_PCK_CA_PROCESSOR, &e) == VOUCH_E_FORMAT);
    t = right;
    t.pce_svn = 65536;
    CHECK(parse(&t, VCH_PCK_CA_PROCESSOR, &e) == VOUCH_E_FORMAT);
    t = right;
    t.negative = true;
    CHECK(parse(&t, VCH_PCK_CA_PROCESSOR, &e) != VOUCH_OK);
    for (size_t size = 15; size <= 17; size += 2) {
        t = right;
        t.ppid_size = size;
        CHECK(parse(&t, VCH_PCK_CA_PROCESSOR, &e) == VOUCH_E_FORMAT);
    }
    t = right;
    t.sgx_type = 3;
    CHECK(parse(&t, VCH_PCK_CA_PROCESSOR, &e) == VOUCH_E_FORMAT);
}

static void unknown_elements_are_refused_at_each_level(void **state)
{
    (void)state;
    vch_pck_ext e;
    twist t = right;
    t.unknown = true;
    CHECK(parse(&t, VCH_PCK_CA_PROCESSOR, &e) == VOUCH_E_FORMAT);
    t = right;
    t.platform = t.config_unknown = true;
    CHECK(parse(&t, VCH_PCK_CA_PLATFORM, &e) == VOUCH_E_FORMAT);
    t = right;
    t.platform = t.config_twice = true;
    CHECK(parse(&t, VCH_PCK_CA_PLATFORM, &e) == VOUCH_E_FORMAT);
}

/* An OID that ends as an element's does, and is not its. */
static void every_arc_of_an_elements_name_counts(void **state)
{
    (void)state;
    static const char *const elements[] = { ".8.3", ".2.3", ".3.3", ".0", ".3.0.3" };
    static const char *const tcb[] = { ".3.5", ".5", ".2.5.5", ".2.0", ".7.5" };
    vch_pck_ext e;
    for (size_t i = 0; i < 5; i++) {
        twist t = right;
        t.element_3 = elements[i];
        CHECK(parse(&t, VCH_PCK_CA_PROCESSOR, &e) == VOUCH_E_FORMAT);
        t = right;
        t.tcb_5 = tcb[i];
        CHECK(parse(&t, VCH_PCK_CA_PROCESSOR, &e) == VOUCH_E_FORMAT);
    }
    twist t = right;
    t.platform = t.config_zero = true;
    CHECK(parse(&t, VCH_PCK_CA_PLATFORM, &e) == VOUCH_E_FORMAT);
    static const uint8_t name[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01, 0x03 };
    vch_buffer b = build(&right);
    uint8_t *at = memmem(b.data, b.size, name, sizeof name);
    CHECK(at != NULL);
    for (size_t i = 0; i < sizeof name - 1; i++) {
        at[i] ^= 4; /* still an OID in its shortest form */
        CHECK(vch_pck_ext_parse(vch_buffer_span(&b), VCH_PCK_CA_PROCESSOR, &e, NULL) != VOUCH_OK);
        at[i] ^= 4;
    }
    vch_buffer_drop(&b);
}

static void an_extension_cut_short_or_followed_by_a_byte_is_refused(void **state)
{
    (void)state;
    twist t = right;
    t.platform = true;
    vch_buffer b = build(&t);
    for (size_t size = 0; size <= b.size + 1; size++) {
        vouch_span cut = corpus_copy(vch_buffer_span(&b), size);
        vch_pck_ext e = { .pce_svn = 77 };
        vouch_code rc = vch_pck_ext_parse(cut, VCH_PCK_CA_PLATFORM, &e, NULL);
        CHECK((rc == VOUCH_OK) == (size == b.size));
        CHECK(rc == VOUCH_OK || e.pce_svn == 77);
        corpus_free(cut);
    }
    vch_buffer_drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_extension_of_either_ca_is_read_in_any_order),
        TEST(the_elements_must_be_those_of_the_ca),
        TEST(all_eighteen_tcb_elements_must_be_there_once),
        TEST(values_out_of_their_range_are_refused),
        TEST(unknown_elements_are_refused_at_each_level),
        TEST(every_arc_of_an_elements_name_counts),
        TEST(an_extension_cut_short_or_followed_by_a_byte_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
