/* The commands of `vouch-verifyd`, one file each. */
#ifndef VCH_CLI_VERIFYD_COMMANDS_H
#define VCH_CLI_VERIFYD_COMMANDS_H

#include "prompt/command.h"

int vch_cmd_verifyd_init(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_verifyd_rotate(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_verifyd_serve(vch_runtime *rt, int argc, char *argv[]);

#endif
