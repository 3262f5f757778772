/*
 * Trust for stock OpenFL peers: put the root that a verified passport of the
 * aggregator vouches for in the place of the PKI's chain. docs/protocol.md section 3.4.
 */
#ifndef VCH_CLI_IMPORT_ROOT_H
#define VCH_CLI_IMPORT_ROOT_H

#include <stdbool.h>

#include "prompt/command.h"

typedef struct vch_import_root_options {
    const char *passport;
    const char *attestation; /* whom the passport must be of, and what is accepted */
    const char *plan;        /* the plan that it must be for */
    const char *release;     /* whose defaults the plan has */
    const char *chain;       /* the file that stock peers trust: cert/cert_chain.crt */
    bool json;
} vch_import_root_options;

/* Verify first, then install; the exit status. Nothing is changed unless every check passes. */
int vch_import_root(const vch_runtime *rt, const char *command, const vch_import_root_options *o);

#endif
