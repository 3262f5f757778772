#include "fed/tensor/named_tensor.h"

#include <stdlib.h>

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
