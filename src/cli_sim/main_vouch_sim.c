#include "cli_sim/commands.h"

int main(int argc, char *argv[])
{
    static const vch_command commands[] = {
        { "platform create", "make a simulated platform", vch_cmd_platform_create },
        { "run", "run a program on a simulated platform", vch_cmd_run },
        { "measure", "print the measurement that run will give", vch_cmd_measure },
        { "quote", "print a simulated quote", vch_cmd_quote },
        { "relay", "a network in the attacker's hands", vch_cmd_relay },
        { "impostor", "offer a genuine certificate over another key", vch_cmd_impostor },
    };
    static const vch_program program = {
        .name = "vouch-sim",
        .summary = "Desks and CI without TEE hardware: quotes in the genuine format, under a root "
                   "that is not Intel's.\nWhatever it makes is called simulated by every verdict.",
        .commands = commands,
        .command_count = sizeof commands / sizeof *commands,
    };
    return vch_program_main(&program, argc, argv);
}
