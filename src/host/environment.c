#include "host/environment.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *vch_environment_get(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || *value == '\0' ? NULL : value;
}

vouch_code vch_environment_host_name(char *out, size_t size, vouch_error *err)
{
    char name[256] = { 0 };
    if (gethostname(name, sizeof name - 1) != 0)
        return vouch_fail(err, VOUCH_E_IO, "reading the host's name: %s", strerror(errno));
    struct addrinfo *found = NULL;
    const struct addrinfo hints = { .ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM };
    if (getaddrinfo(name, NULL, &hints, &found) == 0 && found->ai_canonname != NULL)
        (void)snprintf(name, sizeof name, "%s", found->ai_canonname);
    if (found != NULL)
        freeaddrinfo(found);
    if (strlen(name) >= size)
        return vouch_fail(err, VOUCH_E_LIMIT, "the host's name exceeds %zu bytes", size - 1);
    memcpy(out, name, strlen(name) + 1);
    return VOUCH_OK;
}
