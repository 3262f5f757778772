/*
 * Inside identity: the tables of plan/attestation.yaml and the structs that they fill. Reading only
 * says what stands in the file; attestation_file.c judges how the parts fit together.
 */
#ifndef VCH_IDENTITY_ATTESTATION_SCHEMA_H
#define VCH_IDENTITY_ATTESTATION_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "config/faults.h"
#include "config/schema.h"
#include "config/yaml.h"

typedef struct vch_raw_enable {
    bool aggregator;
    bool collaborator;
} vch_raw_enable;

typedef struct vch_raw_member {
    const char *name;
    int role; /* index in "aggregator|collaborator" */
    uint8_t enrolment[32];
    const vch_yaml_node *platform;
    bool attested;
} vch_raw_member;

typedef struct vch_raw_measurements {
    const vch_yaml_node *aggregator;
    const vch_yaml_node *collaborator;
} vch_raw_measurements;

typedef struct vch_raw_issuer {
    const char *base_url;
    uint8_t root[32];
} vch_raw_issuer;

typedef struct vch_raw_federation {
    uint8_t id[16];
    int64_t from_unix_s;
    const vch_yaml_node *enable;
    uint8_t initial_model[32];
    const vch_yaml_node *participants;
    const vch_yaml_node *measurements;
    const vch_yaml_node *tcb;
    const vch_yaml_node *token; /* `off` is YAML 1.1's false */
    const vch_yaml_node *token_issuers;
    int channel; /* index in "key|quote" */
    const vch_yaml_node *roots;
    const vch_yaml_node *model_export;
    int64_t certificate_life_h;
    int64_t reattest_min;
    uint8_t replaces[32]; /* zeroes: not given */
    uint8_t successor[32];
} vch_raw_federation;

typedef struct vch_raw_local {
    const char *attestation_dir;
    const vch_yaml_node *collateral;
    const vch_yaml_node *verifier;
    const vch_yaml_node *enrolment;
    int64_t clock_skew_s;
    const vch_yaml_node *stricter;
    const char *state;
} vch_raw_local;

typedef struct vch_raw_succession {
    const char *key;
    const char *signature;
} vch_raw_succession;

typedef struct vch_raw_verifier {
    const char *url;
    const char *ca;
    const char *api_key_file;
    int64_t version;
    int alg;
    const vch_yaml_node *policy_ids;
    bool policy_must_match;
} vch_raw_verifier;

typedef struct vch_raw_enrolment {
    const char *cert;
    const char *key;
} vch_raw_enrolment;

typedef struct vch_raw_stricter {
    const vch_yaml_node *tcb;
    const vch_yaml_node *platform;
    const vch_yaml_node *roots;
} vch_raw_stricter;

typedef struct vch_raw_file {
    int64_t version;
    const vch_yaml_node *federation;
    const vch_yaml_node *succession;
    const vch_yaml_node *local;
} vch_raw_file;

/* Each reads one mapping by its table; false: faults were added. */
bool vch_raw_file_read(const vch_yaml_node *n, vch_raw_file *out, vch_faults *f);
bool vch_raw_federation_read(const vch_yaml_node *n, vch_raw_federation *out, vch_faults *f);
bool vch_raw_enable_read(const vch_yaml_node *n, vch_raw_enable *out, vch_faults *f);
bool vch_raw_member_read(const vch_yaml_node *n, vch_raw_member *out, vch_faults *f);
bool vch_raw_measurements_read(const vch_yaml_node *n, vch_raw_measurements *out, vch_faults *f);
bool vch_raw_issuer_read(const vch_yaml_node *n, vch_raw_issuer *out, vch_faults *f);
bool vch_raw_local_read(const vch_yaml_node *n, vch_raw_local *out, vch_faults *f);
bool vch_raw_verifier_read(const vch_yaml_node *n, vch_raw_verifier *out, vch_faults *f);
bool vch_raw_enrolment_read(const vch_yaml_node *n, vch_raw_enrolment *out, vch_faults *f);
bool vch_raw_succession_read(const vch_yaml_node *n, vch_raw_succession *out, vch_faults *f);
bool vch_raw_stricter_read(const vch_yaml_node *n, vch_raw_stricter *out, vch_faults *f);

#endif
