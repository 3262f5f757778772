#include "fed/tensor/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fed/plan/random.h"
#include "fed/tensor/codec.h"

const vch_pipeline *vch_pipeline_plain(void)
{
    static const vch_pipeline plain = { .codec = &vch_codec_plain,
                                        .how = { .kind = VCH_COMPRESSION_NONE } };
    return &plain;
}

static const vch_codec *codec_of(vch_compression kind)
{
    switch (kind) {
    case VCH_COMPRESSION_NONE:
        return &vch_codec_plain;
    case VCH_COMPRESSION_KC:
        return &vch_codec_kc;
    case VCH_COMPRESSION_SKC:
        return &vch_codec_skc;
    case VCH_COMPRESSION_STC:
        return &vch_codec_stc;
    case VCH_COMPRESSION_RANDOM_SHIFT:
        return &vch_codec_random_shift;
    case VCH_COMPRESSION_EDEN:
        return &vch_codec_eden;
    }
    return &vch_codec_plain;
}

vch_pipeline vch_pipeline_make(const vch_plan_pipeline *how, uint64_t seed)
{
    return (vch_pipeline) { .codec = codec_of(how->kind), .how = *how, .seed = seed };
}

/* FNV-1a: tells names apart, and is no more than that. */
static uint64_t hash(vouch_span text)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < text.size; i++)
        h = (h ^ text.data[i]) * UINT64_C(0x100000001B3);
    return h;
}

void vch_pipeline_for(const vch_plan_view *plan, const char *name, vch_pipeline *out)
{
    vch_stream s =
        vch_stream_begin(0, hash(vch_span_str(plan->hash_hex)), hash(vch_span_str(name)));
    *out = vch_pipeline_make(&plan->pipeline, vch_stream_next(&s));
}

const char *vch_pipeline_name(const vch_pipeline *p)
{
    return p->codec->name;
}

bool vch_pipeline_is_lossy(const vch_pipeline *p)
{
    return p->codec->lossy;
}

bool vch_pipeline_streams(const vch_pipeline *p)
{
    return p->codec->streams;
}

size_t vch_pipeline_metadata_max(const vch_pipeline *p, size_t value_count)
{
    return p->codec->metadata_max(p, value_count);
}

vouch_code vch_pipeline_shape(const vch_pipeline *p, const vch_named_tensor *in, vch_shape *out,
                              vouch_error *err)
{
    if (in->metadata_count != p->codec->metadata_count)
        return vouch_fail(err, VOUCH_E_FORMAT, "%zu transformer_metadata, %s has %zu",
                          in->metadata_count, p->codec->name, p->codec->metadata_count);
    /* Every pipeline keeps the shape in the metadata of its first transformer. */
    return vch_shape_make(in->metadata[0].ints, in->metadata[0].int_count, out, err);
}

vouch_code vch_pipeline_check_size(const vch_pipeline *p, const vch_shape *shape, size_t data_size,
                                   vouch_error *err)
{
    size_t most = p->codec->data_max(p, shape->count);
    char text[96];
    if (data_size > most || (p->codec->streams && data_size != most))
        return vouch_fail(err, VOUCH_E_FORMAT, "%zu bytes of data, the shape %s takes %s%zu",
                          data_size, vch_shape_text(shape, text, sizeof text),
                          p->codec->streams ? "" : "at most ", most);
    return VOUCH_OK;
}

vouch_code vch_pipeline_encode_values(const vch_pipeline *p, const vch_shape *shape,
                                      const float *values, vch_buffer *work, vch_named_tensor *out,
                                      vouch_error *err)
{
    vch_stream s = vch_stream_begin(p->seed, hash(out->name), (uint64_t)(uint32_t)out->round);
    const vch_codec_values in = { .shape = shape, .values = values, .seed = vch_stream_next(&s) };
    vouch_code rc = p->codec->encode(p, &in, work, out, err);
    if (rc != VOUCH_OK) {
        for (size_t i = 0; i < VCH_METADATA_MAX; i++)
            vch_metadata_done(&out->metadata[i]);
        out->metadata_count = 0;
        out->data = (vouch_span) { 0 };
        return vouch_wrap(err, rc, "%s", p->codec->name);
    }
    return VOUCH_OK;
}

vouch_code vch_pipeline_encode(const vch_pipeline *p, const vch_tensor *t, vch_buffer *work,
                               vch_named_tensor *out, vouch_error *err)
{
    out->name = vch_span_str(t->name);
    vouch_code rc = vch_pipeline_encode_values(p, &t->shape, t->values, work, out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "tensor '%s'", t->name);
}

vouch_code vch_pipeline_decode_values(const vch_pipeline *p, const vch_named_tensor *in,
                                      const vch_shape *shape, float *out_values, vouch_error *err)
{
    if (in->metadata_count != p->codec->metadata_count)
        return vouch_fail(err, VOUCH_E_FORMAT, "%zu transformer_metadata, %s has %zu",
                          in->metadata_count, p->codec->name, p->codec->metadata_count);
    vouch_code rc = vch_pipeline_check_size(p, shape, in->data.size, err);
    return rc == VOUCH_OK ? p->codec->decode(p, in, shape, out_values, err) : rc;
}

vouch_code vch_pipeline_decode(const vch_pipeline *p, const vch_named_tensor *in, vch_tensor *out,
                               vouch_error *err)
{
    vch_shape shape = { 0 };
    vch_tensor t = { 0 };
    vouch_code rc = vch_pipeline_shape(p, in, &shape, err);
    if (rc == VOUCH_OK)
        rc = vch_pipeline_check_size(p, &shape, in->data.size, err);
    if (rc == VOUCH_OK)
        rc = vch_tensor_init(&t, in->name, &shape, err);
    if (rc == VOUCH_OK)
        rc = vch_pipeline_decode_values(p, in, &shape, t.values, err);
    if (rc != VOUCH_OK) {
        vch_tensor_done(&t);
        return vouch_wrap(err, rc, "tensor '%.*s'", (int)(in->name.size > 64 ? 64 : in->name.size),
                          in->name.size == 0 ? "" : (const char *)in->name.data);
    }
    *out = t;
    return VOUCH_OK;
}
