#include "identity/collateral_live.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "check.h"
#include "host/clock.h"
#include "host/file.h"
#include "identity/collateral_cache.h"
#include "identity/collateral_live_parts.h"
#include "sim/collateral_make.h"
#include "sim/platform.h"

#define NOW INT64_C(1790000000)
#define DAY INT64_C(86400)
#define DAYS 3 /* collateral of so many days: issued on it, 30 days from then */
#define SOON_MS 1500
#define PATIENT_MS 20000

static char dir[VCH_PATH_SIZE];
static char days[DAYS][VCH_PATH_SIZE];
static char store[VCH_PATH_SIZE];
static atomic_llong clock_s;

static const vch_root_pins any_root = { .any = true };
static const vch_pcs_query ours = { .fmspc = { 'S', 'I', 'M' } };
static const vch_pcs_query other = { .fmspc = { 9 } };

/* The service: what it gives, and whether it makes one wait. */
typedef struct fetcher {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int day;
    bool fails, holds;
    uint8_t held; /* first byte of the FMSPC whose fetch is held */
    int calls;
} fetcher;

static fetcher service = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static int64_t the_time(void *clock)
{
    (void)clock;
    return atomic_load(&clock_s);
}

static void set_service(int day, bool fails, bool holds, uint8_t held)
{
    (void)pthread_mutex_lock(&service.lock);
    service.day = day;
    service.fails = fails;
    service.holds = holds;
    service.held = held;
    (void)pthread_cond_broadcast(&service.changed);
    (void)pthread_mutex_unlock(&service.lock);
}

static int calls(void)
{
    (void)pthread_mutex_lock(&service.lock);
    int n = service.calls;
    (void)pthread_mutex_unlock(&service.lock);
    return n;
}

/* Until the service was asked that often. */
static bool called(int times)
{
    for (int64_t end = vch_clock_monotonic_ms() + PATIENT_MS; vch_clock_monotonic_ms() < end;) {
        if (calls() >= times)
            return true;
        (void)usleep(2000);
    }
    return false;
}

static vouch_code read_day(int day, vch_pcs_set *out)
{
    vch_collateral_bytes bytes = { 0 };
    vouch_code rc = vch_collateral_bytes_read(days[day], &bytes, NULL);
    memcpy(out->part, bytes.part, sizeof bytes.part);
    out->parts = bytes.parts;
    return rc;
}

static vouch_code fetch(void *context, const vch_collateral_want *want,
                        const vouch_collateral_parts *seen, int64_t now_unix_s, vch_pcs_set *out,
                        vouch_error *err)
{
    fetcher *f = context;
    (void)seen;
    (void)now_unix_s;
    (void)pthread_mutex_lock(&f->lock);
    f->calls++;
    while (f->holds && want->query.fmspc[0] == f->held)
        (void)pthread_cond_wait(&f->changed, &f->lock);
    bool fails = f->fails;
    int day = f->day;
    (void)pthread_mutex_unlock(&f->lock);
    if (fails)
        return vouch_fail(err, VOUCH_E_NETWORK, "the service is on fire");
    return read_day(day, out);
}

static int set_up_all(void **state)
{
    (void)state;
    vch_sim_vendor *vendor = NULL;
    char vendor_dir[VCH_PATH_SIZE];
    if (vch_dir_make_temporary(NULL, "vouch-live-", dir, NULL) != VOUCH_OK
        || vch_path_join(dir, "vendor", vendor_dir, NULL) != VOUCH_OK
        || vch_path_join(dir, "save/store.db", store, NULL) != VOUCH_OK
        || vch_sim_vendor_open(vendor_dir, NOW, &vendor, NULL) != VOUCH_OK)
        return -1;
    vouch_code rc = VOUCH_OK;
    for (int i = 0; i < DAYS && rc == VOUCH_OK; i++) {
        int64_t issue = NOW + i * DAY;
        const vch_sim_dates dates = { issue, issue + 30 * DAY, issue + 365 * DAY };
        (void)snprintf(days[i], sizeof days[i], "%.4000s/day%d", dir, i);
        rc = vch_sim_collateral_write(vendor, VOUCH_TEE_SGX, &dates, days[i], NULL);
    }
    vch_sim_vendor_free(vendor);
    return rc == VOUCH_OK ? 0 : -1;
}

static int tear_down_all(void **state)
{
    (void)state;
    return vch_dir_remove_tree(dir, NULL) == VOUCH_OK ? 0 : -1;
}

static int set_up(void **state)
{
    (void)state;
    char save[VCH_PATH_SIZE];
    atomic_store(&clock_s, NOW + 60);
    set_service(0, false, false, 0);
    service.calls = 0;
    return vch_path_join(dir, "save", save, NULL) == VOUCH_OK
                   && vch_dir_remove_tree(save, NULL) == VOUCH_OK
               ? 0
               : -1;
}

