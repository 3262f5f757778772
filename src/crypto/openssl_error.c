#include "crypto/openssl_error.h"

#include <stdarg.h>
#include <stdio.h>

#include <openssl/err.h>

vouch_code vch_openssl_fail(vouch_error *err, vouch_code code, const char *fmt, ...)
{
    char text[160] = { 0 };
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);

    unsigned long last = ERR_peek_last_error();
    const char *reason = last == 0 ? NULL : ERR_reason_error_string(last);
    if (vch_openssl_out_of_memory())
        code = VOUCH_E_MEMORY;
    if (reason == NULL)
        return vouch_fail(err, code, "%s", text);
    return vouch_fail(err, code, "%s (%s)", text, reason);
}

bool vch_openssl_out_of_memory(void)
{
    bool found = false;
    for (unsigned long e = ERR_get_error(); e != 0; e = ERR_get_error())
        found = found || ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
    return found;
}

void vch_openssl_clear(void)
{
    ERR_clear_error();
}
