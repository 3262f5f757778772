#include "identity/channel.h"

#include <string.h>

#include "base/scope.h"
#include "codec/cbor.h"
#include "crypto/hash.h"

#define MESSAGE_VERSION 1
#define DOMAIN "vouch-channel-1"

enum { KEY_VERSION = 1, KEY_TOKEN = 2, KEY_QUOTE = 3, KEY_COUNT = 3 };

static void put_text(vch_buffer *out, vouch_span text)
{
    /* A text string's head is that of a byte string of the same size, with major type 3. */
    size_t at = out->size;
    vch_cbor_put_bytes(out, text);
    if (out->failed == VOUCH_OK)
        out->data[at] = (uint8_t)(out->data[at] | 0x20U);
}

vouch_code vch_channel_message_build(const vch_channel_message *message, vch_buffer *out,
                                     vouch_error *err)
{
    vch_cbor_put_map(out, KEY_COUNT);
    vch_cbor_put_uint(out, KEY_VERSION);
    vch_cbor_put_uint(out, MESSAGE_VERSION);
    vch_cbor_put_uint(out, KEY_TOKEN);
    if (message->token.size > 0)
        put_text(out, message->token);
    else
        vch_cbor_put_null(out);
    vch_cbor_put_uint(out, KEY_QUOTE);
    if (message->quote.size > 0)
        vch_cbor_put_bytes(out, message->quote);
    else
        vch_cbor_put_null(out);
    return vch_buffer_finish(out, "channel message", err);
}

static void expect_key(vch_cbor *c, vch_cbor_map *map, uint64_t wanted)
{
    uint64_t key = 0;
    if (!vch_cbor_map_uint(c, map, &key) || key != wanted)
        vch_cbor_refuse(c, "the keys are not 1, 2, 3");
}

/* Something, or null: an empty string would be a second way to say nothing. */
static vouch_span some(vch_cbor *c, vouch_span (*read)(vch_cbor *c))
{
    if (read == NULL) {
        vch_cbor_null(c);
        return (vouch_span) { 0 };
    }
    vouch_span value = read(c);
    if (value.size == 0)
        vch_cbor_refuse(c, "an empty value where null belongs");
    return value;
}

static vouch_span token_or_null(vch_cbor *c)
{
    return some(c, vch_cbor_peek(c) == VCH_CBOR_NULL ? NULL : vch_cbor_text);
}

static vouch_span quote_or_null(vch_cbor *c)
{
    return some(c, vch_cbor_peek(c) == VCH_CBOR_NULL ? NULL : vch_cbor_bytes);
}

vouch_code vch_channel_message_parse(vouch_span bytes, vch_channel_message *out, vouch_error *err)
{
    if (bytes.size > VCH_CHANNEL_MESSAGE_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "a channel message of %zu bytes; at most %zu",
                          bytes.size, VCH_CHANNEL_MESSAGE_MAX_SIZE);
    vch_channel_message message = { 0 };
    vch_cbor c = vch_cbor_over(bytes);
    vch_cbor_map map = vch_cbor_map_enter(&c);
    expect_key(&c, &map, KEY_VERSION);
    uint64_t version = vch_cbor_uint(&c);
    expect_key(&c, &map, KEY_TOKEN);
    message.token = token_or_null(&c);
    expect_key(&c, &map, KEY_QUOTE);
    message.quote = quote_or_null(&c);
    if (map.left > 0)
        vch_cbor_refuse(&c, "a key beyond 3");
    vouch_code rc = vch_cbor_finish(&c, "channel message", err);
    if (rc != VOUCH_OK)
        return rc;
    if (version != MESSAGE_VERSION)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "a channel message of version %llu",
                          (unsigned long long)version);
    *out = message;
    return VOUCH_OK;
}

vouch_code vch_channel_report_data(const uint8_t exported[static VCH_CHANNEL_EXPORTER_SIZE],
                                   vouch_span sender_certificate, vouch_span receiver_certificate,
                                   uint8_t out[static 64], vouch_error *err)
{
    uint8_t text[sizeof DOMAIN - 1 + VCH_CHANNEL_EXPORTER_SIZE + 2 * VCH_SHA256_SIZE];
    uint8_t *at = text;
    memcpy(at, DOMAIN, sizeof DOMAIN - 1);
    at += sizeof DOMAIN - 1;
    memcpy(at, exported, VCH_CHANNEL_EXPORTER_SIZE);
    at += VCH_CHANNEL_EXPORTER_SIZE;
    uint8_t report_data[64] = { 0 };
    vouch_code rc = vch_sha256(sender_certificate, at, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(receiver_certificate, at + VCH_SHA256_SIZE, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256((vouch_span) { text, sizeof text }, report_data, err);
    if (rc == VOUCH_OK)
        memcpy(out, report_data, sizeof report_data);
    return rc;
}
