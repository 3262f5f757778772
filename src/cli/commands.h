/* The commands of `vouch`, one file each. */
#ifndef VCH_CLI_COMMANDS_H
#define VCH_CLI_COMMANDS_H

#include "prompt/command.h"

int vch_cmd_demo(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_quote_show(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_quote_verify(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_aggregator_start(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_collaborator_start(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_attest(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_passport_show(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_passport_verify(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_token_verify(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_version(vch_runtime *rt, int argc, char *argv[]);

#endif
