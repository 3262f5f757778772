#include "fed/runner/csv.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

#include "check.h"

static void numbers_are_read_row_by_row(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_csv csv = { 0 };
    CHECK_OK(vch_csv_parse("t.csv", vch_span_str("a,b\n1,-2.5\n0.25e1,3E-1\n"), &csv, &err), &err);
    CHECK(csv.row_count == 2 && csv.column_count == 2);
    CHECK(csv.values[0] == 1.0F && csv.values[1] == -2.5F);
    CHECK(csv.values[2] == 2.5F && csv.values[3] == 0.3F);
    vch_csv_drop(&csv);
    vch_csv_drop(&csv);
}

static void a_last_line_needs_no_line_end_and_dos_line_ends_are_read(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_csv csv = { 0 };
    CHECK_OK(vch_csv_parse("t.csv", vch_span_str("a,b\r\n1,2\r\n3,4"), &csv, &err), &err);
    CHECK(csv.row_count == 2 && csv.values[3] == 4.0F);
    vch_csv_drop(&csv);
}

static const struct {
    const char *text, *message;
    vouch_code code;
} refused[] = {
    { "", "t.csv:1:1: not a column name; the first line must name the columns", VOUCH_E_FORMAT },
    { "a,b", "t.csv:1:3: no rows after the header", VOUCH_E_FORMAT },
    { "a,b\n", "t.csv:2:1: no rows after the header", VOUCH_E_FORMAT },
    { "1,2\n3,4\n", "t.csv:1:1: not a column name; the first line must name the columns",
      VOUCH_E_FORMAT },
    { "a,1e5\n3,4\n", "t.csv:1:3: not a column name; the first line must name the columns",
      VOUCH_E_FORMAT },
    { "a,a\n1,2\n", "t.csv:1:1: column 'a' occurs twice", VOUCH_E_FORMAT },
    { "a,\"b\"\n1,2\n", "t.csv:1:3: not a column name; the first line must name the columns",
      VOUCH_E_FORMAT },
    { "a,b\n1,2,3\n", "t.csv:2:3: more fields than the header has columns", VOUCH_E_FORMAT },
    { "a,b\n1,2\n3\n", "t.csv:3:1: fewer fields than the header has columns", VOUCH_E_FORMAT },
    { "a,b\n1,\n", "t.csv:2:3: empty field; a number is needed", VOUCH_E_FORMAT },
    { "a,b\n1,2\n\n", "t.csv:3:1: empty field; a number is needed", VOUCH_E_FORMAT },
    { "a,b\n1,2x\n", "t.csv:2:3: not a number", VOUCH_E_FORMAT },
    { "a,b\n1, 2\n", "t.csv:2:3: not a number", VOUCH_E_FORMAT },
    { "a,b\n1,+2\n", "t.csv:2:3: not a number", VOUCH_E_FORMAT },
    { "a,b\n1,.5\n", "t.csv:2:3: not a number", VOUCH_E_FORMAT },
    { "a,b\n1,5.\n", "t.csv:2:3: not a number", VOUCH_E_FORMAT },
    { "a,b\n1,5e\n", "t.csv:2:3: not a number", VOUCH_E_FORMAT },
    { "a,b\n1,0x10\n", "t.csv:2:3: not a number", VOUCH_E_FORMAT },
    { "a,b\n1,nan\n", "t.csv:2:3: not a number", VOUCH_E_FORMAT },
    { "a,b\n1,inf\n", "t.csv:2:3: not a number", VOUCH_E_FORMAT },
    { "a,b\n1,1e39\n", "t.csv:2:3: number out of float32's range", VOUCH_E_LIMIT },
    { "a,b\n1,"
      "11111111111111111111111111111111111111111111111111111111111111111\n",
      "t.csv:2:3: a field of more than 64 bytes", VOUCH_E_LIMIT },
};

static void every_departure_from_the_form_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        vouch_error err = { 0 };
        vch_csv csv = { .row_count = 77 };
        vouch_code rc = vch_csv_parse("t.csv", vch_span_str(refused[i].text), &csv, &err);
        if (rc != refused[i].code || strcmp(err.frame[0], refused[i].message) != 0)
            fail_msg("%s: %s, %s", refused[i].text, vouch_code_name(rc), err.frame[0]);
        CHECK(csv.row_count == 77); /* untouched */
    }
}

static void a_number_that_holds_a_nul_is_refused(void **state)
{
    (void)state;
    const char text[] = "a,b\n1,2\0junk\n";
    vch_csv csv = { 0 };
    vouch_span span = { (const uint8_t *)text, sizeof text - 1 };
    CHECK(vch_csv_parse("t.csv", span, &csv, NULL) == VOUCH_E_FORMAT);
}

static void columns_are_limited(void **state)
{
    (void)state;
    static char text[VCH_CSV_MAX_COLUMNS * 8];
    for (size_t columns = VCH_CSV_MAX_COLUMNS; columns <= VCH_CSV_MAX_COLUMNS + 1; columns++) {
        size_t at = 0;
        for (size_t i = 0; i < columns; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%sc%zu", i == 0 ? "" : ",", i);
        (void)snprintf(text + at, sizeof text - at, "\n1\n");
        vch_csv csv = { 0 };
        vouch_code want =
            columns > VCH_CSV_MAX_COLUMNS ? VOUCH_E_LIMIT : VOUCH_E_FORMAT; /* one field only */
        CHECK(vch_csv_parse("t.csv", vch_span_str(text), &csv, NULL) == want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_are_read_row_by_row),
        TEST(a_last_line_needs_no_line_end_and_dos_line_ends_are_read),
        TEST(every_departure_from_the_form_is_refused_with_its_place),
        TEST(a_number_that_holds_a_nul_is_refused),
        TEST(columns_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
