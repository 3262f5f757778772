/* The commands of vouch-sim (CLI.md, "Without TEE hardware"), one file each. */
#ifndef VCH_CLI_SIM_COMMANDS_H
#define VCH_CLI_SIM_COMMANDS_H

#include "prompt/command.h"
#include "vouch/evidence.h"

int vch_cmd_platform_create(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_run(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_measure(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_relay(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_impostor(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_quote(vch_runtime *rt, int argc, char *argv[]);

/*
 * Does `tee` ("sgx", "tdx" or NULL: whatever the platform is) name the platform's TEE? Fails with
 * VOUCH_E_CONFIG if not.
 */
VOUCH_MUST_CHECK vouch_code vch_cmd_check_tee(const char *tee, vouch_tee platform,
                                              vouch_error *err);

#endif
