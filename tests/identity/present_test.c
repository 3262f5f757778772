/*
 * Who was admitted is judged anew when what it is held to changes: a revocation ends its connection at
 * once, what could not be found out does not. Spec: docs/protocol.md section 6.
 */
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "identity/collateral_parts.h"
#include "identity/present.h"
#include "wire.h"

static wire_world x;

static int set_up(void **state)
{
    (void)state;
    wire_set_up(&x);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wire_tear_down(&x);
    return 0;
}

static void connect_col1(wire_end *server, wire_end *client)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    wire_begin(&x, server, x.agg_tls, fds[0], NULL);
    wire_begin(&x, client, x.col1_tls, fds[1], WORLD_AGGREGATOR);
    wire_settle(&x, server);
    wire_settle(&x, client);
    CHECK(server->open && client->open);
}

/* The collateral of a platform of the same vendor that is made now takes the place of what is there. */
static void lay_down_collateral(const vch_sim_platform_options *how)
{
    char dir[VCH_PATH_SIZE], vendor[VCH_PATH_SIZE], from[VCH_PATH_SIZE], to[VCH_PATH_SIZE];
    vouch_error err = { 0 };
    vch_sim_platform_options o = *how;
    CHECK(vch_path_join(x.w.dir, "other", dir, NULL) == VOUCH_OK);
    CHECK(vch_path_join(x.w.platform_dir, "vendor", vendor, NULL) == VOUCH_OK);
    o.vendor_dir = vendor;
    o.tee = VOUCH_TEE_SGX;
    o.status = VOUCH_TCB_UP_TO_DATE;
    o.now_unix_s = WORLD_NOW;
    CHECK_OK(vch_sim_platform_create(dir, &o, &err), &err);
    CHECK(vch_path_join(dir, "collateral", dir, NULL) == VOUCH_OK);
    for (size_t i = 0; i < VCH_COLLATERAL_PARTS; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer part = { 0 };
        CHECK(vch_path_join(dir, vch_collateral_part_file(i), from, NULL) == VOUCH_OK);
        CHECK(vch_path_join(x.w.collateral_dir, vch_collateral_part_file(i), to, NULL) == VOUCH_OK);
        if (vch_file_exists(from)) {
            CHECK_OK(vch_file_read(from, (size_t)1 << 20, &part, &err), &err);
            CHECK_OK(vch_file_write(to, vch_buffer_span(&part), 0644, &err), &err);
        }
    }
}

static vch_standing standing_of(const wire_end *server)
{
    return vch_admitted_peer_standing(vch_tls_conn_session(server->conn), WORLD_NOW);
}

static void a_revocation_ends_a_connection_that_stands(void **state)
{
    (void)state;
    wire_end server, client;
    connect_col1(&server, &client);
    lay_down_collateral(&(vch_sim_platform_options) { .revoke = VCH_SIM_REVOKE_INTERMEDIATE });
    CHECK(!vch_gate_review_is_due(x.agg.gate)); /* nobody has read it yet */
    vch_participant_reload_collateral(x.agg.participant);
    CHECK(vch_gate_review_is_due(x.agg.gate));
    CHECK(standing_of(&server) == VCH_STANDING_GOOD);
    vch_gate_review(x.agg.gate);
    CHECK(standing_of(&server) == VCH_STANDING_REVOKED);
    CHECK(x.agg.last.code == VCH_REFUSED_QUOTE && x.agg.last.revoked);
    CHECK(strcmp(x.agg.last.name, "col1") == 0 && strstr(x.agg.last.message, "revoked") != NULL);
    CHECK(vch_roster_connections(x.agg.roster, "col1") == 0);
    CHECK(!vch_gate_review_is_due(x.agg.gate));
    unsigned told = x.agg.told;
    vch_gate_review(x.agg.gate); /* it is told once */
    CHECK(x.agg.told == told);
    wire_finish(&server);
    wire_finish(&client);
    CHECK(vch_roster_connections(x.agg.roster, "col1") == 0);
}

/* The collaborator's side is the same: it leaves an aggregator that it would refuse now. */
static void a_collaborator_leaves_an_aggregator_that_is_revoked(void **state)
{
    (void)state;
    wire_end server, client;
    connect_col1(&server, &client);
    lay_down_collateral(&(vch_sim_platform_options) { .revoke = VCH_SIM_REVOKE_INTERMEDIATE });
    vch_participant_reload_collateral(x.col1.participant);
    vch_gate_review(x.col1.gate);
    CHECK(standing_of(&client) == VCH_STANDING_REVOKED);
    CHECK(x.col1.last.revoked && x.col1.last.role == VCH_ROLE_AGGREGATOR);
    wire_finish(&server);
    wire_finish(&client);
}

static void collateral_that_says_the_same_changes_nothing(void **state)
{
    (void)state;
    wire_end server, client;
    connect_col1(&server, &client);
    vch_participant_reload_collateral(x.agg.participant);
    CHECK(!vch_gate_review_is_due(x.agg.gate));
    vch_gate_review(x.agg.gate);
    CHECK(standing_of(&server) == VCH_STANDING_GOOD);
    wire_finish(&server);
    wire_finish(&client);
}

