/*
 * A growing list of reasons to refuse. Adding never fails visibly: if memory or the cap runs out,
 * the list still says that there was a reason. One thread at a time.
 *
 * policy/ judges a view of claims and adds what refuses:
 *   bool vch_policy_judge(const vouch_policy *policy, const vouch_claims *claims, int64_t now_unix_s,
 *                         vch_reasons *reasons);     true admits; false added at least one reason
 */
#ifndef VCH_EVIDENCE_REASONS_H
#define VCH_EVIDENCE_REASONS_H

#include <stdbool.h>
#include <stddef.h>

#include "vouch/verifier.h"

#define VCH_REASONS_MAX 64
#define VCH_REASON_MESSAGE_SIZE 512 /* bytes with the NUL; longer text is cut */
#define VCH_REASON_VALUE_SIZE 200

typedef struct vch_reason {
    const char *step; /* string constants */
    const char *code;
    char message[VCH_REASON_MESSAGE_SIZE];
    char expected[VCH_REASON_VALUE_SIZE];
    char actual[VCH_REASON_VALUE_SIZE];
} vch_reason;

typedef struct vch_reasons {
    vch_reason *list;
    size_t count;
    size_t capacity;
    bool lost;          /* a reason could not be kept; still a refusal */
    bool out_of_memory; /* and that for want of memory, not for the cap */
} vch_reasons;

void vch_reasons_drop(vch_reasons *r); /* safe twice and on a zeroed list */

/* Does anything speak against it? */
bool vch_reasons_any(const vch_reasons *r);

/*
 * `step` and `code` are string constants and are kept. What was expected and what was found are never
 * empty, so that a reader needs no other source to see why.
 */
VOUCH_PRINTF(6, 7)
void vch_reasons_add_values(vch_reasons *r, const char *step, const char *code,
                            const char *expected, const char *actual, const char *fmt, ...);

/* The same with bytes, shown as hex digits. */
VOUCH_PRINTF(6, 7)
void vch_reasons_add_bytes(vch_reasons *r, const char *step, const char *code, vouch_span expected,
                           vouch_span actual, const char *fmt, ...);

/* Add all of another list. */
void vch_reasons_append(vch_reasons *r, const vch_reasons *more);

#endif
