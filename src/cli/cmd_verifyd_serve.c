#include <signal.h>
#include <stddef.h>

#include "cli/verifyd_commands.h"
#include "crypto/secure_heap.h"
#include "host/clock.h"
#include "host/notify.h"
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
    .summary = "Serve Intel Trust Authority's protocol until SIGTERM or SIGINT; SIGHUP reloads.",
    .details = "Prints the line 'listening URL' when it is ready. `vouch-verifyd init DIR` makes "
               "a configuration.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static vouch_code read_config(const vch_runtime *rt, const char *path, vch_verifyd_config **out,
                              vouch_error *err)
{
    vch_faults faults = { 0 };
    vouch_code rc = vch_verifyd_config_read(path, &faults, out, err);
    vch_command_faults(rt, &faults);
    vch_faults_done(&faults);
    return rc;
}

typedef struct serving {
    vch_runtime *rt;
    const char *path;
    vch_loop *loop;
    vch_verifyd *service;
    vch_signal *signals[3];
    bool stopping;
} serving;

/* A service manager that does not hear is no reason to stop serving. */
static void tell(const serving *s, const char *state)
{
    vouch_error err = { 0 };
    char text[256];
    if (vch_notify(state, &err) != VOUCH_OK)
        vch_log(&s->rt->log, VCH_LOG_WARN, "verifyd.notify",
                VCH_STR("error", vouch_error_text(&err, text, sizeof text)));
}

/* First in order, then at once. */
static void on_stop(void *context, int number)
{
    serving *s = context;
    vch_log(&s->rt->log, VCH_LOG_INFO, "verifyd.stopping", VCH_INT("signal", number));
    if (s->stopping) {
        vch_loop_stop(s->loop);
        return;
    }
    s->stopping = true;
    tell(s, "STOPPING=1");
    vch_verifyd_drain(s->service);
}

static void on_reload(void *context, int number)
{
    serving *s = context;
    (void)number;
    vouch_error err = { 0 };
    char state[64];
    char text[512];
    VCH_SCOPED(vch_verifyd_config_drop) vch_verifyd_config *config = NULL;
    (void)snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)vch_clock_monotonic_ms() * 1000);
    tell(s, state);
    vouch_code rc = read_config(s->rt, s->path, &config, &err);
    if (rc == VOUCH_OK)
        rc = vch_verifyd_reload(s->service, config, &err);
    if (rc == VOUCH_OK)
        vch_log(&s->rt->log, VCH_LOG_INFO, "verifyd.reloaded", VCH_STR("config", s->path));
    else
        vch_log(&s->rt->log, VCH_LOG_ERROR, "verifyd.reload_refused",
                VCH_STR("error", vouch_error_text(&err, text, sizeof text)));
    tell(s, "READY=1");
}

static vouch_code listen_to_signals(serving *s, vouch_error *err)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && rc == VOUCH_OK; i++)
        rc = vch_signal_new(s->loop, numbers[i], numbers[i] == SIGHUP ? on_reload : on_stop, s,
                            &s->signals[i], err);
    return rc;
}

static vouch_code serve(vch_runtime *rt, const char *path, const vch_verifyd_config *config,
                        vouch_error *err)
{
    VCH_SCOPED(vch_loop_drop) vch_loop *loop = NULL;
    vch_process_raise_file_limit();
    vouch_code rc = vch_loop_new(&loop, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_verifyd_options o = {
        .config = config, .loop = loop, .log = &rt->log, .now_unix_s = vch_clock_unix_s
    };
    VCH_SCOPED(vch_verifyd_drop) vch_verifyd *service = NULL;
    rc = vch_verifyd_new(&o, &service, err);
    serving s = { .rt = rt, .path = path, .loop = loop, .service = service };
    if (rc == VOUCH_OK)
        rc = listen_to_signals(&s, err);
    if (rc == VOUCH_OK) {
        vch_log(&rt->log, VCH_LOG_INFO, "verifyd.listening", VCH_STR("url", config->base_url));
        (void)fprintf(rt->out, "listening %s\n", config->base_url);
        (void)fflush(rt->out);
        tell(&s, "READY=1");
        rc = vch_loop_run(loop, err);
        vch_log(&rt->log, VCH_LOG_INFO, "verifyd.stopped", VCH_STR("url", config->base_url));
    }
    for (size_t i = 0; i < sizeof s.signals / sizeof *s.signals; i++)
        vch_signal_free(s.signals[i]);
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
        rc = v.check_config ? check(rt, config, &err) : serve(rt, v.config, config, &err);
    return rc == VOUCH_OK ? VCH_EXIT_DONE : vch_command_fail(rt, usage.command, rc, &err);
}