static const char *const urls[] = { "https://never.asked" };

static vch_live *start_with(const vch_log *log)
{
    vouch_error err = { 0 };
    vch_live *live = NULL;
    const vch_live_options options = { .services = { .urls = urls, .url_count = 1 },
                                       .store = store,
                                       .pins = &any_root,
                                       .wait_ms = PATIENT_MS,
                                       .now_unix_s = the_time,
                                       .log = log,
                                       .fetch = fetch,
                                       .fetcher = &service };
    CHECK_OK(vch_live_new(&options, &live, &err), &err);
    return live;
}

static vch_live *start(void)
{
    return start_with(NULL);
}

/* Which day's TCB info it is; -1: none of them. */
static int day_of(const vch_collateral_set *set)
{
    for (int i = 0; i < DAYS; i++) {
        vch_pcs_set day = { 0 };
        CHECK(read_day(i, &day) == VOUCH_OK);
        bool same = vch_span_equal(set->parts.tcb_info, day.parts.tcb_info)
                    && vch_span_equal(set->parts.pck_crl, day.parts.pck_crl)
                    && vch_span_equal(set->parts.root_ca_crl, day.parts.root_ca_crl);
        vch_pcs_set_drop(&day);
        if (same)
            return i;
    }
    return -1;
}

static int get(vch_live *live, const vch_pcs_query *whose)
{
    vouch_error err = { 0 };
    const vch_collateral_set *set = NULL;
    CHECK_OK(vch_live_get(live, whose, VCH_LIVE_SHORT, &set, &err), &err);
    int day = day_of(set);
    vch_collateral_set_unref(set);
    return day;
}

static vouch_code get_none(vch_live *live, const vch_pcs_query *whose, vouch_error *err)
{
    const vch_collateral_set *set = NULL;
    vouch_code rc = vch_live_get(live, whose, VCH_LIVE_SHORT, &set, err);
    CHECK(rc != VOUCH_OK && set == NULL);
    return rc;
}

/* Somebody who asks from another thread. */
typedef struct asker {
    vch_live *live;
    const vch_pcs_query *whose;
    pthread_t thread;
    vouch_code rc;
    const vch_collateral_set *set;
} asker;

static void *ask(void *context)
{
    asker *a = context;
    a->rc = vch_live_get(a->live, a->whose, VCH_LIVE_SHORT, &a->set, NULL);
    return NULL;
}

static void begin_asking(asker *a, vch_live *live, const vch_pcs_query *whose)
{
    *a = (asker) { .live = live, .whose = whose };
    CHECK(pthread_create(&a->thread, NULL, ask, a) == 0);
}

static vouch_code end_asking(asker *a)
{
    CHECK(pthread_join(a->thread, NULL) == 0);
    vch_collateral_set_unref(a->set);
    return a->rc;
}

static size_t waiting(vch_live *live)
{
    (void)pthread_mutex_lock(&live->lock);
    size_t n = live->waiter_count;
    (void)pthread_mutex_unlock(&live->lock);
    return n;
}

static void until_waiting(vch_live *live, size_t count)
{
    int64_t end = vch_clock_monotonic_ms() + PATIENT_MS;
    while (waiting(live) < count && vch_clock_monotonic_ms() < end)
        (void)usleep(2000);
    CHECK(waiting(live) == count);
}

static void all_who_meet_a_platform_at_once_share_one_fetch(void **state)
{
    (void)state;
    asker askers[8];
    vch_live *live = start();
    set_service(0, false, true, ours.fmspc[0]);
    for (size_t i = 0; i < 8; i++)
        begin_asking(&askers[i], live, &ours);
    until_waiting(live, 8);
    set_service(0, false, false, 0);
    for (size_t i = 0; i < 8; i++)
        CHECK(end_asking(&askers[i]) == VOUCH_OK);
    CHECK(calls() == 1);
    CHECK(get(live, &ours) == 0 && calls() == 1);
    vch_live_free(live);
}

static void nobody_waits_for_another_platform(void **state)
{
    (void)state;
    asker slow;
    vch_live *live = start();
    set_service(0, false, true, other.fmspc[0]);
    begin_asking(&slow, live, &other);
    CHECK(called(1));
    int64_t begin = vch_clock_monotonic_ms();
    CHECK(get(live, &ours) == 0);
    CHECK(vch_clock_monotonic_ms() - begin < SOON_MS);
    set_service(0, false, false, 0);
    CHECK(end_asking(&slow) == VOUCH_OK);
    vch_live_free(live);
}

