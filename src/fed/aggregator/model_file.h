/*
 * Model files as OpenFL reads them: best and last carry what the plan's release of OpenFL has in
 * them; `final` beside `last` carries what the last round made, which OpenFL from 1.7 on never
 * writes. Each is written whole or not at all. docs/openfl_interop.md section 7.
 */
#ifndef VCH_FED_AGGREGATOR_MODEL_FILE_H
#define VCH_FED_AGGREGATOR_MODEL_FILE_H

#include "fed/plan/plan.h"
#include "fed/tensor/pipeline.h"
#include "fed/tensor/tensor.h"
#include "host/file.h"
#include "vouch/error.h"

/* Read an initial model, `path` relative to `directory` (NULL: the current). The error names the
 * path; free `out` with vch_model_done. */
VOUCH_MUST_CHECK vouch_code vch_model_file_read(const char *directory, const char *path,
                                                const vch_pipeline *pipeline, vch_model *out,
                                                vouch_error *err);

/* The same, and the very bytes that are parsed have this digest (32 bytes; NULL: any has), or the
 * read fails with VOUCH_E_CONFIG. docs/protocol.md section 2, initial_model. */
VOUCH_MUST_CHECK vouch_code vch_model_file_read_agreed(const char *directory, const char *path,
                                                       const uint8_t *sha256,
                                                       const vch_pipeline *pipeline, vch_model *out,
                                                       vouch_error *err);

/* Write one, its directory is made if it is missing. */
VOUCH_MUST_CHECK vouch_code vch_model_file_write(const char *directory, const char *path,
                                                 const vch_pipeline *pipeline,
                                                 const vch_model *model, vouch_error *err);

/* `final.pbuf` in the directory of the plan's last_state_path. */
VOUCH_MUST_CHECK vouch_code vch_model_file_final_path(const vch_plan *plan,
                                                      char out[static VCH_PATH_SIZE],
                                                      vouch_error *err);

#endif