/* An outage of our own must not put everybody out. */
static void collateral_that_has_expired_or_is_damaged_ends_nothing(void **state)
{
    (void)state;
    wire_end server, client;
    char path[VCH_PATH_SIZE];
    connect_col1(&server, &client);
    lay_down_collateral(&(vch_sim_platform_options) { .expired = true });
    vch_participant_reload_collateral(x.agg.participant);
    CHECK(vch_gate_review_is_due(x.agg.gate));
    vch_gate_review(x.agg.gate);
    CHECK(standing_of(&server) == VCH_STANDING_GOOD);
    CHECK(vch_path_join(x.w.collateral_dir, vch_collateral_part_file(0), path, NULL) == VOUCH_OK);
    CHECK(vch_file_write(path, vch_span_str("{}"), 0644, NULL) == VOUCH_OK);
    vch_participant_reload_collateral(x.agg.participant);
    vch_gate_review(x.agg.gate);
    CHECK(standing_of(&server) == VCH_STANDING_GOOD);
    CHECK(vch_roster_connections(x.agg.roster, "col1") == 1);
    wire_finish(&server);
    wire_finish(&client);
}

static void a_directory_that_is_gone_leaves_what_was_read(void **state)
{
    (void)state;
    wire_end server, client;
    CHECK(vch_dir_remove_tree(x.w.collateral_dir, NULL) == VOUCH_OK);
    vch_participant_reload_collateral(x.agg.participant);
    CHECK(!vch_gate_review_is_due(x.agg.gate));
    connect_col1(&server, &client);
    wire_finish(&server);
    wire_finish(&client);
}

/* --- by another policy --- */

typedef struct change {
    const char *name;
    world_policy next;
    vch_admission_code want;
} change;

/* col1 is admitted under a policy that lists its measurement beside the usual one. */
static vch_admission_code judge_under(const world_policy *next, const world_evidence *e)
{
    vch_admission verdict = { 0 };
    world_set_policy(&x.w, next);
    const vch_admission_rules rules = world_rules(&x.w);
    const vch_admission_request request = { .certificate = vch_buffer_span(&e->certificate),
                                            .role = e->claims.role,
                                            .chain_trusted = true,
                                            .now_unix_s = WORLD_NOW };
    vch_admission_judge_anew(&rules, &request, &verdict);
    return verdict.code;
}

static void who_is_admitted_is_judged_by_the_policy_of_now(void **state)
{
    (void)state;
    static const change changes[] = {
        { "another policy that still lists it", { .tcb = "{accept: [UpToDate, OutOfDate]}" }, 1 },
        { "a token is required from now on", { .token = "required" }, 1 },
        { "it owes no evidence any more", { .col1 = ", attested: false" }, VCH_REFUSED_PKI },
        { "its machine is not pinned",
          { .col1 = ", platform: ['00000000000000000000000000000000']" },
          VCH_REFUSED_PLATFORM },
        { "its platform's state is not accepted",
          { .tcb = "{accept: [OutOfDate]}" },
          VCH_REFUSED_TCB },
    };
    world_evidence e;
    world_evidence_begin(&x.w, WORLD_COL1, &e);
    world_issue(&x.w, &e);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        vch_admission_code code = judge_under(&changes[i].next, &e);
        if (code != changes[i].want)
            print_error("%s: %s\n", changes[i].name, vch_admission_code_name(code));
        CHECK(code == changes[i].want);
    }
    memset(x.w.enrolment[WORLD_COL1], 0x5a, sizeof x.w.enrolment[WORLD_COL1]);
    CHECK(judge_under(&(world_policy) { 0 }, &e) == VCH_REFUSED_ENROLMENT);
    world_evidence_drop(&e);
}

static void a_measurement_that_is_not_listed_any_more_is_refused_anew(void **state)
{
    (void)state;
    world_evidence e;
    world_evidence_begin(&x.w, WORLD_COL1, &e);
    e.measurement = 0xdd;
    world_issue(&x.w, &e);
    const world_policy both = {
        .collaborator =
            ", {mrenclave: 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd'}"
    };
    CHECK(judge_under(&both, &e) == VCH_ADMITTED);
    CHECK(judge_under(&(world_policy) { 0 }, &e) == VCH_REFUSED_MEASUREMENT);
    world_evidence_drop(&e);
}

static void what_could_not_be_found_out_revokes_nobody(void **state)
{
    (void)state;
    static const vch_admission_code open[] = { VCH_ADMISSION_NONE, VCH_ADMITTED,
                                               VCH_REFUSED_NO_COLLATERAL,
                                               VCH_REFUSED_NO_ISSUER_KEYS, VCH_REFUSED_FAULT };
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        CHECK(!vch_admission_revokes(&(vch_admission) { .code = open[i] }));
    CHECK(vch_admission_revokes(&(vch_admission) { .code = VCH_REFUSED_QUOTE }));
    CHECK(vch_admission_revokes(&(vch_admission) { .code = VCH_REFUSED_NAME }));
}

#define IN_A_WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(a_revocation_ends_a_connection_that_stands),
        IN_A_WORLD(a_collaborator_leaves_an_aggregator_that_is_revoked),
        IN_A_WORLD(collateral_that_says_the_same_changes_nothing),
        IN_A_WORLD(collateral_that_has_expired_or_is_damaged_ends_nothing),
        IN_A_WORLD(a_directory_that_is_gone_leaves_what_was_read),
        IN_A_WORLD(who_is_admitted_is_judged_by_the_policy_of_now),
        IN_A_WORLD(a_measurement_that_is_not_listed_any_more_is_refused_anew),
        TEST(what_could_not_be_found_out_revokes_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
