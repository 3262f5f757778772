/*
 * A file:   header  "VOUCHJN1" | mode u64 | number u64 | digest before 32 | salt 32 | tag 16
 *           commit… head: body size u32 | number u64 | check 4, body, digest 32
 *           (numbers are big-endian; in clear the tag is a checksum)
 * A body:   record… each its size u32, then its bytes; sealed as a whole, its tag at its end.
 * A digest: SHA-256 over the digest before, head and body.
 */
#include "store/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "host/file.h"
#include "store/journal_file.h"

#define FILES_MAX 1000000

struct vch_journal {
    vch_journal_options options;
    uint32_t last; /* number of the newest file; 0: none yet */
    vch_journal_file file;
    vch_buffer added; /* records for the next commit, as the body will have them */
    bool spoilt;
    bool looks; /* changes nothing */
};

static vouch_code find_last(void *context, const char *name, vouch_error *err)
{
    vch_journal *j = context;
    char again[VCH_JOURNAL_NAME_SIZE];
    (void)err;
    if (strncmp(name, "journal-", 8) != 0)
        return VOUCH_OK;
    unsigned long number = strtoul(name + 8, NULL, 10);
    if (number > FILES_MAX)
        return VOUCH_OK;
    vch_journal_file_name((uint32_t)number, again);
    if (strcmp(name, again) == 0 && number > j->last)
        j->last = (uint32_t)number;
    return VOUCH_OK;
}

/* Records of one commit, in order. */
static vouch_code replay(const vch_journal *j, vouch_span body, vouch_error *err)
{
    vch_cursor c = vch_cursor_over(body);
    while (c.rest.size > 0) {
        vouch_span record = vch_cursor_take(&c, vch_cursor_u32be(&c));
        if (c.failed)
            return vouch_fail(err, VOUCH_E_FORMAT, "a record exceeds its commit");
        vouch_code rc = j->options.replay(j->options.context, record, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

/* All commits of one file; what the last file has half is cut off, unless it is only looked at. */
static vouch_code read_commits(vch_journal *j, bool is_last, vouch_error *err)
{
    for (;;) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer body = { 0 };
        vch_journal_found found = VCH_JOURNAL_END;
        vouch_code rc = vch_journal_file_next(&j->file, &body, &found, err);
        if (rc == VOUCH_OK && found == VCH_JOURNAL_COMMIT)
            rc = replay(j, vch_buffer_span(&body), err);
        if (rc == VOUCH_OK && found == VCH_JOURNAL_TORN && !is_last)
            rc = vouch_fail(err, VOUCH_E_FORMAT,
                            "it ends in the middle of a commit, but another "
                            "file follows");
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "'%s', byte %llu", j->file.path,
                              (unsigned long long)j->file.place);
        if (found == VCH_JOURNAL_TORN)
            return j->looks ? VOUCH_OK : vch_journal_file_cut(&j->file, err);
        if (found == VCH_JOURNAL_END)
            return VOUCH_OK;
    }
}

static vouch_code read_files(vch_journal *j, vouch_error *err)
{
    for (uint32_t number = 1; number <= j->last; number++) {
        uint8_t before[VCH_SHA256_SIZE];
        memcpy(before, j->file.digest, sizeof before);
        vch_journal_file_close(&j->file);
        vouch_code rc =
            vch_journal_file_open(j->options.directory, number, j->options.root, &j->file, err);
        if (rc == VOUCH_E_CRYPTO && number == 1)
            return vouch_wrap(err, VOUCH_E_REFUSED, "opening the journal");
        if (rc == VOUCH_OK && memcmp(before, j->file.digest, sizeof before) != 0)
            rc = vouch_fail(err, VOUCH_E_FORMAT, "'%s' does not continue the file before it",
                            j->file.path);
        if (rc == VOUCH_OK)
            rc = read_commits(j, number == j->last, err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "reading the journal");
    }
    return VOUCH_OK;
}

/* The object, with everything that there is replayed. */
static vouch_code read_all(const vch_journal_options *options, bool looks, vch_journal **out,
                           vouch_error *err)
{
    VCH_SCOPED(vch_journal_drop) vch_journal *j = calloc(1, sizeof *j);
    if (j == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a journal");
    j->options = *options;
    j->looks = looks;
    j->file.fd = -1;
    j->added = vch_buffer_with_cap(VCH_JOURNAL_COMMIT_MAX);
    vouch_code rc = vch_dir_list(options->directory, find_last, j, err);
    if (rc == VOUCH_OK && j->last >= FILES_MAX)
        rc = vouch_fail(err, VOUCH_E_LIMIT, "more than %d journal files", FILES_MAX);
    if (rc == VOUCH_OK)
        rc = read_files(j, err);
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(j);
    return rc;
}

vouch_code vch_journal_look(const vch_journal_options *options, vouch_error *err)
{
    VCH_SCOPED(vch_journal_drop) vch_journal *j = NULL;
    return read_all(options, true, &j, err);
}

vouch_code vch_journal_open(const vch_journal_options *options, vch_journal **out, vouch_error *err)
{
    VCH_SCOPED(vch_journal_drop) vch_journal *j = NULL;
    vouch_code rc = read_all(options, false, &j, err);
    if (rc != VOUCH_OK)
        return rc;
    uint8_t before[VCH_SHA256_SIZE];
    memcpy(before, j->file.digest, sizeof before);
    vch_journal_file_close(&j->file);
    rc = vch_journal_file_new(options->directory, ++j->last, options->root, before, &j->file, err);
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(j);
    return rc;
}

void vch_journal_close(vch_journal *j)
{
    if (j == NULL)
        return;
    vch_journal_file_close(&j->file);
    vch_buffer_drop(&j->added);
    free(j);
}

vouch_code vch_journal_add(vch_journal *j, vouch_span record, vouch_error *err)
{
    if (record.size > VCH_JOURNAL_RECORD_MAX
        || record.size + 4 > VCH_JOURNAL_COMMIT_MAX - j->added.size)
        return vouch_fail(err, VOUCH_E_LIMIT, "a record of %zu bytes after %zu in one commit",
                          record.size, j->added.size);
    vch_buffer_u32be(&j->added, (uint32_t)record.size);
    vch_buffer_append(&j->added, record);
    return vch_buffer_finish(&j->added, "journal records", err);
}

vouch_code vch_journal_commit(vch_journal *j, vouch_error *err)
{
    if (j->spoilt)
        return vouch_fail(err, VOUCH_E_IO, "the journal is spoilt: a write to it failed before");
    if (j->added.size == 0)
        return VOUCH_OK;
    vouch_code rc = vch_journal_file_append(&j->file, vch_buffer_span(&j->added), &j->spoilt, err);
    vch_buffer_drop(&j->added);
    j->added = vch_buffer_with_cap(VCH_JOURNAL_COMMIT_MAX);
    return rc;
}

bool vch_journal_is_spoilt(const vch_journal *j)
{
    return j->spoilt;
}

const uint8_t *vch_journal_digest(const vch_journal *j)
{
    return j->file.digest;
}
