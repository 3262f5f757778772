#include "store/verifier_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "store/database.h"

static const char *const schema[] = {
    "CREATE TABLE api_key (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32), created INTEGER NOT NULL,"
    " active INTEGER NOT NULL DEFAULT 1) STRICT;"
    "CREATE TABLE nonce (digest BLOB PRIMARY KEY CHECK (length(digest) = 32),"
    " expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX nonce_expires ON nonce (expires);"
    "CREATE TABLE decision (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, api_key INTEGER,"
    " issued INTEGER NOT NULL, step TEXT, code TEXT, message TEXT, trace TEXT, token TEXT,"
    " evidence BLOB) STRICT",
    "CREATE TABLE run (id INTEGER PRIMARY KEY CHECK (id = 1), boot TEXT NOT NULL,"
    " clean INTEGER NOT NULL, forgotten INTEGER NOT NULL) STRICT",
};

enum {
    KEY_ADD,
    KEY_FIND,
    KEY_DISABLE,
    NONCE_USE,
    NONCES_EXPIRE,
    DECISION_ADD,
    DECISION_COUNT,
    RUN_FIND,
    RUN_START,
    RUN_STOP,
    STATEMENT_COUNT
};

static const char *const statements[STATEMENT_COUNT] = {
    [KEY_ADD] = "INSERT INTO api_key (name, digest, created) VALUES (?, ?, ?)",
    [KEY_FIND] = "SELECT id, name, active FROM api_key WHERE digest = ?",
    [KEY_DISABLE] = "UPDATE api_key SET active = 0 WHERE name = ?",
    [NONCE_USE] = "INSERT INTO nonce (digest, expires) VALUES (?, ?) ON CONFLICT DO NOTHING",
    [NONCES_EXPIRE] = "DELETE FROM nonce WHERE expires < ?",
    [DECISION_ADD] =
        ("INSERT INTO decision (at, api_key, issued, step, code, message, trace, token,"
         " evidence) VALUES (?, nullif(?, 0), ?, ?, ?, ?, ?, ?, ?)"),
    [RUN_FIND] = "SELECT boot, clean, forgotten FROM run",
    [RUN_START] = "INSERT OR REPLACE INTO run (id, boot, clean, forgotten) VALUES (1, ?, 0, ?)",
    [RUN_STOP] = "UPDATE run SET clean = 1",
    [DECISION_COUNT] = "SELECT count(*) FROM decision WHERE issued = ?",
};

struct vch_verifier_store {
    vch_database *db;
    vch_statement *statement[STATEMENT_COUNT];
};

vouch_code vch_verifier_store_open(const char *path, vch_verifier_store **out, vouch_error *err)
{
    VCH_SCOPED(vch_verifier_store_drop) vch_verifier_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a store");
    vouch_code rc =
        vch_database_open(path, schema, sizeof schema / sizeof schema[0], &store->db, err);
    for (size_t i = 0; i < STATEMENT_COUNT && rc == VOUCH_OK; i++)
        rc = vch_statement_new(store->db, statements[i], &store->statement[i], err);
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(store);
    return VOUCH_OK;
}

void vch_verifier_store_close(vch_verifier_store *store)
{
    if (store == NULL)
        return;
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        vch_statement_free(store->statement[i]);
    vch_database_close(store->db);
    free(store);
}

vouch_code vch_verifier_store_begin(vch_verifier_store *store, vouch_error *err)
{
    return vch_database_begin(store->db, err);
}

vouch_code vch_verifier_store_commit(vch_verifier_store *store, vouch_error *err)
{
    return vch_database_commit(store->db, err);
}

void vch_verifier_store_rollback(vch_verifier_store *store)
{
    vch_database_rollback(store->db);
}

/* Did the host stop under the run before, so that its last commits may be lost? */
static vouch_code judge_last_run(vch_verifier_store *store, const char *boot_id, int64_t now_unix_s,
                                 int64_t *out_forgotten_until, vouch_error *err)
{
    vch_statement *s = store->statement[RUN_FIND];
    bool row = false;
    vouch_code rc = vch_statement_step(s, &row, err);
    if (rc != VOUCH_OK)
        return rc;
    *out_forgotten_until = INT64_MIN;
    if (!row)
        return VOUCH_OK;
    bool same_boot = boot_id[0] != '\0' && vch_span_is(vch_statement_column_bytes(s, 0), boot_id);
    bool clean = vch_statement_column_int(s, 1) == 1;
    *out_forgotten_until = same_boot || clean ? vch_statement_column_int(s, 2) : now_unix_s;
    vch_statement_reset(s);
    return VOUCH_OK;
}

