#include <string.h>

#include "base/scope.h"
#include "cli_sim/commands.h"
#include "codec/hex.h"
#include "crypto/secure_heap.h"
#include "sim/enclave.h"
#include "sim/platform.h"

#define COMMAND "vouch-sim run"
#define MAX_WORDS 1024 /* of the command */

typedef struct values {
    vch_common_options common;
    const char *platform;
    vch_texts measured;
    const char *tee;
    bool debug;
    bool gramine_limits;
} values;

static const vch_option options[] = {
    VCH_COMMON_OPTIONS(values),
    { .name = "platform",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, platform),
      .argument = "DIR",
      .required = true,
      .help = "a simulated platform (vouch-sim platform create)" },
    { .name = "measure",
      .kind = VCH_OPTION_TEXTS,
      .offset = offsetof(values, measured),
      .argument = "FILE",
      .help = "a file that is measured besides the executable; may be repeated" },
    { .name = "tee",
      .kind = VCH_OPTION_CHOICE,
      .offset = offsetof(values, tee),
      .argument = "sgx|tdx",
      .choices = "sgx|tdx",
      .help = "what the platform has to be (default: whatever it is)" },
    { .name = "debug",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, debug),
      .help = "a debug enclave: every sensible policy refuses it" },
    { .name = "gramine-limits",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, gramine_limits),
      .help = "without the system calls that Gramine does not offer" },
};

static const vch_usage usage = {
    .command = COMMAND,
    .operands = "-- COMMAND ...",
    .summary = "Run a program as gramine-sgx would, on a simulated platform.",
    .details = "Measures the executable and the files named, starts the program with "
               "VOUCH_ATTESTATION_DIR naming a directory that holds what Gramine's "
               "/dev/attestation does, and ends with its exit status. The program is an ordinary "
               "process: nothing protects it from this host.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .operands_take_rest = true,
};

typedef struct announcement {
    const vch_runtime *rt;
    vouch_tee tee;
    bool debug;
} announcement;

/* Always said: as a log line among log lines in JSON, otherwise as a sentence. */
static void announce(void *context, const vch_sim_measurement *m)
{
    const announcement *a = context;
    char hex[2 * sizeof m->mrtd + 1];
    bool tdx = a->tee == VOUCH_TEE_TDX;
    vouch_span value = tdx ? (vouch_span) { m->mrtd, sizeof m->mrtd }
                           : (vouch_span) { m->mrenclave, sizeof m->mrenclave };
    if (a->rt->log.json) {
        vch_log(&a->rt->log, VCH_LOG_WARN, "simulated.enclave", VCH_BOOL("simulated", true),
                VCH_STR("tee", vouch_tee_name(a->tee)), VCH_BOOL("debug", a->debug),
                VCH_SPAN_HEX(tdx ? "mrtd" : "mrenclave", value));
        return;
    }
    (void)fprintf(a->rt->err,
                  "vouch-sim: simulated %s%s, %s %s; no hardware protects this program\n",
                  tdx ? "TDX" : "SGX", a->debug ? " (debug)" : "", tdx ? "MRTD" : "MRENCLAVE",
                  vch_hex_encode(value, hex));
    if (tdx)
        (void)fprintf(a->rt->err, "vouch-sim: a TDX quote out of these pseudo-files exists only "
                                  "in simulation; real TDX guests use configfs-tsm\n");
    (void)fflush(a->rt->err);
}

static vouch_code run(vch_runtime *rt, const values *v, const vch_operands *operands, int *status,
                      vouch_error *err)
{
    VCH_SCOPED(vch_sim_platform_drop) vch_sim_platform *platform = NULL;
    const char *command[MAX_WORDS + 1] = { NULL };
    if (operands->count > MAX_WORDS)
        return vouch_fail(err, VOUCH_E_LIMIT, "a command of %zu words", operands->count);
    for (size_t i = 0; i < operands->count; i++)
        command[i] = operands->item[i];
    vouch_code rc = vch_secure_heap_start(err);
    if (rc == VOUCH_OK)
        rc = vch_sim_platform_open(v->platform, &platform, err);
    if (rc == VOUCH_OK)
        rc = vch_cmd_check_tee(v->tee, platform->tee, err);
    if (rc != VOUCH_OK)
        return rc;
    announcement a = { rt, platform->tee, v->debug };
    const vch_sim_enclave_options o = {
        .platform = platform,
        .argv = command,
        .search_path = rt->environment(NULL, "PATH"),
        .measured = v->measured.item,
        .measured_count = v->measured.count,
        .debug = v->debug,
        .gramine_limits = v->gramine_limits,
        .log = &rt->log,
        .measured_as = announce,
        .context = &a,
    };
    return vch_sim_enclave_run(&o, status, err);
}

int vch_cmd_run(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    vouch_error err = { 0 };
    vouch_code rc = run(rt, &v, &operands, &status, &err);
    return rc == VOUCH_OK ? status : vch_command_fail(rt, COMMAND, rc, &err);
}
