#include "prompt/link.h"

#include <string.h>
#include <strings.h>

#define LEVEL_OPTION "--log-level"

bool vch_link_is(const char *called, const char *link)
{
    const char *slash = strrchr(called, '/');
    return strcmp(slash == NULL ? called : slash + 1, link) == 0;
}

/* OpenFL's levels, and ours; written as an option. */
static char *option_for(const char *level)
{
    static char debug[] = LEVEL_OPTION "=debug", info[] = LEVEL_OPTION "=info",
                warn[] = LEVEL_OPTION "=warn", error[] = LEVEL_OPTION "=error";
    const struct {
        const char *theirs;
        char *ours;
    } levels[] = { { "notset", debug },   { "debug", debug }, { "info", info },
                   { "metric", info },    { "warn", warn },   { "warning", warn },
                   { "critical", error }, { "error", error } };
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strcasecmp(levels[i].theirs, level) == 0)
            return levels[i].ours;
    }
    return NULL;
}

/* One word before the verb, or two: *used says how many; 0: the verb begins. */
static vouch_code take_global(int argc, char *const argv[], int *used, const char **level,
                              vouch_error *err)
{
    *used = 0;
    if (strcmp(argv[0], "--no-warnings") == 0) {
        *used = 1;
    } else if (strncmp(argv[0], LEVEL_OPTION "=", sizeof LEVEL_OPTION) == 0) {
        *level = argv[0] + sizeof LEVEL_OPTION;
        *used = 1;
    } else if (strcmp(argv[0], "-l") == 0 || strcmp(argv[0], LEVEL_OPTION) == 0) {
        if (argc < 2)
            return vouch_fail(err, VOUCH_E_CONFIG, "%s wants a level: debug, info, warn or error",
                              argv[0]);
        *level = argv[1];
        *used = 2;
    }
    return VOUCH_OK;
}

static bool names_level(int argc, char *const argv[])
{
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], LEVEL_OPTION, sizeof LEVEL_OPTION - 1) == 0)
            return true;
    }
    return false;
}

vouch_code vch_link_words(int argc, char *argv[], char *out[], int *out_count, vouch_error *err)
{
    const char *level = "info";
    int at = 0;
    int count = 0;
    for (int used = 1; at < argc && used > 0; at += used) {
        vouch_code rc = take_global(argc - at, argv + at, &used, &level, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    char *option = option_for(level);
    if (option == NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "no log level '%.40s': debug, info, warn or error",
                          level);
    bool verb = at + 1 < argc && argv[at][0] != '-' && argv[at + 1][0] != '-';
    static char version[] = "--version"; /* -v is OpenFL's word for it since 1.8 */
    for (int i = at; i < argc; i++) {
        out[count++] = i == at && strcmp(argv[i], "-v") == 0 ? version : argv[i];
        if (verb && i == at + 1 && !names_level(argc - at, argv + at))
            out[count++] = option;
    }
    *out_count = count;
    return VOUCH_OK;
}
