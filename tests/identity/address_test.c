#include "identity/address.h"

#include <string.h>

#include "check.h"

static void literals_are_told_from_names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
    } cases[] = { { "10.0.0.1", 4 },   { "::1", 16 },   { "2001:db8::7", 16 },  { "localhost", 0 },
                  { "10.0.0.256", 0 }, { "10.0.0", 0 }, { "1.example.org", 0 }, { "", 0 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t ip[16];
        CHECK(vch_ip_literal(cases[i].text, ip) == cases[i].size);
    }
}

static void names_are_sorted_by_kind_and_said_once(void **state)
{
    (void)state;
    vch_address_names n = vch_address_names_of("agg", "10.0.0.1");
    CHECK(n.dns_count == 1 && n.ip_count == 1 && strcmp(n.ip[0], "10.0.0.1") == 0);
    n = vch_address_names_of("agg", "agg");
    CHECK(n.dns_count == 1 && n.ip_count == 0);
    n = vch_address_names_of("agg", NULL);
    CHECK(n.dns_count == 1 && n.ip_count == 0);
    n = vch_address_names_of("agg", "agg.example.org");
    CHECK(n.dns_count == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(literals_are_told_from_names),
        TEST(names_are_sorted_by_kind_and_said_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
