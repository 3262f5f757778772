#include "identity/attestation_schema.h"

#include "identity/attestation_file.h"

#include <stddef.h>

#define LENGTH(table) (sizeof(table) / sizeof *(table))

bool vch_raw_file_read(const vch_yaml_node *n, vch_raw_file *out, vch_faults *f)
{
    static const vch_setting table[] = {
        { .key = "version",
          .type = VCH_SETTING_INT,
          .offset = offsetof(vch_raw_file, version),
          .required = true,
          .min = 1,
          .max = 1,
          .help = "version of this file's form" },
        { .key = "federation",
          .type = VCH_SETTING_MAPPING,
          .offset = offsetof(vch_raw_file, federation),
          .required = true,
          .help = "shared by all; its digest is the claim vouch-policy" },
        { .key = "succession",
          .type = VCH_SETTING_MAPPING,
          .offset = offsetof(vch_raw_file, succession),
          .help = "proof that this file may follow the one it replaces" },
        { .key = "local",
          .type = VCH_SETTING_MAPPING,
          .offset = offsetof(vch_raw_file, local),
          .help = "this host's own settings" },
    };
    return vch_schema_read(n, "attestation file", table, LENGTH(table), out, f);
}

static const vch_setting federation_table[] = {
    { .key = "id",
      .type = VCH_SETTING_HEX,
      .offset = offsetof(vch_raw_federation, id),
      .required = true,
      .max = 16,
      .help = "random; one run, another run is another federation" },
    { .key = "from",
      .type = VCH_SETTING_MOMENT,
      .offset = offsetof(vch_raw_federation, from_unix_s),
      .required = true,
      .help = "holds from this moment" },
    { .key = "enable",
      .type = VCH_SETTING_MAPPING,
      .offset = offsetof(vch_raw_federation, enable),
      .required = true,
      .help = "which roles are attested" },
    { .key = "initial_model",
      .type = VCH_SETTING_HEX,
      .offset = offsetof(vch_raw_federation, initial_model),
      .required = true,
      .max = 32,
      .help = "SHA-256 of save/init.pbuf" },
    { .key = "participants",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(vch_raw_federation, participants),
      .required = true,
      .min = 2,
      .max = 10000,
      .help = "nobody else is admitted" },
    { .key = "measurements",
      .type = VCH_SETTING_MAPPING,
      .offset = offsetof(vch_raw_federation, measurements),
      .help = "what an attested role may run" },
    { .key = "tcb",
      .type = VCH_SETTING_MAPPING,
      .offset = offsetof(vch_raw_federation, tcb),
      .help = "which platform states are accepted" },
    { .key = "token",
      .type = VCH_SETTING_ANY,
      .offset = offsetof(vch_raw_federation, token),
      .required = true,
      .help = "required or off" },
    { .key = "token_issuers",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(vch_raw_federation, token_issuers),
      .max = 16,
      .help = "verifiers whose tokens count" },
    { .key = "channel",
      .type = VCH_SETTING_CHOICE,
      .offset = offsetof(vch_raw_federation, channel),
      .choices = "key|quote",
      .fallback = "key",
      .help = "what binds evidence to a connection" },
    { .key = "roots",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(vch_raw_federation, roots),
      .min = 1,
      .max = 16,
      .help = "intel, or SHA-256 of a root certificate" },
    { .key = "model_export",
      .type = VCH_SETTING_ANY,
      .offset = offsetof(vch_raw_federation, model_export),
      .help = "clear or none: may models leave the enclave" },
    { .key = "certificate_life_h",
      .type = VCH_SETTING_INT,
      .offset = offsetof(vch_raw_federation, certificate_life_h),
      .min = 1,
      .max = 168,
      .fallback = "24",
      .help = "life of an attested certificate" },
    { .key = "reattest_min",
      .type = VCH_SETTING_INT,
      .offset = offsetof(vch_raw_federation, reattest_min),
      .min = 1,
      .max = 10080,
      .fallback = "60",
      .help = "a connection is appraised anew after so long" },
    { .key = "replaces",
      .type = VCH_SETTING_HEX,
      .offset = offsetof(vch_raw_federation, replaces),
      .max = 32,
      .help = "digest of the policy that this one follows" },
    { .key = "successor",
      .type = VCH_SETTING_HEX,
      .offset = offsetof(vch_raw_federation, successor),
      .max = 32,
      .help = "SHA-256 of the SPKI of the key that may sign the next policy" },
};

bool vch_raw_federation_read(const vch_yaml_node *n, vch_raw_federation *out, vch_faults *f)
{
    return vch_schema_read(n, "federation", federation_table, LENGTH(federation_table), out, f);
}

