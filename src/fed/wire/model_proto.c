#include "fed/wire/model_proto.h"

#include "base/scope.h"
#include "fed/wire/named_tensor_wire.h"
#include "fed/wire/protobuf.h"

enum { MODEL_TENSORS = 1 };

static vouch_code check_tensor(const vch_named_tensor *wire, const vch_tensor *t,
                               const vch_model *m, vouch_error *err)
{
    size_t at = 0;
    if (!vch_tags_has(&wire->tags, VCH_TAG_MODEL))
        return vouch_fail(err, VOUCH_E_FORMAT, "tensor '%s' is not tagged 'model'", t->name);
    if (wire->round < 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "tensor '%s' is of round %d", t->name, wire->round);
    if (m->count > 0 && wire->round != m->round)
        return vouch_fail(err, VOUCH_E_FORMAT, "tensor '%s' is of round %d, others of round %d",
                          t->name, wire->round, m->round);
    if (!vch_values_finite(t->values, t->shape.count, &at))
        return vouch_fail(err, VOUCH_E_FORMAT, "tensor '%s': value %zu is not finite", t->name, at);
    return VOUCH_OK;
}

vouch_code vch_model_parse_tensor(vouch_span message, const vch_pipeline *p, vch_model *m,
                                  vouch_error *err)
{
    VCH_SCOPED(vch_named_tensor_done) vch_named_tensor wire = { 0 };
    VCH_SCOPED(vch_tensor_done) vch_tensor t = { 0 };
    vouch_code rc = vch_named_tensor_parse(message, &wire, err);
    if (rc == VOUCH_OK)
        rc = vch_pipeline_decode(p, &wire, &t, err);
    if (rc == VOUCH_OK)
        rc = check_tensor(&wire, &t, m, err);
    if (rc == VOUCH_OK)
        rc = vch_model_add(m, &t, err);
    if (rc == VOUCH_OK)
        m->round = wire.round;
    return rc;
}

vouch_code vch_model_parse(vouch_span file, const vch_pipeline *p, vch_model *out, vouch_error *err)
{
    if (file.size > VCH_MODEL_FILE_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "a model file of %zu bytes", file.size);
    VCH_SCOPED(vch_model_done) vch_model m = { 0 };
    vch_pb_reader r = vch_pb_read(file, "ModelProto");
    vch_pb_field f;
    while (vch_pb_next(&r, &f)) {
        if (f.number != MODEL_TENSORS)
            continue;
        vouch_span tensor = vch_pb_repeated_message(&r, &f);
        if (r.code != VOUCH_OK)
            break;
        vouch_code rc = vch_model_parse_tensor(tensor, p, &m, err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "model file");
    }
    vouch_code rc = vch_pb_finish(&r, err);
    if (rc != VOUCH_OK)
        return rc;
    if (m.count == 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "model file: holds no tensor");
    *out = m;
    m = (vch_model) { 0 };
    return VOUCH_OK;
}

void vch_model_write_head(const vch_named_tensor *tensor, vch_buffer *out)
{
    vch_named_tensor_write_head(MODEL_TENSORS, tensor, out);
}

typedef struct parts {
    int32_t round;
    const vch_pipeline *pipeline;
    vouch_code (*put)(void *context, vouch_span bytes, vouch_error *err);
    void *context;
} parts;

static vouch_code write_tensor(const vch_tensor *t, const parts *to, vouch_error *err)
{
    static const char *const words[] = { VCH_TAG_MODEL, NULL };
    VCH_SCOPED(vch_buffer_drop) vch_buffer work = vch_buffer_with_cap(VCH_TENSOR_DATA_MAX);
    VCH_SCOPED(vch_buffer_drop) vch_buffer head = vch_buffer_with_cap(VCH_TENSOR_DATA_MAX);
    VCH_SCOPED(vch_named_tensor_done)
    vch_named_tensor wire = { .round = to->round, .lossless = true, .tags = vch_tags_of(words) };
    vouch_code rc = vch_pipeline_encode(to->pipeline, t, &work, &wire, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_model_write_head(&wire, &head);
    rc = vch_buffer_finish(&head, "model file", err);
    if (rc == VOUCH_OK)
        rc = to->put(to->context, vch_buffer_span(&head), err);
    return rc == VOUCH_OK ? to->put(to->context, wire.data, err) : rc;
}

vouch_code vch_model_write_parts(const vch_model *m, const vch_pipeline *p,
                                 vouch_code (*put)(void *context, vouch_span bytes,
                                                   vouch_error *err),
                                 void *context, vouch_error *err)
{
    const parts to = { .round = m->round, .pipeline = p, .put = put, .context = context };
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; rc == VOUCH_OK && i < m->count; i++)
        rc = write_tensor(&m->tensor[i], &to, err);
    return rc;
}

static vouch_code put_in_buffer(void *context, vouch_span bytes, vouch_error *err)
{
    vch_buffer_append(context, bytes);
    return vch_buffer_finish(context, "model file", err);
}

vouch_code vch_model_write(const vch_model *m, const vch_pipeline *p, vch_buffer *out,
                           vouch_error *err)
{
    return vch_model_write_parts(m, p, put_in_buffer, out, err);
}
