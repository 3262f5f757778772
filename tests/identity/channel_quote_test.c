/*
 * `channel: quote` over real connections: an attested key that leaked is worth nothing without the
 * device that it was attested on; with `channel: key` it is worth its life. Spec: docs/protocol.md
 * section 6.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "identity/channel.h"
#include "net/loop.h"
#include "sim/quote_make.h"
#include "wire.h"

static wire_world quote_world, key_world;
static wire_world *x = &quote_world;

/* Who holds col1's attested key and certificate, and what he can quote with. */
typedef struct thief {
    enum { SAYS_NOTHING, QUOTES_HERE, REPLAYS } does;
    const vch_sim_platform *platform;
    uint8_t measurement;
    vch_buffer kept; /* a message of col1's from another connection */
} thief;

static vouch_code believe(void *context, const vch_tls_peer *peer, vouch_error *err)
{
    (void)context;
    (void)peer;
    (void)err;
    return VOUCH_OK;
}

static vouch_code welcome(void *context, const vch_tls_peer *peer, vouch_span message,
                          void **session, vouch_error *err)
{
    (void)context;
    (void)peer;
    (void)message;
    (void)session;
    (void)err;
    return VOUCH_OK;
}

static void nothing(void *session)
{
    (void)session;
}

/* As col1 would, over this very channel, by whatever device the thief has. */
static void quote_this_channel(const thief *t, const vch_tls_peer *peer, vch_buffer *out)
{
    uint8_t exported[VCH_CHANNEL_EXPORTER_SIZE];
    vouch_error err = { 0 };
    vch_sim_quote_options o = { 0 };
    memset(o.measurement.mrenclave, t->measurement, sizeof o.measurement.mrenclave);
    CHECK_OK(vch_tls_peer_export(peer, VCH_CHANNEL_EXPORTER_LABEL, vch_span_str("collaborator"),
                                 exported, sizeof exported, &err),
             &err);
    CHECK_OK(vch_channel_report_data(exported, peer->own_certificate, peer->certificate,
                                     o.report_data, &err),
             &err);
    CHECK_OK(vch_sim_quote_make(t->platform, &o, out, &err), &err);
}

static vouch_code say(void *context, const vch_tls_peer *peer, vch_buffer *out, vouch_error *err)
{
    const thief *t = context;
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(VCH_SIM_QUOTE_MAX_SIZE);
    if (t->does == REPLAYS) {
        vch_buffer_append(out, vch_buffer_span(&t->kept));
        return VOUCH_OK;
    }
    if (t->does == QUOTES_HERE)
        quote_this_channel(t, peer, &quote);
    const vch_channel_message m = { .quote = vch_buffer_span(&quote) };
    return vch_channel_message_build(&m, out, err);
}

/* A client with these settings comes to the genuine aggregator. */
static vch_admission_code come(vch_tls_settings *settings)
{
    int fds[2];
    wire_end server, client;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    x->agg.last = (vch_admission) { 0 };
    x->col1.last = (vch_admission) { 0 };
    wire_begin(x, &server, x->agg_tls, fds[0], NULL);
    wire_begin(x, &client, settings, fds[1], WORLD_AGGREGATOR);
    wire_settle(x, &server);
    wire_settle(x, &client);
    CHECK(server.open == (x->agg.last.code == VCH_ADMITTED));
    wire_finish(&server);
    wire_finish(&client);
    return x->agg.last.code;
}

static vch_admission_code steal_in(thief *t)
{
    vouch_error err = { 0 };
    vch_tls_settings *settings = NULL;
    const vch_credentials *c = vch_participant_credentials(x->col1.participant);
    const vch_tls_identity leaked = { .certificate = c->certificate, .key = c->key };
    const vch_tls_options o = { .gate = { t, believe, say, welcome, nothing }, .vouch = &leaked };
    CHECK_OK(vch_tls_settings_new(&o, &settings, &err), &err);
    vch_credentials_unref(c);
    vch_admission_code code = come(settings);
    vch_tls_settings_free(settings);
    return code;
}

static int quote_mode(void **state)
{
    (void)state;
    wire_set_up_under(&quote_world, &(world_policy) { .token = "off", .channel = "quote" });
    return 0;
}

