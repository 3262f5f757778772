#include "identity/issuer_cache.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "codec/hex.h"
#include "crypto/hash.h"
#include "host/environment.h"

#define NAME_SIZE (2 * VCH_SHA256_SIZE)
#define HEAD_MAX_SIZE ((size_t)1024) /* the lines before the bytes */
#define TIME_DIGITS 12

/* SHA-256, a line; the address, a line; when it was fetched, a line; the bytes. The digest is of all
 * that follows its line: it finds damage, and proves nothing. */

static vouch_code digest_text(vouch_span bytes, char out[static NAME_SIZE + 1], vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE];
    vouch_code rc = vch_sha256(bytes, digest, err);
    if (rc == VOUCH_OK)
        (void)vch_hex_encode((vouch_span) { digest, sizeof digest }, out);
    return rc;
}

static vouch_code path_of(const char *dir, const char *url, char out[static VCH_PATH_SIZE],
                          vouch_error *err)
{
    char name[NAME_SIZE + 1];
    vouch_code rc = digest_text(vch_span_str(url), name, err);
    return rc == VOUCH_OK ? vch_path_join(dir, name, out, err) : rc;
}

bool vch_issuer_cache_place(char out[static VCH_PATH_SIZE])
{
    const char *cache = vch_environment_get("XDG_CACHE_HOME");
    const char *home = vch_environment_get("HOME");
    if (cache != NULL && cache[0] == '/') /* others are to be ignored, says the specification */
        return vch_path_join(cache, "vouch", out, NULL) == VOUCH_OK;
    return home != NULL && home[0] == '/'
           && vch_path_join(home, ".cache/vouch", out, NULL) == VOUCH_OK;
}

/* Takes the line `want`, or with NULL a line of any `size` bytes, off the front. */
static bool take_line(vouch_span *text, const char *want, size_t size, const uint8_t **out)
{
    if (text->size <= size || text->data[size] != '\n'
        || (want != NULL && memcmp(text->data, want, size) != 0))
        return false;
    *out = text->data;
    *text = (vouch_span) { text->data + size + 1, text->size - size - 1 };
    return true;
}

static bool read_time(const uint8_t *digits, int64_t *out)
{
    int64_t value = 0;
    for (size_t i = 0; i < TIME_DIGITS; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        value = value * 10 + (digits[i] - '0');
    }
    *out = value;
    return true;
}

static bool parse(vouch_span text, const char *url, vouch_span *out, int64_t *out_fetched)
{
    const uint8_t *line = NULL;
    const uint8_t *digest = NULL;
    char want[NAME_SIZE + 1];
    if (!take_line(&text, NULL, NAME_SIZE, &digest) || digest_text(text, want, NULL) != VOUCH_OK
        || memcmp(digest, want, NAME_SIZE) != 0 || !take_line(&text, url, strlen(url), &line)
        || !take_line(&text, NULL, TIME_DIGITS, &line) || !read_time(line, out_fetched))
        return false;
    *out = text;
    return true;
}

bool vch_issuer_cache_get(const char *dir, const char *url, size_t cap, vch_buffer *out,
                          int64_t *out_fetched_unix_s)
{
    char path[VCH_PATH_SIZE];
    vouch_span bytes = { 0 };
    int64_t fetched = 0;
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    if (path_of(dir, url, path, NULL) != VOUCH_OK
        || vch_file_read(path, cap + HEAD_MAX_SIZE, &text, NULL) != VOUCH_OK
        || !parse(vch_buffer_span(&text), url, &bytes, &fetched))
        return false;
    VCH_SCOPED(vch_buffer_drop) vch_buffer copy = vch_buffer_with_cap(cap);
    vch_buffer_append(&copy, bytes);
    if (vch_buffer_finish(&copy, "kept bytes", NULL) != VOUCH_OK)
        return false;
    *out = copy;
    copy = (vch_buffer) { 0 };
    *out_fetched_unix_s = fetched;
    return true;
}

typedef struct crowd {
    const char *dir;
    size_t count;
    char first[VCH_PATH_SIZE]; /* in the order of the digests */
} crowd;

/* Nothing that is not ours is counted, so nothing else can be removed. */
static vouch_code count_file(void *context, const char *name, vouch_error *err)
{
    crowd *c = context;
    if (strlen(name) != NAME_SIZE || strspn(name, "0123456789abcdef") != NAME_SIZE)
        return VOUCH_OK;
    return c->count++ > 0 ? VOUCH_OK : vch_path_join(c->dir, name, c->first, err);
}

static vouch_code make_room(const char *dir, vouch_error *err)
{
    crowd c = { .dir = dir };
    vouch_code rc = vch_dir_list(dir, count_file, &c, err);
    if (rc != VOUCH_OK || c.count < VCH_ISSUER_CACHE_FILES_MAX)
        return rc;
    return vch_file_remove(c.first, err);
}

vouch_code vch_issuer_cache_put(const char *dir, const char *url, vouch_span bytes,
                                int64_t fetched_unix_s, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    char digest[NAME_SIZE + 1];
    VCH_SCOPED(vch_buffer_drop) vch_buffer rest = vch_buffer_with_cap(bytes.size + HEAD_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer all = vch_buffer_with_cap(bytes.size + HEAD_MAX_SIZE);
    vch_buffer_append_fmt(&rest, "%s\n%0*lld\n", url, TIME_DIGITS, (long long)fetched_unix_s);
    vch_buffer_append(&rest, bytes);
    vouch_code rc = vch_buffer_finish(&rest, "bytes to keep", err);
    if (rc == VOUCH_OK)
        rc = digest_text(vch_buffer_span(&rest), digest, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_append_fmt(&all, "%s\n", digest);
    vch_buffer_append(&all, vch_buffer_span(&rest));
    rc = vch_buffer_finish(&all, "bytes to keep", err);
    if (rc == VOUCH_OK)
        rc = path_of(dir, url, path, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(dir, 0700, err);
    if (rc == VOUCH_OK && !vch_file_exists(path))
        rc = make_room(dir, err);
    return rc == VOUCH_OK ? vch_file_write(path, vch_buffer_span(&all), 0600, err) : rc;
}
