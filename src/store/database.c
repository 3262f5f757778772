#include "store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#define BUSY_TIMEOUT_MS 5000

struct vch_database {
    sqlite3 *native;
    bool in_turn;
};

struct vch_statement {
    vch_database *db;
    sqlite3_stmt *native;
    int bind_fault; /* the first value that could not be bound */
};

/* A file that is no database, or a torn one, is another class of trouble than a full disk. */
static vouch_code code_of(int native)
{
    native &= 0xff; /* the rest says where */
    return native == SQLITE_CORRUPT || native == SQLITE_NOTADB ? VOUCH_E_FORMAT : VOUCH_E_IO;
}

static vouch_code fail_as(vch_database *db, const char *what, vouch_error *err)
{
    return vouch_fail(err, code_of(sqlite3_errcode(db->native)), "database: %s: %s", what,
                      sqlite3_errmsg(db->native));
}

static vouch_code execute(vch_database *db, const char *sql, vouch_error *err)
{
    if (sqlite3_exec(db->native, sql, NULL, NULL, NULL) != SQLITE_OK)
        return fail_as(db, "statement", err);
    return VOUCH_OK;
}

/* SQLite would create it by the umask; the file holds who asked what. */
static vouch_code create_private(const char *path, vouch_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return vouch_fail(err, VOUCH_E_IO, "database '%s': %s", path, strerror(errno));
    (void)close(fd);
    return VOUCH_OK;
}

static vouch_code read_version(vch_database *db, size_t *out, vouch_error *err)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db->native, "PRAGMA user_version", -1, &statement, NULL) != SQLITE_OK)
        return fail_as(db, "version", err);
    int rc = sqlite3_step(statement);
    int version = rc == SQLITE_ROW ? sqlite3_column_int(statement, 0) : -1;
    (void)sqlite3_finalize(statement);
    if (version < 0)
        return fail_as(db, "version", err);
    *out = (size_t)version;
    return VOUCH_OK;
}

static vouch_code upgrade(vch_database *db, const char *const *steps, size_t step_count,
                          vouch_error *err)
{
    size_t version = 0;
    vouch_code rc = read_version(db, &version, err);
    if (rc != VOUCH_OK)
        return rc;
    if (version > step_count)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED,
                          "database of schema %zu; this program knows up to %zu", version,
                          step_count);
    for (; version < step_count; version++) {
        char mark[64];
        (void)snprintf(mark, sizeof mark, "PRAGMA user_version = %zu", version + 1);
        rc = vch_database_begin(db, err);
        if (rc == VOUCH_OK)
            rc = execute(db, steps[version], err);
        if (rc == VOUCH_OK)
            rc = execute(db, mark, err);
        if (rc == VOUCH_OK)
            rc = vch_database_commit(db, err);
        if (rc != VOUCH_OK) {
            vch_database_rollback(db);
            return vouch_wrap(err, rc, "database schema %zu", version + 1);
        }
    }
    return VOUCH_OK;
}

