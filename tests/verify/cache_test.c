#include "verify/cache.h"

#include <string.h>

#include "check.h"

/* Keys whose digests begin alike, so that they share a bucket. */
static vch_cache_key key_of(uint8_t number)
{
    vch_cache_key key = { 0 };
    key.first[31] = number;
    return key;
}

static vouch_cache *cache_of(size_t platforms)
{
    vouch_cache *cache = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vouch_cache_new(platforms, &cache, &err), &err);
    return cache;
}

static void the_number_of_platforms_is_bounded(void **state)
{
    (void)state;
    vouch_cache *cache = NULL;
    CHECK(vouch_cache_new(0, &cache, NULL) == VOUCH_E_LIMIT);
    CHECK(vouch_cache_new(65537, &cache, NULL) == VOUCH_E_LIMIT);
    CHECK(cache == NULL);
    vouch_cache_free(cache_of(65536));
    vouch_cache_free(NULL);
}

static void no_cache_knows_nothing_and_keeps_nothing(void **state)
{
    (void)state;
    const uint8_t digest[32] = { 1 };
    vch_cache_key key = key_of(1);
    vch_platform platform = { .ca = VCH_PCK_CA_PLATFORM };
    vch_cache_keep_link(NULL, digest, digest);
    CHECK(!vch_cache_knows_link(NULL, digest, digest));
    CHECK(vch_cache_find_platform(NULL, &key) == NULL);
    CHECK(vch_cache_keep_platform(NULL, &key, &platform) == &platform);
    CHECK(vch_cache_find_verdict(NULL, &key, 0) == NULL);
}

static void a_full_bucket_forgets_its_oldest_platform(void **state)
{
    (void)state;
    vouch_cache *cache = cache_of(1);
    for (uint8_t i = 0; i < 5; i++) {
        vch_platform p = { .not_after_unix_s = i };
        vch_cache_key key = key_of(i);
        const vch_platform *kept = vch_cache_keep_platform(cache, &key, &p);
        CHECK(kept->not_after_unix_s == i && p.not_after_unix_s == 0); /* moved */
    }
    for (uint8_t i = 0; i < 5; i++) {
        vch_cache_key key = key_of(i);
        const vch_platform *found = vch_cache_find_platform(cache, &key);
        CHECK(i == 0 ? found == NULL : found != NULL && found->not_after_unix_s == i);
    }
    vouch_cache_free(cache);
}

static void every_part_of_a_key_counts(void **state)
{
    (void)state;
    vouch_cache *cache = cache_of(4);
    vch_cache_key key = key_of(1);
    vch_platform p = { 0 };
    (void)vch_cache_keep_platform(cache, &key, &p);
    CHECK(vch_cache_find_platform(cache, &key) != NULL);
    key.second[5] ^= 1;
    CHECK(vch_cache_find_platform(cache, &key) == NULL);
    key.second[5] ^= 1;
    key.third[31] ^= 1;
    CHECK(vch_cache_find_platform(cache, &key) == NULL);
    vouch_cache_free(cache);
}

static void a_link_is_known_in_its_direction_only(void **state)
{
    (void)state;
    vouch_cache *cache = cache_of(1);
    const uint8_t a[32] = { 1, 2 };
    const uint8_t b[32] = { 3, 4 };
    vch_cache_keep_link(cache, a, b);
    vch_cache_keep_link(cache, a, b);
    CHECK(vch_cache_knows_link(cache, a, b));
    CHECK(!vch_cache_knows_link(cache, b, a) && !vch_cache_knows_link(cache, a, a));
    for (uint8_t i = 0; i < 4; i++) { /* the bucket of b fills up */
        uint8_t other[32] = { 3, 4 };
        other[31] = (uint8_t)(i + 1);
        vch_cache_keep_link(cache, a, other);
        CHECK(vch_cache_knows_link(cache, a, other));
    }
    CHECK(!vch_cache_knows_link(cache, a, b));
    vouch_cache_free(cache);
}

static void a_verdict_is_found_within_its_window_only(void **state)
{
    (void)state;
    vouch_cache *cache = cache_of(1);
    vch_cache_key key = key_of(1);
    const vouch_appraisal a = { .genuine = true, .admitted = true };
    vch_cache_keep_verdict(cache, &key, &a, (vch_window) { 100, 200 });
    CHECK(vch_cache_find_verdict(cache, &key, 99) == NULL);
    const vouch_appraisal *found = vch_cache_find_verdict(cache, &key, 100);
    CHECK(found != NULL && found->genuine && !found->admitted); /* a policy's word is never kept */
    CHECK(vch_cache_find_verdict(cache, &key, 200) == found);
    CHECK(vch_cache_find_verdict(cache, &key, 201) == NULL);
    vouch_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_number_of_platforms_is_bounded),
        TEST(no_cache_knows_nothing_and_keeps_nothing),
        TEST(a_full_bucket_forgets_its_oldest_platform),
        TEST(every_part_of_a_key_counts),
        TEST(a_link_is_known_in_its_direction_only),
        TEST(a_verdict_is_found_within_its_window_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
