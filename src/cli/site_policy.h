/*
 * The next attestation.yaml of a running participant: found beside the one in force
 * (`attestation.next.yaml`, where `vouch policy load` puts it), judged, its certificate prepared ahead
 * in a thread of its own, and switched to at its `from`. The file is the host's, so nothing in it is
 * believed but what identity/succession.h proves; an answer for the operator is written beside it.
 * One thread (the loop's). Spec: docs/protocol.md section 6, "Policy change".
 */
#ifndef VCH_CLI_SITE_POLICY_H
#define VCH_CLI_SITE_POLICY_H

#include <stdbool.h>

#include "cli/quarantine.h" /* VCH_POLICY_CHANGE_S */
#include "cli/site.h"

typedef struct vch_site_policy vch_site_policy;

/* `options` and `site` are kept; the site has been entered. */
VOUCH_MUST_CHECK vouch_code vch_site_policy_new(const vch_site_options *options, vch_site *site,
                                                vch_site_policy **out, vouch_error *err);
/* After every connection, with the gate's users; before the site. */
void vch_site_policy_free(vch_site_policy *p);

/* Every few seconds: look for a file, finish loading, switch. True: the site has just switched. */
bool vch_site_policy_turn(vch_site_policy *p);

/* Now (SIGHUP): look at the files again, also at the collateral's, and renew certificate and token. */
void vch_site_policy_hurry(vch_site_policy *p);

/* Is this moment within ten minutes of a change that we know of? */
bool vch_site_policy_is_changing(const vch_site_policy *p);

/* When the site switched last; 0: it did not. */
int64_t vch_site_policy_switched_unix_s(const vch_site_policy *p);

/* `plan/attestation.yaml` gives `plan/attestation.next.yaml`. */
VOUCH_MUST_CHECK vouch_code vch_site_policy_next_path(const char *path,
                                                      char out[static VCH_PATH_SIZE],
                                                      vouch_error *err);

#endif
