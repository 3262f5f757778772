/* Requests for aggregated tensors: one, or a batch of them. */
#include "fed/wire/message_parts.h"
#include "fed/wire/named_tensor_wire.h"

enum { HEADER = 1 };

/* The five fields of a specification stand at 1 to 5 in TensorSpec, and one further on behind the
 * header of GetAggregatedTensorRequest. */
enum { SPEC_NAME = 1, SPEC_ROUND, SPEC_REPORT, SPEC_TAGS, SPEC_LOSSLESS };
enum { IN_SPEC = 0, IN_REQUEST = 1 };

enum { BATCH_SPECS = 2, BATCH_TENSORS = 2 };

static void read_spec_field(vch_pb_reader *r, const vch_pb_field *f, uint32_t shift,
                            vch_wire_tensor_spec *spec)
{
    if (f->number == SPEC_NAME + shift) {
        spec->name = vch_pb_text(r, f, VCH_TENSOR_NAME_MAX);
    } else if (f->number == SPEC_ROUND + shift) {
        spec->round = vch_pb_int32(r, f);
    } else if (f->number == SPEC_REPORT + shift) {
        spec->report = vch_pb_bool(r, f);
    } else if (f->number == SPEC_LOSSLESS + shift) {
        spec->require_lossless = vch_pb_bool(r, f);
    } else if (f->number == SPEC_TAGS + shift) {
        vouch_span tag = vch_pb_repeated_text(r, f, VCH_TAG_SIZE_MAX);
        if (r->code == VOUCH_OK && vch_tags_add(&spec->tags, tag, NULL) != VOUCH_OK)
            vch_pb_fail(r, VOUCH_E_LIMIT, "too many tags, or an empty one");
    }
}

static void put_spec(const vch_wire_tensor_spec *spec, uint32_t shift, vch_buffer *out)
{
    vch_pb_put_bytes(out, SPEC_NAME + shift, spec->name);
    vch_pb_put_int32(out, SPEC_ROUND + shift, spec->round);
    vch_pb_put_bool(out, SPEC_REPORT + shift, spec->report);
    for (size_t i = 0; i < spec->tags.count; i++)
        vch_pb_put_bytes(out, SPEC_TAGS + shift, spec->tags.tag[i]);
    vch_pb_put_bool(out, SPEC_LOSSLESS + shift, spec->require_lossless);
}

vouch_code vch_wire_get_tensor_parse(vouch_span message, vch_wire_header *header,
                                     vch_wire_tensor_spec *out, vouch_error *err)
{
    vch_pb_reader r = vch_pb_read(message, "GetAggregatedTensorRequest");
    vch_wire_header h = { 0 };
    vch_wire_tensor_spec spec = { 0 };
    vch_pb_field f;
    while (vch_pb_next(&r, &f)) {
        if (f.number == HEADER)
            h = vch_wire_read_header(&r, &f);
        else
            read_spec_field(&r, &f, IN_REQUEST, &spec);
    }
    vouch_code rc = vch_pb_finish(&r, err);
    if (rc != VOUCH_OK)
        return rc;
    *header = h;
    *out = spec;
    return VOUCH_OK;
}

void vch_wire_get_tensor_write(const vch_wire_header *header, const vch_wire_tensor_spec *spec,
                               vch_buffer *out)
{
    vch_wire_put_header(header, out);
    put_spec(spec, IN_REQUEST, out);
}

static void read_spec(vch_pb_reader *outer, const vch_pb_field *field, vch_wire_tensor_spec *out)
{
    vch_wire_tensor_spec spec = { 0 };
    vch_pb_field f;
    vch_pb_reader r = vch_pb_read(vch_pb_repeated_message(outer, field), "TensorSpec");
    while (vch_pb_next(&r, &f))
        read_spec_field(&r, &f, IN_SPEC, &spec);
    if (r.code != VOUCH_OK)
        vch_pb_fail(outer, r.code, r.reason);
    else
        *out = spec;
}

vouch_code vch_wire_get_tensors_parse(vouch_span message, vch_wire_header *header,
                                      vch_wire_tensor_spec *specs, size_t spec_max,
                                      size_t *out_count, vouch_error *err)
{
    vch_pb_reader r = vch_pb_read(message, "GetAggregatedTensorsRequest");
    vch_wire_header h = { 0 };
    size_t count = 0;
    vch_pb_field f;
    while (vch_pb_next(&r, &f)) {
        if (f.number == HEADER)
            h = vch_wire_read_header(&r, &f);
        else if (f.number == BATCH_SPECS && count >= spec_max)
            vch_pb_fail(&r, VOUCH_E_LIMIT, "too many tensors asked for at once");
        else if (f.number == BATCH_SPECS)
            read_spec(&r, &f, &specs[count++]);
    }
    vouch_code rc = vch_pb_finish(&r, err);
    if (rc != VOUCH_OK)
        return rc;
    *header = h;
    *out_count = count;
    return VOUCH_OK;
}

void vch_wire_get_tensors_write(const vch_wire_header *header, const vch_wire_tensor_spec *specs,
                                size_t spec_count, vch_buffer *out)
{
    vch_wire_put_header(header, out);
    for (size_t i = 0; i < spec_count; i++) {
        vch_buffer one = vch_buffer_with_cap(VCH_WIRE_REQUEST_MAX);
        put_spec(&specs[i], IN_SPEC, &one);
        if (one.failed != VOUCH_OK && out->failed == VOUCH_OK)
            out->failed = one.failed;
        vch_pb_put_bytes_always(out, BATCH_SPECS, vch_buffer_span(&one));
        vch_buffer_drop(&one);
    }
}

void vch_wire_tensors_response_begin(const vch_wire_header *header, vch_buffer *out)
{
    vch_wire_put_header(header, out);
}

void vch_wire_tensors_response_head(const vch_named_tensor *tensor, vch_buffer *out)
{
    vch_named_tensor_write_head(BATCH_TENSORS, tensor, out);
}

size_t vch_wire_named_tensor_size(const vch_named_tensor *tensor)
{
    size_t size = vch_named_tensor_wire_size(tensor);
    return 1 + vch_pb_varint_size(size) + size;
}
