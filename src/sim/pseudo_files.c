#include "sim/pseudo_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/file.h"
#include "sim/key_file.h"
#include "sim/quote_make.h"

#define REQUESTS_AT_ONCE 64 /* then the caller's other events have their turn */

struct vch_pseudo_files {
    char dir[VCH_PATH_SIZE];
    char report_data_path[VCH_PATH_SIZE];
    char quote_path[VCH_PATH_SIZE];
    char next_path[VCH_PATH_SIZE]; /* the FIFO that takes quote's place */
    int watch;                     /* inotify: someone opened a file of the directory */
    int report_data; /* both ends: so that a writer never waits and never sees ENXIO */
    vch_pseudo_quote make_quote;
    void *context;
};

static vouch_code make_fifo(const char *path, vouch_error *err)
{
    if (mkfifo(path, 0600) != 0)
        return vouch_fail(err, VOUCH_E_IO, "making the FIFO '%s': %s", path, strerror(errno));
    return VOUCH_OK;
}

static vouch_code name_files(vch_pseudo_files *f, vouch_error *err)
{
    vouch_code rc = vch_dir_make_temporary(NULL, "vouch-sim-", f->dir, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(f->dir, "user_report_data", f->report_data_path, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(f->dir, "quote", f->quote_path, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(f->dir, "quote.next", f->next_path, err);
    return rc;
}

static vouch_code write_sealing_key(const vch_pseudo_files *f, vouch_span key, vouch_error *err)
{
    char keys[VCH_PATH_SIZE];
    if (key.size == 0)
        return VOUCH_OK;
    vouch_code rc = vch_path_join(f->dir, "keys", keys, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(keys, 0700, err);
    if (rc == VOUCH_OK)
        rc = vch_sim_file_write(keys, "_sgx_mrenclave", key, 0400, err);
    return rc;
}

static vouch_code open_files(vch_pseudo_files *f, vouch_error *err)
{
    f->report_data = open(f->report_data_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (f->report_data < 0)
        return vouch_fail(err, VOUCH_E_IO, "'%s': %s", f->report_data_path, strerror(errno));
    f->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (f->watch < 0 || inotify_add_watch(f->watch, f->dir, IN_OPEN) < 0)
        return vouch_fail(err, VOUCH_E_IO, "watching '%s': %s", f->dir, strerror(errno));
    return VOUCH_OK;
}

vouch_code vch_pseudo_files_new(vouch_span sealing_key, vch_pseudo_quote make_quote, void *context,
                                vch_pseudo_files **out, vouch_error *err)
{
    if (sealing_key.size != 0 && sealing_key.size != VCH_PSEUDO_SEALING_KEY_SIZE)
        return vouch_fail(err, VOUCH_E_INTERNAL, "a sealing key of %zu bytes", sealing_key.size);
    VCH_SCOPED(vch_pseudo_files_drop) vch_pseudo_files *f = calloc(1, sizeof *f);
    if (f == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "simulated attestation files");
    f->watch = f->report_data = -1;
    f->make_quote = make_quote;
    f->context = context;
    vouch_code rc = name_files(f, err);
    if (rc == VOUCH_OK)
        rc = make_fifo(f->report_data_path, err);
    if (rc == VOUCH_OK)
        rc = make_fifo(f->quote_path, err);
    if (rc == VOUCH_OK)
        rc = write_sealing_key(f, sealing_key, err);
    if (rc == VOUCH_OK) /* last: whoever finds it finds the others */
        rc = vch_sim_file_write(f->dir, "attestation_type", vch_span_str("dcap"), 0400, err);
    if (rc == VOUCH_OK)
        rc = open_files(f, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "simulated attestation files");
    *out = VCH_MOVE(f);
    return VOUCH_OK;
}

void vch_pseudo_files_free(vch_pseudo_files *f)
{
    if (f == NULL)
        return;
    if (f->watch >= 0)
        (void)close(f->watch);
    if (f->report_data >= 0)
        (void)close(f->report_data);
    if (f->dir[0] != 0)
        (void)!vch_dir_remove_tree(f->dir, NULL); /* nobody could do more about it */
    free(f);
}

const char *vch_pseudo_files_directory(const vch_pseudo_files *f)
{
    return f->dir;
}

int vch_pseudo_files_fd(const vch_pseudo_files *f)
{
    return f->watch;
}

/* The events only say that it is worth a look; which file it was does not matter. */
static void forget_events(const vch_pseudo_files *f)
{
    char events[4096];
    while (read(f->watch, events, sizeof events) > 0) {
    }
}

/* All that was written so far, of which `out` keeps the first 64 bytes. Returns the total. */
static size_t drain_report_data(const vch_pseudo_files *f,
                                uint8_t out[static VCH_PSEUDO_REPORT_DATA_SIZE])
{
    uint8_t chunk[4096];
    size_t total = 0;
    for (;;) {
        ssize_t n = read(f->report_data, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return total;
        for (size_t i = 0; i < (size_t)n && total + i < VCH_PSEUDO_REPORT_DATA_SIZE; i++)
            out[total + i] = chunk[i];
        total += (size_t)n;
    }
}

/* The FIFO's room exceeds a quote, so one write takes all or the reader has left. */
static bool write_whole(int fd, vouch_span bytes)
{
    ssize_t n = -1;
    do {
        n = write(fd, bytes.data, bytes.size);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)bytes.size;
}

static vouch_code answer(vch_pseudo_files *f, int fd, bool *out_served, vouch_error *err)
{
    uint8_t report_data[VCH_PSEUDO_REPORT_DATA_SIZE] = { 0 };
    if (drain_report_data(f, report_data) != sizeof report_data)
        return VOUCH_OK;
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(VCH_SIM_QUOTE_MAX_SIZE);
    vouch_code rc = f->make_quote(f->context, report_data, &quote, err);
    if (rc == VOUCH_OK)
        *out_served = write_whole(fd, vch_buffer_span(&quote));
    return rc;
}

/* A fresh FIFO under the old name: the reader that is being served keeps the old one for itself. */
static vouch_code replace_quote_fifo(const vch_pseudo_files *f, vouch_error *err)
{
    vouch_code rc = make_fifo(f->next_path, err);
    if (rc != VOUCH_OK)
        return rc;
    if (rename(f->next_path, f->quote_path) != 0)
        return vouch_fail(err, VOUCH_E_IO, "'%s': %s", f->quote_path, strerror(errno));
    return VOUCH_OK;
}

vouch_code vch_pseudo_files_serve(vch_pseudo_files *f, unsigned *out_served, unsigned *out_refused,
                                  vouch_error *err)
{
    *out_served = 0;
    *out_refused = 0;
    forget_events(f);
    for (unsigned i = 0; i < REQUESTS_AT_ONCE; i++) {
        int fd = open(f->quote_path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && errno == ENXIO) /* nobody reads, or whoever did has left */
            return VOUCH_OK;
        if (fd < 0)
            return vouch_fail(err, VOUCH_E_IO, "'%s': %s", f->quote_path, strerror(errno));
        bool served = false;
        vouch_code rc = replace_quote_fifo(f, err);
        if (rc == VOUCH_OK)
            rc = answer(f, fd, &served, err);
        (void)close(fd);
        if (rc != VOUCH_OK)
            return rc;
        *(served ? out_served : out_refused) += 1;
    }
    return VOUCH_OK;
}
