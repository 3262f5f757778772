/*
 * What `aggregator start` and `collaborator start` have in common: plan, attestation.yaml, this
 * process's identity, and the gate with its TLS settings. One thread.
 */
#ifndef VCH_CLI_SITE_H
#define VCH_CLI_SITE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/scope.h"
#include "fed/plan/plan.h"
#include "host/file.h"
#include "identity/attestation_file.h"
#include "identity/participant.h"
#include "identity/peer.h"
#include "identity/roster.h"
#include "net/tls.h"
#include "prompt/command.h"
#include "store/seal.h"
#include "store/state_rules.h"

#define VCH_SITE_STATE "state"                       /* directory of what must survive a crash */
#define VCH_SITE_ATTESTATION "plan/attestation.yaml" /* read if it is there and none is named */

/* The words by which a command finds plan and rules; embed as `site` in the values struct. */
typedef struct vch_site_words {
    const char *plan;
    const char *attestation;
    const char *release;
    const char *federation_uuid; /* VCH_SITE_UUID_OPTION */
} vch_site_words;

#define VCH_SITE_OPTIONS(values_type)                                                              \
    { .name = "plan",                                                                              \
      .letter = 'p',                                                                               \
      .kind = VCH_OPTION_TEXT,                                                                     \
      .offset = offsetof(values_type, site.plan),                                                  \
      .argument = "FILE",                                                                          \
      .help = "federation plan",                                                                   \
      .fallback = "plan/plan.yaml" },                                                              \
        { .name = "attestation",                                                                   \
          .kind = VCH_OPTION_TEXT,                                                                 \
          .offset = offsetof(values_type, site.attestation),                                       \
          .argument = "FILE",                                                                      \
          .help = "who is attested and how; " VCH_SITE_ATTESTATION " if it is there" },            \
    {                                                                                              \
        .name = "openfl-release", .kind = VCH_OPTION_TEXT,                                         \
        .offset = offsetof(values_type, site.release), .argument = "RELEASE",                      \
        .help = "whose defaults, setting names and arithmetic", .fallback = VCH_RELEASE_DEFAULT    \
    }

#define VCH_SITE_UUID_OPTION(values_type)                                                          \
    {                                                                                              \
        .name = "federation-uuid", .kind = VCH_OPTION_TEXT,                                        \
        .offset = offsetof(values_type, site.federation_uuid), .argument = "ID",                   \
        .help = "in place of the one computed from the plan"                                       \
    }

typedef struct vch_site_options {
    const vch_runtime *rt; /* kept */
    vch_role role;
    const char *name;             /* a collaborator's; NULL: the aggregator */
    const char *plan_path;        /* plan.yaml */
    const char *cols_path;        /* NULL: nobody is authorised here (a collaborator) */
    const char *attestation_path; /* NULL: VCH_SITE_ATTESTATION if it exists */
    const char *federation_uuid;  /* NULL: computed */
    const char *openfl_release;   /* NULL: the default */
    const char *task_group;       /* in place of the plan's; NULL: the plan's */
    bool secure;                  /* fx's --secure: fail unless this role is attested */
    const char *documents;        /* directory for passport and root; NULL: the environment's */
    void (*on_verdict)(void *observer, const vch_admission *verdict); /* as vch_gate_options */
    void *observer;
} vch_site_options;

/* OpenFL's places of the site's own certificate and key, and of the federation's PKI. */
typedef struct vch_site_pki {
    char cert[VCH_PATH_SIZE], key[VCH_PATH_SIZE], chain[VCH_PATH_SIZE];
} vch_site_pki;

typedef struct vch_site {
    vch_plan *plan;
    const vch_plan_view *view;
    vch_attestation_file *attestation; /* NULL: OpenFL's PKI alone */
    bool attested;                     /* we show evidence */
    char name[VCH_PARTICIPANT_NAME_SIZE];
    vch_participant *participant;
    vch_seal_root *own_root; /* of a TEE without a sealing key; or NULL */
    vch_roster *roster;
    vch_gate *gate;
    vch_tls_settings *tls;
} vch_site;

/* Read plan and attestation.yaml, check that they agree; nothing is made yet. All faults of the
 * plan are printed on rt->err. */
VOUCH_MUST_CHECK vouch_code vch_site_read(const vch_site_options *options, vch_site *out,
                                          vouch_error *err);

/*
 * Become a participant: identity, passport under ATTESTATION_REPORT_PATH, federation CA under
 * ROOT_CERT_PATH, gate, TLS. Names everything that is missing (VOUCH_E_CONFIG). Logs
 * `participant.ready`; from then on the gate logs every verdict.
 */
VOUCH_MUST_CHECK vouch_code vch_site_enter(const vch_site_options *options, vch_site *site,
                                           vouch_error *err);

/* For a policy change. attestation.yaml with this host's overrides; `faults` may be NULL. */
VOUCH_MUST_CHECK vouch_code vch_site_attestation_load(const vch_site_options *options,
                                                      const char *path, vch_faults *faults,
                                                      vch_attestation_file **out, vouch_error *err);
/* What a participant of this site is made of under `file`; `pki` backs it. */
VOUCH_MUST_CHECK vouch_code vch_site_participant_options(
    const vch_site_options *options, const vch_site *site, const vch_attestation_file *file,
    vch_site_pki *pki, vch_participant_options *out, vouch_error *err);
/* Passport and root of the moment, where the environment wants them. */
VOUCH_MUST_CHECK vouch_code vch_site_write_documents(const vch_site_options *options,
                                                     const vch_site *site, vouch_error *err);

/*
 * What seals this participant's state; after vch_site_enter, and again after a change of policy. *out NULL: it is not attested, and its
 * state is in clear. *out_fleeting: the TEE has no sealing key, so a key of this process's own seals
 * it, and what a process before wrote is void. *out belongs to the site.
 */
VOUCH_MUST_CHECK vouch_code vch_site_seal(vch_site *site, const vch_seal_root **out,
                                          bool *out_fleeting, vouch_error *err);

/*
 * The rules that the present ones follow, newest first, whose state may be taken over; returns how
 * many. Attested: what the sealed identity says; else what attestation.yaml says that it replaces.
 */
size_t vch_site_rules_before(const vch_site *site,
                             vch_state_rules out[static VCH_STATE_BEFORE_MAX]);

/* SHA-256 of the federation's rules, or NULL without attestation.yaml. */
const uint8_t *vch_site_policy_digest(const vch_site *site);

void vch_site_drop(vch_site *site); /* after every connection that uses it; safe twice */

#endif
