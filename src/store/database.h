/*
 * A SQLite file as this product uses it: write-ahead log, every commit on disk before it returns,
 * statements prepared once, a schema version. Only this folder knows SQLite. One thread at a time.
 */
#ifndef VCH_STORE_DATABASE_H
#define VCH_STORE_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/scope.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef struct vch_database vch_database;
typedef struct vch_statement vch_statement;

/*
 * Open or create the file (mode 0600) and bring its schema up to date.
 *
 * steps  steps[i] brings version i to i + 1; each runs once, in a transaction. Constants.
 * Fails with VOUCH_E_IO; VOUCH_E_FORMAT if the file is damaged or no database (any function here
 * may find that); VOUCH_E_UNSUPPORTED if it is of a newer version.
 */
VOUCH_MUST_CHECK vouch_code vch_database_open(const char *path, const char *const *steps,
                                              size_t step_count, vch_database **out,
                                              vouch_error *err);

/* The same for short uses by one process at a time, which wait for each other: a rollback journal
 * and no memory shared between processes, which an enclave does not have. */
VOUCH_MUST_CHECK vouch_code vch_database_open_alone(const char *path, const char *const *steps,
                                                    size_t step_count, vch_database **out,
                                                    vouch_error *err);
void vch_database_close(vch_database *db); /* after its statements; NULL is fine */
VCH_DEFINE_DROP(vch_database_drop, vch_database, vch_database_close)

/* One transaction for everything that a turn of the event loop changes. Begin twice is fine. */
VOUCH_MUST_CHECK vouch_code vch_database_begin(vch_database *db, vouch_error *err);
/* Durable when it returns; without a begin nothing is done. */
VOUCH_MUST_CHECK vouch_code vch_database_commit(vch_database *db, vouch_error *err);
void vch_database_rollback(vch_database *db);

/* From now on a commit survives the end of the process, but perhaps not the host's: the user of the
 * database has another way to tell that it stopped uncleanly. False: on disk again. */
VOUCH_MUST_CHECK vouch_code vch_database_relax(vch_database *db, bool relaxed, vouch_error *err);

VOUCH_MUST_CHECK vouch_code vch_statement_new(vch_database *db, const char *sql,
                                              vch_statement **out, vouch_error *err);
void vch_statement_free(vch_statement *statement); /* NULL is fine */

/* Values for the question marks, counted from 1; copied. A failure shows in the step. */
void vch_statement_int(vch_statement *statement, int index, int64_t value);
void vch_statement_text(vch_statement *statement, int index, const char *value); /* NULL: null */
void vch_statement_bytes(vch_statement *statement, int index, vouch_span value);

/* The next row. At the end, or after a failure, the statement is ready for new values. */
VOUCH_MUST_CHECK vouch_code vch_statement_step(vch_statement *statement, bool *out_row,
                                               vouch_error *err);
void vch_statement_reset(vch_statement *statement); /* before the end was reached */

/* Columns of the present row, counted from 0; borrowed until the next step. */
int64_t vch_statement_column_int(const vch_statement *statement, int index);
vouch_span vch_statement_column_bytes(const vch_statement *statement, int index);

/* Run a statement that gives no rows; *out_changes (may be NULL): rows it touched. */
VOUCH_MUST_CHECK vouch_code vch_statement_run(vch_statement *statement, int64_t *out_changes,
                                              vouch_error *err);

#endif
