/* The commands of `vouch`, one file each. */
#ifndef VCH_CLI_COMMANDS_H
#define VCH_CLI_COMMANDS_H

#include "prompt/command.h"

int vch_cmd_demo(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_doctor(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_measure(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_quote_show(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_quote_verify(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_aggregator_start(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_collateral_fetch(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_collaborator_start(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_attest(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_cert_show(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_cert_verify(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_passport_show(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_passport_verify(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_token_verify(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_policy_check(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_policy_explain(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_policy_import(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_policy_load(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_policy_sign(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_plan_initialize(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_plan_print(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_plan_hash(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_plan_freeze(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_plan_save(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_plan_switch(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_plan_remove(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_plan_show(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_workspace_create(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_workspace_certify(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_workspace_dockerize(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_workspace_export(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_workspace_import(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_aggregator_request(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_aggregator_certify(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_collaborator_calchash(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_collaborator_ping(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_model_save(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_collaborator_create(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_collaborator_request(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_collaborator_certify(vch_runtime *rt, int argc, char *argv[]);
int vch_cmd_version(vch_runtime *rt, int argc, char *argv[]);

#endif
