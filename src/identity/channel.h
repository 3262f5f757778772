/*
 * The one message that each side of `vouch-h2/1` sends before HTTP/2, and what a fresh quote over
 * the channel has to say. Pure. Spec: docs/protocol.md section 6.
 */
#ifndef VCH_IDENTITY_CHANNEL_H
#define VCH_IDENTITY_CHANNEL_H

#include <stdint.h>

#include "base/buffer.h"
#include "identity/attestation_file.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_CHANNEL_MESSAGE_MAX_SIZE ((size_t)64 << 10)
#define VCH_CHANNEL_EXPORTER_LABEL "EXPORTER-vouch-channel-v1"
#define VCH_CHANNEL_EXPORTER_SIZE 32

/* Empty: null in the message. */
typedef struct vch_channel_message {
    vouch_span token; /* text */
    vouch_span quote; /* over this channel */
} vch_channel_message;

/* {1: version, 2: token or null, 3: quote or null}, appended. */
VOUCH_MUST_CHECK vouch_code vch_channel_message_build(const vch_channel_message *message,
                                                      vch_buffer *out, vouch_error *err);

/* Strict; spans point into `bytes`. Fails with VOUCH_E_LIMIT, _FORMAT, _UNSUPPORTED (version). */
VOUCH_MUST_CHECK vouch_code vch_channel_message_parse(vouch_span bytes, vch_channel_message *out,
                                                      vouch_error *err);

/* REPORTDATA of the sender's fresh quote; `exported` is made with the sender's role as context. */
VOUCH_MUST_CHECK vouch_code vch_channel_report_data(
    const uint8_t exported[static VCH_CHANNEL_EXPORTER_SIZE], vouch_span sender_certificate,
    vouch_span receiver_certificate, uint8_t out[static 64], vouch_error *err);

#endif