static void what_is_in_force_is_given_while_it_is_refreshed(void **state)
{
    (void)state;
    vch_live *live = start();
    CHECK(get(live, &ours) == 0);
    set_service(1, false, true, ours.fmspc[0]);
    atomic_store(&clock_s, NOW + DAY + 120);
    CHECK(called(2)); /* ahead of expiry, by itself */
    int64_t begin = vch_clock_monotonic_ms();
    CHECK(get(live, &ours) == 0);
    CHECK(vch_clock_monotonic_ms() - begin < SOON_MS);
    set_service(1, false, false, 0);
    for (int64_t end = vch_clock_monotonic_ms() + PATIENT_MS;
         get(live, &ours) == 0 && vch_clock_monotonic_ms() < end;)
        (void)usleep(2000);
    CHECK(get(live, &ours) == 1 && calls() == 2);
    vch_live_free(live);
}

static void a_refresh_comes_early_by_up_to_a_fifth_and_never_after_half_of_the_life(void **state)
{
    (void)state;
    vch_live *live = start();
    int64_t least = INT64_MAX;
    int64_t most = 0;
    for (int i = 0; i < 300; i++) {
        const vch_collateral_set lasting = { .expires_unix_s = NOW + 30 * DAY };
        const vch_collateral_set ending = { .expires_unix_s = NOW + 1000 };
        int64_t at = vch_live_refresh_at(live, &lasting, NOW) - NOW;
        CHECK(at > DAY * 4 / 5 - 1 && at <= DAY);
        least = at < least ? at : least;
        most = at > most ? at : most;
        at = vch_live_refresh_at(live, &ending, NOW) - NOW;
        CHECK(at >= 400 && at <= 500);
    }
    CHECK(most - least > DAY / 10);
    vch_live_free(live);
}

static void what_has_expired_waits_for_the_network_and_is_better_than_nothing(void **state)
{
    (void)state;
    vch_live *live = start();
    CHECK(get(live, &ours) == 0);
    atomic_store(&clock_s, NOW + 31 * DAY);
    set_service(1, true, false, 0);
    CHECK(get(live, &ours) == 0); /* expired: the appraisal will say so */
    CHECK(calls() >= 2);
    set_service(2, false, false, 0);
    atomic_store(&clock_s, NOW + 31 * DAY + 3600);
    CHECK(get(live, &ours) == 2);
    vch_live_free(live);
}

static void a_failure_is_remembered_and_told_and_asked_again_later(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char text[512];
    const vch_collateral_set *set = NULL;
    vch_live *live = start();
    set_service(0, true, false, 0);
    CHECK(get_none(live, &ours, &err) == VOUCH_E_NETWORK);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), "on fire") != NULL);
    CHECK(get_none(live, &ours, &err) == VOUCH_E_NETWORK && calls() == 1);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), "on fire") != NULL);
    /* At a start one asks all the same. */
    CHECK(vch_live_get(live, &ours, VCH_LIVE_LONG, &set, NULL) == VOUCH_E_NETWORK && calls() == 2);
    set_service(0, false, false, 0);
    atomic_store(&clock_s, NOW + 3600);
    CHECK(get(live, &ours) == 0 && calls() == 3);
    vch_live_free(live);
}

static void a_wait_ends_and_the_fetch_goes_on(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_live *live = start();
    live->wait_ms = 30;
    set_service(0, false, true, ours.fmspc[0]);
    CHECK(get_none(live, &ours, &err) == VOUCH_E_TIMEOUT);
    set_service(0, false, false, 0);
    live->wait_ms = PATIENT_MS;
    CHECK(get(live, &ours) == 0 && calls() == 1);
    vch_live_free(live);
}

static void too_many_who_wait_are_refused_at_once(void **state)
{
    (void)state;
    static asker askers[VCH_LIVE_WAITERS];
    vch_live *live = start();
    set_service(0, false, true, ours.fmspc[0]);
    for (size_t i = 0; i < VCH_LIVE_WAITERS; i++)
        begin_asking(&askers[i], live, &ours);
    until_waiting(live, VCH_LIVE_WAITERS);
    CHECK(get_none(live, &ours, NULL) == VOUCH_E_LIMIT);
    set_service(0, false, false, 0);
    for (size_t i = 0; i < VCH_LIVE_WAITERS; i++)
        CHECK(end_asking(&askers[i]) == VOUCH_OK);
    vch_live_free(live);
}

