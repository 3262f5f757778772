#include "store/state_names.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "host/file.h"

#define JOURNAL "journal-"
#define JOURNAL_SIZE ((size_t)16) /* bytes of such a name: not of one that is half made */

bool vch_state_is_journal(const char *name)
{
    return strncmp(name, JOURNAL, strlen(JOURNAL)) == 0 && strlen(name) == JOURNAL_SIZE;
}

vouch_code vch_state_lock(const char *directory, int *out_fd, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    vouch_code rc = vch_path_join(directory, VCH_STATE_LOCK, path, err);
    if (rc != VOUCH_OK)
        return rc;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return vouch_fail(err, VOUCH_E_IO, "opening '%s': %s", path, strerror(errno));
    if (fcntl(fd, F_SETLK, &whole) == 0) {
        *out_fd = fd;
        return VOUCH_OK;
    }
    int why = errno;
    (void)close(fd);
    if (why == EACCES || why == EAGAIN)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "another process is at work on '%s': the same participant runs already",
                          directory);
    return vouch_fail(err, VOUCH_E_IO, "locking '%s': %s", path, strerror(why));
}
