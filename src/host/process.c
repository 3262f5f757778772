#include "host/process.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

vouch_code vch_process_harden(vouch_error *err)
{
    const struct rlimit none = { 0, 0 };
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        return vouch_fail(err, VOUCH_E_IO, "turning core dumps off: %s", strerror(errno));
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 && errno != ENOSYS)
        return vouch_fail(err, VOUCH_E_IO, "turning tracing off: %s", strerror(errno));
    return VOUCH_OK;
}

void vch_process_ignore_broken_pipes(void)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    (void)sigaction(SIGPIPE, &ignore, NULL); /* cannot fail for a valid signal */
}

void vch_process_raise_file_limit(void)
{
    struct rlimit limit = { 0 };
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* refused: the connections' cap still holds */
}
