#include "identity/admit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "identity/admit_steps.h"
#include "identity/present.h"
#include "identity/roster.h"

#define CALLS_FINISH_S 600

struct vch_admitted_peer {
    vch_admission verdict;
    vch_roster_seat *seat;  /* NULL: not attested, or no roster */
    vch_roster *roster;     /* NULL: a client, or no attestation */
    vch_presence *presence; /* NULL: it is never judged anew */
    int64_t reattest_unix_s;
};

/* docs/protocol.md section 7: the order is part of the protocol. */
static const vch_admission_step attested_steps[] = {
    { "certificate", vch_admit_step_certificate },
    { "evidence", vch_admit_step_evidence },
    { "claims-form", vch_admit_step_claims_form },
    { "self-signature", vch_admit_step_self_signature },
    { "validity", vch_admit_step_validity },
    { "claims", vch_admit_step_claims },
    { "enrolment", vch_admit_step_enrolment },
    { "report-data", vch_admit_step_report_data },
    { "quote", vch_admit_step_quote },
    { "policy", vch_admit_step_policy },
    { "platform", vch_admit_step_platform },
    { "newest", vch_admit_step_newest },
    { "token", vch_admit_step_token },
    { "channel", vch_admit_step_channel },
};
#define SCREENED_STEPS 3 /* form only */
#define EXAMINED_STEPS 7 /* up to the enrolment */
#define ATTESTED_STEPS (sizeof attested_steps / sizeof *attested_steps)

/* Without a federation's file, by a bare policy. */
static const vch_admission_step bare_steps[] = {
    { "certificate", vch_admit_step_certificate },
    { "evidence", vch_admit_step_evidence },
    { "claims-form", vch_admit_step_claims_form },
    { "self-signature", vch_admit_step_self_signature },
    { "validity", vch_admit_step_validity },
    { "own-claims", vch_admit_step_own_claims },
    { "report-data", vch_admit_step_report_data },
    { "quote", vch_admit_step_quote },
    { "policy", vch_admit_step_policy },
};
#define BARE_STEPS (sizeof bare_steps / sizeof *bare_steps)

/* Evidence of any product, by a bare policy. */
static const vch_admission_step any_steps[] = {
    { "certificate", vch_admit_step_certificate },
    { "evidence", vch_admit_step_any_evidence },
    { "self-signature", vch_admit_step_self_signature },
    { "validity", vch_admit_step_validity },
    { "quote", vch_admit_step_quote },
    { "policy", vch_admit_step_policy },
};
#define ANY_STEPS (sizeof any_steps / sizeof *any_steps)

/* What evidence proves by itself, whoever it is for: genuine, and bound to this key. */
static const vch_admission_step proof_steps[] = {
    { "certificate", vch_admit_step_certificate },
    { "evidence", vch_admit_step_evidence },
    { "claims-form", vch_admit_step_claims_form },
    { "self-signature", vch_admit_step_self_signature },
    { "validity", vch_admit_step_validity },
    { "report-data", vch_admit_step_report_data },
    { "quote", vch_admit_step_quote },
};
#define PROOF_STEPS (sizeof proof_steps / sizeof *proof_steps)

static const vch_admission_step pki_steps[] = {
    { "certificate", vch_admit_step_certificate }, { "member", vch_admit_step_pki_member },
    { "chain", vch_admit_step_pki_chain },         { "validity", vch_admit_step_validity },
    { "pinned-key", vch_admit_step_pki_key },
};
#define PKI_STEPS (sizeof pki_steps / sizeof *pki_steps)

/* Of one that was admitted before: whose it is now, and whether its evidence is still good. */
static const vch_admission_step standing_steps[] = {
    { "certificate", vch_admit_step_certificate }, { "evidence", vch_admit_step_evidence },
    { "claims-form", vch_admit_step_claims_form }, { "member", vch_admit_step_still_member },
    { "enrolment", vch_admit_step_enrolment },     { "quote", vch_admit_step_quote_anew },
    { "policy", vch_admit_step_policy },           { "platform", vch_admit_step_platform },
};
#define STANDING_STEPS (sizeof standing_steps / sizeof *standing_steps)

static const vch_admission_step standing_pki_steps[] = {
    { "certificate", vch_admit_step_certificate },
    { "member", vch_admit_step_pki_member },
    { "pinned-key", vch_admit_step_pki_key },
};
#define STANDING_PKI_STEPS (sizeof standing_pki_steps / sizeof *standing_pki_steps)

