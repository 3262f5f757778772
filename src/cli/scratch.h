/* A directory to make something in that is then given its place by a rename; gone with its scope. */
#ifndef VCH_CLI_SCRATCH_H
#define VCH_CLI_SCRATCH_H

#include "host/file.h"

typedef struct vch_scratch {
    char dir[VCH_PATH_SIZE]; /* absolute; empty: none */
} vch_scratch;

/*
 * A new directory, of a name that begins with `prefix`, beside the file `output`, so that a rename is
 * enough. Fails with VOUCH_E_NOT_FOUND (there is no such directory), VOUCH_E_IO.
 */
VOUCH_MUST_CHECK vouch_code vch_scratch_make(const char *output, const char *prefix,
                                             vch_scratch *out, vouch_error *err);

/* Removes it with all in it. For VCH_SCOPED. */
void vch_scratch_drop(vch_scratch *s);

#endif
