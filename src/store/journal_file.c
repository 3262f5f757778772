#include "store/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/scope.h"
#include "crypto/aead.h"
#include "crypto/rand.h"
#include "host/file.h"
#include "store/journal.h"

#define MAGIC "VOUCHJN1"
#define PURPOSE "journal"
#define BOUND_SIZE ((size_t)88)
#define HEADER_SIZE (BOUND_SIZE + VCH_AEAD_TAG_SIZE)
#define HEAD_SIZE ((size_t)16)
#define CHECKED_SIZE ((size_t)12) /* of a head: all but its check */
#define CHECK_SIZE (HEAD_SIZE - CHECKED_SIZE)
#define BODY_MAX (VCH_JOURNAL_COMMIT_MAX + VCH_AEAD_TAG_SIZE)
#define HEADER_NUMBER UINT64_MAX /* no commit's */

enum { MODE_CLEAR = 0, MODE_SEALED = 1 };

void vch_journal_file_name(uint32_t number, char out[static VCH_JOURNAL_NAME_SIZE])
{
    (void)snprintf(out, VCH_JOURNAL_NAME_SIZE, "journal-%08u", (unsigned)number);
}

void vch_journal_file_close(vch_journal_file *f)
{
    if (f->fd >= 0)
        (void)close(f->fd); /* every commit was synced */
    f->fd = -1;
    vch_secret_drop(&f->key);
    free(f->path);
    f->path = NULL;
}

static vouch_code fail_errno(const vch_journal_file *f, const char *doing, int reason,
                             vouch_error *err)
{
    return vouch_fail(err, reason == ENOENT ? VOUCH_E_NOT_FOUND : VOUCH_E_IO, "%s '%s': %s", doing,
                      f->path, strerror(reason));
}

static bool is_sealed(const vch_journal_file *f)
{
    return f->key.size != 0;
}

static vouch_code keep_path(vch_journal_file *f, const char *directory, uint32_t number,
                            vouch_error *err)
{
    char name[VCH_JOURNAL_NAME_SIZE];
    char path[VCH_PATH_SIZE];
    vch_journal_file_name(number, name);
    vouch_code rc = vch_path_join(directory, name, path, err);
    if (rc != VOUCH_OK)
        return rc;
    f->path = strdup(path);
    return f->path != NULL ? VOUCH_OK : vouch_fail(err, VOUCH_E_MEMORY, "no memory for a path");
}

static void nonce_of(uint64_t number, uint8_t out[static VCH_AEAD_NONCE_SIZE])
{
    memset(out, 0, VCH_AEAD_NONCE_SIZE);
    for (size_t i = 0; i < 8; i++)
        out[VCH_AEAD_NONCE_SIZE - 1 - i] = (uint8_t)(number >> (8 * i));
}

/* Sealed: a tag over the header alone. In clear: a checksum. */
static vouch_code header_tag(const vch_journal_file *f, vouch_span bound,
                             uint8_t out[static VCH_AEAD_TAG_SIZE], vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE];
    if (is_sealed(f)) {
        uint8_t nonce[VCH_AEAD_NONCE_SIZE];
        VCH_SCOPED(vch_buffer_drop) vch_buffer tag = vch_buffer_with_cap(VCH_AEAD_TAG_SIZE);
        nonce_of(HEADER_NUMBER, nonce);
        vouch_code rc =
            vch_aead_seal(f->key.data, nonce, bound, (vouch_span) { NULL, 0 }, &tag, err);
        if (rc == VOUCH_OK)
            memcpy(out, tag.data, VCH_AEAD_TAG_SIZE);
        return rc;
    }
    vouch_code rc = vch_sha256(bound, digest, err);
    if (rc == VOUCH_OK)
        memcpy(out, digest, VCH_AEAD_TAG_SIZE);
    return rc;
}

