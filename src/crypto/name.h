/* Distinguished names and alternative names, as the certificate and request builders take them. */
#ifndef VCH_CRYPTO_NAME_H
#define VCH_CRYPTO_NAME_H

#include <stddef.h>

#include "vouch/error.h"

#define VCH_NAME_MAX_PARTS ((size_t)16)

/* One attribute, in the order in which it stands in the certificate. */
typedef struct vch_name_part {
    const char *type;  /* "CN", "O", "OU", "L", "ST", "C", "DC" */
    const char *value; /* UTF-8 */
} vch_name_part;

/* Alternative names; zeroed means none. All borrowed. */
typedef struct vch_alt_names {
    const char *const *dns; /* any printable ASCII without spaces: a participant's name too */
    size_t dns_count;
    const char *const *ip; /* "10.0.0.1", "::1" */
    size_t ip_count;
} vch_alt_names;

#endif
