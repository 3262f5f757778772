/*
 * numpy's .npy, version 1.0: a tensor as a file that numpy.load reads; a zip of them is an .npz.
 * numpy.lib.format. Written only. Share freely.
 */
#ifndef VCH_FED_TENSOR_NPY_H
#define VCH_FED_TENSOR_NPY_H

#include "base/buffer.h"
#include "fed/tensor/tensor.h"

#define VCH_NPY_HEAD_MAX ((size_t)512) /* bytes before the values */

/* Append the whole file: little-endian float32, C order. The caller finishes `out`. */
void vch_npy_write(const vch_tensor *t, vch_buffer *out);

#endif
