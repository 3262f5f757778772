/* Where log lines go: standard error. Share freely: a line is one write, so threads do not mix. */
#ifndef VCH_HOST_LOG_SINK_H
#define VCH_HOST_LOG_SINK_H

#include <stdbool.h>

#include "base/log.h"

/* A log that writes lines up to `level` to standard error, stamped by the host's clock. */
vch_log vch_log_sink_stderr(vch_log_level level, bool json);

/* "error", "warn", "info" or "debug"; false for any other text. */
bool vch_log_sink_level(const char *name, vch_log_level *out);

#endif
