#include "host/log_sink.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "host/clock.h"

static void write_line(void *sink, const char *line, size_t size)
{
    (void)sink;
    size_t done = 0;
    while (done < size) {
        ssize_t n = write(STDERR_FILENO, line + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nowhere left to say so */
        done += (size_t)n;
    }
}

vch_log vch_log_sink_stderr(vch_log_level level, bool json)
{
    return (vch_log) {
        .level = level, .json = json, .write_line = write_line, .now_unix_ms = vch_clock_for_log
    };
}

bool vch_log_sink_level(const char *name, vch_log_level *out)
{
    for (int level = VCH_LOG_ERROR; level <= VCH_LOG_DEBUG; level++) {
        if (strcmp(name, vch_log_level_name((vch_log_level)level)) == 0) {
            *out = (vch_log_level)level;
            return true;
        }
    }
    return false;
}
