#include "cli/commands.h"

int main(int argc, char *argv[])
{
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
        { "collaborator certify", "sign a collaborator's request, or install its certificate",
          vch_cmd_collaborator_certify },
        { "collaborator create", "note where a collaborator's data lies",
          vch_cmd_collaborator_create },
        { "collaborator generate-cert-request", "make a collaborator's key and certificate request",
          vch_cmd_collaborator_request },
        { "collaborator start", "train on this site's data until the federation is over",
          vch_cmd_collaborator_start },
        { "demo", "play a whole attested federation on this machine", vch_cmd_demo },
        { "passport show", "show what a passport says, unverified", vch_cmd_passport_show },
        { "passport verify", "verify a passport offline and explain each check",
          vch_cmd_passport_verify },
        { "plan freeze", "write the merged plan beside the plan, read-only", vch_cmd_plan_freeze },
        { "plan hash", "print a plan's hash, and what follows from it", vch_cmd_plan_hash },
        { "plan initialize", "make the initial model of a plan", vch_cmd_plan_initialize },
        { "plan print", "print a plan as it is hashed", vch_cmd_plan_print },
        { "policy check", "check a policy: what is wrong, and what is weak", vch_cmd_policy_check },
        { "policy explain", "say what each rule makes of a quote or passport",
          vch_cmd_policy_explain },
        { "policy import", "make a policy out of another product's settings",
          vch_cmd_policy_import },
        { "measure", "reference values of a signed enclave or of a TD's boot", vch_cmd_measure },
        { "quote show", "show what a quote says", vch_cmd_quote_show },
        { "quote verify", "verify a quote against collateral and policy", vch_cmd_quote_verify },
        { "token verify", "verify an attestation token", vch_cmd_token_verify },
        { "version", "print the version and what the program was built with", vch_cmd_version },
        { "workspace certify", "make the federation's certificate authority",
          vch_cmd_workspace_certify },
        { "workspace create", "make a directory to work in", vch_cmd_workspace_create },
        { "workspace export", "pack this workspace for the others", vch_cmd_workspace_export },
        { "workspace import", "unpack a workspace", vch_cmd_workspace_import },
    };
    static const vch_program program = {
        .name = "vouch",
        .summary = "Attested federated learning: prove what runs, then train together.",
        .commands = commands,
        .command_count = sizeof commands / sizeof *commands,
    };
    return vch_program_main(&program, argc, argv);
}
