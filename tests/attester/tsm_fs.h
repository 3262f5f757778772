/*
 * Linux's /sys/kernel/config/tsm/report as a file system (drivers/virt/coco/guest/report.c and
 * fs/configfs/file.c): a directory an entry; inblob takes effect when the file is closed, and
 * `generation` counts that; outblob is made at its first read, and only from 64 bytes.
 */
#ifndef VCH_TESTS_ATTESTER_TSM_FS_H
#define VCH_TESTS_ATTESTER_TSM_FS_H

#include <stddef.h>
#include <stdint.h>

#include "fuse_mount.h"
#include "vouch/span.h"

#define TSM_FS_ENTRIES 64

typedef struct tsm_fs_entry {
    char name[64]; /* empty: free */
    uint8_t inblob[64];
    size_t inblob_size;
    uint64_t write_generation;
    uint64_t read_generation;
} tsm_fs_entry;

typedef enum tsm_fs_intruder {
    TSM_FS_NOBODY = 0,
    TSM_FS_OTHER_BYTES = 1, /* writes bytes of its own after ours */
    TSM_FS_SAME_BYTES = 2,  /* writes what we wrote, so that only `generation` tells */
    TSM_FS_UNSEEN = 3       /* bytes of its own, and `generation` hides it: a lying kernel */
} tsm_fs_intruder;

typedef struct tsm_fs {
    const char *provider;
    const char *generation; /* told instead of the number; NULL: the number */
    uint64_t first_generation;
    vouch_span quote;
    size_t report_data;
    int mkdir_error; /* mkdir fails with this errno, mkdir_errors times */
    int mkdir_errors;
    int read_error; /* reading outblob fails with this errno, read_errors times */
    int read_errors;
    int rmdir_error;
    int rmdir_errors;
    tsm_fs_intruder intruder;
    int intrusions;           /* so many times */
    int lost_writes;          /* so many times closing inblob commits nothing, and nobody is told */
    int made, removed, tried; /* counted: mkdir and rmdir that worked, every mkdir */
    char names[TSM_FS_ENTRIES][64]; /* of every mkdir */
    tsm_fs_entry entries[TSM_FS_ENTRIES];
} tsm_fs;

/* One at a time in a process; `given` is kept until the mount is stopped. */
test_mount *tsm_fs_start(tsm_fs *given, const char **why);

#endif
