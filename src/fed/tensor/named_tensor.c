#include "fed/tensor/named_tensor.h"

#include <stdlib.h>
#include <string.h>

#include "fed/tensor/codec.h"

void vch_metadata_done(vch_metadata *m)
{
    if (m == NULL)
        return;
    free(m->ints);
    free(m->pairs);
    free(m->bools);
    *m = (vch_metadata) { 0 };
}

void vch_named_tensor_done(vch_named_tensor *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->metadata_count; i++)
        vch_metadata_done(&t->metadata[i]);
    *t = (vch_named_tensor) { 0 };
}

vouch_code vch_metadata_put_shape(vch_metadata *m, const vch_shape *shape, vouch_error *err)
{
    if (shape->rank == 0)
        return VOUCH_OK;
    m->ints = malloc(shape->rank * sizeof *m->ints);
    if (m->ints == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "the metadata of a tensor");
    memcpy(m->ints, shape->dim, shape->rank * sizeof *m->ints);
    m->int_count = shape->rank;
    return VOUCH_OK;
}

vouch_code vch_metadata_put_pairs(vch_metadata *m, size_t count, vouch_error *err)
{
    m->pairs = calloc(count == 0 ? 1 : count, sizeof *m->pairs);
    if (m->pairs == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "metadata of %zu pairs", count);
    m->pair_count = count;
    return VOUCH_OK;
}

static void *copied(const void *from, size_t count, size_t size)
{
    void *to = calloc(count == 0 ? 1 : count, size);
    if (to != NULL && count > 0)
        memcpy(to, from, count * size);
    return to;
}

vouch_code vch_metadata_copy(vch_named_tensor *to, const vch_named_tensor *from, vouch_error *err)
{
    for (size_t i = 0; i < from->metadata_count; i++) {
        const vch_metadata *m = &from->metadata[i];
        vch_metadata *c = &to->metadata[to->metadata_count++];
        *c = (vch_metadata) { .ints = copied(m->ints, m->int_count, sizeof *m->ints),
                              .int_count = m->int_count,
                              .pairs = copied(m->pairs, m->pair_count, sizeof *m->pairs),
                              .pair_count = m->pair_count,
                              .bools = copied(m->bools, m->bool_count, sizeof *m->bools),
                              .bool_count = m->bool_count };
        if (c->ints == NULL || c->pairs == NULL || c->bools == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "no memory for metadata");
    }
    return VOUCH_OK;
}
