/*
 * A file system of a test's own, in a mount namespace of its own: gone with the process. Served by
 * one thread, so handlers need no lock against each other; a test changes what they use only between
 * its calls, or by atomics.
 */
#ifndef VCH_TESTS_ATTESTER_FUSE_MOUNT_H
#define VCH_TESTS_ATTESTER_FUSE_MOUNT_H

#define FUSE_USE_VERSION 35
#include <fuse.h>

typedef struct test_mount test_mount;

/* NULL, and *why says what this machine lacks, if there can be no FUSE here. */
test_mount *test_mount_start(const struct fuse_operations *operations, const char **why);
const char *test_mount_dir(const test_mount *m);
void test_mount_stop(test_mount *m);

/* For an init operation: no caches, every read and write comes through as it was made. */
void *test_mount_uncached(struct fuse_conn_info *connection, struct fuse_config *config);

#endif
