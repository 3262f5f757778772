/*
 * The values of one tensor on their way from the wire into a spool: bytes in pieces of any size
 * become float32, each is checked, a delta is added to its base. One thread at a time.
 */
#ifndef VCH_FED_AGGREGATOR_VALUES_IN_H
#define VCH_FED_AGGREGATOR_VALUES_IN_H

#include <stddef.h>
#include <stdint.h>

#include "fed/tensor/pipeline.h"
#include "store/sealed.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef struct vch_values_in vch_values_in;

/* All kept until the object is freed. */
typedef struct vch_values_options {
    const vch_pipeline *pipeline; /* that encoded the tensor */
    const vch_shape *expected;    /* the shape that it must have */
    const float *base;            /* added to each value; NULL: nothing is */
    float value_max;              /* magnitude that a value may have */
    double *square_sum;           /* the squares of all values as sent are added to it; or NULL */
    vch_sealed *target;           /* the values are appended to it */
} vch_values_options;

/*
 * tensor     Its metadata; the pipeline's is judged here, before any data. Borrowed unless the
 *            pipeline does not stream: then kept until the object is freed.
 * data_size  Bytes of data that will come.
 * Fails with VOUCH_E_REFUSED (shape, size, metadata) or VOUCH_E_MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_values_in_new(const vch_values_options *options,
                                              const vch_named_tensor *tensor, size_t data_size,
                                              vch_values_in **out, vouch_error *err);
void vch_values_in_free(vch_values_in *v);

/* Fails with VOUCH_E_REFUSED (a value, too many bytes) or VOUCH_E_IO. */
VOUCH_MUST_CHECK vouch_code vch_values_in_feed(vch_values_in *v, vouch_span bytes,
                                               vouch_error *err);

/* All bytes have come: VOUCH_E_REFUSED if not. */
VOUCH_MUST_CHECK vouch_code vch_values_in_finish(vch_values_in *v, vouch_error *err);

#endif
