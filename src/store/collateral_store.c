#include "store/collateral_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "crypto/hash.h"
#include "host/file.h"
#include "store/database.h"

#define DIGESTED_MAX ((size_t)4 << 20)
#define KEY_SIZE 64 /* with its NUL */

static const char *const schema[] = {
    "CREATE TABLE collateral (key TEXT PRIMARY KEY, fetched INTEGER NOT NULL,"
    " tcb_info BLOB NOT NULL, tcb_info_issuer_chain BLOB NOT NULL, qe_identity BLOB NOT NULL,"
    " qe_identity_issuer_chain BLOB NOT NULL, pck_crl BLOB NOT NULL, root_ca_crl BLOB NOT NULL,"
    " pck_chain BLOB NOT NULL, digest BLOB NOT NULL CHECK (length(digest) = 32)) STRICT;"
    "CREATE TABLE newest (document TEXT PRIMARY KEY, number INTEGER NOT NULL,"
    " issued INTEGER NOT NULL) STRICT, WITHOUT ROWID",
};

#define SET_PUT                                                                                    \
    "INSERT OR REPLACE INTO collateral (key, fetched, tcb_info, tcb_info_issuer_chain,"            \
    " qe_identity, qe_identity_issuer_chain, pck_crl, root_ca_crl, pck_chain, digest)"             \
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define SETS_READ                                                                                  \
    "SELECT tcb_info, tcb_info_issuer_chain, qe_identity, qe_identity_issuer_chain, pck_crl,"      \
    " root_ca_crl, pck_chain, key, fetched, digest FROM collateral ORDER BY key"
#define SETS_COUNT "SELECT count(*) FROM collateral"
#define MARK_FIND "SELECT number, issued FROM newest WHERE document = ?"
#define MARK_PUT "INSERT OR REPLACE INTO newest (document, number, issued) VALUES (?, ?, ?)"
#define CHECK "PRAGMA quick_check(1)"

VCH_DEFINE_DROP(statement_drop, vch_statement, vch_statement_free)

static vouch_code open_store(const char *path, vch_database **out, vouch_error *err)
{
    return vch_database_open_alone(path, schema, sizeof schema / sizeof *schema, out, err);
}

/* Key, time and every part, each after its size: SQLite does not notice a flipped bit of a value. */
static vouch_code digest_of(const vch_stored_set *set, uint8_t out[static VCH_SHA256_SIZE],
                            vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer all = vch_buffer_with_cap(DIGESTED_MAX);
    vch_buffer_append_str(&all, set->key);
    vch_buffer_u8(&all, 0);
    vch_buffer_u64be(&all, (uint64_t)set->fetched_unix_s);
    for (size_t i = 0; i < VCH_STORED_PARTS; i++) {
        vch_buffer_u64be(&all, set->part[i].size);
        vch_buffer_append(&all, set->part[i]);
    }
    vouch_code rc = vch_buffer_finish(&all, "a set of collateral", err);
    return rc == VOUCH_OK ? vch_sha256(vch_buffer_span(&all), out, err) : rc;
}

/* --- writing --- */

static vouch_code check_mark(vch_statement *find, const vch_stored_mark *mark, vouch_error *err)
{
    bool row = false;
    vch_statement_text(find, 1, mark->document);
    vouch_code rc = vch_statement_step(find, &row, err);
    if (rc != VOUCH_OK || !row)
        return rc;
    int64_t number = vch_statement_column_int(find, 0);
    int64_t issued = vch_statement_column_int(find, 1);
    vch_statement_reset(find);
    if (mark->number < number)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "older than seen before: number %lld of %.100s, after %lld",
                          (long long)mark->number, mark->document, (long long)number);
    if (mark->issued_unix_s < issued)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "older than seen before: the issue date of %.100s went back",
                          mark->document);
    return VOUCH_OK;
}

static vouch_code put_marks(vch_database *db, const vch_stored_mark *marks, size_t count,
                            vouch_error *err)
{
    VCH_SCOPED(statement_drop) vch_statement *find = NULL;
    VCH_SCOPED(statement_drop) vch_statement *put = NULL;
    vouch_code rc = vch_statement_new(db, MARK_FIND, &find, err);
    if (rc == VOUCH_OK)
        rc = vch_statement_new(db, MARK_PUT, &put, err);
    for (size_t i = 0; i < count && rc == VOUCH_OK; i++) {
        rc = check_mark(find, &marks[i], err);
        if (rc != VOUCH_OK)
            return rc;
        vch_statement_text(put, 1, marks[i].document);
        vch_statement_int(put, 2, marks[i].number);
        vch_statement_int(put, 3, marks[i].issued_unix_s);
        rc = vch_statement_run(put, NULL, err);
    }
    return rc;
}

static vouch_code check_room(vch_database *db, vouch_error *err)
{
    VCH_SCOPED(statement_drop) vch_statement *count = NULL;
    bool row = false;
    vouch_code rc = vch_statement_new(db, SETS_COUNT, &count, err);
    if (rc == VOUCH_OK)
        rc = vch_statement_step(count, &row, err);
    if (rc == VOUCH_OK && row && vch_statement_column_int(count, 0) > VCH_STORED_SETS_MAX)
        rc = vouch_fail(err, VOUCH_E_LIMIT, "collateral of more than %d platform families",
                        VCH_STORED_SETS_MAX);
    return rc;
}

