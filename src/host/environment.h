/* Settings that the environment may give. The only place that reads it. */
#ifndef VCH_HOST_ENVIRONMENT_H
#define VCH_HOST_ENVIRONMENT_H

#include <stddef.h>

#include "vouch/error.h"

/* The value, or NULL if the variable is unset or empty. Borrowed from the environment. */
const char *vch_environment_get(const char *name);

/* This host's name as the resolver completes it (else as the kernel knows it). */
VOUCH_MUST_CHECK vouch_code vch_environment_host_name(char *out, size_t size, vouch_error *err);

#endif
