#include "net/loop.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "check.h"
#include "net/workers.h"

static vch_loop *loop;

static int set_up(void **state)
{
    (void)state;
    return vch_loop_new(&loop, NULL) == VOUCH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    vch_loop_free(loop);
    return 0;
}

static void count(void *context)
{
    ++*(int *)context;
}

static void stop_loop(void *context)
{
    vch_loop_stop(context);
}

static void a_timer_fires_once_for_each_start(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    int fired = 0;
    bool never = false;
    vch_timer *timer = NULL;
    CHECK_OK(vch_timer_new(loop, count, &fired, &timer, &err), &err);
    CHECK(vch_loop_run_until(loop, &never, 20, &err) == VOUCH_E_TIMEOUT && fired == 0);
    vch_timer_start(timer, 1);
    CHECK(vch_loop_run_until(loop, &never, 50, &err) == VOUCH_E_TIMEOUT && fired == 1);
    vch_timer_start(timer, 1);
    vch_timer_stop(timer);
    CHECK(vch_loop_run_until(loop, &never, 20, &err) == VOUCH_E_TIMEOUT && fired == 1);
    vch_timer_start(timer, -5); /* a moment that has passed is now */
    CHECK(vch_loop_run_until(loop, &never, 20, &err) == VOUCH_E_TIMEOUT && fired == 2);
    vch_timer_free(timer);
}

static void a_stopped_loop_returns(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_timer *timer = NULL;
    CHECK_OK(vch_timer_new(loop, stop_loop, loop, &timer, &err), &err);
    vch_timer_start(timer, 1);
    CHECK_OK(vch_loop_run(loop, &err), &err);
    vch_timer_free(timer);
    vch_loop_turn(loop); /* nothing is ready: it does not wait */
}

static void keep_number(void *context, int number)
{
    *(int *)context = number;
}

static void a_signal_is_heard_in_the_loop(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    int heard = 0;
    bool never = false;
    vch_signal *listener = NULL;
    CHECK_OK(vch_signal_new(loop, SIGUSR1, keep_number, &heard, &listener, &err), &err);
    CHECK(raise(SIGUSR1) == 0);
    CHECK(heard == 0); /* not in the signal handler */
    CHECK(vch_loop_run_until(loop, &never, 50, &err) == VOUCH_E_TIMEOUT);
    CHECK(heard == SIGUSR1);
    vch_signal_free(listener);
}

static void a_broken_pipe_does_not_end_the_process(void **state)
{
    (void)state;
    int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(close(ends[0]) == 0);
    CHECK(write(ends[1], "x", 1) == -1);
    CHECK(close(ends[1]) == 0);
}

/* --- workers --- */

typedef struct task {
    pthread_t worker, finisher;
    int fd; /* `work` waits until it can read a byte; -1: does not wait */
    bool worked, done, done_says_worked;
} task;

static void task_work(void *context)
{
    task *t = context;
    char byte = 0;
    t->worker = pthread_self();
    t->worked = t->fd < 0 || read(t->fd, &byte, 1) == 1;
}

static void task_done(void *context, bool worked)
{
    task *t = context;
    t->finisher = pthread_self();
    t->done = true;
    t->done_says_worked = worked;
}

static vouch_code submit(vch_workers *workers, task *t)
{
    return vch_workers_submit(workers, (vch_job) { t, task_work, task_done }, NULL);
}

static void work_is_done_elsewhere_and_reported_here(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_workers *workers = NULL;
    task t = { .fd = -1 };
    CHECK_OK(vch_workers_new(loop, 1, 1, &workers, &err), &err);
    CHECK(submit(workers, &t) == VOUCH_OK);
    CHECK_OK(vch_loop_run_until(loop, &t.done, 5000, &err), &err);
    CHECK(t.worked && t.done_says_worked);
    CHECK(!pthread_equal(t.worker, pthread_self()) && pthread_equal(t.finisher, pthread_self()));
    vch_workers_free(workers);
}

static void a_full_queue_refuses_and_a_freed_pool_reports_every_job(void **state)
{
    (void)state;
    int ends[2];
    vouch_error err = { 0 };
    vch_workers *workers = NULL;
    CHECK(pipe(ends) == 0);
    task busy = { .fd = ends[0] };
    task second = { .fd = ends[0] };
    task refused = { .fd = -1 };
    CHECK_OK(vch_workers_new(loop, 1, 1, &workers, &err), &err);
    CHECK(submit(workers, &busy) == VOUCH_OK);
    while (submit(workers, &second) != VOUCH_OK) /* until the worker has taken the first */
        vch_loop_turn(loop);
    CHECK(submit(workers, &refused) == VOUCH_E_LIMIT);
    CHECK(write(ends[1], "xx", 2) == 2);
    vch_workers_free(workers);
    CHECK(busy.done && busy.worked && busy.done_says_worked);
    CHECK(second.done && second.worked == second.done_says_worked); /* reported as it was */
    CHECK(!refused.done);
    CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
}

static void a_pool_has_from_1_to_64_threads(void **state)
{
    (void)state;
    vch_workers *workers = NULL;
    CHECK(vch_workers_new(loop, 0, 1, &workers, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_workers_new(loop, 65, 1, &workers, NULL) == VOUCH_E_LIMIT);
    CHECK(workers == NULL);
    const bool done = true;
    CHECK(vch_loop_run_until(loop, &done, 0, NULL) == VOUCH_OK); /* done already: no waiting */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_timer_fires_once_for_each_start),
        TEST(a_stopped_loop_returns),
        TEST(a_signal_is_heard_in_the_loop),
        TEST(a_broken_pipe_does_not_end_the_process),
        TEST(work_is_done_elsewhere_and_reported_here),
        TEST(a_full_queue_refuses_and_a_freed_pool_reports_every_job),
        TEST(a_pool_has_from_1_to_64_threads),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
