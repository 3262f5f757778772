/*
 * plan/attestation.yaml: what the federation agreed on (`federation:`, its digest is the claim
 * vouch-policy) and this host's own settings (`local:`). Strict: all faults of a file are found
 * in one run, each with file:line:column. Immutable after build, share freely.
 * Spec: docs/protocol.md section 2.
 */
#ifndef VCH_IDENTITY_ATTESTATION_FILE_H
#define VCH_IDENTITY_ATTESTATION_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scope.h"
#include "config/faults.h"
#include "identity/collateral_settings.h"
#include "vouch/error.h"
#include "vouch/policy.h"
#include "vouch/span.h"

#define VCH_ATTESTATION_FILE_MAX_SIZE ((size_t)1 << 20)
#define VCH_PARTICIPANT_NAME_SIZE 128 /* with its NUL */
#define VCH_PPID_SIZE 16

typedef enum vch_role { VCH_ROLE_AGGREGATOR = 1, VCH_ROLE_COLLABORATOR = 2 } vch_role;

/* "aggregator" or "collaborator". */
const char *vch_role_name(vch_role role);
vouch_code vch_role_parse(const char *text, vch_role *out, vouch_error *err);

/* One line of `participants`: who may take part, as what, and what he owes. */
typedef struct vch_member {
    const char *name;
    vch_role role;
    bool attested;         /* owes evidence: its role is enabled and it has no `attested: false` */
    uint8_t enrolment[32]; /* SHA-256 of the SPKI of the site's PKI key */
    const uint8_t (*platforms)[VCH_PPID_SIZE]; /* pinned PPIDs; none: any platform */
    size_t platform_count;
} vch_member;

typedef struct vch_token_issuer {
    const char *base_url;
    uint8_t root[32]; /* SHA-256 of the root certificate's DER */
} vch_token_issuer;

typedef enum vch_channel_mode { VCH_CHANNEL_KEY = 1, VCH_CHANNEL_QUOTE = 2 } vch_channel_mode;

typedef struct vch_federation {
    uint8_t id[16];
    int64_t from_unix_s;
    bool aggregator_attested;   /* enable.aggregator */
    bool collaborator_attested; /* enable.collaborator */
    uint8_t initial_model[32];
    const vch_member *members;
    size_t member_count;
    bool token_required;
    const vch_token_issuer *issuers;
    size_t issuer_count;
    vch_channel_mode channel;
    bool model_export;          /* models may leave in clear */
    bool intel_root;            /* `roots` names intel */
    const uint8_t (*roots)[32]; /* SHA-256 of further root certificates */
    size_t root_count;
    uint32_t certificate_life_s;
    uint32_t reattest_s;
    bool has_replaces, has_successor;
    uint8_t replaces[32];  /* digest of the policy that this one follows */
    uint8_t successor[32]; /* SHA-256 of the SPKI of the key that may sign the next */
    uint8_t digest[32];    /* SHA-256 of the canonical dump of `federation:` */
} vch_federation;

/* Why this file may follow the one that it replaces (identity/succession.h). Empty: nothing says so. */
typedef struct vch_succession {
    vouch_span key; /* SubjectPublicKeyInfo, DER */
    vouch_span signature;
} vch_succession;

#define VCH_LOCAL_POLICY_IDS_MAX 10 /* as many as Intel's service takes */

/* This host's own settings; NULL where the file has none. */
typedef struct vch_local {
    const char *attestation_dir;
    vch_collateral_settings collateral;
    const char *verifier_url;
    const char *verifier_ca;
    const char *api_key_file; /* the key itself is in the environment ITA_API_KEY, or here */
    unsigned verifier_version;
    bool verifier_rs256;
    const char *policy_ids[VCH_LOCAL_POLICY_IDS_MAX];
    size_t policy_id_count;
    bool policy_must_match;
    const char *enrolment_cert;
    const char *enrolment_key;
    const char *state; /* directory for the sealed identity */
    uint32_t clock_skew_s;
} vch_local;

typedef struct vch_attestation_file vch_attestation_file;

/* Values from the environment that win over `local:`; NULL members change nothing. Borrowed. */
typedef struct vch_local_overrides {
    const char *attestation_dir; /* VOUCH_ATTESTATION_DIR */
    const char *verifier_url;    /* AVS_URL */
    const char *api_key_file;    /* of a credential directory; used where the file names none */
} vch_local_overrides;

/*
 * text        The file's bytes. Borrowed.
 * name        What the places in messages are called, usually the path.
 * overrides   May be NULL. Its texts are copied.
 * faults      Every fault and warning goes here; NULL: the first fault goes to `err` alone.
 * out         Given; free with vch_attestation_file_free().
 *
 * Fails with VOUCH_E_CONFIG (the first fault with its place, and how many more), _LIMIT, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_attestation_file_parse(vouch_span text, const char *name,
                                                       const vch_local_overrides *overrides,
                                                       vch_faults *faults,
                                                       vch_attestation_file **out,
                                                       vouch_error *err);

/* The same from a path; VOUCH_E_CONFIG if it cannot be read. */
VOUCH_MUST_CHECK vouch_code vch_attestation_file_load(const char *path,
                                                      const vch_local_overrides *overrides,
                                                      vch_faults *faults,
                                                      vch_attestation_file **out, vouch_error *err);
void vch_attestation_file_free(vch_attestation_file *f);
VCH_DEFINE_DROP(vch_attestation_file_drop, vch_attestation_file, vch_attestation_file_free)

/* The parts. Borrowed; they live as long as the file. */
const vch_federation *vch_attestation_file_federation(const vch_attestation_file *f);
const vch_local *vch_attestation_file_local(const vch_attestation_file *f);
const vch_succession *vch_attestation_file_succession(const vch_attestation_file *f);

/*
 * What is accepted as evidence of one role: measurements, tcb, roots, met with `local.stricter`.
 * NULL if the role is not attested. Borrowed.
 */
const vouch_policy *vch_attestation_file_policy(const vch_attestation_file *f, vch_role role);

/* The member of that name, or NULL. Borrowed. */
const vch_member *vch_federation_member(const vch_federation *f, const char *name);

#endif
