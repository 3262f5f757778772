/* Names that a certificate stands for: DNS names and IP literals, told apart. Pure. */
#ifndef VCH_IDENTITY_ADDRESS_H
#define VCH_IDENTITY_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/name.h"

/* The bytes of an IPv4 or IPv6 literal: 4 or 16; 0 if `text` is none. */
size_t vch_ip_literal(const char *text, uint8_t out[static 16]);

#define VCH_ADDRESS_NAMES_MAX 2

/* Up to two names, sorted by kind. Borrows its texts. */
typedef struct vch_address_names {
    const char *dns[VCH_ADDRESS_NAMES_MAX];
    const char *ip[VCH_ADDRESS_NAMES_MAX];
    size_t dns_count;
    size_t ip_count;
} vch_address_names;

/* A second name equal to the first, and NULL, are left out. */
vch_address_names vch_address_names_of(const char *first, const char *second);

/* As the builders take them; borrows `names`. */
static inline vch_alt_names vch_address_alt(const vch_address_names *names)
{
    return (vch_alt_names) { names->dns, names->dns_count, names->ip, names->ip_count };
}

#endif