vouch_code vch_journal_file_new(const char *directory, uint32_t number, const vch_seal_root *root,
                                const uint8_t before[static VCH_SHA256_SIZE], vch_journal_file *out,
                                vouch_error *err)
{
    uint8_t salt[VCH_SEAL_SALT_SIZE];
    uint8_t tag[VCH_AEAD_TAG_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer header = vch_buffer_with_cap(HEADER_SIZE);
    VCH_SCOPED(vch_journal_file_close) vch_journal_file f = { .fd = -1 };
    vouch_code rc = keep_path(&f, directory, number, err);
    if (rc == VOUCH_OK)
        rc = vch_random_bytes(salt, sizeof salt, err);
    if (rc == VOUCH_OK && root != NULL)
        rc = vch_seal_root_derive(root, PURPOSE, salt, &f.key, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_append_str(&header, MAGIC);
    vch_buffer_u64be(&header, is_sealed(&f) ? MODE_SEALED : MODE_CLEAR);
    vch_buffer_u64be(&header, number);
    vch_buffer_append(&header, (vouch_span) { before, VCH_SHA256_SIZE });
    vch_buffer_append(&header, (vouch_span) { salt, sizeof salt });
    rc = header_tag(&f, vch_buffer_span(&header), tag, err);
    vch_buffer_append(&header, (vouch_span) { tag, sizeof tag });
    if (rc == VOUCH_OK)
        rc = vch_buffer_finish(&header, "journal header", err);
    if (rc == VOUCH_OK)
        rc = vch_file_write(f.path, vch_buffer_span(&header), 0600, err);
    if (rc != VOUCH_OK)
        return rc;
    f.fd = open(f.path, O_RDWR | O_CLOEXEC);
    if (f.fd < 0)
        return fail_errno(&f, "opening", errno, err);
    f.size = HEADER_SIZE;
    f.length = HEADER_SIZE;
    memcpy(f.digest, before, VCH_SHA256_SIZE);
    *out = f;
    f = (vch_journal_file) { .fd = -1 };
    return VOUCH_OK;
}

/* Reads whole, or says that the file ends before. */
static vouch_code read_at(const vch_journal_file *f, uint64_t at, uint8_t *out, size_t size,
                          vouch_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(f->fd, out + done, size - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(f, "reading", errno, err);
        if (n == 0)
            return vouch_fail(err, VOUCH_E_TRUNCATED, "'%s' ends at byte %llu", f->path,
                              (unsigned long long)(at + done));
        done += (size_t)n;
    }
    return VOUCH_OK;
}

static vouch_code check_header(vch_journal_file *f, uint32_t number, const vch_seal_root *root,
                               vouch_error *err)
{
    char magic[sizeof MAGIC - 1];
    uint8_t header[HEADER_SIZE];
    uint8_t salt[VCH_SEAL_SALT_SIZE];
    uint8_t tag[VCH_AEAD_TAG_SIZE];
    vouch_code rc = read_at(f, 0, header, sizeof header, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_cursor c = vch_cursor_over((vouch_span) { header, BOUND_SIZE });
    vch_cursor_copy(&c, magic, sizeof magic);
    uint64_t mode = vch_cursor_u64be(&c);
    uint64_t says = vch_cursor_u64be(&c);
    vch_cursor_copy(&c, f->digest, sizeof f->digest);
    vch_cursor_copy(&c, salt, sizeof salt);
    rc = vch_cursor_finish(&c, "journal header", err);
    if (rc != VOUCH_OK)
        return rc;
    if (memcmp(magic, MAGIC, sizeof magic) != 0 || mode > MODE_SEALED)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s' is no journal", f->path);
    if (mode != (root != NULL ? MODE_SEALED : MODE_CLEAR))
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' is %s", f->path,
                          mode == MODE_SEALED ? "sealed, and there is no key" : "not sealed");
    if (root != NULL)
        rc = vch_seal_root_derive(root, PURPOSE, salt, &f->key, err);
    if (rc == VOUCH_OK)
        rc = header_tag(f, (vouch_span) { header, BOUND_SIZE }, tag, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!vch_secret_equal((vouch_span) { tag, sizeof tag },
                          (vouch_span) { header + BOUND_SIZE, sizeof tag }))
        return vouch_fail(err, VOUCH_E_CRYPTO, "the header of '%s' was altered%s", f->path,
                          root != NULL ? ", or it was sealed with another key" : "");
    if (says != number)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s' is number %llu", f->path,
                          (unsigned long long)says);
    return VOUCH_OK;
}

vouch_code vch_journal_file_open(const char *directory, uint32_t number, const vch_seal_root *root,
                                 vch_journal_file *out, vouch_error *err)
{
    struct stat about = { 0 };
    VCH_SCOPED(vch_journal_file_close) vch_journal_file f = { .fd = -1 };
    vouch_code rc = keep_path(&f, directory, number, err);
    if (rc != VOUCH_OK)
        return rc;
    f.fd = open(f.path, O_RDWR | O_CLOEXEC);
    if (f.fd < 0 || fstat(f.fd, &about) != 0)
        return fail_errno(&f, "opening", errno, err);
    rc = check_header(&f, number, root, err);
    if (rc != VOUCH_OK)
        return rc;
    f.size = HEADER_SIZE;
    f.length = (uint64_t)about.st_size;
    *out = f;
    f = (vch_journal_file) { .fd = -1 };
    return VOUCH_OK;
}

static vouch_code head_check(const uint8_t head[static HEAD_SIZE], uint8_t out[static CHECK_SIZE],
                             vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE];
    vouch_code rc = vch_sha256((vouch_span) { head, CHECKED_SIZE }, digest, err);
    if (rc == VOUCH_OK)
        memcpy(out, digest, CHECK_SIZE);
    return rc;
}