static vouch_code open_as(const char *path, const char *pragmas, const char *const *steps,
                          size_t step_count, vch_database **out, vouch_error *err)
{
    vouch_code rc = create_private(path, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_database_drop) vch_database *db = calloc(1, sizeof *db);
    if (db == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a database");
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
    if (sqlite3_open_v2(path, &db->native, flags, NULL) != SQLITE_OK)
        return vouch_fail(err, VOUCH_E_IO, "database '%s': %s", path, sqlite3_errmsg(db->native));
    (void)sqlite3_busy_timeout(db->native, BUSY_TIMEOUT_MS);
    rc = execute(db, pragmas, err);
    if (rc == VOUCH_OK)
        rc = upgrade(db, steps, step_count, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "'%s'", path);
    *out = VCH_MOVE(db);
    return VOUCH_OK;
}

vouch_code vch_database_open(const char *path, const char *const *steps, size_t step_count,
                             vch_database **out, vouch_error *err)
{
    return open_as(path,
                   "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                   "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF",
                   steps, step_count, out, err);
}

vouch_code vch_database_open_alone(const char *path, const char *const *steps, size_t step_count,
                                   vch_database **out, vouch_error *err)
{
    return open_as(path,
                   "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE;"
                   "PRAGMA synchronous = EXTRA; PRAGMA foreign_keys = ON;"
                   "PRAGMA trusted_schema = OFF",
                   steps, step_count, out, err);
}

void vch_database_close(vch_database *db)
{
    if (db == NULL)
        return;
    vch_database_rollback(db);
    (void)sqlite3_close(db->native);
    free(db);
}

vouch_code vch_database_begin(vch_database *db, vouch_error *err)
{
    if (db->in_turn)
        return VOUCH_OK;
    vouch_code rc = execute(db, "BEGIN IMMEDIATE", err);
    db->in_turn = rc == VOUCH_OK;
    return rc;
}

vouch_code vch_database_commit(vch_database *db, vouch_error *err)
{
    if (!db->in_turn)
        return VOUCH_OK;
    vouch_code rc = execute(db, "COMMIT", err);
    if (rc != VOUCH_OK) {
        vch_database_rollback(db);
        return rc;
    }
    db->in_turn = false;
    return VOUCH_OK;
}

void vch_database_rollback(vch_database *db)
{
    if (db->in_turn)
        (void)sqlite3_exec(db->native, "ROLLBACK", NULL, NULL, NULL);
    db->in_turn = false;
}

vouch_code vch_database_relax(vch_database *db, bool relaxed, vouch_error *err)
{
    return execute(db, relaxed ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL", err);
}

vouch_code vch_statement_new(vch_database *db, const char *sql, vch_statement **out,
                             vouch_error *err)
{
    vch_statement *s = calloc(1, sizeof *s);
    if (s == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a statement");
    s->db = db;
    if (sqlite3_prepare_v3(db->native, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->native, NULL)
        != SQLITE_OK) {
        vouch_code rc = fail_as(db, sql, err);
        free(s);
        return rc;
    }
    *out = s;
    return VOUCH_OK;
}

void vch_statement_free(vch_statement *statement)
{
    if (statement == NULL)
        return;
    (void)sqlite3_finalize(statement->native);
    free(statement);
}

static void note_fault(vch_statement *s, int rc)
{
    if (rc != SQLITE_OK && s->bind_fault == SQLITE_OK)
        s->bind_fault = rc;
}

void vch_statement_int(vch_statement *statement, int index, int64_t value)
{
    note_fault(statement, sqlite3_bind_int64(statement->native, index, value));
}

void vch_statement_text(vch_statement *statement, int index, const char *value)
{
    note_fault(statement, sqlite3_bind_text(statement->native, index, value, -1, SQLITE_TRANSIENT));
}

void vch_statement_bytes(vch_statement *statement, int index, vouch_span value)
{
    note_fault(statement, sqlite3_bind_blob64(statement->native, index,
                                              value.data != NULL ? value.data : (const void *)"",
                                              value.size, SQLITE_TRANSIENT));
}

void vch_statement_reset(vch_statement *statement)
{
    (void)sqlite3_reset(statement->native);
    (void)sqlite3_clear_bindings(statement->native);
    statement->bind_fault = SQLITE_OK;
}

vouch_code vch_statement_step(vch_statement *statement, bool *out_row, vouch_error *err)
{
    int rc = statement->bind_fault != SQLITE_OK ? statement->bind_fault
                                                : sqlite3_step(statement->native);
    if (rc == SQLITE_ROW) {
        *out_row = true;
        return VOUCH_OK;
    }
    vouch_code code = rc == SQLITE_DONE
                          ? VOUCH_OK
                          : vouch_fail(err, code_of(rc), "database: %s", sqlite3_errstr(rc));
    vch_statement_reset(statement);
    if (code == VOUCH_OK)
        *out_row = false;
    return code;
}

int64_t vch_statement_column_int(const vch_statement *statement, int index)
{
    return sqlite3_column_int64(statement->native, index);
}

vouch_span vch_statement_column_bytes(const vch_statement *statement, int index)
{
    const uint8_t *data = sqlite3_column_blob(statement->native, index);
    int size = sqlite3_column_bytes(statement->native, index);
    return (vouch_span) { data, data != NULL && size > 0 ? (size_t)size : 0 };
}

vouch_code vch_statement_run(vch_statement *statement, int64_t *out_changes, vouch_error *err)
{
    bool row = false;
    vouch_code rc = vch_statement_step(statement, &row, err);
    if (rc != VOUCH_OK)
        return rc;
    if (row) {
        vch_statement_reset(statement);
        return vouch_fail(err, VOUCH_E_INTERNAL, "a statement gave rows where none were expected");
    }
    if (out_changes != NULL)
        *out_changes = sqlite3_changes64(statement->db->native);
    return VOUCH_OK;
}