static vouch_code put_set(vch_database *db, const vch_stored_set *set, vouch_error *err)
{
    VCH_SCOPED(statement_drop) vch_statement *put = NULL;
    uint8_t digest[VCH_SHA256_SIZE];
    vouch_code rc = digest_of(set, digest, err);
    if (rc == VOUCH_OK)
        rc = vch_statement_new(db, SET_PUT, &put, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_statement_text(put, 1, set->key);
    vch_statement_int(put, 2, set->fetched_unix_s);
    for (int i = 0; i < VCH_STORED_PARTS; i++)
        vch_statement_bytes(put, 3 + i, set->part[i]);
    vch_statement_bytes(put, 3 + VCH_STORED_PARTS, (vouch_span) { digest, sizeof digest });
    rc = vch_statement_run(put, NULL, err);
    return rc == VOUCH_OK ? check_room(db, err) : rc;
}

vouch_code vch_collateral_store_put(const char *path, const vch_stored_set *set,
                                    const vch_stored_mark *marks, size_t mark_count,
                                    vouch_error *err)
{
    VCH_SCOPED(vch_database_drop) vch_database *db = NULL;
    vouch_code rc = open_store(path, &db, err);
    if (rc == VOUCH_OK)
        rc = vch_database_begin(db, err);
    if (rc == VOUCH_OK)
        rc = put_marks(db, marks, mark_count, err);
    if (rc == VOUCH_OK)
        rc = put_set(db, set, err);
    if (rc == VOUCH_OK)
        rc = vch_database_commit(db, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "collateral store '%.160s'", path);
}

/* --- reading --- */

static vouch_code check_file(vch_database *db, vouch_error *err)
{
    VCH_SCOPED(statement_drop) vch_statement *check = NULL;
    bool row = false;
    vouch_code rc = vch_statement_new(db, CHECK, &check, err);
    if (rc == VOUCH_OK)
        rc = vch_statement_step(check, &row, err);
    if (rc != VOUCH_OK)
        return rc;
    vouch_span word = row ? vch_statement_column_bytes(check, 0) : (vouch_span) { 0 };
    if (word.size != 2 || memcmp(word.data, "ok", 2) != 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "it is damaged: %.*s",
                          (int)(word.size < 120 ? word.size : 120), (const char *)word.data);
    return VOUCH_OK;
}

static vouch_code check_row(const vch_statement *read, const vch_stored_set *set, vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE];
    vouch_span stored = vch_statement_column_bytes(read, 9);
    vouch_code rc = digest_of(set, digest, err);
    if (rc != VOUCH_OK)
        return rc;
    if (stored.size != sizeof digest || memcmp(stored.data, digest, sizeof digest) != 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "the collateral of '%s' is damaged", set->key);
    return VOUCH_OK;
}

static vouch_code read_row(const vch_statement *read, char key[static KEY_SIZE],
                           vch_stored_set *out, vouch_error *err)
{
    vouch_span text = vch_statement_column_bytes(read, VCH_STORED_PARTS);
    if (text.size == 0 || text.size >= KEY_SIZE)
        return vouch_fail(err, VOUCH_E_FORMAT, "a key is damaged");
    memcpy(key, text.data, text.size);
    key[text.size] = '\0';
    out->key = key;
    out->fetched_unix_s = vch_statement_column_int(read, VCH_STORED_PARTS + 1);
    for (int i = 0; i < VCH_STORED_PARTS; i++)
        out->part[i] = vch_statement_column_bytes(read, i);
    return check_row(read, out, err);
}

static vouch_code read_all(vch_database *db,
                           vouch_code (*each)(void *context, const vch_stored_set *set,
                                              vouch_error *err),
                           void *context, vouch_error *err)
{
    VCH_SCOPED(statement_drop) vch_statement *read = NULL;
    char key[KEY_SIZE];
    bool row = false;
    vouch_code rc = vch_statement_new(db, SETS_READ, &read, err);
    if (rc == VOUCH_OK)
        rc = vch_statement_step(read, &row, err);
    while (rc == VOUCH_OK && row) {
        vch_stored_set set = { 0 };
        rc = read_row(read, key, &set, err);
        if (rc == VOUCH_OK)
            rc = each(context, &set, err);
        if (rc == VOUCH_OK)
            rc = vch_statement_step(read, &row, err);
    }
    return rc;
}

vouch_code vch_collateral_store_each(const char *path,
                                     vouch_code (*each)(void *context, const vch_stored_set *set,
                                                        vouch_error *err),
                                     void *context, vouch_error *err)
{
    VCH_SCOPED(vch_database_drop) vch_database *db = NULL;
    vouch_code rc = open_store(path, &db, err);
    if (rc == VOUCH_OK)
        rc = check_file(db, err);
    if (rc == VOUCH_OK)
        rc = read_all(db, each, context, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "collateral store '%.160s'", path);
}

/* A journal that stays would be played into the next file of that name. */
static vouch_code rename_with(const char *path, const char *end, vouch_error *err)
{
    char from[VCH_PATH_SIZE];
    char to[VCH_PATH_SIZE];
    int from_size = snprintf(from, sizeof from, "%s%s", path, end);
    int to_size = snprintf(to, sizeof to, "%s.damaged%s", path, end);
    if (from_size < 0 || to_size < 0 || (size_t)to_size >= sizeof to)
        return vouch_fail(err, VOUCH_E_LIMIT, "a path exceeds %d bytes", VCH_PATH_SIZE - 1);
    if (rename(from, to) != 0 && errno != ENOENT)
        return vouch_fail(err, VOUCH_E_IO, "moving '%.120s' away: %s", from, strerror(errno));
    return VOUCH_OK;
}

vouch_code vch_collateral_store_set_aside(const char *path, vouch_error *err)
{
    vouch_code rc = rename_with(path, "-journal", err);
    return rc == VOUCH_OK ? rename_with(path, "", err) : rc;
}
