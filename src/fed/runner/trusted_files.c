#include "fed/runner/trusted_files.h"

#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/scope.h"
#include "codec/hex.h"
#include "crypto/hash.h"
#include "host/file.h"

#define FILE_MAX ((size_t)1 << 30) /* bytes of one file */
#define HEX_SIZE ((size_t)64)

typedef struct line {
    uint8_t digest[VCH_SHA256_SIZE];
    char path[VCH_PATH_SIZE];
} line;

/* The next line of the list; its bytes leave `rest`. */
static vouch_code take_line(vouch_span *rest, line *out, vouch_error *err)
{
    const uint8_t *end = memchr(rest->data, '\n', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    vouch_span text = { rest->data, size };
    size_t taken = size + (end == NULL ? 0 : 1);
    *rest = (vouch_span) { rest->data + taken, rest->size - taken };
    if (size < HEX_SIZE + 3 || text.data[HEX_SIZE] != ' '
        || (text.data[HEX_SIZE + 1] != ' ' && text.data[HEX_SIZE + 1] != '*'))
        return vouch_fail(err, VOUCH_E_FORMAT, "a line is not one that sha256sum writes");
    size_t path_size = size - HEX_SIZE - 2;
    if (path_size >= sizeof out->path || memchr(text.data, '\0', size) != NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "a path is too long, or no text");
    memcpy(out->path, text.data + HEX_SIZE + 2, path_size);
    out->path[path_size] = '\0';
    return vch_hex_decode((vouch_span) { text.data, HEX_SIZE }, out->digest, sizeof out->digest,
                          err);
}

static vouch_code check_bytes(const char *path, vouch_span bytes, const uint8_t *want,
                              vouch_error *err)
{
    uint8_t got[VCH_SHA256_SIZE];
    char text[2 * VCH_SHA256_SIZE + 1];
    vouch_code rc = vch_sha256(bytes, got, err);
    if (rc != VOUCH_OK)
        return rc;
    if (memcmp(got, want, sizeof got) == 0)
        return VOUCH_OK;
    return vouch_fail(err, VOUCH_E_REFUSED,
                      "'%.120s' is not the file that the plan trusts: its "
                      "SHA-256 is %s",
                      path, vch_hex_encode((vouch_span) { got, sizeof got }, text));
}

static vouch_code check_file(const line *l, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = { 0 };
    vouch_code rc = vch_file_read(l->path, FILE_MAX, &bytes, err);
    return rc == VOUCH_OK ? check_bytes(l->path, vch_buffer_span(&bytes), l->digest, err) : rc;
}

/* Does a word of the command name a file? Then it is one that the child may execute. */
static bool names_file(const char *word, size_t at)
{
    return at == 0 || (word[0] != '-' && vch_file_exists(word));
}

static bool is_listed(vouch_span list, const char *path)
{
    line l;
    vouch_error ignored = { 0 };
    while (list.size > 0) {
        if (take_line(&list, &l, &ignored) == VOUCH_OK && strcmp(l.path, path) == 0)
            return true;
    }
    return false;
}

static vouch_code check_command(vouch_span list, const char *const *argv, vouch_error *err)
{
    if (strchr(argv[0], '/') == NULL)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "command: '%.120s' must be a path, so that it is clear which file it is",
                          argv[0]);
    for (size_t i = 0; argv[i] != NULL; i++) {
        if (names_file(argv[i], i) && !is_listed(list, argv[i]))
            return vouch_fail(err, VOUCH_E_REFUSED, "command: '%.120s' is not in the list",
                              argv[i]);
    }
    return VOUCH_OK;
}

vouch_code vch_trusted_files_check(const char *list_path, const uint8_t digest[static 32],
                                   const char *const *argv, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    vouch_code rc = vch_file_read(list_path, VCH_TRUSTED_LIST_MAX, &text, err);
    if (rc == VOUCH_OK)
        rc = check_bytes(list_path, vch_buffer_span(&text), digest, err);
    vouch_span list = vch_buffer_span(&text);
    for (size_t number = 1; rc == VOUCH_OK && list.size > 0; number++) {
        line l;
        rc = take_line(&list, &l, err);
        if (rc == VOUCH_OK)
            rc = check_file(&l, err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "%s:%zu", list_path, number);
    }
    if (rc == VOUCH_OK)
        rc = check_command(vch_buffer_span(&text), argv, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "the task runner's trusted files");
}
