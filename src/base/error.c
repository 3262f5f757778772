#include "vouch/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void frame_put(vouch_error *err, vouch_code code, const char *fmt, va_list args)
{
    if (err->depth == VOUCH_ERROR_DEPTH) { /* full: the root cause stays, the oldest wrap goes */
        memmove(err->frame[1], err->frame[2], (VOUCH_ERROR_DEPTH - 2) * sizeof err->frame[0]);
        err->depth--;
    }
    /* vsnprintf cuts and terminates; its result only tells how long the whole would have been */
    (void)vsnprintf(err->frame[err->depth], VOUCH_ERROR_TEXT, fmt, args);
    err->depth++;
    err->code = code;
}

vouch_code(vouch_fail)(vouch_error *err, vouch_code code, const char *fmt, ...)
{
    if (err == NULL)
        return code;
    err->depth = 0;
    va_list args;
    va_start(args, fmt);
    frame_put(err, code, fmt, args);
    va_end(args);
    return code;
}

vouch_code(vouch_wrap)(vouch_error *err, vouch_code code, const char *fmt, ...)
{
    if (err == NULL)
        return code;
    va_list args;
    va_start(args, fmt);
    frame_put(err, code, fmt, args);
    va_end(args);
    return code;
}

const char *vouch_error_text(const vouch_error *err, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = err->depth; i > 0 && used + 1 < size; i--) {
        int n = snprintf(out + used, size - used, "%s%s", used == 0 ? "" : ": ", err->frame[i - 1]);
        if (n < 0)
            break;
        used += (size_t)n;
    }
    return out;
}

const char *vouch_code_name(vouch_code code)
{
    switch (code) {
    case VOUCH_OK:
        return "ok";
    case VOUCH_E_TRUNCATED:
        return "truncated";
    case VOUCH_E_FORMAT:
        return "format";
    case VOUCH_E_LIMIT:
        return "limit";
    case VOUCH_E_UNSUPPORTED:
        return "unsupported";
    case VOUCH_E_CRYPTO:
        return "crypto";
    case VOUCH_E_MEMORY:
        return "memory";
    case VOUCH_E_IO:
        return "io";
    case VOUCH_E_CONFIG:
        return "config";
    case VOUCH_E_NOT_FOUND:
        return "not-found";
    case VOUCH_E_NETWORK:
        return "network";
    case VOUCH_E_TIMEOUT:
        return "timeout";
    case VOUCH_E_REFUSED:
        return "refused";
    case VOUCH_E_INTERNAL:
        return "internal";
    }
    return "unknown";
}
