/*
 * The round as a state machine: who owes which tasks, who has reported, when the round is over, who
 * has been told to quit. Pure: time is a parameter, in milliseconds of a clock that is never set
 * back. One thread at a time. docs/openfl_interop.md sections 4.2, 4.3, 8.
 *
 * Members are all that cols.yaml names, by their index in it, whether they have come yet or not. A
 * round waits for all of them unless the plan's straggler policy sets a quorum: with
 * CutoffTimePolicy the round is over once `minimum_reporting` have reported and the cutoff, counted
 * from the first hand-out of tasks, has passed. So a member that is enrolled and started only later
 * holds nobody up for longer than the cutoff, and takes part from the round in which it comes.
 */
#ifndef VCH_FED_AGGREGATOR_ROUND_H
#define VCH_FED_AGGREGATOR_ROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"

#define VCH_ROUND_MEMBER_MAX 65536
#define VCH_ROUND_TASK_MAX 64 /* tasks are bits of a uint64_t, in the order of the plan */

typedef enum vch_round_policy {
    VCH_ROUND_WAIT_FOR_ALL = 1,
    VCH_ROUND_CUTOFF = 2,    /* after `cutoff_ms`, minimum_reporting are enough */
    VCH_ROUND_PERCENTAGE = 3 /* `percentage` of all and minimum_reporting are enough at any time */
} vch_round_policy;

typedef struct vch_round_options {
    size_t member_count, task_count;
    int32_t first_round;      /* the round of the initial model */
    int32_t end_round;        /* quit once this round is reached: the plan's rounds_to_train */
    vch_round_policy policy;  /* required */
    int64_t cutoff_ms;        /* negative: never */
    size_t minimum_reporting; /* members; 0 counts as 1 */
    double percentage;        /* of member_count, 0 to 1 */
    int64_t farewell_ms; /* after the last round: how long to wait for those still to be told */
} vch_round_options;

typedef struct vch_round vch_round;

/*
 * Starts in round `first_round`, which has no tasks until vch_round_assign().
 * Fails with VOUCH_E_LIMIT (counts, quorum greater than the members) or VOUCH_E_MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_round_new(const vch_round_options *options, vch_round **out,
                                          vouch_error *err);
void vch_round_free(vch_round *r);

/* Give the present round's tasks: member m owes the tasks whose bits are set in tasks[m]. */
void vch_round_assign(vch_round *r, const uint64_t *tasks);

/* The present round, and whether the rounds are done. */
int32_t vch_round_number(const vch_round *r);
bool vch_round_finished(const vch_round *r);

/* What a member that asks for work is told. */
typedef enum vch_round_answer {
    VCH_ROUND_QUIT = 1,
    VCH_ROUND_WAIT = 2, /* everything owed is in: ask again when the round changes */
    VCH_ROUND_WORK = 3
} vch_round_answer;

/* Counts the member as present; the first WORK of a round starts the cutoff; QUIT counts it as
 * told. *out_tasks has a bit for each task still owed. */
vch_round_answer vch_round_ask(vch_round *r, size_t member, int64_t now_ms, uint64_t *out_tasks);

/* What becomes of a result. All but TAKE are dropped and answered OK, as OpenFL does. */
typedef enum vch_round_ruling {
    VCH_RESULT_OVER = 1,        /* the rounds are done */
    VCH_RESULT_OTHER_ROUND = 2, /* late, or early */
    VCH_RESULT_NOT_OWED = 3,    /* not a task of this member in this round */
    VCH_RESULT_DUPLICATE = 4,   /* reported already */
    VCH_RESULT_TAKE = 5
} vch_round_ruling;

vch_round_ruling vch_round_judge(const vch_round *r, size_t member, int32_t round, size_t task);
const char *vch_round_ruling_text(vch_round_ruling ruling);

/* A result that was ruled TAKE is safely stored. */
void vch_round_report(vch_round *r, size_t member, size_t task);

/* Has the member reported all that it owes in this round (and owed something)? */
bool vch_round_is_done(const vch_round *r, size_t member);
size_t vch_round_done_count(const vch_round *r);

/* Is the present round over at this moment? Never once the rounds are done. */
bool vch_round_is_over(const vch_round *r, int64_t now_ms);

/* When to ask vch_round_is_over() or vch_round_may_exit() again; INT64_MAX: only after an event. */
int64_t vch_round_next_deadline_ms(const vch_round *r);

/* On to the next round, without tasks yet. `now_ms` starts the farewell if it was the last. */
void vch_round_advance(vch_round *r, int64_t now_ms);

/* A process before this one was in this round, or done with all, and ours begins at `now_ms`: whoever
 * took part will have to be told when it is over, though it may not come before. */
void vch_round_resume(vch_round *r, int64_t now_ms);

/* Leave a member out: what it reported in this round does not count, nothing is expected of it, and no
 * result of it is taken, until it is readmitted; then it owes the present round's tasks. */
void vch_round_exclude(vch_round *r, size_t member);
void vch_round_readmit(vch_round *r, size_t member);
bool vch_round_is_excluded(const vch_round *r, size_t member);

/* The member's last connection is gone. */
void vch_round_leave(vch_round *r, size_t member);

/* The rounds are done, and every member that is connected or took part in the last round was told
 * to quit, or the farewell has passed. */
bool vch_round_may_exit(const vch_round *r, int64_t now_ms);

#endif