static int end_quote_mode(void **state)
{
    (void)state;
    wire_tear_down(&quote_world);
    return 0;
}

static int key_mode(void **state)
{
    (void)state;
    x = &key_world;
    wire_set_up(x);
    return 0;
}

static int end_key_mode(void **state)
{
    (void)state;
    wire_tear_down(x);
    x = &quote_world;
    return 0;
}

static void genuine_peers_quote_their_channel_and_are_admitted(void **state)
{
    (void)state;
    CHECK(come(x->col1_tls) == VCH_ADMITTED);
    CHECK(x->col1.last.code == VCH_ADMITTED); /* and the aggregator's quote by the collaborator */
}

static void in_key_mode_a_leaked_attested_key_passes(void **state)
{
    (void)state;
    CHECK(steal_in(&(thief) { .does = SAYS_NOTHING }) == VCH_ADMITTED);
}

static void in_quote_mode_a_leaked_attested_key_is_refused(void **state)
{
    (void)state;
    CHECK(steal_in(&(thief) { .does = SAYS_NOTHING }) == VCH_REFUSED_CHANNEL_QUOTE);
}

static void the_quote_of_another_connection_is_refused(void **state)
{
    (void)state;
    thief t = { .does = REPLAYS, .kept = vch_buffer_with_cap(VCH_TLS_MESSAGE_MAX_SIZE) };
    uint8_t report_data[64] = { 1 }; /* of a channel that is gone */
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(VCH_SIM_QUOTE_MAX_SIZE);
    world_quote(&x->w, WORLD_COLLABORATOR_MEASUREMENT, false, report_data, &quote);
    const vch_channel_message m = { .quote = vch_buffer_span(&quote) };
    CHECK(vch_channel_message_build(&m, &t.kept, NULL) == VOUCH_OK);
    CHECK(steal_in(&t) == VCH_REFUSED_CHANNEL_QUOTE);
    CHECK(strstr(x->agg.last.message, "another channel") != NULL);
    vch_buffer_drop(&t.kept);
}

static void the_quote_of_other_code_is_refused(void **state)
{
    (void)state;
    thief t = { .does = QUOTES_HERE, .platform = x->w.platform, .measurement = 0xdd };
    CHECK(steal_in(&t) == VCH_REFUSED_CHANNEL_QUOTE);
    t.measurement = WORLD_COLLABORATOR_MEASUREMENT; /* who has the device has more than the key */
    CHECK(steal_in(&t) == VCH_ADMITTED);
}

static void the_quote_of_another_platform_is_refused(void **state)
{
    (void)state;
    char dir[VCH_PATH_SIZE], vendor[VCH_PATH_SIZE];
    vouch_error err = { 0 };
    vch_sim_platform *other = NULL;
    CHECK(vch_path_join(x->w.dir, "other", dir, NULL) == VOUCH_OK);
    CHECK(vch_path_join(x->w.platform_dir, "vendor", vendor, NULL) == VOUCH_OK);
    const vch_sim_platform_options o = { .vendor_dir = vendor,
                                         .tee = VOUCH_TEE_SGX,
                                         .status = VOUCH_TCB_UP_TO_DATE,
                                         .now_unix_s = WORLD_NOW };
    CHECK_OK(vch_sim_platform_create(dir, &o, &err), &err);
    CHECK_OK(vch_sim_platform_open(dir, &other, &err), &err);
    thief t = { .does = QUOTES_HERE,
                .platform = other,
                .measurement = WORLD_COLLABORATOR_MEASUREMENT };
    CHECK(steal_in(&t) == VCH_REFUSED_CHANNEL_QUOTE);
    CHECK(strstr(x->agg.last.message, "another platform") != NULL);
    vch_sim_platform_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(genuine_peers_quote_their_channel_and_are_admitted),
        cmocka_unit_test_setup_teardown(in_key_mode_a_leaked_attested_key_passes, key_mode,
                                        end_key_mode),
        TEST(in_quote_mode_a_leaked_attested_key_is_refused),
        TEST(the_quote_of_another_connection_is_refused),
        TEST(the_quote_of_other_code_is_refused),
        TEST(the_quote_of_another_platform_is_refused),
    };
    return cmocka_run_group_tests(tests, quote_mode, end_quote_mode);
}
