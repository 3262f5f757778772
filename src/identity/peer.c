#include "identity/peer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "identity/channel.h"
#include "identity/participant_parts.h"
#include "identity/present.h"

/* What a gate is at one moment: a policy change replaces participant and roster. */
typedef struct view {
    vch_participant *participant;
    vch_roster *roster;
    const char *server_name; /* NULL on a server, and without attestation */
    void (*on_verdict)(void *observer, const vch_admission *verdict);
    void *observer;
    atomic_int *last_code;
    vch_present *present;
} view;

struct vch_gate {
    pthread_mutex_t lock; /* over `now` */
    view now;
    atomic_int last_code; /* of the newest verdict */
    uint64_t generation;  /* of the certificates in the TLS settings; the settings' thread only */
    vch_present *present;
    const vch_participant *reviewed; /* by whose rules everybody was judged last; with the lock */
    uint64_t reviewed_collateral;    /* and by which of its collateral */
};

static view look(vch_gate *g)
{
    (void)pthread_mutex_lock(&g->lock);
    view now = g->now;
    (void)pthread_mutex_unlock(&g->lock);
    return now;
}

static vch_role other_role(vch_role role)
{
    return role == VCH_ROLE_AGGREGATOR ? VCH_ROLE_COLLABORATOR : VCH_ROLE_AGGREGATOR;
}

/* What a connection's peer shows, as admission asks for it. `why` holds the chain's fault. */
static vouch_code request_of(const view *g, const vch_tls_peer *peer, vch_admission_request *out,
                             char why[static VCH_TLS_WHY_SIZE], vouch_error *err)
{
    const vch_participant *p = g->participant;
    *out = (vch_admission_request) {
        .certificate = peer->certificate,
        .role = other_role(p->role),
        .name = peer->we_serve ? NULL : g->server_name,
        .address = peer->address,
        .stock = peer->face == VCH_TLS_FACE_STOCK,
        .roster = g->roster,
        .present = p->file == NULL ? NULL : g->present,
        .now_unix_s = vch_participant_now(p),
    };
    if (p->pki == NULL)
        return VOUCH_OK;
    out->chain_why = why;
    return vch_tls_verify_chain(p->pki, peer, out->now_unix_s, &out->chain_trusted, why, err);
}

static void tell(const view *g, const vch_tls_peer *peer, const vch_admission *verdict)
{
    bool admitted = vch_admission_admits(verdict);
    if (!admitted)
        vch_tls_peer_set_reason(peer,
                                vch_admission_class_name(vch_admission_code_class(verdict->code)));
    vch_log(g->participant->log, admitted ? VCH_LOG_INFO : VCH_LOG_WARN,
            admitted ? "admission.admitted" : "admission.refused", VCH_STR("name", verdict->name),
            VCH_STR("role", verdict->role == 0 ? "" : vch_role_name(verdict->role)),
            VCH_STR("address", verdict->address),
            VCH_STR("code", vch_admission_code_name(verdict->code)),
            VCH_STR("message", verdict->message), VCH_BOOL("attested", verdict->attested),
            VCH_STR("tee", verdict->tee), VCH_STR("measurement", verdict->measurement),
            VCH_STR("tcb_status", verdict->tcb_status), VCH_BOOL("simulated", verdict->simulated),
            VCH_BOOL("debug", verdict->debug), VCH_BOOL("token", verdict->token_verified));
    atomic_store(g->last_code, (int)verdict->code);
    if (g->on_verdict != NULL)
        g->on_verdict(g->observer, verdict);
}

static vouch_code refusal(const vch_admission *verdict, vouch_error *err)
{
    return vouch_fail(err, VOUCH_E_REFUSED, "%s (%s): %s",
                      verdict->name[0] == 0 ? "a peer" : verdict->name,
                      vch_admission_code_name(verdict->code), verdict->message);
}

