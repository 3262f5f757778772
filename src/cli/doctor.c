#include "cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>

#include "attester/attester.h"
#include "base/bytes.h"
#include "base/moment.h"
#include "base/scope.h"
#include "cli/input_files.h"
#include "host/file.h"
#include "net/http_client.h"

#define DEVICE_TIMEOUT_MS 3000
#define URL_TIMEOUT_MS 5000
#define LOCKED_MEMORY ((rlim_t)2 << 20)   /* the secure heap, and some secrets beside it */
#define EARLIEST_TIME INT64_C(1767225600) /* 2026-01-01: this program is not older */
#define SMALL_FILE ((size_t)1 << 20)
#define AZURE_TAG "7783-7084-3265-9085-8269-3286-77" /* chassis asset tag of Azure's machines */

VCH_DEFINE_DROP(drop_attester, vch_attester, vch_attester_free)
VCH_DEFINE_DROP(drop_collateral, vouch_collateral, vouch_collateral_free)

typedef struct place {
    const vch_doctor_question *question;
    vch_doctor_report *report;
} place;

VOUCH_PRINTF(5, 6)
static void say(const place *p, const char *check, vch_doctor_state state, const char *remedy,
                const char *format, ...)
{
    if (p->report->count == VCH_DOCTOR_FINDINGS_MAX)
        return; /* there are fewer checks than places */
    vch_doctor_finding *f = &p->report->finding[p->report->count++];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(f->message, sizeof f->message, format, arguments);
    va_end(arguments);
    f->check = check;
    f->state = state;
    f->remedy = remedy;
}

/* `path` below the tree; false if it has no room. */
static bool below(const place *p, const char *path, char out[static VCH_PATH_SIZE])
{
    int size = snprintf(out, VCH_PATH_SIZE, "%s%s", p->question->root, path);
    return size > 0 && size < VCH_PATH_SIZE;
}

static bool exists(const place *p, const char *path)
{
    char whole[VCH_PATH_SIZE];
    return below(p, path, whole) && vch_file_exists(whole);
}

