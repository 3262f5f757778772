#include "net/workers.h"

#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

#define PATIENCE_MS 20000

/* What jobs of a test share. */
typedef struct shared {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ran;             /* the second job */
    bool saw_it;          /* the first one, within its wait */
    atomic_int working;   /* at this moment */
    atomic_int most;      /* that ever worked at a time */
    int finished, wanted; /* on the loop's thread */
    bool done;
} shared;

static shared s = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void finish(void *context, bool worked)
{
    (void)context;
    CHECK(worked);
    s.done = ++s.finished == s.wanted;
}

static void wait_for_the_other(void *context)
{
    (void)context;
    vch_worker_blocks();
    (void)pthread_mutex_lock(&s.lock);
    while (!s.ran && !vch_worker_is_stopping())
        (void)pthread_cond_wait(&s.changed, &s.lock);
    s.saw_it = s.ran;
    (void)pthread_mutex_unlock(&s.lock);
    vch_worker_resumes();
}

static void be_the_other(void *context)
{
    (void)context;
    (void)pthread_mutex_lock(&s.lock);
    s.ran = true;
    (void)pthread_cond_broadcast(&s.changed);
    (void)pthread_mutex_unlock(&s.lock);
}

static void work_alone(void *context)
{
    (void)context;
    int now = atomic_fetch_add(&s.working, 1) + 1;
    if (now > atomic_load(&s.most))
        atomic_store(&s.most, now);
    for (volatile int i = 0; i < 200000; i++) {
    }
    (void)atomic_fetch_sub(&s.working, 1);
}

static void submit(vch_workers *w, void (*work)(void *context))
{
    CHECK(vch_workers_submit(w, (vch_job) { NULL, work, finish }, NULL) == VOUCH_OK);
}

static void a_job_that_waits_gives_its_place_to_the_next(void **state)
{
    (void)state;
    vch_loop *loop = NULL;
    vch_workers *w = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_loop_new(&loop, &err), &err);
    CHECK_OK(vch_workers_new(loop, 1, 100, &w, &err), &err);
    s.wanted = 2;
    submit(w, wait_for_the_other);
    submit(w, be_the_other);
    CHECK_OK(vch_loop_run_until(loop, &s.done, PATIENCE_MS, &err), &err);
    CHECK(s.saw_it);
    /* There are two threads now; still only one may work at a time. */
    s.done = false;
    s.finished = 0;
    s.wanted = 50;
    for (int i = 0; i < s.wanted; i++)
        submit(w, work_alone);
    CHECK_OK(vch_loop_run_until(loop, &s.done, PATIENCE_MS, &err), &err);
    CHECK(atomic_load(&s.most) == 1);
    vch_workers_free(w);
    vch_loop_free(loop);
}

static void elsewhere_it_means_nothing(void **state)
{
    (void)state;
    vch_worker_blocks();
    CHECK(!vch_worker_is_stopping());
    vch_worker_resumes();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_job_that_waits_gives_its_place_to_the_next),
        TEST(elsewhere_it_means_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
