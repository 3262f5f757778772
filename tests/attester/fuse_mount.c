#include "fuse_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

struct test_mount {
    char dir[64];
    struct fuse *fuse;
    pthread_t server;
};

void *test_mount_uncached(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->direct_io = 1;
    config->nullpath_ok = 0;
    config->attr_timeout = config->entry_timeout = config->negative_timeout = 0.0;
    return NULL;
}

static void *serve(void *argument)
{
    const test_mount *m = argument;
    (void)fuse_loop(m->fuse);
    return NULL;
}

/* Threads share the namespace only if it is left before they are made: once, at the first mount. */
static const char *leave_namespace(void)
{
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? "there is no /dev/fuse" : "/dev/fuse cannot be opened";
    (void)close(fd);
    if (unshare(CLONE_NEWNS) != 0)
        return "mounting needs root";
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return "the mount namespace cannot be made private";
    return NULL;
}

test_mount *test_mount_start(const struct fuse_operations *operations, const char **why)
{
    char name[] = "test";
    char *arguments[] = { name, NULL };
    struct fuse_args args = FUSE_ARGS_INIT(1, arguments);
    *why = leave_namespace();
    if (*why != NULL)
        return NULL;
    test_mount *m = calloc(1, sizeof *m);
    if (m == NULL)
        abort();
    (void)snprintf(m->dir, sizeof m->dir, "/tmp/vouch-fuse-XXXXXX");
    if (mkdtemp(m->dir) == NULL)
        abort();
    m->fuse = fuse_new(&args, operations, sizeof *operations, m);
    fuse_opt_free_args(&args);
    if (m->fuse == NULL || fuse_mount(m->fuse, m->dir) != 0) {
        *why = "the kernel refuses to mount FUSE";
        if (m->fuse != NULL)
            fuse_destroy(m->fuse);
        (void)rmdir(m->dir);
        free(m);
        return NULL;
    }
    if (pthread_create(&m->server, NULL, serve, m) != 0)
        abort();
    return m;
}

const char *test_mount_dir(const test_mount *m)
{
    return m->dir;
}

void test_mount_stop(test_mount *m)
{
    if (m == NULL)
        return;
    (void)umount2(m->dir, MNT_DETACH); /* ends the server's loop */
    (void)pthread_join(m->server, NULL);
    fuse_unmount(m->fuse);
    fuse_destroy(m->fuse);
    (void)rmdir(m->dir);
    free(m);
}
