/*
 * What a request for a tensor gets: the round's model, the model before it (a straggler must be able
 * to finish, though its results are dropped), the difference between the two where the plan has
 * delta updates, and a collaborator's own update back (one that was started anew has lost it).
 * Everything else is not there. docs/openfl_interop.md sections 4.3 and 5.
 */
#ifndef VCH_FED_AGGREGATOR_SERVING_H
#define VCH_FED_AGGREGATOR_SERVING_H

#include "fed/aggregator/aggregator.h"
#include "fed/tensor/named_tensor.h"
#include "fed/wire/message.h"
#include "store/sealed.h"

/* One tensor, encoded. Free with vch_served_drop(). */
typedef struct vch_served {
    vch_named_tensor named; /* its data borrowed from the model, `own` or `work` */
    vch_tensor own;         /* what was read from a file */
    vch_buffer work;
    vch_sealed *file; /* not NULL: the data lies in it, and named.data has its size only */
    uint64_t offset;  /* there */
} vch_served;

void vch_served_drop(vch_served *s);

/*
 * Find and encode. With `pull` a model that travels as it is may be left where it lies (`file`).
 * Models travel losslessly: through the plan's pipeline if it loses nothing, else
 * the plain one. `out` is zeroed by the caller, and valid until the round ends.
 * Fails with VOUCH_E_NOT_FOUND, or VOUCH_E_IO, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_serve(vch_aggregator *a, size_t member,
                                      const vch_wire_tensor_spec *spec, bool pull, vch_served *out,
                                      vouch_error *err);

#endif
