/* gRPC's framing, texts and timeouts (PROTOCOL-HTTP2.md), for client and server. Pure. Private. */
#ifndef VCH_NET_GRPC_INTERNAL_H
#define VCH_NET_GRPC_INTERNAL_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/grpc.h"
#include "vouch/error.h"
#include "vouch/span.h"

/* Cuts DATA bytes into messages and hands them on as they come; holds 5 bytes. */
typedef struct vch_grpc_reader {
    uint8_t prefix[5];
    size_t prefix_size;
    uint32_t left;
    void *context;
    vouch_code (*begin)(void *context, uint32_t size, vouch_error *err);
    vouch_code (*bytes)(void *context, vouch_span bytes, vouch_error *err);
    vouch_code (*end)(void *context, vouch_error *err);
} vch_grpc_reader;

/* Fails as its functions do, or with VOUCH_E_UNSUPPORTED (compressed). */
VOUCH_MUST_CHECK vouch_code vch_grpc_reader_feed(vch_grpc_reader *reader, vouch_span bytes,
                                                 vouch_error *err);
bool vch_grpc_reader_is_between(const vch_grpc_reader *reader); /* no message is cut short */

/* grpc-message: percent-code into `size` bytes with NUL (cut if longer); returns its length. */
size_t vch_grpc_text_encode(const char *text, char *out, size_t size);
void vch_grpc_text_decode(vouch_span in, char *out, size_t size);

bool vch_grpc_timeout_parse(vouch_span in, int64_t *out_ms);

/* A header for nghttp2, which copies both. */
static inline nghttp2_nv vch_grpc_nv(vouch_span name, vouch_span value)
{
    union { /* nghttp2's struct is not const-correct; it only reads */
        const uint8_t *in;
        uint8_t *out;
    } n = { name.data }, v = { value.data };
    return (nghttp2_nv) { n.out, v.out, name.size, value.size, NGHTTP2_NV_FLAG_NONE };
}

#endif
