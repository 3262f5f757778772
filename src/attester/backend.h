/* What a kind of device has to offer; attester.c locks around it. */
#ifndef VCH_ATTESTER_BACKEND_H
#define VCH_ATTESTER_BACKEND_H

#include <stdint.h>

#include "attester/attester.h"

/* VOUCH_E_REFUSED: the device is busy or someone came between; it is asked again, from the start. */
typedef struct vch_attester_backend {
    const char *kind;
    vouch_code (*quote)(const char *dir, const uint8_t report_data[static VCH_REPORT_DATA_SIZE],
                        int64_t deadline_ms, vch_buffer *out, vouch_error *err);
    const char *sealing_key; /* its file; NULL: this TEE has none */
} vch_attester_backend;

VOUCH_MUST_CHECK vouch_code vch_attester_new(const vch_attester_backend *backend, const char *dir,
                                             int64_t timeout_ms, vch_attester **out,
                                             vouch_error *err);

#endif