vouch_code vch_verifier_store_start(vch_verifier_store *store, const char *boot_id,
                                    int64_t now_unix_s, int64_t *out_forgotten_until,
                                    vouch_error *err)
{
    int64_t forgotten = 0;
    vch_statement *s = store->statement[RUN_START];
    vouch_code rc = judge_last_run(store, boot_id, now_unix_s, &forgotten, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_statement_text(s, 1, boot_id);
    vch_statement_int(s, 2, forgotten);
    rc = vch_statement_run(s, NULL, err); /* on disk before the first nonce is used */
    if (rc == VOUCH_OK)
        rc = vch_database_relax(store->db, true, err);
    if (rc == VOUCH_OK)
        *out_forgotten_until = forgotten;
    return rc;
}

vouch_code vch_verifier_store_stop(vch_verifier_store *store, vouch_error *err)
{
    vouch_code rc = vch_database_relax(store->db, false, err);
    return rc == VOUCH_OK ? vch_statement_run(store->statement[RUN_STOP], NULL, err) : rc;
}

vouch_code vch_verifier_store_key_add(vch_verifier_store *store, const char *name,
                                      const uint8_t digest[static 32], int64_t now_unix_s,
                                      vouch_error *err)
{
    size_t size = strlen(name);
    if (size == 0 || size >= VCH_STORE_KEY_NAME_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "an API key's name has 1 to %d characters",
                          VCH_STORE_KEY_NAME_SIZE - 1);
    vch_statement *s = store->statement[KEY_ADD];
    vch_statement_text(s, 1, name);
    vch_statement_bytes(s, 2, (vouch_span) { digest, VCH_STORE_DIGEST_SIZE });
    vch_statement_int(s, 3, now_unix_s);
    return vch_statement_run(s, NULL, err);
}

vouch_code vch_verifier_store_key_find(vch_verifier_store *store, const uint8_t digest[static 32],
                                       vch_store_api_key *out, vouch_error *err)
{
    vch_statement *s = store->statement[KEY_FIND];
    vch_statement_bytes(s, 1, (vouch_span) { digest, VCH_STORE_DIGEST_SIZE });
    bool row = false;
    vouch_code rc = vch_statement_step(s, &row, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!row)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "no such API key");
    vch_store_api_key key = { .id = vch_statement_column_int(s, 0),
                              .active = vch_statement_column_int(s, 2) == 1 };
    vouch_span name = vch_statement_column_bytes(s, 1);
    if (name.size < sizeof key.name)
        memcpy(key.name, name.data, name.size);
    vch_statement_reset(s);
    *out = key;
    return VOUCH_OK;
}

vouch_code vch_verifier_store_key_disable(vch_verifier_store *store, const char *name,
                                          vouch_error *err)
{
    vch_statement *s = store->statement[KEY_DISABLE];
    int64_t changes = 0;
    vch_statement_text(s, 1, name);
    vouch_code rc = vch_statement_run(s, &changes, err);
    if (rc == VOUCH_OK && changes == 0)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "no API key is named '%s'", name);
    return rc;
}

vouch_code vch_verifier_store_nonce_use(vch_verifier_store *store, const uint8_t digest[static 32],
                                        int64_t expires_unix_s, bool *out_fresh, vouch_error *err)
{
    vch_statement *s = store->statement[NONCE_USE];
    int64_t changes = 0;
    vch_statement_bytes(s, 1, (vouch_span) { digest, VCH_STORE_DIGEST_SIZE });
    vch_statement_int(s, 2, expires_unix_s);
    vouch_code rc = vch_statement_run(s, &changes, err);
    if (rc == VOUCH_OK)
        *out_fresh = changes == 1;
    return rc;
}

vouch_code vch_verifier_store_nonces_expire(vch_verifier_store *store, int64_t now_unix_s,
                                            vouch_error *err)
{
    vch_statement *s = store->statement[NONCES_EXPIRE];
    vch_statement_int(s, 1, now_unix_s);
    return vch_statement_run(s, NULL, err);
}

vouch_code vch_verifier_store_decision_add(vch_verifier_store *store,
                                           const vch_store_decision *decision, vouch_error *err)
{
    vch_statement *s = store->statement[DECISION_ADD];
    vch_statement_int(s, 1, decision->at_unix_s);
    vch_statement_int(s, 2, decision->api_key_id);
    vch_statement_int(s, 3, decision->token_issued ? 1 : 0);
    vch_statement_text(s, 4, decision->step);
    vch_statement_text(s, 5, decision->code);
    vch_statement_text(s, 6, decision->message);
    vch_statement_text(s, 7, decision->trace_id);
    vch_statement_text(s, 8, decision->token_id);
    vch_statement_bytes(s, 9, (vouch_span) { decision->evidence_sha256, VCH_STORE_DIGEST_SIZE });
    return vch_statement_run(s, NULL, err);
}

vouch_code vch_verifier_store_decision_count(vch_verifier_store *store, bool token_issued,
                                             int64_t *out, vouch_error *err)
{
    vch_statement *s = store->statement[DECISION_COUNT];
    bool row = false;
    vch_statement_int(s, 1, token_issued ? 1 : 0);
    vouch_code rc = vch_statement_step(s, &row, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = row ? vch_statement_column_int(s, 0) : 0;
    vch_statement_reset(s);
    return VOUCH_OK;
}
