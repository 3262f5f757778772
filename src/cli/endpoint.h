/* ADDR:PORT as a user types it: a name or IPv4 address, or an IPv6 address in brackets. Pure. */
#ifndef VCH_CLI_ENDPOINT_H
#define VCH_CLI_ENDPOINT_H

#include <stdint.h>

#include "vouch/error.h"

#define VCH_ENDPOINT_HOST_SIZE 256
#define VCH_ENDPOINT_TEXT_SIZE (VCH_ENDPOINT_HOST_SIZE + 9)

typedef struct vch_endpoint {
    char host[VCH_ENDPOINT_HOST_SIZE]; /* without brackets */
    uint16_t port;
} vch_endpoint;

/* Fails with VOUCH_E_CONFIG; the error quotes the text. Port 0 is accepted (any, for a server). */
VOUCH_MUST_CHECK vouch_code vch_endpoint_parse(const char *text, vch_endpoint *out,
                                               vouch_error *err);

/* Where an aggregator is: `text` if it is not NULL, else the plan's address and port. Fails as above. */
VOUCH_MUST_CHECK vouch_code vch_endpoint_choose(const char *text, const char *agg_addr,
                                                uint16_t agg_port, vch_endpoint *out,
                                                vouch_error *err);

/* "127.0.0.1:50051", "[::]:50051". Returns `out`. */
const char *vch_endpoint_text(const vch_endpoint *endpoint,
                              char out[static VCH_ENDPOINT_TEXT_SIZE]);

#endif
