/* Inside result: the claims that policies rename, for token_build.c. Pure. */
#ifndef VCH_RESULT_TOKEN_EXPORTS_H
#define VCH_RESULT_TOKEN_EXPORTS_H

#include "codec/json_writer.h"
#include "result/token_build.h"

/* Into the open object policy_defined_claims. */
void vch_token_put_exports(vch_json_writer *w, const vch_token_statement *s);
void vch_token_put_advisories(vch_json_writer *w, const vouch_claims *c); /* an array */

#endif
