/* How numpy adds up a contiguous run of numbers: in eights, and by halves beyond 128. The order
 * decides the last bits, and with them whether a result equals OpenFL's. */
#ifndef VCH_FED_TENSOR_NUMPY_SUM_H
#define VCH_FED_TENSOR_NUMPY_SUM_H

#include <stdbool.h>
#include <stddef.h>

typedef double (*vch_sum_term)(const void *context, size_t index);

/* The sum of term(context, 0) to term(context, count - 1). `narrow`: every term is a float32 and
 * every sum is rounded to one. */
double vch_numpy_sum(vch_sum_term term, const void *context, size_t count, bool narrow);

#endif
