#include "cli/commands.h"

int main(int argc, char *argv[])
{
    static const vch_command commands[] = {
        { "aggregator start", "serve a federation: admit collaborators, run its rounds",
          vch_cmd_aggregator_start },
        { "attest", "attest this program once and write its passport", vch_cmd_attest },
        { "collaborator start", "train on this site's data until the federation is over",
          vch_cmd_collaborator_start },
        { "demo", "play a whole attested federation on this machine", vch_cmd_demo },
        { "passport show", "show what a passport says, unverified", vch_cmd_passport_show },
        { "passport verify", "verify a passport offline and explain each check",
          vch_cmd_passport_verify },
        { "quote show", "show what a quote says", vch_cmd_quote_show },
        { "quote verify", "verify a quote against collateral and policy", vch_cmd_quote_verify },
        { "token verify", "verify an attestation token", vch_cmd_token_verify },
        { "version", "print the version and what the program was built with", vch_cmd_version },
    };
    static const vch_program program = {
        .name = "vouch",
        .summary = "Attested federated learning: prove what runs, then train together.",
        .commands = commands,
        .command_count = sizeof commands / sizeof *commands,
    };
    return vch_program_main(&program, argc, argv);
}
