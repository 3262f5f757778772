#include "sim/enclave.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/secret.h"
#include "host/child.h"
#include "host/file.h"
#include "host/process.h"
#include "sim/gramine_limits.h"
#include "sim/pseudo_files.h"
#include "sim/quote_make.h"

/* A reader that opens without O_NONBLOCK gives no event until we open too; it waits this long. */
#define LOOK_ANYWAY_MS 100

static const int passed_on[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

/* What quotes are made of. */
typedef struct device {
    const vch_sim_platform *platform;
    vch_sim_quote_options quote;
} device;

static vouch_code make_quote(void *context,
                             const uint8_t report_data[static VCH_PSEUDO_REPORT_DATA_SIZE],
                             vch_buffer *out, vouch_error *err)
{
    const device *d = context;
    vch_sim_quote_options options = d->quote;
    memcpy(options.report_data, report_data, sizeof options.report_data);
    return vch_sim_quote_make(d->platform, &options, out, err);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

/* Signals as a descriptor; the mask that was is restored by signals_drop. */
typedef struct signals {
    int fd;
    sigset_t before;
} signals;

static void signals_drop(signals *s)
{
    if (s->fd < 0)
        return;
    (void)close(s->fd);
    (void)sigprocmask(SIG_SETMASK, &s->before, NULL);
}

static vouch_code signals_take(signals *s, vouch_error *err)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof passed_on / sizeof passed_on[0]; i++)
        (void)sigaddset(&set, passed_on[i]);
    if (sigprocmask(SIG_BLOCK, &set, &s->before) != 0)
        return vouch_fail(err, VOUCH_E_IO, "blocking signals: %s", strerror(errno));
    s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->fd < 0) {
        (void)sigprocmask(SIG_SETMASK, &s->before, NULL);
        return vouch_fail(err, VOUCH_E_IO, "receiving signals: %s", strerror(errno));
    }
    return VOUCH_OK;
}

static void pass_signals_on(const signals *s, const vch_child *child)
{
    struct signalfd_siginfo info;
    while (read(s->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo != SIGCHLD)
            vch_child_signal(child, (int)info.ssi_signo);
    }
}

static void serve(vch_pseudo_files *files, const vch_log *log)
{
    unsigned served = 0;
    unsigned refused = 0;
    vouch_error err = { 0 };
    char text[512];
    if (vch_pseudo_files_serve(files, &served, &refused, &err) != VOUCH_OK)
        vch_log(log, VCH_LOG_ERROR, "simulated.quote.failed",
                VCH_STR("reason", vouch_error_text(&err, text, sizeof text)));
    if (refused > 0)
        vch_log(log, VCH_LOG_WARN, "simulated.quote.refused", VCH_INT("requests", refused),
                VCH_STR("reason", "user_report_data did not hold exactly 64 bytes, or the reader "
                                  "left"));
    if (served > 0)
        vch_log(log, VCH_LOG_DEBUG, "simulated.quote.served", VCH_INT("requests", served));
}

/* Until the child has ended. */
static vouch_code attend(vch_child *child, vch_pseudo_files *files, const signals *s,
                         const vch_log *log, int *out_exit_status, vouch_error *err)
{
    struct pollfd waits[] = { { .fd = s->fd, .events = POLLIN },
                              { .fd = vch_pseudo_files_fd(files), .events = POLLIN } };
    for (;;) {
        if (poll(waits, sizeof waits / sizeof waits[0], LOOK_ANYWAY_MS) < 0 && errno != EINTR)
            return vouch_fail(err, VOUCH_E_IO, "waiting for the program: %s", strerror(errno));
        pass_signals_on(s, child);
        if (vch_child_wait(child, 0, out_exit_status, NULL) == VOUCH_OK)
            return VOUCH_OK;
        serve(files, log);
    }
}

static vouch_code make_files(const device *d, vch_pseudo_files **out, vouch_error *err)
{
    union {
        const device *kept;
        void *context;
    } u = { .kept = d };
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    if (d->platform->tee != VOUCH_TEE_SGX) /* TDX has no sealing key */
        return vch_pseudo_files_new((vouch_span) { 0 }, make_quote, u.context, out, err);
    vouch_code rc = vch_secret_alloc(&key, VCH_SIM_SEALING_KEY_SIZE, err);
    if (rc == VOUCH_OK)
        rc = vch_sim_platform_sealing_key(d->platform, d->quote.measurement.mrenclave, key.data,
                                          err);
    if (rc == VOUCH_OK)
        rc = vch_pseudo_files_new((vouch_span) { key.data, key.size }, make_quote, u.context, out,
                                  err);
    return rc;
}

static vouch_code begin(const vch_sim_enclave_options *o, int program,
                        const vch_pseudo_files *files, vouch_span filter, vch_child *out,
                        vouch_error *err)
{
    char setting[VCH_PATH_SIZE + 32];
    (void)snprintf(setting, sizeof setting, "VOUCH_ATTESTATION_DIR=%s",
                   vch_pseudo_files_directory(files));
    const char *const environment[] = { setting, NULL };
    const vch_child_options child = {
        .argv = o->argv,
        .environment = environment,
        .by_descriptor = true,
        .program_fd = program, /* the very file that was measured */
        .system_call_filter = filter,
    };
    return vch_child_start(&child, out, err);
}

static vouch_code start(const vch_sim_enclave_options *o, int program,
                        const vch_pseudo_files *files, vch_child *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer filter = vch_buffer_with_cap(VCH_GRAMINE_FILTER_MAX_SIZE);
    vouch_code rc = o->gramine_limits ? vch_gramine_limits_filter(&filter, err) : VOUCH_OK;
    return rc == VOUCH_OK ? begin(o, program, files, vch_buffer_span(&filter), out, err) : rc;
}

vouch_code vch_sim_enclave_run(const vch_sim_enclave_options *o, int *out_exit_status,
                               vouch_error *err)
{
    VCH_SCOPED(close_fd) int program = -1;
    device d = { .platform = o->platform, .quote = { .debug = o->debug } };
    vouch_code rc = vch_sim_program_open(o->argv[0], o->search_path, &program, err);
    if (rc == VOUCH_OK)
        rc = vch_sim_measure(program, o->measured, o->measured_count, &d.quote.measurement, err);
    if (rc != VOUCH_OK)
        return rc;
    if (o->measured_as != NULL)
        o->measured_as(o->context, &d.quote.measurement);
    vch_process_ignore_broken_pipes(); /* a reader may leave while its quote is written */
    VCH_SCOPED(signals_drop) signals s = { .fd = -1 };
    VCH_SCOPED(vch_pseudo_files_drop) vch_pseudo_files *files = NULL;
    VCH_SCOPED(vch_child_drop) vch_child child = { 0 };
    rc = signals_take(&s, err);
    if (rc == VOUCH_OK)
        rc = make_files(&d, &files, err);
    if (rc == VOUCH_OK)
        rc = start(o, program, files, &child, err);
    if (rc == VOUCH_OK)
        rc = attend(&child, files, &s, o->log, out_exit_status, err);
    return rc;
}