static const struct {
    const char *name;
    vch_admission_class class;
} codes[] = {
    [VCH_ADMISSION_NONE] = { "undecided", VCH_CLASS_EVIDENCE },
    [VCH_ADMITTED] = { "admitted", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_SIZE] = { "size", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_CERTIFICATE] = { "certificate", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_NO_EVIDENCE] = { "no-evidence", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_DUPLICATE] = { "duplicate-extension", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_LEGACY] = { "legacy-differs", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_EVIDENCE_FORM] = { "evidence-form", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_SELF_SIGNATURE] = { "self-signature", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_VALIDITY] = { "validity", VCH_CLASS_TIME },
    [VCH_REFUSED_KEY] = { "key", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_FEDERATION] = { "federation", VCH_CLASS_POLICY },
    [VCH_REFUSED_NAME] = { "name", VCH_CLASS_IDENTITY },
    [VCH_REFUSED_ROLE] = { "role", VCH_CLASS_IDENTITY },
    [VCH_REFUSED_PLAN] = { "plan", VCH_CLASS_POLICY },
    [VCH_REFUSED_POLICY] = { "policy", VCH_CLASS_POLICY },
    [VCH_REFUSED_TIMES] = { "times", VCH_CLASS_TIME },
    [VCH_REFUSED_CA] = { "ca", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_ENROLMENT] = { "enrolment", VCH_CLASS_IDENTITY },
    [VCH_REFUSED_REPORT_DATA] = { "report-data", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_QUOTE] = { "quote", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_MEASUREMENT] = { "measurement", VCH_CLASS_POLICY },
    [VCH_REFUSED_PLATFORM] = { "platform", VCH_CLASS_IDENTITY },
    [VCH_REFUSED_REPLAY] = { "replay", VCH_CLASS_TIME },
    [VCH_REFUSED_TOKEN] = { "token", VCH_CLASS_TOKEN },
    [VCH_REFUSED_TOKEN_ABSENT] = { "token-absent", VCH_CLASS_TOKEN },
    [VCH_REFUSED_CHANNEL_QUOTE] = { "channel-quote", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_CHANNEL_MESSAGE] = { "channel-message", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_H2] = { "h2", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_PKI] = { "pki", VCH_CLASS_IDENTITY },
    [VCH_REFUSED_CONNECTIONS] = { "connections", VCH_CLASS_IDENTITY },
    [VCH_REFUSED_NO_COLLATERAL] = { "no-collateral", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_NO_ISSUER_KEYS] = { "no-issuer-keys", VCH_CLASS_TOKEN },
    [VCH_REFUSED_FAULT] = { "fault", VCH_CLASS_EVIDENCE },
    [VCH_REFUSED_TCB] = { "tcb", VCH_CLASS_POLICY },
};
#define CODE_COUNT (sizeof codes / sizeof *codes)

const char *vch_admission_code_name(vch_admission_code code)
{
    return (size_t)code < CODE_COUNT ? codes[code].name : "unknown";
}

vch_admission_class vch_admission_code_class(vch_admission_code code)
{
    return (size_t)code < CODE_COUNT ? codes[code].class : VCH_CLASS_EVIDENCE;
}

const char *vch_admission_class_name(vch_admission_class cls)
{
    switch (cls) {
    case VCH_CLASS_EVIDENCE:
        return "evidence";
    case VCH_CLASS_POLICY:
        return "policy";
    case VCH_CLASS_IDENTITY:
        return "identity";
    case VCH_CLASS_TOKEN:
        return "token";
    case VCH_CLASS_TIME:
        return "time";
    }
    return "evidence";
}

vch_admission_code vch_refuse(vch_examination *x, vch_admission_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(x->verdict.message, sizeof x->verdict.message, fmt, args);
    va_end(args);
    return code;
}

vch_admission_code vch_refuse_error(vch_examination *x, vch_admission_code code,
                                    const vouch_error *err)
{
    char text[sizeof x->verdict.message];
    bool ours = err->code == VOUCH_E_MEMORY || err->code == VOUCH_E_INTERNAL;
    return vch_refuse(x, ours ? VCH_REFUSED_FAULT : code, "%s",
                      vouch_error_text(err, text, sizeof text));
}

vch_admission_code vch_pass(vch_examination *x, const char *remark)
{
    return vch_refuse(x, VCH_ADMITTED, "%s", remark);
}