/* Does the text of a small file hold `word`? False also if it cannot be read. */
static bool mentions(const place *p, const char *path, const char *word)
{
    char whole[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    if (!below(p, path, whole) || vch_file_read(whole, SMALL_FILE, &text, NULL) != VOUCH_OK)
        return false;
    vch_buffer_u8(&text, 0);
    return text.failed == VOUCH_OK && memmem(text.data, text.size, word, strlen(word)) != NULL;
}

/* A flag of the processor, whole: "sgx" is not "sgx_lc". */
static bool has_flag(const place *p, const char *flag)
{
    char word[32];
    char last[32];
    (void)snprintf(word, sizeof word, " %s ", flag);
    (void)snprintf(last, sizeof last, " %s\n", flag);
    return mentions(p, "/proc/cpuinfo", word) || mentions(p, "/proc/cpuinfo", last);
}

/* --- devices --- */

static void say_opened(const place *p, const vch_attester *a, const char *dir)
{
    bool gramine = strcmp(vch_attester_kind(a), "gramine") == 0;
    p->report->tee = gramine ? "sgx" : "tdx";
    p->report->device = p->report->device_path;
    (void)snprintf(p->report->device_path, sizeof p->report->device_path, "%s", dir);
    say(p, "device", VCH_DOCTOR_OK, NULL,
        "%s answers in '%s'; whether hardware stands behind it, a verified quote tells: vouch "
        "attest",
        gramine ? "Gramine (SGX)" : "configfs-tsm (TDX)", dir);
}

static bool try_device(const place *p, const char *dir)
{
    vouch_error err = { 0 };
    char text[256];
    VCH_SCOPED(drop_attester) vch_attester *a = NULL;
    vouch_code rc = vch_attester_open(dir, DEVICE_TIMEOUT_MS, &a, &err);
    if (rc == VOUCH_OK)
        say_opened(p, a, dir);
    else if (rc != VOUCH_E_NOT_FOUND)
        say(p, "device", rc == VOUCH_E_UNSUPPORTED ? VCH_DOCTOR_UNSUPPORTED : VCH_DOCTOR_UNKNOWN,
            NULL, "%s", vouch_error_text(&err, text, sizeof text));
    return rc != VOUCH_E_NOT_FOUND;
}

static void look_for_device(const place *p)
{
    static const char *const usual[] = { "/dev/attestation", "/sys/kernel/config/tsm/report" };
    char dir[VCH_PATH_SIZE];
    bool found =
        p->question->attestation_dir != NULL && try_device(p, p->question->attestation_dir);
    for (size_t i = 0;
         !found && p->question->attestation_dir == NULL && i < sizeof usual / sizeof *usual; i++)
        found = below(p, usual[i], dir) && vch_file_exists(dir) && try_device(p, dir);
    if (!found)
        say(p, "device", VCH_DOCTOR_MISSING,
            "run the participant with gramine-sgx and sgx.remote_attestation = \"dcap\", or in a "
            "TD "
            "with Linux 6.7 or newer; without hardware: vouch-sim run",
            "this process runs in no TEE that Vouch knows: nothing gives quotes");
}

static void look_for_sealing_key(const place *p)
{
    char path[VCH_PATH_SIZE];
    if (p->report->tee == NULL)
        return;
    if (strcmp(p->report->tee, "tdx") == 0)
        say(p, "sealing", VCH_DOCTOR_ABSENT, NULL,
            "a TD has no sealing key: a restart is a new identity and, for an aggregator, a new "
            "CA");
    else if (vch_path_join(p->report->device, "keys/_sgx_mrenclave", path, NULL) == VOUCH_OK
             && vch_file_exists(path))
        say(p, "sealing", VCH_DOCTOR_OK, NULL, "keys/_sgx_mrenclave is there");
    else
        say(p, "sealing", VCH_DOCTOR_MISSING, "use Gramine 1.4 or newer with gramine-sgx",
            "'%s' has no keys/_sgx_mrenclave: nothing can be kept over a restart",
            p->report->device);
}

/* What the machine could be used for, and why it is not yet. */
static void look_at_sgx(const place *p)
{
    bool flag = has_flag(p, "sgx");
    bool driver = exists(p, "/dev/sgx_enclave");
    if (!flag && !driver) {
        say(p, "sgx.processor", VCH_DOCTOR_ABSENT, NULL, "the processor shows no SGX");
        return;
    }
    say(p, "sgx.processor", flag ? VCH_DOCTOR_OK : VCH_DOCTOR_UNKNOWN, NULL,
        flag ? "the processor has SGX" : "there is an SGX driver, but no processor flag");
    say(p, "sgx.driver", driver ? VCH_DOCTOR_OK : VCH_DOCTOR_MISSING,
        driver ? NULL
               : "enable SGX and flexible launch control in the firmware; Linux 5.11 or newer; "
                 "a container needs --device=/dev/sgx_enclave",
        driver ? "/dev/sgx_enclave is there" : "there is no /dev/sgx_enclave");
    bool service = exists(p, "/var/run/aesmd/aesm.socket") || exists(p, "/run/aesmd/aesm.socket");
    say(p, "sgx.aesmd", service ? VCH_DOCTOR_OK : VCH_DOCTOR_MISSING,
        service ? NULL
                : "install sgx-aesm-service with libsgx-aesm-ecdsa-plugin and libsgx-dcap-ql; "
                  "a container needs -v /var/run/aesmd:/var/run/aesmd",
        service ? "the quoting service listens at aesm.socket" : "there is no aesm.socket");
    bool provider = exists(p, "/etc/sgx_default_qcnl.conf");
    say(p, "sgx.pccs", provider ? VCH_DOCTOR_OK : VCH_DOCTOR_ABSENT,
        provider ? NULL
                 : "install libsgx-dcap-default-qpl and name a PCCS in "
                   "/etc/sgx_default_qcnl.conf (on the host that runs aesmd)",
        provider ? "/etc/sgx_default_qcnl.conf names a PCCS"
                 : "there is no /etc/sgx_default_qcnl.conf: aesmd may have no certificate to quote "
                   "with");
}

static void look_at_tdx(const place *p)
{
    if (!has_flag(p, "tdx_guest")) {
        say(p, "tdx.guest", VCH_DOCTOR_ABSENT, NULL, "this machine is no TD");
        return;
    }
    say(p, "tdx.guest", VCH_DOCTOR_OK, NULL,
        "this machine is a TD: a verdict on it is one on its whole image");
    bool driver = exists(p, "/dev/tdx_guest");
    say(p, "tdx.driver", driver ? VCH_DOCTOR_OK : VCH_DOCTOR_MISSING,
        driver ? NULL : "modprobe tdx_guest",
        driver ? "/dev/tdx_guest is there" : "there is no /dev/tdx_guest");
    bool tsm = exists(p, "/sys/kernel/config/tsm/report");
    say(p, "tdx.tsm", tsm ? VCH_DOCTOR_OK : VCH_DOCTOR_MISSING,
        tsm ? NULL
            : "Linux 6.7 or newer; mount -t configfs none /sys/kernel/config; then "
              "local.attestation_dir: /sys/kernel/config/tsm/report",
        tsm ? "configfs-tsm is there" : "there is no /sys/kernel/config/tsm/report");
    bool log = exists(p, "/sys/firmware/acpi/tables/data/CCEL");
    say(p, "tdx.eventlog", log ? VCH_DOCTOR_OK : VCH_DOCTOR_ABSENT, NULL,
        log ? "the event log can be replayed: vouch measure --tdx "
              "/sys/firmware/acpi/tables/data/CCEL"
            : "there is no CCEL event log: RTMRs cannot be explained here");
}

/* By name, so that nobody looks for a mistake of his own. */
static void look_at_others(const place *p)
{
    if (exists(p, "/dev/sev-guest") || has_flag(p, "sev_snp"))
        say(p, "sev-snp", VCH_DOCTOR_UNSUPPORTED, NULL,
            "AMD SEV-SNP is here; its evidence is not supported");
    if (mentions(p, "/sys/class/dmi/id/chassis_asset_tag", AZURE_TAG) && exists(p, "/dev/tpmrm0"))
        say(p, "azure.vtpm", VCH_DOCTOR_UNSUPPORTED, NULL,
            "this is an Azure machine with a vTPM; the evidence of Azure's confidential machines "
            "(a TDX or SNP report in the vTPM) is not supported");
}

/* --- the rest of the host --- */

static void look_at_memory(const place *p)
{
    struct rlimit limit = { 0 };
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        say(p, "memory", VCH_DOCTOR_UNKNOWN, NULL, "the limit of locked memory is not known");
    else if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < LOCKED_MEMORY)
        say(p, "memory", VCH_DOCTOR_MISSING, "ulimit -l 8192, or LimitMEMLOCK=8M in the unit",
            "only %llu bytes can be locked: keys need 2 MiB", (unsigned long long)limit.rlim_cur);
    else
        say(p, "memory", VCH_DOCTOR_OK, NULL, "memory for keys can be locked");
}