/* The digest that stands for all up to and with this commit. */
static vouch_code chain(const uint8_t before[static VCH_SHA256_SIZE], vouch_span commit,
                        uint8_t out[static VCH_SHA256_SIZE], vouch_error *err)
{
    VCH_SCOPED(vch_hash_drop) vch_hash *hash = NULL;
    vouch_code rc = vch_hash_new(VCH_HASH_SHA256, &hash, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_update(hash, (vouch_span) { before, VCH_SHA256_SIZE }, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_update(hash, commit, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_finish(hash, out, VCH_SHA256_SIZE, err);
    return rc;
}

/* Space that the file system gave to the file, and nobody wrote to before the power went. */
static vouch_code is_blank(const vch_journal_file *f, bool *out, vouch_error *err)
{
    uint8_t room[4096];
    for (uint64_t at = f->place; at < f->length;) {
        uint64_t left = f->length - at;
        size_t n = left < sizeof room ? (size_t)left : sizeof room;
        vouch_code rc = read_at(f, at, room, n, err);
        if (rc != VOUCH_OK)
            return rc;
        if (!vch_span_is_zero((vouch_span) { room, n })) {
            *out = false;
            return VOUCH_OK;
        }
        at += n;
    }
    *out = true;
    return VOUCH_OK;
}

typedef struct commit_head {
    uint32_t body_size;
    uint64_t number;
    bool intact;
} commit_head;

static vouch_code read_head(const vch_journal_file *f, uint8_t bytes[static HEAD_SIZE],
                            commit_head *out, vouch_error *err)
{
    uint8_t check[CHECK_SIZE];
    vouch_code rc = read_at(f, f->place, bytes, HEAD_SIZE, err);
    if (rc == VOUCH_OK)
        rc = head_check(bytes, check, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_cursor c = vch_cursor_over((vouch_span) { bytes, CHECKED_SIZE });
    out->body_size = vch_cursor_u32be(&c);
    out->number = vch_cursor_u64be(&c);
    out->intact = memcmp(check, bytes + CHECKED_SIZE, sizeof check) == 0;
    return vch_cursor_finish(&c, "commit", err);
}

static vouch_code open_body(const vch_journal_file *f, const commit_head *head, vouch_span body,
                            vch_buffer *out, vouch_error *err)
{
    if (!is_sealed(f)) {
        vch_buffer_append(out, body);
        return vch_buffer_finish(out, "commit", err);
    }
    uint8_t nonce[VCH_AEAD_NONCE_SIZE];
    nonce_of(head->number, nonce);
    if (body.size < VCH_AEAD_TAG_SIZE)
        return vouch_fail(err, VOUCH_E_CRYPTO, "a commit without a tag");
    size_t size = body.size - VCH_AEAD_TAG_SIZE;
    uint8_t *room = vch_buffer_extend(out, size);
    if (room == NULL)
        return vch_buffer_finish(out, "commit", err);
    return vch_aead_open(f->key.data, nonce, (vouch_span) { f->digest, sizeof f->digest }, body,
                         room, size, err);
}

/* The commit at f->place, whose head is intact and which the file has whole. */
static vouch_code take_commit(vch_journal_file *f, const commit_head *head, vch_buffer *out_body,
                              vch_journal_found *out_found, vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE];
    size_t covered = HEAD_SIZE + head->body_size;
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer whole = vch_buffer_with_cap(HEAD_SIZE + BODY_MAX + VCH_SHA256_SIZE);
    uint8_t *bytes = vch_buffer_extend(&whole, covered + sizeof digest);
    if (bytes == NULL)
        return vch_buffer_finish(&whole, "commit", err);
    vouch_code rc = read_at(f, f->place, bytes, whole.size, err);
    if (rc == VOUCH_OK)
        rc = chain(f->digest, (vouch_span) { bytes, covered }, digest, err);
    if (rc != VOUCH_OK)
        return rc;
    if (memcmp(digest, bytes + covered, sizeof digest) != 0) {
        if (f->place + whole.size == f->length) { /* the last, and not all of it was written */
            *out_found = VCH_JOURNAL_TORN;
            return VOUCH_OK;
        }
        return vouch_fail(err, VOUCH_E_FORMAT, "damaged: its digest does not match");
    }
    *out_body = vch_buffer_with_cap(BODY_MAX);
    rc = open_body(f, head, (vouch_span) { bytes + HEAD_SIZE, head->body_size }, out_body, err);
    if (rc != VOUCH_OK)
        return rc;
    memcpy(f->digest, digest, sizeof digest);
    f->number = head->number;
    f->size = f->place + whole.size;
    *out_found = VCH_JOURNAL_COMMIT;
    return VOUCH_OK;
}

vouch_code vch_journal_file_next(vch_journal_file *f, vch_buffer *out_body,
                                 vch_journal_found *out_found, vouch_error *err)
{
    uint8_t bytes[HEAD_SIZE];
    commit_head head = { 0 };
    bool blank = false;
    f->place = f->size;
    *out_found = f->place == f->length ? VCH_JOURNAL_END : VCH_JOURNAL_TORN;
    if (f->length - f->place < HEAD_SIZE)
        return VOUCH_OK;
    vouch_code rc = read_head(f, bytes, &head, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!head.intact) {
        rc = is_blank(f, &blank, err);
        if (rc != VOUCH_OK || blank)
            return rc;
        return vouch_fail(err, VOUCH_E_FORMAT, "damaged: no commit begins here");
    }
    if (head.body_size > BODY_MAX || head.number <= f->number || head.number == HEADER_NUMBER)
        return vouch_fail(err, VOUCH_E_FORMAT, "damaged: a commit of %u bytes with the number %llu",
                          (unsigned)head.body_size, (unsigned long long)head.number);
    if (f->length - f->place < HEAD_SIZE + head.body_size + VCH_SHA256_SIZE)
        return VOUCH_OK; /* torn */
    return take_commit(f, &head, out_body, out_found, err);
}

vouch_code vch_journal_file_cut(vch_journal_file *f, vouch_error *err)
{
    if (ftruncate(f->fd, (off_t)f->size) != 0 || fsync(f->fd) != 0)
        return fail_errno(f, "cutting", errno, err);
    f->length = f->size;
    return VOUCH_OK;
}

static vouch_code write_commit(const vch_journal_file *f, vouch_span bytes, vouch_error *err)
{
    for (size_t done = 0; done < bytes.size;) {
        ssize_t n = pwrite(f->fd, bytes.data + done, bytes.size - done, (off_t)(f->size + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail_errno(f, "writing", n < 0 ? errno : ENOSPC, err);
        done += (size_t)n;
    }
    return VOUCH_OK;
}

static vouch_code build_commit(vch_journal_file *f, vouch_span body, vch_buffer *out,
                               uint8_t digest[static VCH_SHA256_SIZE], vouch_error *err)
{
    uint8_t check[CHECK_SIZE];
    uint8_t head[HEAD_SIZE] = { 0 };
    uint8_t nonce[VCH_AEAD_NONCE_SIZE];
    size_t size = body.size + (is_sealed(f) ? VCH_AEAD_TAG_SIZE : 0);
    vch_buffer_u32be(out, (uint32_t)size);
    vch_buffer_u64be(out, ++f->number); /* used up, whatever becomes of this commit */
    vouch_code rc = vch_buffer_finish(out, "commit", err);
    if (rc != VOUCH_OK)
        return rc;
    memcpy(head, out->data, CHECKED_SIZE);
    rc = head_check(head, check, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_append(out, (vouch_span) { check, sizeof check });
    if (is_sealed(f)) {
        nonce_of(f->number, nonce);
        rc = vch_aead_seal(f->key.data, nonce, (vouch_span) { f->digest, sizeof f->digest }, body,
                           out, err);
    } else {
        vch_buffer_append(out, body);
    }
    if (rc == VOUCH_OK)
        rc = vch_buffer_finish(out, "commit", err);
    if (rc == VOUCH_OK)
        rc = chain(f->digest, vch_buffer_span(out), digest, err);
    vch_buffer_append(out, (vouch_span) { digest, VCH_SHA256_SIZE });
    return rc == VOUCH_OK ? vch_buffer_finish(out, "commit", err) : rc;
}

vouch_code vch_journal_file_append(vch_journal_file *f, vouch_span body, bool *out_spoilt,
                                   vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE] = { 0 };
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer out = vch_buffer_with_cap(HEAD_SIZE + BODY_MAX + VCH_SHA256_SIZE);
    vouch_code rc = build_commit(f, body, &out, digest, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = write_commit(f, vch_buffer_span(&out), err);
    if (rc != VOUCH_OK) { /* a full disk: what came to lie there goes again */
        *out_spoilt = ftruncate(f->fd, (off_t)f->size) != 0 || fsync(f->fd) != 0;
        return rc;
    }
    if (fdatasync(f->fd) != 0) { /* the kernel may have dropped the bytes: nobody knows */
        *out_spoilt = true;
        return fail_errno(f, "syncing", errno, err);
    }
    f->size += out.size;
    f->length = f->size;
    memcpy(f->digest, digest, sizeof digest);
    return VOUCH_OK;
}
