#include "net/workers.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 64U
#define BLOCKED_MAX 64U /* beyond the others */

typedef struct item item;
struct item {
    vch_job job;
    bool worked;
    item *next;
};

typedef struct item_queue {
    item *first, **last;
} item_queue;

struct vch_workers {
    pthread_mutex_t lock; /* guards all but ready and pipe */
    pthread_cond_t wake;
    item_queue waiting, finished;
    size_t waiting_count, queue_size;
    bool stopping;
    int pipe[2]; /* a byte: something is finished */
    struct event *ready;
    pthread_t threads[THREADS_MAX + BLOCKED_MAX];
    unsigned thread_count;
    unsigned at_a_time; /* threads that may work */
    unsigned active;    /* threads that do */
    unsigned blocked;   /* threads that wait for something else within a job */
};

/* Whose thread this is, where a job finds itself; never shared. */
static _Thread_local vch_workers *own;

static void queue_init(item_queue *q)
{
    *q = (item_queue) { NULL, &q->first };
}

static void queue_put(item_queue *q, item *it)
{
    it->next = NULL;
    *q->last = it;
    q->last = &it->next;
}

static item *queue_take(item_queue *q)
{
    item *it = q->first;
    if (it == NULL)
        return NULL;
    q->first = it->next;
    if (q->first == NULL)
        q->last = &q->first;
    return it;
}

static void lock(vch_workers *w)
{
    if (pthread_mutex_lock(&w->lock) != 0)
        abort(); /* only misuse of the mutex itself makes it fail */
}

static void unlock(vch_workers *w)
{
    if (pthread_mutex_unlock(&w->lock) != 0)
        abort();
}

static void *run_worker(void *context)
{
    vch_workers *w = context;
    own = w;
    lock(w);
    for (;;) {
        while (!w->stopping && (w->waiting.first == NULL || w->active >= w->at_a_time))
            (void)pthread_cond_wait(&w->wake, &w->lock);
        if (w->stopping)
            break;
        item *it = queue_take(&w->waiting);
        w->waiting_count--;
        w->active++;
        unlock(w);
        it->job.work(it->job.context);
        it->worked = true;
        lock(w);
        w->active--;
        if (w->waiting.first != NULL)
            (void)pthread_cond_signal(&w->wake); /* whoever was kept back while too many worked */
        queue_put(&w->finished, it);
        ssize_t n =
            write(w->pipe[1], "", 1); /* full: a byte that wakes the loop is there already */
        (void)n;
    }
    unlock(w);
    return NULL;
}

static void deliver(vch_workers *w, item_queue *from)
{
    for (;;) {
        lock(w);
        item *it = queue_take(from);
        unlock(w);
        if (it == NULL)
            return;
        it->job.done(it->job.context, it->worked);
        free(it);
    }
}

static void on_ready(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    char bytes[64];
    while (read(fd, bytes, sizeof bytes) > 0) {
    }
    vch_workers *w = context;
    deliver(w, &w->finished);
}

static void destroy(vch_workers *w)
{
    if (w->ready != NULL)
        event_free(w->ready);
    for (int i = 0; i < 2; i++) {
        if (w->pipe[i] >= 0)
            (void)close(w->pipe[i]);
    }
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}

static vouch_code prepare(vch_workers *w, vch_loop *loop, vouch_error *err)
{
    if (pipe2(w->pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return vouch_fail(err, VOUCH_E_IO, "workers: making a pipe: %s", strerror(errno));
    w->ready = event_new(vch_loop_native(loop), w->pipe[0], EV_READ | EV_PERSIST, on_ready, w);
    if (w->ready == NULL || event_add(w->ready, NULL) != 0)
        return vouch_fail(err, VOUCH_E_MEMORY, "workers: out of memory");
    return VOUCH_OK;
}

static vouch_code start_threads(vch_workers *w, unsigned count, vouch_error *err)
{
    for (; w->thread_count < count; w->thread_count++) {
        int rc = pthread_create(&w->threads[w->thread_count], NULL, run_worker, w);
        if (rc != 0)
            return vouch_fail(err, VOUCH_E_MEMORY, "workers: starting a thread: %s", strerror(rc));
    }
    return VOUCH_OK;
}

vouch_code vch_workers_new(vch_loop *loop, unsigned threads, size_t queue_size, vch_workers **out,
                           vouch_error *err)
{
    if (threads == 0 || threads > THREADS_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "workers: %u threads; must be 1 to %u", threads,
                          THREADS_MAX);
    vch_workers *w = calloc(1, sizeof *w);
    if (w == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "workers: out of memory");
    (void)pthread_mutex_init(&w->lock, NULL); /* with default attributes these cannot fail here */
    (void)pthread_cond_init(&w->wake, NULL);
    queue_init(&w->waiting);
    queue_init(&w->finished);
    w->queue_size = queue_size;
    w->at_a_time = threads;
    w->pipe[0] = w->pipe[1] = -1;
    vouch_code rc = prepare(w, loop, err);
    if (rc == VOUCH_OK)
        rc = start_threads(w, threads, err);
    if (rc != VOUCH_OK) {
        vch_workers_free(w);
        return rc;
    }
    *out = w;
    return VOUCH_OK;
}

void vch_workers_free(vch_workers *w)
{
    if (w == NULL)
        return;
    lock(w);
    w->stopping = true;
    (void)pthread_cond_broadcast(&w->wake);
    unlock(w);
    for (unsigned i = 0; i < w->thread_count; i++) /* no more are started */
        (void)pthread_join(w->threads[i], NULL);
    deliver(w, &w->finished);
    deliver(w, &w->waiting);
    destroy(w);
}

vouch_code vch_workers_submit(vch_workers *w, vch_job job, vouch_error *err)
{
    item *it = calloc(1, sizeof *it);
    if (it == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "workers: out of memory");
    it->job = job;
    lock(w);
    bool full = w->stopping || w->waiting_count >= w->queue_size;
    if (!full) {
        queue_put(&w->waiting, it);
        w->waiting_count++;
        (void)pthread_cond_signal(&w->wake);
    }
    unlock(w);
    if (!full)
        return VOUCH_OK;
    free(it);
    return vouch_fail(err, VOUCH_E_LIMIT, "workers: %zu jobs wait already", w->queue_size);
}

void vch_worker_blocks(void)
{
    vch_workers *w = own;
    if (w == NULL)
        return;
    lock(w);
    w->active--;
    w->blocked++;
    /* One for this one's place; if there can be none, the others wait along. */
    if (!w->stopping && w->thread_count - w->blocked < w->at_a_time
        && w->thread_count < THREADS_MAX + BLOCKED_MAX
        && pthread_create(&w->threads[w->thread_count], NULL, run_worker, w) == 0)
        w->thread_count++;
    (void)pthread_cond_signal(&w->wake);
    unlock(w);
}

void vch_worker_resumes(void)
{
    vch_workers *w = own;
    if (w == NULL)
        return;
    lock(w);
    w->active++;
    w->blocked--;
    unlock(w);
}

bool vch_worker_is_stopping(void)
{
    vch_workers *w = own;
    if (w == NULL)
        return false;
    lock(w);
    bool stopping = w->stopping;
    unlock(w);
    return stopping;
}
