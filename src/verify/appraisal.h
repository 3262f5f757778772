/*
 * The verdict, and what the steps share while they make it. An appraisal is immutable once given
 * out; a zeroed one refuses.
 */
#ifndef VCH_VERIFY_APPRAISAL_H
#define VCH_VERIFY_APPRAISAL_H

#include <stdbool.h>
#include <stdint.h>

#include "collateral/bundle.h"
#include "evidence/quote.h"
#include "evidence/reasons.h"
#include "verify/platform.h"
#include "verify/verifier.h"
#include "vouch/verifier.h"

struct vouch_appraisal {
    bool genuine;
    bool admitted;
    vouch_claims claims; /* advisory lists point into `advisories` */
    void *advisories;    /* one block: both lists of pointers, then the text */
    vch_reasons reasons;
};

/* The time within which everything that was looked at holds; only ever narrowed. */
typedef struct vch_window {
    int64_t from_unix_s;
    int64_t to_unix_s; /* inclusive */
} vch_window;

typedef struct vch_work {
    const vouch_verifier *verifier;
    const vouch_request *request;
    vouch_appraisal *appraisal;
    vch_quote quote;
    uint8_t platform_digest[32];  /* SHA-256 of quote.sig.platform; only with a cache */
    const vch_platform *platform; /* set by the chain step; NULL until then */
    vch_platform own_platform;    /* where it stands if no cache keeps it */
    vch_window window;
} vch_work;

/*
 * The steps, in order. Each adds the reasons that it finds to the appraisal; an error is returned
 * only where the answer could not be found out. A step may rely on the earlier ones that say so.
 */
void vch_step_structure(vch_work *w);
VOUCH_MUST_CHECK vouch_code vch_step_chain(vch_work *w, vouch_error *err);
void vch_step_collateral(vch_work *w);
void vch_step_qe(vch_work *w);
VOUCH_MUST_CHECK vouch_code vch_step_signature(vch_work *w, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_step_tcb(vch_work *w, vouch_error *err);
void vch_step_policy(vouch_appraisal *a, const vouch_policy *policy, int64_t now_unix_s);

static inline vch_reasons *vch_work_reasons(vch_work *w)
{
    return &w->appraisal->reasons;
}

/*
 * Does a thing hold now? Otherwise the reason <what>_not_yet_valid or _expired is added. Narrows
 * the window either way.
 *
 * codes  The two reason codes.
 */
typedef struct vch_dates {
    int64_t from_unix_s;
    int64_t to_unix_s; /* inclusive, grace included */
    const char *step;
    const char *what; /* for people */
    const char *early_code;
    const char *late_code;
} vch_dates;
void vch_work_dates(vch_work *w, const vch_dates *dates);

/* Lists of advisory ids, sorted and without duplicates, into the appraisal. Spans are copied. */
VOUCH_MUST_CHECK vouch_code vch_appraisal_set_advisories(vouch_appraisal *a, vouch_span *ids,
                                                         size_t count, vouch_span *current_ids,
                                                         size_t current_count, vouch_error *err);

/* Make a zeroed appraisal say what a genuine one does, without a policy's word. */
VOUCH_MUST_CHECK vouch_code vch_appraisal_set(vouch_appraisal *to, const vouch_appraisal *a,
                                              vouch_error *err);

/* A copy of a genuine appraisal without reasons, not yet judged by a policy. */
VOUCH_MUST_CHECK vouch_code vch_appraisal_copy(const vouch_appraisal *a, vouch_appraisal **out,
                                               vouch_error *err);

#endif
