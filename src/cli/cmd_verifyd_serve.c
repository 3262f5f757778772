#include <signal.h>
#include <stddef.h>

#include "cli/verifyd_commands.h"
#include "crypto/secure_heap.h"
#include "host/clock.h"
#include "host/process.h"
#include "svc/verifyd.h"

typedef struct values {
    vch_common_options common;
    const char *config;
    bool check_config;
} values;

static const vch_option options[] = {
    { .name = "config",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, config),
      .argument = "FILE",
      .help = "the configuration that `vouch-verifyd init` made",
      .required = true },
    { .name = "check-config",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, check_config),
      .help = "read it and everything that it names, then end" },
    VCH_COMMON_OPTIONS(values),
};

static const vch_usage usage = {
    .command = "vouch-verifyd",
    .operands = "",
    .summary = "Serve Intel Trust Authority's protocol until SIGTERM or SIGINT.",
    .details = "Prints the line 'listening URL' when it is ready. `vouch-verifyd init DIR` makes "
               "a configuration.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static void stop(void *context, int number)
{
    (void)number;
    vch_loop_stop(context);
}

/* Every fault of the file, one a line; the caller prints the first one's chain only if there is
 * none in the list. */
static vouch_code read_config(const vch_runtime *rt, const char *path, vch_verifyd_config **out,
                              vouch_error *err)
{
    vch_faults faults = { 0 };
    vouch_code rc = vch_verifyd_config_read(path, &faults, out, err);
    for (size_t i = 0; i < faults.count; i++)
        (void)fprintf(rt->err, "%s\n", faults.item[i].text);
    vch_faults_done(&faults);
    return rc;
}

static vouch_code serve(vch_runtime *rt, const vch_verifyd_config *config, vouch_error *err)
{
    VCH_SCOPED(vch_loop_drop) vch_loop *loop = NULL;
    vouch_code rc = vch_loop_new(&loop, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_verifyd_options o = {
        .config = config, .loop = loop, .log = &rt->log, .now_unix_s = vch_clock_unix_s
    };
    VCH_SCOPED(vch_verifyd_drop) vch_verifyd *service = NULL;
    vch_signal *terminate = NULL;
    vch_signal *interrupt = NULL;
    rc = vch_verifyd_new(&o, &service, err);
    if (rc == VOUCH_OK)
        rc = vch_signal_new(loop, SIGTERM, stop, loop, &terminate, err);
    if (rc == VOUCH_OK)
        rc = vch_signal_new(loop, SIGINT, stop, loop, &interrupt, err);
    if (rc == VOUCH_OK) {
        vch_log(&rt->log, VCH_LOG_INFO, "verifyd.listening", VCH_STR("url", config->base_url));
        (void)fprintf(rt->out, "listening %s\n", config->base_url);
        (void)fflush(rt->out);
        vch_log(&rt->log, VCH_LOG_INFO, "verifyd.listening", VCH_STR("url", config->base_url));
        rc = vch_loop_run(loop, err);
        vch_log(&rt->log, VCH_LOG_INFO, "verifyd.stopped", VCH_STR("url", config->base_url));
    }
    vch_signal_free(interrupt);
    vch_signal_free(terminate);
    return rc;
}

static vouch_code check(const vch_runtime *rt, const vch_verifyd_config *config, vouch_error *err)
{
    const vch_verifyd_options o = { .config = config,
                                    .log = &rt->log,
                                    .now_unix_s = vch_clock_unix_s };
    VCH_SCOPED(vch_verifyd_drop) vch_verifyd *service = NULL;
    vouch_code rc = vch_verifyd_new(&o, &service, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "the configuration is good\n");
    return rc;
}

int vch_cmd_verifyd_serve(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_verifyd_config_drop) vch_verifyd_config *config = NULL;
    vch_process_ignore_broken_pipes();
    vouch_code rc = vch_process_harden(&err);
    if (rc == VOUCH_OK)
        rc = vch_secure_heap_start(&err);
    if (rc == VOUCH_OK)
        rc = read_config(rt, v.config, &config, &err);
    if (rc == VOUCH_OK)
        rc = v.check_config ? check(rt, config, &err) : serve(rt, config, &err);
    return rc == VOUCH_OK ? VCH_EXIT_DONE : vch_command_fail(rt, usage.command, rc, &err);
}