/* Peer-supplied text may stand in the reason: nothing in it may steer a terminal or a log. */
static void make_printable(char *text)
{
    for (; *text != 0; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f)
            *text = '?';
    }
}

static void run(vch_examination *x, const vch_admission_step *steps, size_t count)
{
    vch_admission_code code = VCH_ADMISSION_NONE;
    for (size_t i = 0; i < count; i++) {
        x->verdict.message[0] = 0;
        code = steps[i].run(x);
        bool passed = code == VCH_ADMITTED;
        if (x->request->explain != NULL)
            x->request->explain(x->request->explain_context, steps[i].name, passed,
                                x->verdict.message);
        if (!passed)
            break;
    }
    x->verdict.code = code;
    make_printable(x->verdict.message);
    make_printable(x->verdict.name);
}

/* Which certificate is this? One with evidence, or with an attested subject, is judged as such. */
static bool is_to_be_attested(const vch_admission_rules *rules, vouch_span der, bool stock)
{
    vch_ratls_cert c = { 0 };
    if (rules->file == NULL || stock || vch_ratls_cert_parse(der, &c, NULL) != VOUCH_OK)
        return false;
    if (c.evidence_twice || c.enrolment.data != NULL)
        return true;
    for (size_t d = 0; d < VCH_RATLS_DIALECT_COUNT; d++) {
        if (c.evidence[d].data != NULL)
            return true;
    }
    return false;
}

static void judge_by(const vch_admission_rules *rules, const vch_admission_request *request,
                     const vch_admission_step *steps, size_t count, vch_admission *out)
{
    vch_examination x = { .rules = rules, .request = request };
    x.verdict.decided_unix_s = request->now_unix_s;
    if (request->address != NULL)
        (void)snprintf(x.verdict.address, sizeof x.verdict.address, "%s", request->address);
    run(&x, steps, count);
    if (x.verdict.code == VCH_ADMITTED)
        (void)snprintf(x.verdict.message, sizeof x.verdict.message, "admitted");
    vouch_appraisal_free(x.appraisal);
    vch_collateral_set_unref(x.collateral);
    *out = x.verdict;
}

static void judge(const vch_admission_rules *rules, const vch_admission_request *request,
                  size_t attested_steps_wanted, vch_admission *out)
{
    if (rules->file == NULL && rules->policy != NULL)
        judge_by(rules, request, rules->any_dialect ? any_steps : bare_steps,
                 rules->any_dialect ? ANY_STEPS : BARE_STEPS, out);
    else if (is_to_be_attested(rules, request->certificate, request->stock))
        judge_by(rules, request, attested_steps, attested_steps_wanted, out);
    else
        judge_by(rules, request, pki_steps, PKI_STEPS, out);
}

void vch_admission_prove(const vch_admission_rules *rules, const vch_admission_request *request,
                         vch_admission *out)
{
    judge_by(rules, request, proof_steps, PROOF_STEPS, out);
}

void vch_admission_screen(const vch_admission_rules *rules, const vch_admission_request *request,
                          vch_admission *out)
{
    judge(rules, request, SCREENED_STEPS, out);
}

void vch_admission_examine(const vch_admission_rules *rules, const vch_admission_request *request,
                           vch_admission *out)
{
    judge(rules, request, EXAMINED_STEPS, out);
}

void vch_admission_judge(const vch_admission_rules *rules, const vch_admission_request *request,
                         vch_admission *out)
{
    judge(rules, request, ATTESTED_STEPS, out);
}

void vch_admission_judge_anew(const vch_admission_rules *rules,
                              const vch_admission_request *request, vch_admission *out)
{
    if (is_to_be_attested(rules, request->certificate, request->stock))
        judge_by(rules, request, standing_steps, STANDING_STEPS, out);
    else
        judge_by(rules, request, standing_pki_steps, STANDING_PKI_STEPS, out);
}

bool vch_admission_revokes(const vch_admission *v)
{
    return v->code != VCH_ADMITTED && v->code != VCH_ADMISSION_NONE && v->code != VCH_REFUSED_FAULT
           && v->code != VCH_REFUSED_NO_COLLATERAL && v->code != VCH_REFUSED_NO_ISSUER_KEYS;
}

