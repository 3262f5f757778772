/* A certificate file: PEM with text around it, or DER. One thread. */
#ifndef VCH_CLI_CERT_INPUT_H
#define VCH_CLI_CERT_INPUT_H

#include "base/buffer.h"
#include "vouch/error.h"

/* The DER of the first certificate, into `out`, which is replaced. As vch_file_read, and _FORMAT. */
VOUCH_MUST_CHECK vouch_code vch_cert_file_read(const char *path, vch_buffer *out, vouch_error *err);

#endif
