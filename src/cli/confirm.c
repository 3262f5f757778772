#include "cli/confirm.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

vouch_code vch_cli_confirm(const vch_runtime *rt, const char *question, vouch_error *err)
{
    char line[16];
    (void)fprintf(rt->out, "%s [y/N]: ", question);
    (void)fflush(rt->out);
    if (fgets(line, sizeof line, stdin) == NULL)
        return vouch_fail(err, VOUCH_E_REFUSED, "nobody answered '%s'; -s does it without asking",
                          question);
    line[strcspn(line, "\r\n")] = '\0';
    if (strcasecmp(line, "y") != 0 && strcasecmp(line, "yes") != 0)
        return vouch_fail(err, VOUCH_E_REFUSED, "the answer to '%s' was not yes", question);
    return VOUCH_OK;
}