/* Two may have passed the probe at once: the seat decides. */
static vch_admission_code take_seat(const vch_admission_rules *rules,
                                    const vch_admission_request *request, vch_admission *v,
                                    vch_roster_seat **out)
{
    const vch_roster_request wish = {
        .name = v->name,
        .certificate = v->certificate,
        .nbf_unix_s = v->nbf_unix_s,
        .now_unix_s = request->now_unix_s,
        .skew_s = (int64_t)vch_attestation_file_local(rules->file)->clock_skew_s,
    };
    vch_roster_answer answer = VCH_ROSTER_UNKNOWN;
    if (vch_roster_enter(request->roster, &wish, &answer, out, NULL) != VOUCH_OK)
        return VCH_REFUSED_FAULT;
    if (answer == VCH_ROSTER_SEATED)
        return VCH_ADMITTED;
    return answer == VCH_ROSTER_REPLAY ? VCH_REFUSED_REPLAY : VCH_REFUSED_CONNECTIONS;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Started calls finish within ten minutes and never past vouch-exp: so that none is cut off there,
 * none starts in the ten minutes before it, or in the last half of a shorter stay. */
static int64_t last_call(int64_t exp_unix_s, int64_t now_unix_s)
{
    int64_t half = (exp_unix_s - now_unix_s) / 2;
    return exp_unix_s - earlier(half, CALLS_FINISH_S);
}

void vch_admit(const vch_admission_rules *rules, const vch_admission_request *request,
               vch_admission *verdict, vch_admitted_peer **out)
{
    vch_admission_judge(rules, request, verdict);
    if (verdict->code == VCH_ADMITTED && rules->policy != NULL) {
        verdict->code = VCH_REFUSED_FAULT; /* a bare policy says nothing of who may take part */
        (void)snprintf(verdict->message, sizeof verdict->message, "no federation to admit to");
    }
    if (verdict->code != VCH_ADMITTED)
        return;
    vch_admitted_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        verdict->code = VCH_REFUSED_FAULT;
        (void)snprintf(verdict->message, sizeof verdict->message, "out of memory");
        return;
    }
    if (verdict->attested && request->roster != NULL)
        verdict->code = take_seat(rules, request, verdict, &peer->seat);
    if (verdict->code != VCH_ADMITTED) {
        (void)snprintf(verdict->message, sizeof verdict->message,
                       "another connection of the name was faster");
        free(peer);
        return;
    }
    verdict->until_unix_s = verdict->exp_unix_s;
    peer->roster = request->roster;
    peer->reattest_unix_s = verdict->exp_unix_s;
    if (verdict->attested)
        peer->reattest_unix_s =
            earlier(last_call(verdict->exp_unix_s, request->now_unix_s),
                    request->now_unix_s + vch_attestation_file_federation(rules->file)->reattest_s);
    peer->verdict = *verdict;
    if (request->present != NULL
        && vch_present_enter(request->present, request, verdict, peer->seat, &peer->presence, NULL)
               != VOUCH_OK) {
        verdict->code = VCH_REFUSED_FAULT;
        (void)snprintf(verdict->message, sizeof verdict->message, "out of memory");
        vch_admitted_peer_free(peer);
        return;
    }
    *out = peer;
}

void vch_admitted_peer_free(vch_admitted_peer *p)
{
    if (p == NULL)
        return;
    vch_presence_leave(p->presence); /* before the seat that it refers to */
    vch_roster_leave(p->seat);
    free(p);
}

const vch_admission *vch_admitted_peer_verdict(const vch_admitted_peer *p)
{
    return &p->verdict;
}

const char *vch_admitted_peer_name(const vch_admitted_peer *p)
{
    return p->verdict.name;
}

vch_standing vch_admitted_peer_standing(const vch_admitted_peer *p, int64_t now_unix_s)
{
    if (p == NULL)
        return VCH_STANDING_GONE;
    if (p->presence != NULL && vch_presence_is_revoked(p->presence))
        return VCH_STANDING_REVOKED;
    if (p->seat != NULL && vch_roster_seat_replaced(p->seat))
        return VCH_STANDING_REPLACED;
    if (now_unix_s >= p->verdict.until_unix_s)
        return VCH_STANDING_EXPIRED;
    if (p->roster != NULL && vch_roster_is_retired(p->roster))
        return VCH_STANDING_REATTEST;
    return now_unix_s >= p->reattest_unix_s ? VCH_STANDING_REATTEST : VCH_STANDING_GOOD;
}
