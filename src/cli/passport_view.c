#include "cli/passport_view.h"

#include <stdio.h>
#include <string.h>

#include "base/moment.h"
#include "base/scope.h"
#include "cli/claims_view.h"
#include "codec/hex.h"

#define OUTPUT_CAP ((size_t)1 << 20)

static void put_digest(vch_json_writer *w, const char *name, const uint8_t *bytes, size_t size)
{
    vch_json_put_hex(w, name, (vouch_span) { bytes, size });
}

static void show_json(vch_json_writer *w, const vch_passport_contents *c, const vouch_claims *quote)
{
    vch_json_begin_object(w);
    vch_json_put_string(w, "name", c->name);
    vch_json_put_string(w, "role", vch_role_name(c->role));
    put_digest(w, "federation", c->federation, sizeof c->federation);
    put_digest(w, "policy_digest", c->policy_digest, sizeof c->policy_digest);
    vch_json_put_moment(w, "created", c->created_unix_s);
    vch_json_put_bool(w, "token", c->token.size > 0);
    vch_json_put_bool(w, "ca", c->ca.size > 0);
    vch_json_put_bool(w, "verified", false);
    vch_json_key(w, "claims");
    vch_claims_json(w, quote);
    vch_json_end(w);
}

static void show_print(FILE *out, const vch_passport_contents *c, const vouch_claims *quote)
{
    char created[VCH_MOMENT_TEXT_SIZE];
    char federation[33];
    (void)fprintf(out, "passport of %s, %s of federation %s\n", c->name, vch_role_name(c->role),
                  vch_hex_encode((vouch_span) { c->federation, sizeof c->federation }, federation));
    (void)fprintf(out, "made %s, %s, %s\n", vch_moment_format(c->created_unix_s, created),
                  c->token.size > 0 ? "with a token" : "without a token",
                  c->ca.size > 0 ? "with the federation's root" : "without a root");
    (void)fprintf(out, "nothing below is verified; `vouch passport verify` does that\n\n");
    vch_claims_print(out, quote);
}

int vch_passport_show(const vch_runtime *rt, const char *command, bool json,
                      const vch_passport_contents *c, const vouch_claims *quote)
{
    if (!json) {
        show_print(rt->out, c, quote);
        return VCH_EXIT_DONE;
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    show_json(&w, c, quote);
    return vch_command_answer(rt, command, &out, VCH_EXIT_DONE);
}

static void put_checks(vch_json_writer *w, const vch_passport_verdict *v, bool refusals_only)
{
    vch_json_begin_array(w);
    for (size_t i = 0; i < v->check_count; i++) {
        const vch_passport_check *c = &v->checks[i];
        if (refusals_only && c->passed)
            continue;
        vch_json_begin_object(w);
        vch_json_put_string(w, refusals_only ? "step" : "check", c->name);
        if (refusals_only)
            vch_json_put_string(w, "code", vch_admission_code_name(v->admission.code));
        else
            vch_json_put_bool(w, "passed", c->passed);
        vch_json_put_string(w, "message", c->text);
        vch_json_end(w);
    }
    vch_json_end(w);
}

static vouch_tee tee_of(const vch_admission *a)
{
    if (strcmp(a->tee, vouch_tee_name(VOUCH_TEE_TDX)) == 0)
        return VOUCH_TEE_TDX;
    return strcmp(a->tee, vouch_tee_name(VOUCH_TEE_SGX)) == 0 ? VOUCH_TEE_SGX : VOUCH_TEE_NONE;
}

static void verdict_json(vch_json_writer *w, const vch_passport_verdict *v)
{
    const vch_admission *a = &v->admission;
    vch_json_begin_object(w);
    vch_json_put_string(w, "result", vch_admission_admits(a) ? "ok" : "reject");
    vch_json_put_string(w, "code", vch_admission_code_name(a->code));
    vch_json_put_string(w, "message", a->message);
    vch_json_put_string(w, "name", a->name);
    vch_json_put_string(w, "role", vch_role_name(a->role));
    vch_json_put_string(w, "tee", a->tee);
    vch_json_put_string(w, "measurement", a->measurement);
    vch_json_put_string(w, "measured", vch_measured(tee_of(a)));
    vch_json_put_string(w, "tcb_status", a->tcb_status[0] == 0 ? NULL : a->tcb_status);
    vch_json_put_bool(w, "debug", a->debug);
    vch_json_put_bool(w, "simulated", a->simulated);
    vch_json_put_bool(w, "token_verified", a->token_verified);
    vch_json_put_bool(w, "time_proven", v->time_proven);
    vch_json_put_string(w, "time_note", v->time_note);
    vch_json_put_moment(w, "verified_at", v->judged_at_unix_s);
    vch_json_key(w, "reasons");
    put_checks(w, v, true);
    vch_json_key(w, "checks");
    put_checks(w, v, false);
    vch_json_end(w);
}

static void verdict_print(FILE *out, const vch_passport_verdict *v)
{
    const vch_admission *a = &v->admission;
    for (size_t i = 0; i < v->check_count; i++) {
        const vch_passport_check *c = &v->checks[i];
        (void)fprintf(out, "  %-4s %-16s %s\n", c->passed ? "ok" : "NO", c->name, c->text);
    }
    (void)fprintf(out, "\nname         %s\nrole         %s\n", a->name, vch_role_name(a->role));
    (void)fprintf(out, "measurement  %s (%s)\n", a->measurement, a->tee);
    if (vch_measured_caution(tee_of(a))[0] != 0)
        (void)fprintf(out, "measured     %s\n", vch_measured_caution(tee_of(a)));
    (void)fprintf(out, "TCB status   %s\n",
                  a->tcb_status[0] == 0 ? "not established" : a->tcb_status);
    if (a->simulated)
        (void)fprintf(out, "simulated    yes: the chain ends in a root that is not Intel's\n");
    (void)fprintf(out, "time         %s\n", v->time_note);
    if (vch_admission_admits(a))
        (void)fprintf(out, "verdict      ok: every check above passed\n");
    else
        (void)fprintf(out, "verdict      reject (%s): %s\n", vch_admission_code_name(a->code),
                      a->message);
}

int vch_passport_verdict_show(const vch_runtime *rt, const char *command, bool json,
                              const vch_passport_verdict *v)
{
    int status = vch_admission_admits(&v->admission) ? VCH_EXIT_DONE : VCH_EXIT_NO;
    if (!json) {
        verdict_print(rt->out, v);
        return status;
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    verdict_json(&w, v);
    return vch_command_answer(rt, command, &out, status);
}