bool vch_raw_enable_read(const vch_yaml_node *n, vch_raw_enable *out, vch_faults *f)
{
    static const vch_setting table[] = {
        { .key = "aggregator",
          .type = VCH_SETTING_BOOL,
          .offset = offsetof(vch_raw_enable, aggregator),
          .required = true,
          .help = "the aggregator is attested" },
        { .key = "collaborator",
          .type = VCH_SETTING_BOOL,
          .offset = offsetof(vch_raw_enable, collaborator),
          .required = true,
          .help = "collaborators are attested" },
    };
    return vch_schema_read(n, "enable", table, LENGTH(table), out, f);
}

bool vch_raw_member_read(const vch_yaml_node *n, vch_raw_member *out, vch_faults *f)
{
    static const vch_setting table[] = {
        { .key = "name",
          .type = VCH_SETTING_TEXT,
          .offset = offsetof(vch_raw_member, name),
          .required = true,
          .min = 1,
          .max = 64,
          .help = "its certificate's name" },
        { .key = "role",
          .type = VCH_SETTING_CHOICE,
          .offset = offsetof(vch_raw_member, role),
          .required = true,
          .choices = "aggregator|collaborator",
          .help = "its one role" },
        { .key = "enrolment",
          .type = VCH_SETTING_HEX,
          .offset = offsetof(vch_raw_member, enrolment),
          .required = true,
          .max = 32,
          .help = "SHA-256 of the SPKI of the site's PKI key" },
        { .key = "platform",
          .type = VCH_SETTING_LIST,
          .offset = offsetof(vch_raw_member, platform),
          .min = 1,
          .max = 64,
          .help = "PPIDs of the platforms that it may run on" },
        { .key = "attested",
          .type = VCH_SETTING_BOOL,
          .offset = offsetof(vch_raw_member, attested),
          .fallback = "true",
          .help = "false: not attested, and shown so everywhere" },
    };
    return vch_schema_read(n, "participant", table, LENGTH(table), out, f);
}

bool vch_raw_measurements_read(const vch_yaml_node *n, vch_raw_measurements *out, vch_faults *f)
{
    static const vch_setting table[] = {
        { .key = "aggregator",
          .type = VCH_SETTING_LIST,
          .offset = offsetof(vch_raw_measurements, aggregator),
          .min = 1,
          .max = 256,
          .help = "of the aggregator" },
        { .key = "collaborator",
          .type = VCH_SETTING_LIST,
          .offset = offsetof(vch_raw_measurements, collaborator),
          .min = 1,
          .max = 256,
          .help = "of collaborators" },
    };
    return vch_schema_read(n, "measurements", table, LENGTH(table), out, f);
}

bool vch_raw_issuer_read(const vch_yaml_node *n, vch_raw_issuer *out, vch_faults *f)
{
    static const vch_setting table[] = {
        { .key = "base_url",
          .type = VCH_SETTING_TEXT,
          .offset = offsetof(vch_raw_issuer, base_url),
          .required = true,
          .min = 9,
          .max = 400,
          .help = "where its keys are: <base_url>/certs" },
        { .key = "root",
          .type = VCH_SETTING_HEX,
          .offset = offsetof(vch_raw_issuer, root),
          .required = true,
          .max = 32,
          .help = "SHA-256 of its root certificate" },
    };
    return vch_schema_read(n, "token issuer", table, LENGTH(table), out, f);
}

bool vch_raw_local_read(const vch_yaml_node *n, vch_raw_local *out, vch_faults *f)
{
    static const vch_setting table[] = {
        { .key = "attestation_dir",
          .type = VCH_SETTING_TEXT,
          .offset = offsetof(vch_raw_local, attestation_dir),
          .min = 1,
          .max = 400,
          .fallback = "/dev/attestation",
          .help = "the device (environment VOUCH_ATTESTATION_DIR)" },
        { .key = "collateral",
          .type = VCH_SETTING_MAPPING,
          .offset = offsetof(vch_raw_local, collateral),
          .help = "where collateral comes from" },
        { .key = "verifier",
          .type = VCH_SETTING_MAPPING,
          .offset = offsetof(vch_raw_local, verifier),
          .help = "who issues this host's tokens" },
        { .key = "enrolment",
          .type = VCH_SETTING_MAPPING,
          .offset = offsetof(vch_raw_local, enrolment),
          .help = "the site's own PKI key" },
        { .key = "clock_skew_s",
          .type = VCH_SETTING_INT,
          .offset = offsetof(vch_raw_local, clock_skew_s),
          .min = 0,
          .max = 300,
          .fallback = "120",
          .help = "difference between clocks that is granted" },
        { .key = "stricter",
          .type = VCH_SETTING_MAPPING,
          .offset = offsetof(vch_raw_local, stricter),
          .help = "must hold as well" },
        { .key = "state",
          .type = VCH_SETTING_TEXT,
          .offset = offsetof(vch_raw_local, state),
          .min = 1,
          .max = 400,
          .fallback = "save/sealed",
          .help = "directory for the sealed identity" },
    };
    return vch_schema_read(n, "local", table, LENGTH(table), out, f);
}

