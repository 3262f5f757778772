#include "net/grpc.h"

#include <string.h>

#include "net/grpc_internal.h"

const char *vch_grpc_code_name(int code)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };
    bool known = code >= 0 && (size_t)code < sizeof names / sizeof *names;
    return known ? names[code] : "unknown status";
}

/* --- messages in DATA frames --- */

vouch_code vch_grpc_reader_feed(vch_grpc_reader *r, vouch_span bytes, vouch_error *err)
{
    while (bytes.size > 0) {
        if (r->prefix_size < sizeof r->prefix) {
            r->prefix[r->prefix_size++] = bytes.data[0];
            bytes = (vouch_span) { bytes.data + 1, bytes.size - 1 };
            if (r->prefix_size < sizeof r->prefix)
                continue;
            if (r->prefix[0] != 0)
                return vouch_fail(err, VOUCH_E_UNSUPPORTED, "a compressed message");
            r->left = (uint32_t)r->prefix[1] << 24 | (uint32_t)r->prefix[2] << 16
                      | (uint32_t)r->prefix[3] << 8 | r->prefix[4];
            vouch_code rc = r->begin(r->context, r->left, err);
            if (rc != VOUCH_OK)
                return rc;
        }
        size_t size = bytes.size < r->left ? bytes.size : r->left;
        vouch_code rc =
            size == 0 ? VOUCH_OK : r->bytes(r->context, (vouch_span) { bytes.data, size }, err);
        if (rc != VOUCH_OK)
            return rc;
        bytes = (vouch_span) { bytes.data + size, bytes.size - size };
        r->left -= (uint32_t)size;
        if (r->left > 0)
            continue;
        r->prefix_size = 0;
        rc = r->end(r->context, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

bool vch_grpc_reader_is_between(const vch_grpc_reader *r)
{
    return r->prefix_size == 0;
}

/* --- text in headers --- */

static const char hex[] = "0123456789ABCDEF";

size_t vch_grpc_text_encode(const char *text, char *out, size_t size)
{
    size_t n = 0;
    for (const char *at = text; *at != '\0' && n + 4 <= size; at++) {
        unsigned char ch = (unsigned char)*at;
        if (ch >= 0x20 && ch < 0x7f && ch != '%') {
            out[n++] = (char)ch;
            continue;
        }
        out[n++] = '%';
        out[n++] = hex[ch >> 4];
        out[n++] = hex[ch & 15];
    }
    out[n] = '\0';
    return n;
}

static int digit(uint8_t ch)
{
    const char *at = ch == 0 ? NULL : strchr("0123456789ABCDEF0123456789abcdef", ch);
    if (at == NULL)
        return -1;
    return (int)((at - strchr("0123456789ABCDEF0123456789abcdef", '0')) % 16);
}

/* A '%' that no two digits follow stands for itself, as the gRPC specification asks. */
void vch_grpc_text_decode(vouch_span in, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < in.size && n + 1 < size; i++) {
        uint8_t ch = in.data[i];
        bool coded = ch == '%' && in.size - i > 2 && digit(in.data[i + 1]) >= 0
                     && digit(in.data[i + 2]) >= 0;
        if (coded) {
            ch = (uint8_t)(digit(in.data[i + 1]) * 16 + digit(in.data[i + 2]));
            i += 2;
        }
        out[n++] = (char)(ch == 0 ? '?' : ch);
    }
    out[n] = '\0';
}

/* --- timeouts: at most 8 digits and a unit --- */

bool vch_grpc_timeout_parse(vouch_span in, int64_t *out_ms)
{
    if (in.size < 2 || in.size > 9)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i + 1 < in.size; i++) {
        if (in.data[i] < '0' || in.data[i] > '9')
            return false;
        value = value * 10 + (in.data[i] - '0');
    }
    switch (in.data[in.size - 1]) {
    case 'H':
        *out_ms = value * 3600000;
        return true;
    case 'M':
        *out_ms = value * 60000;
        return true;
    case 'S':
        *out_ms = value * 1000;
        return true;
    case 'm':
        *out_ms = value;
        return true;
    case 'u':
        *out_ms = value / 1000;
        return true;
    case 'n':
        *out_ms = value / 1000000;
        return true;
    default:
        return false;
    }
}
