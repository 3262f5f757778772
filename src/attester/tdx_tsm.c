/*
 * configfs-tsm (ra_tls.md section 6.2): one new directory a request, under a random name, removed
 * whatever happens. The kernel commits inblob when the file is closed and loses what goes wrong
 * then; `generation` counts the commits. So only an entry whose generation moved by exactly our one
 * write gave a quote over our bytes that nobody had a hand in; any other is thrown away and asked
 * anew.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attester/attester.h"
#include "attester/backend.h"
#include "attester/device_file.h"
#include "base/bytes.h"
#include "base/scope.h"
#include "codec/hex.h"
#include "crypto/rand.h"

#define NAME_BYTES 8
#define ENTRY_SIZE 512
#define WORD_MAX_SIZE 64 /* provider, generation: a word and a newline */
#define NAMES_TRIED 8
#define REMOVAL_MS 100
#define REMOVAL_NAP_MS 2

/* One directory below tsm/report; empty: none. */
typedef struct entry {
    char path[ENTRY_SIZE];
} entry;

static vouch_code mkdir_failed(const char *dir, vouch_error *err)
{
    int number = errno;
    if (number == ENXIO)
        return vouch_fail(err, VOUCH_E_NOT_FOUND,
                          "'%s': no provider is registered (is the module tdx_guest loaded?)", dir);
    if (number == ENOENT || number == ENOTDIR)
        return vouch_fail(err, VOUCH_E_NOT_FOUND,
                          "'%s' does not exist (Linux 6.7 or newer with configfs mounted has it)",
                          dir);
    return vouch_fail(err, number == EBUSY || number == EINTR ? VOUCH_E_REFUSED : VOUCH_E_IO,
                      "making an entry in '%s': %s", dir, strerror(number));
}

/* A name that nobody can have ready, so that no one else's writes meet ours by accident. */
static vouch_code entry_make(entry *e, const char *dir, vouch_error *err)
{
    for (int i = 0; i < NAMES_TRIED; i++) {
        uint8_t random[NAME_BYTES];
        char hex[2 * NAME_BYTES + 1];
        char path[ENTRY_SIZE];
        vouch_code rc = vch_random_bytes(random, sizeof random, err);
        if (rc != VOUCH_OK)
            return rc;
        int size = snprintf(path, sizeof path, "%s/vouch-%s", dir,
                            vch_hex_encode((vouch_span) { random, sizeof random }, hex));
        if (size < 0 || (size_t)size >= sizeof path)
            return vouch_fail(err, VOUCH_E_LIMIT, "the path of an entry exceeds %d bytes",
                              ENTRY_SIZE);
        if (mkdir(path, 0700) == 0) {
            memcpy(e->path, path, (size_t)size + 1);
            return VOUCH_OK;
        }
        if (errno != EEXIST)
            return mkdir_failed(dir, err);
    }
    return vouch_fail(err, VOUCH_E_IO, "'%s': every name is taken", dir);
}

/* An entry that stays behind is memory of the kernel's and a trace for others: said, not ignored. */
static vouch_code entry_remove(entry *e, vouch_error *err)
{
    int64_t deadline_ms = vch_device_deadline_ms(REMOVAL_MS);
    while (e->path[0] != '\0') {
        if (rmdir(e->path) == 0 || errno == ENOENT) {
            e->path[0] = '\0';
            return VOUCH_OK;
        }
        int number = errno;
        if ((number != EBUSY && number != EINTR) || !vch_device_nap(deadline_ms, REMOVAL_NAP_MS))
            return vouch_fail(err, VOUCH_E_IO, "removing '%s': %s", e->path, strerror(number));
    }
    return VOUCH_OK;
}

static void entry_drop(entry *e)
{
    (void)!entry_remove(e, NULL); /* on a failing path: the first reason is what is told */
}

