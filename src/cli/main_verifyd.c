#include "cli/verifyd_commands.h"

int main(int argc, char *argv[])
{
    static const vch_command commands[] = {
        { "init", "make keys, an API key and a configuration in a directory",
          vch_cmd_verifyd_init },
        { "rotate", "make the next token key, and keep the one before as long as it is needed",
          vch_cmd_verifyd_rotate },
        { "", "serve: --config FILE", vch_cmd_verifyd_serve },
    };
    static const vch_program program = {
        .name = "vouch-verifyd",
        .summary = "A verification service that speaks Intel Trust Authority's protocol.",
        .commands = commands,
        .command_count = sizeof commands / sizeof *commands,
    };
    return vch_program_main(&program, argc, argv);
}