/* Our own failure refuses, too: there is no path on which a peer passes unjudged. */
static vouch_code fault(const view *g, const vch_tls_peer *peer, vouch_error *err)
{
    vch_admission verdict = { .code = VCH_REFUSED_FAULT };
    vouch_error none = { 0 };
    (void)vouch_error_text(err == NULL ? &none : err, verdict.message, sizeof verdict.message);
    tell(g, peer, &verdict);
    return refusal(&verdict, err);
}

static vouch_code check_certificate(void *context, const vch_tls_peer *peer, vouch_error *err)
{
    const view now = look(context);
    const view *g = &now;
    vch_admission_request request = { 0 };
    vch_admission verdict = { 0 };
    char why[VCH_TLS_WHY_SIZE] = "";
    if (request_of(g, peer, &request, why, err) != VOUCH_OK)
        return fault(g, peer, err);
    vch_admission_rules rules = vch_participant_rules(g->participant);
    if (peer->we_serve)
        vch_admission_screen(&rules, &request, &verdict);
    else
        vch_admission_examine(&rules, &request, &verdict);
    if (vch_admission_admits(&verdict))
        return VOUCH_OK;
    tell(g, peer, &verdict);
    return refusal(&verdict, err);
}

/* REPORTDATA of the quote that one side sends over this channel. */
static vouch_code channel_report_data(const vch_tls_peer *peer, vch_role sender_role, bool ours,
                                      uint8_t out[static 64], vouch_error *err)
{
    uint8_t exported[VCH_CHANNEL_EXPORTER_SIZE];
    vouch_code rc = vch_tls_peer_export(peer, VCH_CHANNEL_EXPORTER_LABEL,
                                        vch_span_str(vch_role_name(sender_role)), exported,
                                        sizeof exported, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_channel_report_data(exported, ours ? peer->own_certificate : peer->certificate,
                                   ours ? peer->certificate : peer->own_certificate, out, err);
}

static bool wants_channel_quote(const vch_participant *p)
{
    return p->file != NULL && p->federation->channel == VCH_CHANNEL_QUOTE;
}

static vouch_code make_message(void *context, const vch_tls_peer *peer, vch_buffer *out,
                               vouch_error *err)
{
    const view now = look(context);
    const view *g = &now;
    vch_participant *p = g->participant;
    uint8_t report_data[64];
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(VCH_ATTESTER_QUOTE_MAX_SIZE);
    vouch_code rc = VOUCH_OK;
    if (p->attester != NULL && wants_channel_quote(p)) {
        rc = channel_report_data(peer, p->role, true, report_data, err);
        if (rc == VOUCH_OK)
            rc = vch_attester_quote(p->attester, report_data, &quote, err);
    }
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the channel's quote");
    const vch_credentials *c = vch_participant_credentials(p);
    const vch_channel_message message = { .token = c->token, .quote = vch_buffer_span(&quote) };
    rc = vch_channel_message_build(&message, out, err);
    vch_credentials_unref(c);
    return rc;
}

/* The peer's message into the request; a malformed one is a verdict, given in `verdict`. */
static vouch_code read_message(const view *g, const vch_tls_peer *peer, vouch_span bytes,
                               vch_admission_request *request, uint8_t report_data[static 64],
                               vch_admission *verdict, vouch_error *err)
{
    vch_channel_message message = { 0 };
    vouch_error reason = { 0 };
    if (peer->face == VCH_TLS_FACE_STOCK)
        return VOUCH_OK;
    if (vch_channel_message_parse(bytes, &message, &reason) != VOUCH_OK) {
        verdict->code = VCH_REFUSED_CHANNEL_MESSAGE;
        (void)vouch_error_text(&reason, verdict->message, sizeof verdict->message);
        (void)snprintf(verdict->address, sizeof verdict->address, "%s",
                       peer->address == NULL ? "" : peer->address);
        return VOUCH_OK;
    }
    request->token = message.token;
    request->fresh_quote = message.quote;
    if (!wants_channel_quote(g->participant))
        return VOUCH_OK;
    request->fresh_report_data = report_data;
    return channel_report_data(peer, request->role, false, report_data, err);
}

static uint64_t collateral_of(const vch_participant *p)
{
    return p->collateral == NULL ? 0 : vch_collateral_cache_generation(p->collateral);
}

/* It was judged while what it was held to changed: a review that has begun may have missed it. */
static void look_again_if_changed(vch_gate *g, const vch_participant *judge, uint64_t collateral)
{
    (void)pthread_mutex_lock(&g->lock);
    if (g->now.participant != judge || collateral_of(judge) != collateral)
        g->reviewed = NULL;
    (void)pthread_mutex_unlock(&g->lock);
}

static vouch_code admit(void *context, const vch_tls_peer *peer, vouch_span message, void **session,
                        vouch_error *err)
{
    const view now = look(context);
    const view *g = &now;
    uint64_t collateral = collateral_of(g->participant);
    vch_admission_request request = { 0 };
    vch_admission verdict = { 0 };
    vch_admitted_peer *admitted = NULL;
    uint8_t report_data[64];
    char why[VCH_TLS_WHY_SIZE] = "";
    if (request_of(g, peer, &request, why, err) != VOUCH_OK
        || read_message(g, peer, message, &request, report_data, &verdict, err) != VOUCH_OK)
        return fault(g, peer, err);
    vch_admission_rules rules = vch_participant_rules(g->participant);
    if (verdict.code == VCH_ADMISSION_NONE)
        vch_admit(&rules, &request, &verdict, &admitted);
    tell(g, peer, &verdict);
    if (!vch_admission_admits(&verdict) || admitted == NULL)
        return refusal(&verdict, err);
    *session = admitted;
    look_again_if_changed(context, g->participant, collateral);
    return VOUCH_OK;
}

static void session_free(void *session)
{
    vch_admitted_peer_free(session);
}

vch_tls_gate vch_gate_functions(vch_gate *g)
{
    return (vch_tls_gate) {
        .context = g,
        .check_certificate = check_certificate,
        .make_message = make_message,
        .admit = admit,
        .session_free = session_free,
    };
}

/* --- judging anew --- */

bool vch_gate_review_is_due(vch_gate *g)
{
    (void)pthread_mutex_lock(&g->lock);
    const vch_participant *p = g->now.participant;
    bool due = p->file != NULL && (g->reviewed != p || g->reviewed_collateral != collateral_of(p));
    (void)pthread_mutex_unlock(&g->lock);
    return due;
}

static void tell_revoked(void *context, const vch_admission *verdict)
{
    const view *g = context;
    vch_log(g->participant->log, VCH_LOG_WARN, "admission.revoked", VCH_STR("name", verdict->name),
            VCH_STR("role", verdict->role == 0 ? "" : vch_role_name(verdict->role)),
            VCH_STR("address", verdict->address),
            VCH_STR("code", vch_admission_code_name(verdict->code)),
            VCH_STR("message", verdict->message), VCH_BOOL("simulated", verdict->simulated));
    if (g->on_verdict != NULL)
        g->on_verdict(g->observer, verdict);
}

void vch_gate_review(vch_gate *g)
{
    (void)pthread_mutex_lock(&g->lock);
    view now = g->now;
    g->reviewed = now.participant;
    g->reviewed_collateral =
        collateral_of(now.participant); /* what comes later is looked at later */
    (void)pthread_mutex_unlock(&g->lock);
    vch_admission_rules rules = vch_participant_rules(now.participant);
    if (rules.file != NULL)
        vch_present_judge(g->present, &rules, vch_participant_now(now.participant), tell_revoked,
                          &now);
}

static const char *aggregator_of(const vch_federation *f)
{
    for (size_t i = 0; i < f->member_count; i++) {
        if (f->members[i].role == VCH_ROLE_AGGREGATOR)
            return f->members[i].name;
    }
    return NULL;
}

vouch_code vch_gate_new(const vch_gate_options *options, vch_gate **out, vouch_error *err)
{
    const vch_participant *p = options->participant;
    if (p->role == VCH_ROLE_AGGREGATOR && p->file != NULL && options->roster == NULL)
        return vouch_fail(err, VOUCH_E_INTERNAL, "an aggregator's gate needs a roster");
    vch_gate *g = calloc(1, sizeof *g);
    if (g == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "gate: out of memory");
    if (pthread_mutex_init(&g->lock, NULL) != 0) {
        free(g);
        return vouch_fail(err, VOUCH_E_MEMORY, "gate: no lock");
    }
    vouch_code rc = vch_present_new(&g->present, err);
    if (rc != VOUCH_OK) {
        vch_gate_free(g);
        return rc;
    }
    g->reviewed = options->participant;
    g->reviewed_collateral = collateral_of(options->participant);
    atomic_init(&g->last_code, (int)VCH_ADMISSION_NONE);
    g->now = (view) { .participant = options->participant,
                      .roster = options->roster,
                      .server_name = options->server_name,
                      .on_verdict = options->on_verdict,
                      .observer = options->observer,
                      .last_code = &g->last_code,
                      .present = g->present };
    if (g->now.server_name == NULL && p->file != NULL)
        g->now.server_name = aggregator_of(p->federation);
    *out = g;
    return VOUCH_OK;
}

void vch_gate_free(vch_gate *g)
{
    if (g == NULL)
        return;
    vch_present_free(g->present);
    (void)pthread_mutex_destroy(&g->lock);
    free(g);
}

void vch_gate_switch(vch_gate *g, vch_participant *participant, vch_roster *roster)
{
    (void)pthread_mutex_lock(&g->lock);
    if (g->now.roster != NULL)
        vch_roster_retire(g->now.roster);
    g->now.participant = participant;
    g->now.roster = roster;
    (void)pthread_mutex_unlock(&g->lock);
    g->generation = 0; /* whatever the new one's is, it is to be shown */
}

vch_admission_code vch_gate_last_code(vch_gate *g)
{
    return (vch_admission_code)atomic_exchange(&g->last_code, (int)VCH_ADMISSION_NONE);
}

/* Does some peer of ours come without evidence? */
static bool meets_unattested(const vch_participant *p)
{
    if (p->file == NULL)
        return true;
    for (size_t i = 0; i < p->federation->member_count; i++) {
        const vch_member *m = &p->federation->members[i];
        if (m->role != p->role && !m->attested)
            return true;
    }
    return false;
}

static bool speaks_h2(const view *g, const vch_credentials *c)
{
    return c->stock.size > 0 && meets_unattested(g->participant);
}

vouch_code vch_gate_tls_settings(vch_gate *g, vch_tls_settings **out, vouch_error *err)
{
    const view now = look(g);
    const vch_credentials *c = vch_participant_credentials(now.participant);
    const vch_tls_identity vouch = { .certificate = c->certificate, .key = c->key };
    const vch_tls_identity stock = { .certificate = c->stock, .key = c->key };
    const vch_tls_options options = {
        .server = now.participant->role == VCH_ROLE_AGGREGATOR,
        .gate = vch_gate_functions(g),
        .vouch = &vouch,
        .stock = speaks_h2(&now, c) ? &stock : NULL,
    };
    vouch_code rc = vch_tls_settings_new(&options, out, err);
    if (rc == VOUCH_OK)
        g->generation = c->generation;
    vch_credentials_unref(c);
    return rc;
}

vouch_code vch_gate_renew(vch_gate *g, vch_tls_settings *settings, vouch_error *err)
{
    const view now = look(g);
    if (vch_participant_generation(now.participant) == g->generation)
        return VOUCH_OK;
    const vch_credentials *c = vch_participant_credentials(now.participant);
    const vch_tls_identity vouch = { .certificate = c->certificate, .key = c->key };
    const vch_tls_identity stock = { .certificate = c->stock, .key = c->key };
    vouch_code rc = vch_tls_settings_renew(settings, VCH_TLS_FACE_VOUCH, &vouch, err);
    if (rc == VOUCH_OK && speaks_h2(&now, c))
        rc = vch_tls_settings_renew(settings, VCH_TLS_FACE_STOCK, &stock, err);
    if (rc == VOUCH_OK)
        g->generation = c->generation;
    vch_credentials_unref(c);
    return rc;
}