/* A pseudo-file that holds one word and a newline. */
static vouch_code read_word(const entry *e, const char *name, int64_t deadline_ms,
                            char out[static WORD_MAX_SIZE], vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(WORD_MAX_SIZE - 1);
    vouch_code rc = vch_device_read(e->path, name, deadline_ms, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    size_t size = text.size;
    if (size > 0 && text.data[size - 1] == '\n')
        size--;
    for (size_t i = 0; i < size; i++) {
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return vouch_fail(err, VOUCH_E_FORMAT, "'%s/%s' is not one word", e->path, name);
    }
    if (size == 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s/%s' is empty", e->path, name);
    memcpy(out, text.data, size);
    out[size] = '\0';
    return VOUCH_OK;
}

static vouch_code check_provider(const entry *e, int64_t deadline_ms, vouch_error *err)
{
    char provider[WORD_MAX_SIZE];
    vouch_code rc = read_word(e, "provider", deadline_ms, provider, err);
    if (rc != VOUCH_OK || strcmp(provider, "tdx_guest") == 0)
        return rc;
    if (strcmp(provider, "sev_guest") == 0)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED,
                          "this is an AMD SEV-SNP guest, whose evidence is not supported");
    return vouch_fail(err, VOUCH_E_UNSUPPORTED, "the provider is '%s', not 'tdx_guest'", provider);
}

/* "%lu\n": digits only, without leading zeros. */
static vouch_code read_generation(const entry *e, int64_t deadline_ms, uint64_t *out,
                                  vouch_error *err)
{
    char word[WORD_MAX_SIZE];
    uint64_t n = 0;
    vouch_code rc = read_word(e, "generation", deadline_ms, word, err);
    if (rc != VOUCH_OK)
        return rc;
    bool good = word[0] != '0' || word[1] == '\0';
    for (size_t i = 0; good && word[i] != '\0'; i++)
        good = word[i] >= '0' && word[i] <= '9' && !__builtin_mul_overflow(n, UINT64_C(10), &n)
               && !__builtin_add_overflow(n, (uint64_t)(word[i] - '0'), &n);
    if (!good)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s/generation' is no number", e->path);
    *out = n;
    return VOUCH_OK;
}

static vouch_code check_generation(const entry *e, uint64_t before, int64_t deadline_ms,
                                   vouch_error *err)
{
    uint64_t after = 0;
    vouch_code rc = read_generation(e, deadline_ms, &after, err);
    if (rc == VOUCH_OK && after - before != 1) /* unsigned, as the kernel's own counter wraps */
        rc = vouch_fail(err, VOUCH_E_REFUSED,
                        "'%s' was written %llu times where we wrote once: someone else changed its "
                        "inputs",
                        e->path, (unsigned long long)(after - before));
    return rc;
}

static vouch_code ask_entry(const entry *e, const uint8_t report_data[static VCH_REPORT_DATA_SIZE],
                            int64_t deadline_ms, vch_buffer *out, vouch_error *err)
{
    uint64_t before = 0;
    vouch_code rc = check_provider(e, deadline_ms, err);
    if (rc == VOUCH_OK)
        rc = read_generation(e, deadline_ms, &before, err);
    if (rc == VOUCH_OK)
        rc = vch_device_write(e->path, "inblob", (vouch_span) { report_data, VCH_REPORT_DATA_SIZE },
                              deadline_ms, err);
    if (rc == VOUCH_OK)
        rc = vch_device_read(e->path, "outblob", deadline_ms, out, err);
    return rc == VOUCH_OK ? check_generation(e, before, deadline_ms, err) : rc;
}

static vouch_code tsm_quote(const char *dir, const uint8_t report_data[static VCH_REPORT_DATA_SIZE],
                            int64_t deadline_ms, vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(entry_drop) entry e = { 0 };
    vouch_code rc = entry_make(&e, dir, err);
    if (rc == VOUCH_OK)
        rc = ask_entry(&e, report_data, deadline_ms, out, err);
    return rc == VOUCH_OK ? entry_remove(&e, err) : rc;
}

vouch_code vch_tdx_tsm_new(const char *dir, int64_t timeout_ms, vch_attester **out,
                           vouch_error *err)
{
    static const vch_attester_backend backend = { "tsm", tsm_quote, NULL };
    VCH_SCOPED(entry_drop) entry e = { 0 };
    vouch_code rc = entry_make(&e, dir, err);
    if (rc == VOUCH_OK)
        rc = check_provider(&e, vch_device_deadline_ms(timeout_ms), err);
    if (rc == VOUCH_OK)
        rc = entry_remove(&e, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "'%s' is no attestation device", dir);
    return vch_attester_new(&backend, dir, timeout_ms, out, err);
}
