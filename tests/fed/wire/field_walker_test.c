#include "fed/wire/field_walker.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "check.h"

/* Writes down what the walker tells: field 1 is collected, 2 passed, others skipped. */
typedef struct notes {
    char text[256];
    size_t size;
    vouch_code refuse; /* what `begin` answers for field 9 */
} notes;

static void note(notes *n, const char *text, vouch_span bytes)
{
    n->size += (size_t)snprintf(n->text + n->size, sizeof n->text - n->size, "%s%.*s", text,
                                (int)bytes.size, bytes.size == 0 ? "" : (const char *)bytes.data);
}

static vouch_code begin(void *context, uint32_t number, uint64_t size, vch_field_take *out,
                        vouch_error *err)
{
    notes *n = context;
    (void)size;
    if (number == 9 && n->refuse != VOUCH_OK)
        return vouch_fail(err, n->refuse, "no nines");
    *out = number == 1 ? VCH_FIELD_COLLECT : number == 2 ? VCH_FIELD_PASS : VCH_FIELD_SKIP;
    return VOUCH_OK;
}

static vouch_code value(void *context, uint32_t number, uint64_t v, vouch_error *err)
{
    (void)err;
    char text[32];
    (void)snprintf(text, sizeof text, "<%u=%u>", number, (unsigned)v);
    note(context, text, vch_span_str(""));
    return VOUCH_OK;
}

static vouch_code bytes(void *context, uint32_t number, vouch_span b, vouch_error *err)
{
    (void)err;
    note(context, number == 1 ? "whole:" : "", b);
    return VOUCH_OK;
}

static vouch_code end(void *context, uint32_t number, vouch_error *err)
{
    (void)err;
    (void)number;
    note(context, ".", vch_span_str(""));
    return VOUCH_OK;
}

static const vch_field_sink sink = { begin, value, bytes, end };

static const uint8_t message[] = { 0x0A, 3,   'a', 'b', 'c', 0x18, 0xAC, 0x02, 0x12,
                                   4,    'd', 'e', 'f', 'g', 0x22, 2,    'x',  'x',
                                   0x2D, 1,   2,   3,   4,   0x0A, 0,    0x12, 0 };

static void any_cut_into_pieces_tells_the_same(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= sizeof message; piece++) {
        notes n = { .size = 0 };
        vch_field_walker w;
        vch_field_walker_init(&w, &sink, &n, "m", 8);
        for (size_t at = 0; at < sizeof message; at += piece) {
            size_t size = sizeof message - at < piece ? sizeof message - at : piece;
            CHECK(vch_field_walker_feed(&w, (vouch_span) { message + at, size }, NULL) == VOUCH_OK);
        }
        CHECK(vch_field_walker_finish(&w, NULL) == VOUCH_OK);
        assert_string_equal(n.text, "whole:abc<3=300>defg.whole:.");
        vch_field_walker_done(&w);
    }
}

static void a_message_cut_inside_a_field_is_truncated(void **state)
{
    (void)state;
    /* The ends of the fields of `message`: there it may stop. */
    static const size_t whole[] = { 0, 5, 8, 14, 18, 23, 25, 27 };
    for (size_t cut = 0; cut <= sizeof message; cut++) {
        notes n = { .size = 0 };
        bool may_stop = false;
        vch_field_walker w;
        vch_field_walker_init(&w, &sink, &n, "m", 8);
        for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
            may_stop = may_stop || whole[i] == cut;
        CHECK(vch_field_walker_feed(&w, (vouch_span) { message, cut }, NULL) == VOUCH_OK);
        CHECK(vch_field_walker_finish(&w, NULL) == (may_stop ? VOUCH_OK : VOUCH_E_TRUNCATED));
        vch_field_walker_done(&w);
    }
}

static void a_refusal_is_final(void **state)
{
    (void)state;
    static const uint8_t nine[] = { 0x4A, 1, 'z' };
    notes n = { .refuse = VOUCH_E_LIMIT };
    vch_field_walker w;
    vch_field_walker_init(&w, &sink, &n, "m", 8);
    CHECK(vch_field_walker_feed(&w, (vouch_span) { nine, sizeof nine }, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_field_walker_feed(&w, (vouch_span) { message, 5 }, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_field_walker_finish(&w, NULL) == VOUCH_E_FORMAT);
    CHECK(n.size == 0);
    vch_field_walker_reset(&w);
    CHECK(vch_field_walker_feed(&w, (vouch_span) { message, 5 }, NULL) == VOUCH_OK);
    vch_field_walker_done(&w);
}

static void malformed_fields_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[12];
        size_t size;
        vouch_code want;
    } cases[] = {
        { { 0x00 }, 1, VOUCH_E_FORMAT },                       /* field number 0 */
        { { 0x0B }, 1, VOUCH_E_FORMAT },                       /* a group */
        { { 0x0F }, 1, VOUCH_E_FORMAT },                       /* no such type */
        { { 0x0A, 8, 1, 2, 3, 4, 5, 6, 7, 8 }, 10, VOUCH_OK }, /* at the cap */
        { { 0x0A, 9 }, 2, VOUCH_E_LIMIT },                     /* beyond it, before its bytes */
        { { 0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01 }, 11, VOUCH_OK },
        { { 0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02 },
          11,
          VOUCH_E_FORMAT },
        { { 0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80 },
          11,
          VOUCH_E_FORMAT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        notes n = { .size = 0 };
        vch_field_walker w;
        vch_field_walker_init(&w, &sink, &n, "m", 8);
        vouch_span in = { cases[i].bytes, cases[i].size };
        CHECK(vch_field_walker_feed(&w, in, NULL) == cases[i].want);
        vch_field_walker_done(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(any_cut_into_pieces_tells_the_same),
        TEST(a_message_cut_inside_a_field_is_truncated),
        TEST(a_refusal_is_final),
        TEST(malformed_fields_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
