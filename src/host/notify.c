#include "host/notify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/environment.h"

vouch_code vch_notify(const char *state, vouch_error *err)
{
    const char *path = vch_environment_get("NOTIFY_SOCKET");
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    if (path == NULL)
        return VOUCH_OK;
    size_t size = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || size >= sizeof to.sun_path)
        return vouch_fail(err, VOUCH_E_CONFIG, "NOTIFY_SOCKET is no socket's address");
    memcpy(to.sun_path, path, size);
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* Linux: a name that is no file */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return vouch_fail(err, VOUCH_E_IO, "notification socket: %s", strerror(errno));
    socklen_t to_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, to_size);
    int why = errno;
    (void)close(fd);
    if (sent < 0)
        return vouch_fail(err, VOUCH_E_IO, "notifying the service manager: %s", strerror(why));
    return VOUCH_OK;
}
