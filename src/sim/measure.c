#include "sim/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/scope.h"
#include "crypto/hash.h"
#include "host/file.h"

#define DOMAIN "vouch-sim-measure-1" /* hashed with its NUL */
#define MESSAGE_MAX_SIZE (VCH_SIM_MAX_MEASURED * (VCH_PATH_SIZE + 64))
#define CHUNK_SIZE ((size_t)64 << 10)

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static bool is_regular(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static vouch_code open_candidate(const char *path, int *out_fd, vouch_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return vouch_fail(err, errno == ENOENT ? VOUCH_E_NOT_FOUND : VOUCH_E_IO, "'%s': %s", path,
                          strerror(errno));
    if (!is_regular(fd) || access(path, X_OK) != 0) {
        (void)close(fd);
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "'%s' is not an executable file", path);
    }
    *out_fd = fd;
    return VOUCH_OK;
}

static vouch_code search(const char *program, const char *search_path, int *out_fd,
                         vouch_error *err)
{
    const char *rest = search_path == NULL ? "/usr/local/bin:/usr/bin:/bin" : search_path;
    while (*rest != 0) {
        size_t size = strcspn(rest, ":");
        char dir[VCH_PATH_SIZE] = ".";
        char path[VCH_PATH_SIZE];
        if (size >= sizeof dir)
            return vouch_fail(err, VOUCH_E_LIMIT, "a directory in PATH is too long");
        if (size > 0) {
            memcpy(dir, rest, size);
            dir[size] = 0;
        }
        vouch_code rc = vch_path_join(dir, program, path, err);
        if (rc != VOUCH_OK)
            return rc;
        if (open_candidate(path, out_fd, NULL) == VOUCH_OK)
            return VOUCH_OK;
        rest += size + (rest[size] == ':' ? 1 : 0);
    }
    return vouch_fail(err, VOUCH_E_NOT_FOUND, "there is no program '%s' in PATH", program);
}

vouch_code vch_sim_program_open(const char *program, const char *search_path, int *out_fd,
                                vouch_error *err)
{
    VCH_SCOPED(close_fd) int fd = -1;
    vouch_code rc = strchr(program, '/') != NULL ? open_candidate(program, &fd, err)
                                                 : search(program, search_path, &fd, err);
    if (rc != VOUCH_OK)
        return rc;
    char start[2] = { 0 };
    if (pread(fd, start, sizeof start, 0) == 2 && start[0] == '#' && start[1] == '!')
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "'%s' is a script, and its interpreter would go unmeasured; run the "
                          "interpreter and measure the script: --measure SCRIPT -- INTERPRETER "
                          "SCRIPT",
                          program);
    *out_fd = fd;
    fd = -1;
    return VOUCH_OK;
}

/* SHA-256 over the whole content, from its start, without moving the descriptor's offset. */
static vouch_code digest_content(int fd, const char *name, uint8_t out[static VCH_SHA256_SIZE],
                                 vouch_error *err)
{
    VCH_SCOPED(vch_hash_drop) vch_hash *hash = NULL;
    VCH_SCOPED(vch_free_drop) uint8_t *chunk = malloc(CHUNK_SIZE);
    if (chunk == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "measuring '%s'", name);
    vouch_code rc = vch_hash_new(VCH_HASH_SHA256, &hash, err);
    for (off_t at = 0; rc == VOUCH_OK;) {
        ssize_t n = pread(fd, chunk, CHUNK_SIZE, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vouch_fail(err, VOUCH_E_IO, "measuring '%s': %s", name, strerror(errno));
        if (n == 0)
            return vch_hash_finish(hash, out, VCH_SHA256_SIZE, err);
        rc = vch_hash_update(hash, (vouch_span) { chunk, (size_t)n }, err);
        at += n;
    }
    return rc;
}

static vouch_code append_file(const char *name, vch_buffer *message, vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE];
    VCH_SCOPED(close_fd) int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return vouch_fail(err, errno == ENOENT ? VOUCH_E_NOT_FOUND : VOUCH_E_IO,
                          "file to measure '%s': %s", name, strerror(errno));
    if (!is_regular(fd))
        return vouch_fail(err, VOUCH_E_CONFIG, "file to measure '%s' is not a regular file", name);
    vouch_code rc = digest_content(fd, name, digest, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_u64be(message, strlen(name));
    vch_buffer_append_str(message, name);
    vch_buffer_append(message, (vouch_span) { digest, sizeof digest });
    return VOUCH_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static vouch_code append_files(const char *const *files, size_t count, vch_buffer *message,
                               vouch_error *err)
{
    const char *sorted[VCH_SIM_MAX_MEASURED];
    if (count > VCH_SIM_MAX_MEASURED)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu files to measure, more than %zu", count,
                          VCH_SIM_MAX_MEASURED);
    for (size_t i = 0; i < count; i++)
        sorted[i] = files[i];
    qsort(sorted, count, sizeof sorted[0], by_name);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(sorted[i - 1], sorted[i]) == 0)
            return vouch_fail(err, VOUCH_E_CONFIG, "file to measure '%s' is named twice",
                              sorted[i]);
        vouch_code rc = append_file(sorted[i], message, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

vouch_code vch_sim_measure(int program_fd, const char *const *files, size_t count,
                           vch_sim_measurement *out, vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE];
    vch_sim_measurement made;
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = vch_buffer_with_cap(MESSAGE_MAX_SIZE);
    vouch_code rc = digest_content(program_fd, "the program", digest, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_append(&message, (vouch_span) { (const uint8_t *)DOMAIN, sizeof DOMAIN });
    vch_buffer_append(&message, (vouch_span) { digest, sizeof digest });
    rc = append_files(files, count, &message, err);
    if (rc == VOUCH_OK)
        rc = vch_buffer_finish(&message, "measurement", err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(vch_buffer_span(&message), made.mrenclave, err);
    if (rc == VOUCH_OK)
        rc = vch_sha384(vch_buffer_span(&message), made.mrtd, err);
    if (rc == VOUCH_OK)
        *out = made;
    return rc;
}
