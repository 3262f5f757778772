
#include "cli/commands.h"
#include "prompt/version.h"

typedef struct values {
    vch_common_options common;
} values;

int vch_cmd_version(vch_runtime *rt, int argc, char *argv[])
{
    static const vch_option options[] = { VCH_COMMON_OPTIONS(values) };
    static const vch_usage usage = { .command = "vouch version",
                                     .operands = "",
                                     .summary = "Print the version.",
                                     .options = options,
                                     .option_count = sizeof options / sizeof *options };
    values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    (void)fprintf(rt->out, v.common.json ? "{\"version\":\"%s\"}\n" : "vouch %s\n", VCH_VERSION);
    return VCH_EXIT_DONE;
}