static void invented_platforms_do_not_shut_out_a_real_one(void **state)
{
    (void)state;
    vch_live *live = start();
    set_service(0, true, false, 0);
    for (int i = 0; i < VCH_LIVE_FAMILIES + 10; i++) {
        const vch_pcs_query invented = { .fmspc = { 7, (uint8_t)i, (uint8_t)(i >> 8) } };
        CHECK(get_none(live, &invented, NULL) == VOUCH_E_NETWORK);
    }
    set_service(0, false, false, 0);
    CHECK(get(live, &ours) == 0);
    vch_live_free(live);
}

static void older_collateral_is_refused_even_after_a_restart(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char text[512];
    vch_live *live = start();
    set_service(1, false, false, 0);
    atomic_store(&clock_s, NOW + DAY);
    CHECK(get(live, &ours) == 1);
    set_service(0, false, false, 0);
    atomic_store(&clock_s, NOW + 2 * DAY + 120);
    CHECK(called(2));
    CHECK(get(live, &ours) == 1);
    vch_live_free(live);
    live = start();
    /* The same documents for another key: nothing but the store's marks knows of newer ones. */
    vch_pcs_query processor = ours;
    processor.processor_ca = true;
    CHECK(get_none(live, &processor, &err) == VOUCH_E_REFUSED);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), "older than seen before") != NULL);
    vch_live_free(live);
}

static void a_restart_without_network_has_what_was_fetched(void **state)
{
    (void)state;
    vch_live *live = start();
    CHECK(get(live, &ours) == 0);
    vch_live_free(live);
    set_service(0, true, false, 0);
    live = start();
    CHECK(get(live, &ours) == 0 && calls() == 1);
    vch_live_free(live);
}

static void note(void *sink, const char *line, size_t size)
{
    char *text = sink;
    (void)snprintf(text + strlen(text), 4096 - strlen(text), "%.*s", (int)size, line);
}

static int64_t log_time(void *clock)
{
    (void)clock;
    return 0;
}

static void a_damaged_store_is_said_set_aside_and_fetched_anew(void **state)
{
    (void)state;
    char said[4096] = "";
    char damaged[VCH_PATH_SIZE + 16];
    const vch_log log = {
        .level = VCH_LOG_DEBUG, .write_line = note, .sink = said, .now_unix_ms = log_time
    };
    vch_live *live = start();
    CHECK(get(live, &ours) == 0);
    vch_live_free(live);
    CHECK(vch_file_write(store, (vouch_span) { (const uint8_t *)"junk", 4 }, 0600, NULL)
          == VOUCH_OK);
    live = start_with(&log);
    CHECK(strstr(said, "collateral.store_damaged") != NULL);
    (void)snprintf(damaged, sizeof damaged, "%s.damaged", store);
    CHECK(vch_file_exists(damaged));
    CHECK(get(live, &ours) == 0 && calls() == 2);
    vch_live_free(live);
    live = start();
    CHECK(get(live, &ours) == 0 && calls() == 2); /* and kept */
    vch_live_free(live);
}

/* A service that accepts and says nothing, through the real client. */
static void an_end_does_not_wait_for_a_silent_service(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    char url[64];
    const char *const silent[] = { url };
    vch_live *live = NULL;
    CHECK(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 8) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u", ntohs(at.sin_port));
    const vch_live_options options = { .services = { .urls = silent, .url_count = 1 },
                                       .store = store,
                                       .pins = &any_root,
                                       .wait_ms = 300,
                                       .now_unix_s = the_time };
    CHECK(vch_live_new(&options, &live, NULL) == VOUCH_OK);
    CHECK(get_none(live, &ours, NULL) == VOUCH_E_TIMEOUT);
    int64_t begin = vch_clock_monotonic_ms();
    vch_live_free(live);
    CHECK(vch_clock_monotonic_ms() - begin < 5000);
    (void)close(fd);
}

#define FRESH(function) cmocka_unit_test_setup(function, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(all_who_meet_a_platform_at_once_share_one_fetch),
        FRESH(nobody_waits_for_another_platform),
        FRESH(what_is_in_force_is_given_while_it_is_refreshed),
        FRESH(a_refresh_comes_early_by_up_to_a_fifth_and_never_after_half_of_the_life),
        FRESH(what_has_expired_waits_for_the_network_and_is_better_than_nothing),
        FRESH(a_failure_is_remembered_and_told_and_asked_again_later),
        FRESH(a_wait_ends_and_the_fetch_goes_on),
        FRESH(too_many_who_wait_are_refused_at_once),
        FRESH(invented_platforms_do_not_shut_out_a_real_one),
        FRESH(older_collateral_is_refused_even_after_a_restart),
        FRESH(a_restart_without_network_has_what_was_fetched),
        FRESH(a_damaged_store_is_said_set_aside_and_fetched_anew),
        FRESH(an_end_does_not_wait_for_a_silent_service),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
