#include "identity/address.h"

#include <arpa/inet.h>
#include <string.h>

size_t vch_ip_literal(const char *text, uint8_t out[static 16])
{
    if (inet_pton(AF_INET, text, out) == 1)
        return 4;
    return inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

static void add(vch_address_names *names, const char *name)
{
    uint8_t ip[16];
    if (vch_ip_literal(name, ip) > 0)
        names->ip[names->ip_count++] = name;
    else
        names->dns[names->dns_count++] = name;
}

vch_address_names vch_address_names_of(const char *first, const char *second)
{
    vch_address_names names = { 0 };
    add(&names, first);
    if (second != NULL && strcmp(first, second) != 0)
        add(&names, second);
    return names;
}
