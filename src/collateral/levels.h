/*
 * What TCB info and identities share: levels with a date, a status and advisories. Private to
 * collateral/ and verify/. Immutable once parsed.
 */
#ifndef VCH_COLLATERAL_LEVELS_H
#define VCH_COLLATERAL_LEVELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/json_pull.h"
#include "vouch/evidence.h"
#include "vouch/span.h"

#define VCH_ADVISORIES_MAX 4096 /* ids in one document, all levels together */
#define VCH_LEVELS_MAX 1024     /* levels in one document */
#define VCH_ADVISORY_ID_MAX_SIZE 64

/* The ids of all levels of a document, one after the other. */
typedef struct vch_advisories {
    vouch_span *ids; /* borrowed from the document */
    size_t count;
    size_t capacity;
} vch_advisories;

void vch_advisories_drop(vch_advisories *a);

typedef struct vch_level_facts {
    int64_t date_unix_s;
    vouch_tcb_status status;
    size_t first_advisory;
    size_t advisory_count;
} vch_level_facts;

/* Which members of a level were seen, beside the tcb itself. */
enum { VCH_SEEN_DATE = 1, VCH_SEEN_STATUS = 2, VCH_SEEN_TCB = 4, VCH_SEEN_ALL = 7 };

/*
 * If `name` is tcbDate, tcbStatus or advisoryIDs, read its value, note it in `seen` and say true.
 *
 * allowed  One bit a status, 1 << VOUCH_TCB_...
 */
bool vch_level_member(vch_json_pull *p, vouch_span name, unsigned allowed, vch_level_facts *facts,
                      unsigned *seen, vch_advisories *advisories);

/* Levels by a single security version: QE identity, TDX module. */
typedef struct vch_svn_level {
    uint16_t isv_svn;
    vch_level_facts facts;
} vch_svn_level;

typedef struct vch_svn_levels {
    vch_svn_level *list;
    size_t count;
    size_t capacity;
} vch_svn_levels;

void vch_svn_levels_drop(vch_svn_levels *levels);

/* Read an array of levels to the end of `levels`, then sort the new ones best first; none twice. */
void vch_svn_levels_read(vch_json_pull *p, unsigned allowed, vch_svn_levels *levels,
                         vch_advisories *advisories);

/* The first of `count` sorted levels with isv_svn at most `isv_svn`; NULL if there is none. */
const vch_svn_level *vch_svn_levels_match(const vch_svn_level *levels, size_t count,
                                          uint16_t isv_svn);

/*
 * Room for one more element in a list of `count` elements of `size` bytes, at most `max` of them.
 * The list, moved perhaps; NULL if there is no memory or too many, with `p` refusing.
 */
void *vch_levels_grow(vch_json_pull *p, void *list, size_t count, size_t *capacity, size_t size,
                      size_t max);

/* Close `{"<name>":<body>,"signature":"<128 hex>"}`: the outer object of a signed document. */
typedef void (*vch_signed_body)(vch_json_pull *p, void *context);
VOUCH_MUST_CHECK vouch_code vch_signed_document_read(vouch_span document, const char *name,
                                                     vch_signed_body body, void *context,
                                                     vouch_span *signed_bytes,
                                                     uint8_t signature[static 64],
                                                     vouch_error *err);

#endif
