#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "cli_sim/commands.h"
#include "codec/hex.h"
#include "codec/json_writer.h"
#include "sim/measure.h"
#include "sim/quote_make.h"

#define COMMAND "vouch-sim measure"

typedef struct values {
    vch_common_options common;
    vch_texts measured;
} values;

static const vch_option options[] = {
    VCH_COMMON_OPTIONS(values),
    { .name = "measure",
      .kind = VCH_OPTION_TEXTS,
      .offset = offsetof(values, measured),
      .argument = "FILE",
      .help = "a file that is measured besides the executable; may be repeated" },
};

static const vch_usage usage = {
    .command = COMMAND,
    .operands = "-- COMMAND ...",
    .summary = "Print the measurement that `vouch-sim run` will give to this command.",
    .details = "Only the executable's bytes and the files named count, the other words of the "
               "command do not.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .operands_take_rest = true,
};

static vouch_code measure(const vch_runtime *rt, const char *program, const values *v,
                          vch_sim_measurement *out, vouch_error *err)
{
    int fd = -1;
    vouch_code rc = vch_sim_program_open(program, rt->environment(NULL, "PATH"), &fd, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = vch_sim_measure(fd, v->measured.item, v->measured.count, out, err);
    (void)close(fd);
    return rc;
}

static vouch_code print(FILE *out, const vch_sim_measurement *m, bool json, vouch_error *err)
{
    char mrenclave[2 * sizeof m->mrenclave + 1];
    char mrsigner[2 * sizeof vch_sim_mrsigner + 1];
    char mrtd[2 * sizeof m->mrtd + 1];
    (void)vch_hex_encode((vouch_span) { m->mrenclave, sizeof m->mrenclave }, mrenclave);
    (void)vch_hex_encode((vouch_span) { vch_sim_mrsigner, sizeof vch_sim_mrsigner }, mrsigner);
    (void)vch_hex_encode((vouch_span) { m->mrtd, sizeof m->mrtd }, mrtd);
    if (!json) {
        (void)fprintf(out,
                      "simulated\nmrenclave %s\nmrsigner  %s\nprod_id   %d\nsvn       %d\n"
                      "mrtd      %s\n",
                      mrenclave, mrsigner, VCH_SIM_ISV_PROD_ID, VCH_SIM_ISV_SVN, mrtd);
        return VOUCH_OK;
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(4096);
    vch_json_writer w = vch_json_writer_over(&text, false);
    vch_json_begin_object(&w);
    vch_json_put_bool(&w, "simulated", true);
    vch_json_put_string(&w, "mrenclave", mrenclave);
    vch_json_put_string(&w, "mrsigner", mrsigner);
    vch_json_put_uint(&w, "prod_id", VCH_SIM_ISV_PROD_ID);
    vch_json_put_uint(&w, "svn", VCH_SIM_ISV_SVN);
    vch_json_put_string(&w, "mrtd", mrtd);
    vch_json_end(&w);
    vouch_code rc = vch_buffer_finish(&text, "report", err);
    if (rc == VOUCH_OK)
        (void)fprintf(out, "%s\n", vch_buffer_text(&text));
    return rc;
}

int vch_cmd_measure(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    vch_sim_measurement m = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    vouch_error err = { 0 };
    vouch_code rc = measure(rt, operands.item[0], &v, &m, &err);
    if (rc == VOUCH_OK)
        rc = print(rt->out, &m, v.common.json, &err);
    return rc == VOUCH_OK ? VCH_EXIT_DONE : vch_command_fail(rt, COMMAND, rc, &err);
}