static void look_at_clock(const place *p)
{
    char text[VCH_MOMENT_TEXT_SIZE];
    struct timex t = { 0 };
    const char *now = vch_moment_format(p->question->now_unix_s, text);
    if (p->question->now_unix_s < EARLIEST_TIME)
        say(p, "clock", VCH_DOCTOR_MISSING, "set the clock: timedatectl set-ntp true",
            "the clock says %s, which cannot be", now);
    else if (adjtimex(&t) < 0) /* Gramine has no such call */
        say(p, "clock", VCH_DOCTOR_UNKNOWN, NULL, "the clock says %s; who sets it is not known",
            now);
    else if ((t.status & STA_UNSYNC) != 0)
        say(p, "clock", VCH_DOCTOR_ABSENT, "timedatectl set-ntp true (or chrony)",
            "the clock says %s and is not synchronised: peers refuse more than local.clock_skew_s",
            now);
    else
        say(p, "clock", VCH_DOCTOR_OK, NULL, "the clock says %s and is synchronised", now);
}

static void look_at_collateral(const place *p)
{
    const char *dir = p->question->collateral_dir;
    vouch_error err = { 0 };
    char text[256];
    VCH_SCOPED(vch_collateral_bytes_drop) vch_collateral_bytes files = { 0 };
    VCH_SCOPED(drop_collateral) vouch_collateral *collateral = NULL;
    if (dir == NULL)
        return;
    vouch_code rc = vch_collateral_files_read(dir, (vouch_span) { 0 }, &files, &err);
    if (rc == VOUCH_OK)
        rc = vouch_collateral_parse(&files.parts, &collateral, &err);
    if (rc == VOUCH_OK)
        say(p, "collateral", VCH_DOCTOR_OK, NULL,
            "'%s' holds collateral that can be read; whether it fits a quote, and until when, says "
            "vouch quote verify",
            dir);
    else
        say(p, "collateral", VCH_DOCTOR_MISSING, "vouch collateral fetch --out DIR", "%s",
            vouch_error_text(&err, text, sizeof text));
}

static void look_at_network(const place *p)
{
    const char *url = p->question->url;
    vouch_error err = { 0 };
    char text[256];
    VCH_SCOPED(vch_http_answer_drop) vch_http_answer answer = { 0 };
    if (url == NULL)
        return;
    const vch_http_call call = { .url = url,
                                 .ca_file = p->question->ca_file,
                                 .deadline_ms = URL_TIMEOUT_MS };
    vouch_code rc = vch_http_fetch(&call, &answer, &err);
    if (rc == VOUCH_OK) /* whatever it answers: the way is there */
        say(p, "network", VCH_DOCTOR_OK, NULL, "'%s' answers (status %d)", url, answer.status);
    else
        say(p, "network", VCH_DOCTOR_MISSING,
            "check the address, proxies and firewalls, and --ca for a private authority", "%s",
            vouch_error_text(&err, text, sizeof text));
}

void vch_doctor_examine(const vch_doctor_question *question, vch_doctor_report *out)
{
    *out = (vch_doctor_report) { 0 };
    const place p = { question, out };
    look_for_device(&p);
    look_for_sealing_key(&p);
    look_at_sgx(&p);
    look_at_tdx(&p);
    look_at_others(&p);
    look_at_memory(&p);
    look_at_clock(&p);
    look_at_collateral(&p);
    look_at_network(&p);
}

bool vch_doctor_can_attest(const vch_doctor_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const vch_doctor_finding *f = &report->finding[i];
        /* in an enclave the driver and service are the host's, and Gramine has them already */
        bool of_host = report->device != NULL && strncmp(f->check, "sgx.", 4) == 0;
        if (f->state == VCH_DOCTOR_MISSING && !of_host)
            return false;
    }
    return report->device != NULL;
}

const char *vch_doctor_state_name(vch_doctor_state state)
{
    switch (state) {
    case VCH_DOCTOR_OK:
        return "ok";
    case VCH_DOCTOR_MISSING:
        return "missing";
    case VCH_DOCTOR_ABSENT:
        return "absent";
    case VCH_DOCTOR_UNSUPPORTED:
        return "unsupported";
    case VCH_DOCTOR_UNKNOWN:
        break;
    }
    return "unknown";
}
