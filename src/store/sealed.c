#include "store/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/cursor.h"
#include "base/secret.h"
#include "base/size.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/rand.h"
#include "host/file.h"
#include "store/sealed_parts.h"

#define MAGIC "VOUCHST1"
#define MAGIC_SIZE ((size_t)8)
#define SIZE_MAX_CONTENT (UINT64_C(1) << 40)
#define NO_CHUNK UINT64_MAX
#define VERIFY_STEP VCH_SEALED_CHUNK

enum { MODE_CLEAR = 0, MODE_SEALED = 1 };

static vouch_code fail_errno(const vch_sealed *s, const char *doing, int reason, vouch_error *err)
{
    return vouch_fail(err, VOUCH_E_IO, "%s '%s': %s", doing, s->path, strerror(reason));
}

bool vch_sealed_is_sealed(const vch_sealed *s)
{
    return s->key.size != 0;
}

/* The header's own tag: of no bytes, under a number that no chunk has. In clear: a checksum. */
static vouch_code header_tag(const vch_sealed *s, uint8_t out[static VCH_AEAD_TAG_SIZE],
                             vouch_error *err)
{
    vouch_span bound = { s->header, VCH_SEALED_BOUND_SIZE };
    vouch_code rc = VOUCH_OK;
    if (!vch_sealed_is_sealed(s)) {
        uint8_t digest[VCH_SHA256_SIZE];
        rc = vch_sha256(bound, digest, err);
        if (rc == VOUCH_OK)
            memcpy(out, digest, VCH_AEAD_TAG_SIZE);
        return rc;
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer tag = vch_buffer_with_cap(VCH_AEAD_TAG_SIZE);
    uint8_t nonce[VCH_AEAD_NONCE_SIZE];
    vch_sealed_nonce(NO_CHUNK, nonce);
    rc = vch_aead_seal(s->key.data, nonce, bound, (vouch_span) { NULL, 0 }, &tag, err);
    if (rc == VOUCH_OK)
        memcpy(out, tag.data, VCH_AEAD_TAG_SIZE);
    return rc;
}

static vouch_code make_header(vch_sealed *s, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(VCH_SEALED_BOUND_SIZE);
    vch_buffer_append_str(&out, MAGIC);
    vch_buffer_u64be(&out, vch_sealed_is_sealed(s) ? MODE_SEALED : MODE_CLEAR);
    vch_buffer_append(&out, (vouch_span) { (const uint8_t *)s->purpose, sizeof s->purpose });
    vch_buffer_u64be(&out, s->stamp.size);
    vch_buffer_append(&out, (vouch_span) { s->stamp.salt, sizeof s->stamp.salt });
    vouch_code rc = vch_buffer_finish(&out, "file header", err);
    if (rc != VOUCH_OK)
        return rc;
    memcpy(s->header, out.data, VCH_SEALED_BOUND_SIZE);
    return header_tag(s, s->header + VCH_SEALED_BOUND_SIZE, err);
}

static vouch_code make(const vch_sealed_options *options, vch_sealed **out, vouch_error *err)
{
    VCH_SCOPED(vch_sealed_drop) vch_sealed *s = calloc(1, sizeof *s);
    if (s == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a file of state");
    s->fd = -1;
    s->chunk_at = NO_CHUNK;
    if (strlen(options->purpose) >= sizeof s->purpose)
        return vouch_fail(err, VOUCH_E_INTERNAL, "purpose '%s' is too long", options->purpose);
    memcpy(s->purpose, options->purpose, strlen(options->purpose));
    if (options->directory != NULL) {
        char path[VCH_PATH_SIZE];
        vouch_code rc = vch_path_join(options->directory, options->name, path, err);
        if (rc != VOUCH_OK)
            return rc;
        s->path = strdup(path);
        if (s->path == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a path");
    }
    *out = VCH_MOVE(s);
    return VOUCH_OK;
}

static vouch_code derive(vch_sealed *s, const vch_sealed_options *options, vouch_error *err)
{
    if (options->root == NULL || s->path == NULL)
        return VOUCH_OK;
    s->chunk = malloc(VCH_SEALED_CHUNK);
    if (s->chunk == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to seal");
    return vch_seal_root_derive(options->root, s->purpose, s->stamp.salt, &s->key, err);
}

/* Bytes of the whole file on disk. */
static uint64_t file_size(const vch_sealed *s)
{
    uint64_t chunks = (s->stamp.size + VCH_SEALED_CHUNK - 1) / VCH_SEALED_CHUNK;
    return VCH_SEALED_HEADER_SIZE + s->stamp.size
           + (vch_sealed_is_sealed(s) ? chunks * VCH_AEAD_TAG_SIZE : 0);
}

static vouch_code read_at(const vch_sealed *s, uint64_t at, uint8_t *out, size_t size,
                          vouch_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(s->fd, out + done, size - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(s, "reading", errno, err);
        if (n == 0)
            return vouch_fail(err, VOUCH_E_TRUNCATED, "reading '%s': it ends at byte %llu", s->path,
                              (unsigned long long)(at + done));
        done += (size_t)n;
    }
    return VOUCH_OK;
}

static vouch_code create_file(vch_sealed *s, vouch_error *err)
{
    char temporary[VCH_PATH_SIZE];
    int n = snprintf(temporary, sizeof temporary, "%s" VCH_SEALED_TEMPORARY, s->path);
    if (n < 0 || (size_t)n >= sizeof temporary)
        return vouch_fail(err, VOUCH_E_LIMIT, "'%s': the path is too long", s->path);
    s->fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (s->fd < 0)
        return fail_errno(s, "making", errno, err);
    int why = posix_fallocate(s->fd, 0, (off_t)file_size(s));
    if (why != 0)
        return fail_errno(s, "reserving space for", why, err);
    vouch_code rc = vch_block_writer_init(&s->out, s->fd, s->path, err);
    return rc == VOUCH_OK
               ? vch_block_writer_put(&s->out, (vouch_span) { s->header, sizeof s->header }, err)
               : rc;
}

vouch_code vch_sealed_begin(const vch_sealed_options *options, uint64_t size,
                            const uint8_t salt[static VCH_SEAL_SALT_SIZE], vch_sealed **out,
                            vouch_error *err)
{
    VCH_SCOPED(vch_sealed_drop) vch_sealed *s = NULL;
    if (size > SIZE_MAX_CONTENT)
        return vouch_fail(err, VOUCH_E_LIMIT, "a file of state of %llu bytes",
                          (unsigned long long)size);
    vouch_code rc = make(options, &s, err);
    if (rc == VOUCH_OK)
        rc = vch_gmac_new(salt, &s->gmac, err);
    if (rc != VOUCH_OK)
        return rc;
    s->stamp.size = size;
    memcpy(s->stamp.salt, salt, sizeof s->stamp.salt);
    rc = derive(s, options, err);
    if (rc == VOUCH_OK)
        rc = make_header(s, err);
    if (rc != VOUCH_OK)
        return rc;
    if (s->path != NULL) {
        rc = create_file(s, err);
        if (rc != VOUCH_OK)
            return rc;
    } else {
        s->memory = calloc(size == 0 ? 1 : size, 1);
        if (s->memory == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "no memory for %llu bytes",
                              (unsigned long long)size);
    }
    *out = VCH_MOVE(s);
    return VOUCH_OK;
}

vouch_code vch_sealed_new(const vch_sealed_options *options, uint64_t size, vch_sealed **out,
                          vouch_error *err)
{
    uint8_t salt[VCH_SEAL_SALT_SIZE];
    vouch_code rc = vch_random_bytes(salt, sizeof salt, err);
    return rc == VOUCH_OK ? vch_sealed_begin(options, size, salt, out, err) : rc;
}

vouch_code vch_sealed_finish(vch_sealed *s, vouch_error *err)
{
    if (s->reading || s->done != s->stamp.size)
        return vouch_fail(err, VOUCH_E_INTERNAL, "a file of state lacks bytes");
    vouch_code rc = s->fd >= 0 ? vch_block_writer_flush(&s->out, err) : VOUCH_OK;
    vch_block_writer_drop(&s->out);
    if (rc == VOUCH_OK)
        rc = vch_gmac_finish(s->gmac, s->stamp.check, err);
    vch_gmac_free(s->gmac);
    s->gmac = NULL;
    s->reading = rc == VOUCH_OK;
    free(s->chunk); /* made again when it is read: many are written at a time */
    s->chunk = NULL;
    return rc;
}

vouch_code vch_sealed_sync(const vch_sealed *s, vouch_error *err)
{
    if (s->fd >= 0 && fsync(s->fd) != 0)
        return fail_errno(s, "syncing", errno, err);
    return VOUCH_OK;
}

vouch_code vch_sealed_publish(vch_sealed *s, vouch_error *err)
{
    char temporary[VCH_PATH_SIZE];
    if (!s->reading)
        return vouch_fail(err, VOUCH_E_INTERNAL, "a file of state is not complete");
    if (s->path == NULL)
        return VOUCH_OK;
    (void)snprintf(temporary, sizeof temporary, "%s" VCH_SEALED_TEMPORARY, s->path);
    if (rename(temporary, s->path) != 0)
        return fail_errno(s, "renaming to", errno, err);
    s->published = true;
    return VOUCH_OK;
}

/* What a header says, before anything of it is believed. */
typedef struct said {
    uint64_t mode;
    char purpose[VCH_SEALED_PURPOSE_SIZE];
    uint64_t size;
    uint8_t salt[VCH_SEAL_SALT_SIZE];
} said;

/* The bytes are kept in s->header. */
static vouch_code read_header(vch_sealed *s, said *out, vouch_error *err)
{
    char magic[MAGIC_SIZE];
    vouch_code rc = read_at(s, 0, s->header, sizeof s->header, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_cursor c = vch_cursor_over((vouch_span) { s->header, VCH_SEALED_BOUND_SIZE });
    vch_cursor_copy(&c, magic, sizeof magic);
    out->mode = vch_cursor_u64be(&c);
    vch_cursor_copy(&c, out->purpose, sizeof out->purpose);
    out->size = vch_cursor_u64be(&c);
    vch_cursor_copy(&c, out->salt, sizeof out->salt);
    rc = vch_cursor_finish(&c, "file header", err);
    if (rc != VOUCH_OK)
        return rc;
    if (memcmp(magic, MAGIC, sizeof magic) != 0 || out->mode > MODE_SEALED)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s' is no file of state", s->path);
    return VOUCH_OK;
}

/* Is it what `stamp` and purpose say? */
static vouch_code compare_header(const vch_sealed *s, const said *header, vouch_error *err)
{
    if (header->mode != (vch_sealed_is_sealed(s) ? MODE_SEALED : MODE_CLEAR))
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s' is %s", s->path,
                          header->mode == MODE_SEALED ? "sealed, and there is no key"
                                                      : "not sealed");
    if (memcmp(header->purpose, s->purpose, sizeof s->purpose) != 0 || header->size != s->stamp.size
        || memcmp(header->salt, s->stamp.salt, sizeof s->stamp.salt) != 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s' is not the file that the journal means",
                          s->path);
    return VOUCH_OK;
}

static vouch_code check_header(vch_sealed *s, vouch_error *err)
{
    uint8_t tag[VCH_AEAD_TAG_SIZE];
    struct stat about = { 0 };
    said header;
    vouch_code rc = read_header(s, &header, err);
    if (rc == VOUCH_OK)
        rc = compare_header(s, &header, err);
    if (rc == VOUCH_OK)
        rc = header_tag(s, tag, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!vch_secret_equal((vouch_span) { tag, sizeof tag },
                          (vouch_span) { s->header + VCH_SEALED_BOUND_SIZE, sizeof tag }))
        return vouch_fail(err, VOUCH_E_CRYPTO, "the header of '%s' was altered%s", s->path,
                          vch_sealed_is_sealed(s) ? ", or it was sealed with another key" : "");
    if (fstat(s->fd, &about) != 0)
        return fail_errno(s, "reading", errno, err);
    if ((uint64_t)about.st_size != file_size(s))
        return vouch_fail(err, VOUCH_E_TRUNCATED, "'%s' has %lld bytes, not %llu", s->path,
                          (long long)about.st_size, (unsigned long long)file_size(s));
    return VOUCH_OK;
}

static vouch_code check_content(vch_sealed *s, vouch_error *err)
{
    uint8_t check[VCH_GMAC_SIZE];
    VCH_SCOPED(vch_free_drop) uint8_t *room = malloc(VERIFY_STEP);
    VCH_SCOPED(vch_gmac_drop) vch_gmac *gmac = NULL;
    if (room == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to check '%s'", s->path);
    vouch_code rc = vch_gmac_new(s->stamp.salt, &gmac, err);
    for (uint64_t at = 0; rc == VOUCH_OK && at < s->stamp.size;) {
        uint64_t left = s->stamp.size - at;
        size_t n = left < VERIFY_STEP ? (size_t)left : VERIFY_STEP;
        rc = vch_sealed_read(s, at, room, n, err);
        if (rc == VOUCH_OK)
            rc = vch_gmac_update(gmac, (vouch_span) { room, n }, err);
        at += n;
    }
    if (rc == VOUCH_OK)
        rc = vch_gmac_finish(gmac, check, err);
    if (rc == VOUCH_OK && memcmp(check, s->stamp.check, sizeof check) != 0)
        rc = vouch_fail(err, VOUCH_E_CRYPTO, "the content of '%s' was altered", s->path);
    return rc;
}

static vouch_code open_file(vch_sealed *s, vouch_error *err)
{
    if (s->path == NULL)
        return vouch_fail(err, VOUCH_E_INTERNAL, "what lay in memory is gone");
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0 && errno == ENOENT)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "'%s' is gone", s->path);
    return s->fd < 0 ? fail_errno(s, "opening", errno, err) : VOUCH_OK;
}

vouch_code vch_sealed_peek(const char *directory, const char *name,
                           char out_purpose[static VCH_SEALED_PURPOSE_SIZE], vch_sealed_stamp *out,
                           vouch_error *err)
{
    VCH_SCOPED(vch_sealed_drop) vch_sealed *s = NULL;
    const vch_sealed_options options = { .directory = directory, .name = name, .purpose = "" };
    said header;
    vouch_code rc = make(&options, &s, err);
    if (rc != VOUCH_OK)
        return rc;
    s->published = true; /* it stays */
    rc = open_file(s, err);
    if (rc == VOUCH_OK)
        rc = read_header(s, &header, err);
    if (rc == VOUCH_OK && memchr(header.purpose, 0, sizeof header.purpose) == NULL)
        rc = vouch_fail(err, VOUCH_E_FORMAT, "'%s' is no file of state", s->path);
    if (rc != VOUCH_OK)
        return rc;
    memcpy(out_purpose, header.purpose, sizeof header.purpose);
    *out = (vch_sealed_stamp) { .size = header.size };
    memcpy(out->salt, header.salt, sizeof out->salt);
    return VOUCH_OK;
}

vouch_code vch_sealed_open(const vch_sealed_options *options, const vch_sealed_stamp *stamp,
                           bool verify, vch_sealed **out, vouch_error *err)
{
    VCH_SCOPED(vch_sealed_drop) vch_sealed *s = NULL;
    vouch_code rc = make(options, &s, err);
    if (rc != VOUCH_OK)
        return rc;
    s->stamp = *stamp;
    s->published = true;
    s->reading = true;
    rc = derive(s, options, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = open_file(s, err);
    if (rc == VOUCH_OK)
        rc = check_header(s, err);
    if (rc == VOUCH_OK && verify)
        rc = check_content(s, err);
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(s);
    return rc;
}

/* Bytes of content in a chunk. */
static size_t chunk_size(const vch_sealed *s, uint64_t number)
{
    uint64_t left = s->stamp.size - number * VCH_SEALED_CHUNK;
    return left < VCH_SEALED_CHUNK ? (size_t)left : VCH_SEALED_CHUNK;
}

static vouch_code need_chunk(vch_sealed *s, uint64_t number, vouch_error *err)
{
    uint8_t nonce[VCH_AEAD_NONCE_SIZE];
    if (s->chunk_at == number)
        return VOUCH_OK;
    if (s->chunk == NULL)
        s->chunk = malloc(VCH_SEALED_CHUNK);
    if (s->chunk == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to unseal");
    s->chunk_at = NO_CHUNK;
    size_t size = chunk_size(s, number);
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = vch_buffer_with_cap(VCH_SEALED_CHUNK_ON_DISK);
    vch_buffer_reserve(&bytes, VCH_SEALED_CHUNK_ON_DISK);
    uint8_t *at = vch_buffer_extend(&bytes, size + VCH_AEAD_TAG_SIZE);
    if (at == NULL)
        return vch_buffer_finish(&bytes, "sealed chunk", err);
    vouch_code rc = read_at(s, VCH_SEALED_HEADER_SIZE + number * VCH_SEALED_CHUNK_ON_DISK, at,
                            size + VCH_AEAD_TAG_SIZE, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_sealed_nonce(number, nonce);
    rc = vch_aead_open(s->key.data, nonce, (vouch_span) { s->header, VCH_SEALED_BOUND_SIZE },
                       vch_buffer_span(&bytes), s->chunk, size, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "'%s', chunk %llu", s->path, (unsigned long long)number);
    s->chunk_at = number;
    return VOUCH_OK;
}

vouch_code vch_sealed_read(vch_sealed *s, uint64_t offset, void *out, size_t size, vouch_error *err)
{
    uint8_t *to = out;
    if (!s->reading || offset > s->stamp.size || size > s->stamp.size - offset)
        return vouch_fail(err, VOUCH_E_INTERNAL, "a file of state: %zu bytes at %llu of %llu", size,
                          (unsigned long long)offset, (unsigned long long)s->stamp.size);
    if (s->memory != NULL) {
        memcpy(out, s->memory + offset, size);
        return VOUCH_OK;
    }
    if (!vch_sealed_is_sealed(s))
        return read_at(s, VCH_SEALED_HEADER_SIZE + offset, to, size, err);
    while (size > 0) {
        uint64_t number = offset / VCH_SEALED_CHUNK;
        size_t from = (size_t)(offset % VCH_SEALED_CHUNK);
        vouch_code rc = need_chunk(s, number, err);
        if (rc != VOUCH_OK)
            return rc;
        size_t n = chunk_size(s, number) - from;
        if (n > size)
            n = size;
        memcpy(to, s->chunk + from, n);
        to += n;
        offset += n;
        size -= n;
    }
    return VOUCH_OK;
}

const vch_sealed_stamp *vch_sealed_stamp_of(const vch_sealed *s)
{
    return &s->stamp;
}

const char *vch_sealed_name(const vch_sealed *s)
{
    if (s->path == NULL)
        return "";
    const char *slash = strrchr(s->path, '/');
    return slash == NULL ? s->path : slash + 1;
}

static void remove_file(const vch_sealed *s)
{
    char temporary[VCH_PATH_SIZE];
    if (s->path == NULL)
        return;
    if (s->published) {
        (void)unlink(s->path); /* one that stays is removed at the next start */
        return;
    }
    (void)snprintf(temporary, sizeof temporary, "%s" VCH_SEALED_TEMPORARY, s->path);
    (void)unlink(temporary);
}

vch_sealed *vch_sealed_ref(vch_sealed *s)
{
    s->owners++;
    return s;
}

void vch_sealed_discard(vch_sealed *s)
{
    if (s == NULL)
        return;
    remove_file(s);
    s->published = true; /* and gone */
    vch_sealed_free(s);
}

void vch_sealed_free(vch_sealed *s)
{
    if (s == NULL)
        return;
    if (s->owners > 0) {
        s->owners--;
        return;
    }
    if (!s->published && s->fd >= 0)
        remove_file(s);
    if (s->fd >= 0)
        (void)close(s->fd); /* synced, or not wanted */
    vch_secret_drop(&s->key);
    vch_gmac_free(s->gmac);
    vch_block_writer_drop(&s->out);
    free(s->chunk);
    free(s->memory);
    free(s->path);
    free(s);
}
