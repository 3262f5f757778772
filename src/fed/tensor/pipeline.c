#include "fed/tensor/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "fed/tensor/pipelines.h"

/* One row a pipeline; each in a file of its own. */
static const vch_pipeline *const pipelines[] = {
    &vch_pipeline_no_compression,
};

const vch_pipeline *vch_pipeline_plain(void)
{
    return &vch_pipeline_no_compression;
}

vouch_code vch_pipeline_find(const char *template_name, const vch_pipeline **out, vouch_error *err)
{
    const char *dot = strrchr(template_name, '.');
    const char *class_name = dot == NULL ? template_name : dot + 1;
    for (size_t i = 0; i < sizeof pipelines / sizeof *pipelines; i++) {
        if (strcmp(pipelines[i]->name, class_name) == 0) {
            *out = pipelines[i];
            return VOUCH_OK;
        }
    }
    return vouch_fail(err, VOUCH_E_UNSUPPORTED, "no compression pipeline '%s' is built in",
                      template_name);
}

vouch_code vch_pipeline_shape(const vch_pipeline *p, const vch_named_tensor *in, vch_shape *out,
                              vouch_error *err)
{
    if (in->metadata_count != p->metadata_count)
        return vouch_fail(err, VOUCH_E_FORMAT, "%zu transformer_metadata, %s has %zu",
                          in->metadata_count, p->name, p->metadata_count);
    /* Every pipeline keeps the shape in the metadata of its first transformer. */
    return vch_shape_make(in->metadata[0].ints, in->metadata[0].int_count, out, err);
}

vouch_code vch_pipeline_check_size(const vch_pipeline *p, const vch_shape *shape, size_t data_size,
                                   vouch_error *err)
{
    size_t want = shape->count * sizeof(float);
    char text[96];
    if (p->streams && data_size != want)
        return vouch_fail(err, VOUCH_E_FORMAT, "%zu bytes of data, the shape %s takes %zu",
                          data_size, vch_shape_text(shape, text, sizeof text), want);
    return VOUCH_OK;
}

vouch_code vch_pipeline_encode(const vch_pipeline *p, const vch_tensor *t, vch_buffer *work,
                               vch_named_tensor *out, vouch_error *err)
{
    vouch_code rc = p->encode(&t->shape, t->values, work, out, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "tensor '%s'", t->name);
    out->name = (vouch_span) { (const uint8_t *)t->name, strlen(t->name) };
    return VOUCH_OK;
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
        rc = p->decode(in, &shape, t.values, err);
    if (rc != VOUCH_OK) {
        vch_tensor_done(&t);
        return vouch_wrap(err, rc, "tensor '%.*s'", (int)(in->name.size > 64 ? 64 : in->name.size),
                          in->name.size == 0 ? "" : (const char *)in->name.data);
    }
    *out = t;
    return VOUCH_OK;
}
