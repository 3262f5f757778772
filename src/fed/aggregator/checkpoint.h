/*
 * Models as they lie in a file of state: the values of every tensor, model after model, float32 as
 * they travel. Names and shapes are the plan's initial model's. One thread at a time.
 */
#ifndef VCH_FED_AGGREGATOR_CHECKPOINT_H
#define VCH_FED_AGGREGATOR_CHECKPOINT_H

#include "crypto/hash.h"
#include "fed/aggregator/ledger.h"
#include "fed/tensor/tensor.h"
#include "store/sealed.h"

/* Write `count` models of the same shapes into a new file, and finish it. */
VOUCH_MUST_CHECK vouch_code vch_checkpoint_write(const vch_ledger *ledger,
                                                 const vch_model *const *models, size_t count,
                                                 vch_sealed **out, vouch_error *err);

/* Read them back over the values of models of those shapes. Fails with VOUCH_E_FORMAT if the file is
 * of another size. */
VOUCH_MUST_CHECK vouch_code vch_checkpoint_read(vch_sealed *file, vch_model *const *models,
                                                size_t count, vouch_error *err);

/* Over names, shapes and values: which model it is, among those that nobody made to be taken for
 * another. */
VOUCH_MUST_CHECK vouch_code vch_checkpoint_digest(const vch_model *model,
                                                  uint8_t out[static VCH_SHA256_SIZE],
                                                  vouch_error *err);

/* Where a tensor of the first model begins, in bytes. */
uint64_t vch_checkpoint_offset(const vch_model *like, size_t at);

/* One tensor of the first model, by its place in it. Free `out` with vch_tensor_done. */
VOUCH_MUST_CHECK vouch_code vch_checkpoint_tensor(vch_sealed *file, const vch_model *like,
                                                  size_t at, vch_tensor *out, vouch_error *err);

#endif
