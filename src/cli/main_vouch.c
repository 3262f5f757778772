#include "cli/commands.h"

/* fx's verbs that make no sense here, or serve another protocol. */
#define ENCLAVE                                                                                    \
    "an enclave's image is the program's, measured once for all sites, and mounts the workspace. " \
    "In a checkout of Vouch, for -s KEY, -t TAG (--rebuild: with --no-cache; --save: the last):\n" \
    "  docker build -f deploy/docker/Dockerfile --target sgx -t TAG "                              \
    "--secret id=signing-key,src=KEY .\n"                                                          \
    "  docker run --rm --entrypoint vouch TAG measure --sgx /opt/vouch/aggregator.sig\n"           \
    "  docker run --rm --entrypoint vouch TAG measure --sgx /opt/vouch/collaborator.sig\n"         \
    "  docker save -o TAG.tar TAG\n"                                                               \
    "-e SIZE is sgx.enclave_size in deploy/gramine/vouch.manifest.template. How it is started: "   \
    "docs/real-hardware.md"
#define INTERACTIVE                                                                                \
    "the interactive API is another protocol, gone from OpenFL 1.7 on; a plan's federation is "    \
    "`aggregator start` and `collaborator start`"
#define STEP_CA                                                                                    \
    "it drives a step-ca server; certificates are made by `workspace certify`, then "              \
    "`generate-cert-request` and `certify` of aggregator and collaborator"
#define WORKFLOW "the Workflow API is another protocol; plans of the TaskRunner API need no switch"

static const vch_command commands[] = {
    { "aggregator certify", "sign the aggregator's certificate request",
      vch_cmd_aggregator_certify },
    { "aggregator generate-cert-request", "make the aggregator's key and certificate request",
      vch_cmd_aggregator_request },
    { "aggregator start", "serve a federation: admit collaborators, run its rounds",
      vch_cmd_aggregator_start },
    { "attest", "attest this program once and write its passport", vch_cmd_attest },
    { "cert show", "show a certificate and its evidence, unverified", vch_cmd_cert_show },
    { "cert verify", "verify an RA-TLS certificate by a policy", vch_cmd_cert_verify },
    { "collateral fetch", "fetch a platform's collateral into a directory",
      vch_cmd_collateral_fetch },
    { "collaborator calchash", "hash a data set as OpenFL does", vch_cmd_collaborator_calchash },
    { "collaborator certify", "sign a collaborator's request, or install its certificate",
      vch_cmd_collaborator_certify },
    { "collaborator create", "note where a collaborator's data lies", vch_cmd_collaborator_create },
    { "collaborator generate-cert-request", "make a collaborator's key and certificate request",
      vch_cmd_collaborator_request },
    { "collaborator ping", "reach the aggregator, and start nothing", vch_cmd_collaborator_ping },
    { "collaborator start", "train on this site's data until the federation is over",
      vch_cmd_collaborator_start },
    { "demo", "play a whole attested federation on this machine", vch_cmd_demo },
    { .name = "director create-workspace", .instead = INTERACTIVE },
    { .name = "director start", .instead = INTERACTIVE },
    { "doctor", "say what this host has and lacks for attestation", vch_cmd_doctor },
    { .name = "envoy create-workspace", .instead = INTERACTIVE },
    { .name = "envoy start", .instead = INTERACTIVE },
    { .name = "experimental activate", .instead = WORKFLOW },
    { .name = "experimental deactivate", .instead = WORKFLOW },
    { "model save", "write a model as numpy reads it", vch_cmd_model_save },
    { "passport show", "show what a passport says, unverified", vch_cmd_passport_show },
    { "passport verify", "verify a passport offline and explain each check",
      vch_cmd_passport_verify },
    { .name = "pki certify", .instead = STEP_CA },
    { .name = "pki get-token", .instead = STEP_CA },
    { .name = "pki install", .instead = STEP_CA },
    { .name = "pki run", .instead = STEP_CA },
    { .name = "pki uninstall", .instead = STEP_CA },
    { "plan freeze", "write the merged plan beside the plan, read-only", vch_cmd_plan_freeze },
    { "plan hash", "print a plan's hash, and what follows from it", vch_cmd_plan_hash },
    { "plan initialize", "make the initial model of a plan", vch_cmd_plan_initialize },
    { "plan print", "print a plan as it is hashed", vch_cmd_plan_print },
    { "plan remove", "remove a saved plan", vch_cmd_plan_remove },
    { "plan save", "keep the plan under a name, and go on with that", vch_cmd_plan_save },
    { "plan show", "say which of the saved plans is in use", vch_cmd_plan_show },
    { "plan switch", "go on with a saved plan", vch_cmd_plan_switch },
    { "policy check", "check a policy: what is wrong, and what is weak", vch_cmd_policy_check },
    { "policy explain", "say what each rule makes of a quote or passport", vch_cmd_policy_explain },
    { "policy import", "make a policy out of another product's settings", vch_cmd_policy_import },
    { "policy load", "hand the next attestation.yaml to running participants",
      vch_cmd_policy_load },
    { "policy sign", "sign an attestation.yaml as the successor of another", vch_cmd_policy_sign },
    { "measure", "reference values of a signed enclave or of a TD's boot", vch_cmd_measure },
    { "quote show", "show what a quote says", vch_cmd_quote_show },
    { "quote verify", "verify a quote against collateral and policy", vch_cmd_quote_verify },
    { "token verify", "verify an attestation token", vch_cmd_token_verify },
    { .name = "tutorial start",
      .instead = "it opens notebooks of the interactive API; `demo` plays a federation" },
    { "version", "print the version and what the program was built with", vch_cmd_version },
    { "workspace certify", "make the federation's certificate authority",
      vch_cmd_workspace_certify },
    { "workspace create", "make a directory to work in", vch_cmd_workspace_create },
    { "workspace dockerize", "put this workspace into a container image",
      vch_cmd_workspace_dockerize },
    { "workspace export", "pack this workspace for the others", vch_cmd_workspace_export },
    { .name = "workspace graminize", .instead = ENCLAVE },
    { "workspace import", "unpack a workspace", vch_cmd_workspace_import },
};

static const vch_program program = {
    .name = "vouch",
    .link = "fx", /* OpenFL's, whose verbs these are */
    .summary = "Attested federated learning: prove what runs, then train together.",
    .commands = commands,
    .command_count = sizeof commands / sizeof *commands,
};

int main(int argc, char *argv[])
{
    return vch_program_main(&program, argc, argv);
}
