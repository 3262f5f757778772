/* The pipelines that pipeline.c's table lists; for that table only. */
#ifndef VCH_FED_TENSOR_PIPELINES_H
#define VCH_FED_TENSOR_PIPELINES_H

#include "fed/tensor/pipeline.h"

extern const vch_pipeline vch_pipeline_no_compression;

#endif
