/* What message.c and message_batch.c share. */
#ifndef VCH_FED_WIRE_MESSAGE_PARTS_H
#define VCH_FED_WIRE_MESSAGE_PARTS_H

#include "fed/wire/message.h"
#include "fed/wire/protobuf.h"

/* A MessageHeader in `field`; a fault is noted in `outer`. */
vch_wire_header vch_wire_read_header(vch_pb_reader *outer, const vch_pb_field *field);

/* As field 1, where every message has it; present even when empty. */
void vch_wire_put_header(const vch_wire_header *h, vch_buffer *out);

#endif
