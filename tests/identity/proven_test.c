#include "identity/proven.h"

#include <string.h>

#include "world.h"

#include "check.h"

static world w;

static int set_up(void **state)
{
    (void)state;
    world_make(&w);
    world_set_policy(&w, &(world_policy) { .token = "off" });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_drop(&w);
    return 0;
}

static void nothing_is_proven_at_first_or_without_a_memory(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    const uint8_t digest[32] = { 1 };
    VCH_SCOPED(vch_proven_drop) vch_proven *p = NULL;
    CHECK_OK(vch_proven_new(&p, &err), &err);
    CHECK(!vch_proven_has(p, digest));
    CHECK(!vch_proven_has(NULL, digest));
    vch_proven_add(NULL, digest);
    vch_proven_add(p, digest);
    CHECK(vch_proven_has(p, digest));
}

static void the_oldest_is_forgotten_when_there_is_no_room(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    uint8_t digest[32] = { 0 };
    VCH_SCOPED(vch_proven_drop) vch_proven *p = NULL;
    CHECK_OK(vch_proven_new(&p, &err), &err);
    for (uint32_t i = 0; i < 4097; i++) {
        memcpy(digest, &i, sizeof i);
        vch_proven_add(p, digest);
    }
    CHECK(vch_proven_has(p, digest));
    memset(digest, 0, sizeof digest);
    CHECK(!vch_proven_has(p, digest));
}

static vch_admission judge(vch_proven *p, vouch_span certificate, int64_t now)
{
    vch_admission_rules rules = world_rules(&w);
    rules.proven = p;
    const vch_admission_request request = { .certificate = certificate,
                                            .role = VCH_ROLE_COLLABORATOR,
                                            .channel_waived = true,
                                            .now_unix_s = now };
    vch_admission verdict = { 0 };
    vch_admission_judge(&rules, &request, &verdict);
    return verdict;
}

static void a_peer_that_was_proven_is_still_judged_in_every_other_respect(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    world_evidence e = { 0 };
    VCH_SCOPED(vch_proven_drop) vch_proven *p = NULL;
    CHECK_OK(vch_proven_new(&p, &err), &err);
    world_evidence_begin(&w, WORLD_COL1, &e);
    world_issue(&w, &e);
    vouch_span certificate = vch_buffer_span(&e.certificate);
    CHECK(judge(p, certificate, WORLD_NOW).code == VCH_ADMITTED);
    CHECK(judge(p, certificate, WORLD_NOW).code == VCH_ADMITTED);
    CHECK(judge(p, certificate, WORLD_NOW + 30 * 86400).code == VCH_REFUSED_VALIDITY);
    world_evidence_drop(&e);
}

static void one_changed_byte_of_a_proven_certificate_is_not_proven(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    world_evidence e = { 0 };
    VCH_SCOPED(vch_proven_drop) vch_proven *p = NULL;
    CHECK_OK(vch_proven_new(&p, &err), &err);
    world_evidence_begin(&w, WORLD_COL1, &e);
    world_issue(&w, &e);
    CHECK(judge(p, vch_buffer_span(&e.certificate), WORLD_NOW).code == VCH_ADMITTED);
    e.certificate.data[e.certificate.size - 1] ^= 1; /* the signature's last byte */
    CHECK(judge(p, vch_buffer_span(&e.certificate), WORLD_NOW).code == VCH_REFUSED_SELF_SIGNATURE);
    world_evidence_drop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_proven_at_first_or_without_a_memory),
        TEST(the_oldest_is_forgotten_when_there_is_no_room),
        TEST(a_peer_that_was_proven_is_still_judged_in_every_other_respect),
        TEST(one_changed_byte_of_a_proven_certificate_is_not_proven),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