bool vch_raw_verifier_read(const vch_yaml_node *n, vch_raw_verifier *out, vch_faults *f)
{
    static const vch_setting table[] = {
        { .key = "url",
          .type = VCH_SETTING_TEXT,
          .offset = offsetof(vch_raw_verifier, url),
          .min = 9,
          .max = 400,
          .help = "its API (environment AVS_URL)" },
        { .key = "ca",
          .type = VCH_SETTING_TEXT,
          .offset = offsetof(vch_raw_verifier, ca),
          .min = 1,
          .max = 400,
          .help = "PEM file with the roots of its TLS certificate" },
        { .key = "api_key_file",
          .type = VCH_SETTING_TEXT,
          .offset = offsetof(vch_raw_verifier, api_key_file),
          .min = 1,
          .max = 400,
          .help = "credential file with the API key (environment ITA_API_KEY holds the key)" },
        { .key = "version",
          .type = VCH_SETTING_INT,
          .offset = offsetof(vch_raw_verifier, version),
          .min = 1,
          .max = 2,
          .fallback = "1",
          .help = "of its API and tokens: 1 flat, 2 nested" },
        { .key = "token_signing_alg",
          .type = VCH_SETTING_CHOICE,
          .offset = offsetof(vch_raw_verifier, alg),
          .choices = "PS384|RS256",
          .fallback = "PS384",
          .help = "how tokens are signed" },
        { .key = "policy_ids",
          .type = VCH_SETTING_LIST,
          .offset = offsetof(vch_raw_verifier, policy_ids),
          .max = VCH_LOCAL_POLICY_IDS_MAX,
          .help = "UUIDs of policies that it is asked to judge by" },
        { .key = "policy_must_match",
          .type = VCH_SETTING_BOOL,
          .offset = offsetof(vch_raw_verifier, policy_must_match),
          .fallback = "false",
          .help = "no token unless each of them matches" },
    };
    return vch_schema_read(n, "verifier", table, LENGTH(table), out, f);
}

bool vch_raw_enrolment_read(const vch_yaml_node *n, vch_raw_enrolment *out, vch_faults *f)
{
    static const vch_setting table[] = {
        { .key = "cert",
          .type = VCH_SETTING_TEXT,
          .offset = offsetof(vch_raw_enrolment, cert),
          .required = true,
          .min = 1,
          .max = 400,
          .help = "the site's PKI certificate" },
        { .key = "key",
          .type = VCH_SETTING_TEXT,
          .offset = offsetof(vch_raw_enrolment, key),
          .required = true,
          .min = 1,
          .max = 400,
          .help = "its private key" },
    };
    return vch_schema_read(n, "enrolment", table, LENGTH(table), out, f);
}

bool vch_raw_succession_read(const vch_yaml_node *n, vch_raw_succession *out, vch_faults *f)
{
    static const vch_setting table[] = {
        { .key = "key",
          .type = VCH_SETTING_TEXT,
          .offset = offsetof(vch_raw_succession, key),
          .required = true,
          .max = 4096,
          .help = "the signer's public key, SubjectPublicKeyInfo in base64" },
        { .key = "signature",
          .type = VCH_SETTING_TEXT,
          .offset = offsetof(vch_raw_succession, signature),
          .required = true,
          .max = 2048,
          .help = "over both policies' digests, base64" },
    };
    return vch_schema_read(n, "succession", table, LENGTH(table), out, f);
}

bool vch_raw_stricter_read(const vch_yaml_node *n, vch_raw_stricter *out, vch_faults *f)
{
    static const vch_setting table[] = {
        { .key = "tcb",
          .type = VCH_SETTING_MAPPING,
          .offset = offsetof(vch_raw_stricter, tcb),
          .help = "as the federation's" },
        { .key = "platform",
          .type = VCH_SETTING_MAPPING,
          .offset = offsetof(vch_raw_stricter, platform),
          .help = "as in a policy file" },
        { .key = "roots",
          .type = VCH_SETTING_LIST,
          .offset = offsetof(vch_raw_stricter, roots),
          .min = 1,
          .max = 16,
          .help = "as the federation's" },
    };
    return vch_schema_read(n, "stricter", table, LENGTH(table), out, f);
}
