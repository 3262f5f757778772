#include <inttypes.h>

#include "base/moment.h"
#include "cli/claims_view.h"

const char *vch_measured(vouch_tee tee)
{
    switch (tee) {
    case VOUCH_TEE_SGX:
        return "program";
    case VOUCH_TEE_TDX:
        return "machine image";
    case VOUCH_TEE_NONE:
        break;
    }
    return NULL;
}

const char *vch_measured_caution(vouch_tee tee)
{
    return tee == VOUCH_TEE_TDX
               ? "the machine image, not a program: whoever is root in it is inside"
               : "";
}

static void put_text_or_null(vch_json_writer *w, const char *name, const char *text)
{
    vch_json_put_string(w, name, text[0] == '\0' ? NULL : text);
}

static void reason_json(vch_json_writer *w, const vouch_reason *r)
{
    vch_json_begin_object(w);
    vch_json_put_string(w, "step", r->step);
    vch_json_put_string(w, "code", r->code);
    vch_json_put_string(w, "message", r->message);
    put_text_or_null(w, "expected", r->expected);
    put_text_or_null(w, "actual", r->actual);
    vch_json_end(w);
}

static void ids_json(vch_json_writer *w, const char *name, const char *const *ids, size_t count)
{
    vch_json_key(w, name);
    vch_json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        vch_json_string(w, ids[i]);
    vch_json_end(w);
}

static void tcb_json(vch_json_writer *w, const vouch_claims *c)
{
    put_text_or_null(w, "tcb_status", vouch_tcb_status_name(c->tcb_status));
    ids_json(w, "advisory_ids", c->advisory_ids, c->advisory_count);
    if (c->tcb_status == VOUCH_TCB_NONE) {
        vch_json_put_string(w, "tcb_date", NULL);
        return;
    }
    vch_json_put_moment(w, "tcb_date", c->tcb_date_unix_s);
    vch_json_put_string(w, "current_tcb_status", vouch_tcb_status_name(c->current_tcb_status));
    ids_json(w, "current_advisory_ids", c->current_advisory_ids, c->current_advisory_count);
    vch_json_put_moment(w, "earliest_issue", c->earliest_issue_unix_s);
    vch_json_put_moment(w, "earliest_expiry", c->earliest_expiry_unix_s);
}

void vch_verdict_json(vch_json_writer *w, const vouch_appraisal *appraisal, bool good,
                      int64_t now_unix_s)
{
    const vouch_claims *c = vouch_appraisal_claims(appraisal);
    vch_json_put_string(w, "result", good ? "ok" : "reject");
    tcb_json(w, c);
    put_text_or_null(w, "tee", vouch_tee_name(c->tee));
    vch_json_put_string(w, "measured", vch_measured(c->tee));
    vch_json_put_bool(w, "debug", c->debug);
    vch_json_put_bool(w, "simulated", c->simulated);
    vch_json_key(w, "reasons");
    vch_json_begin_array(w);
    for (size_t i = 0; i < vouch_appraisal_reason_count(appraisal); i++) {
        vouch_reason r = vouch_appraisal_reason(appraisal, i);
        reason_json(w, &r);
    }
    vch_json_end(w);
    vch_json_key(w, "claims");
    vch_claims_json(w, c);
    vch_json_put_moment(w, "verified_at", now_unix_s);
}

static void print_ids(FILE *out, const char *const *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, "%s%s", i == 0 ? "" : " ", ids[i]);
    (void)fputs(count == 0 ? "none\n" : "\n", out);
}

void vch_verdict_print(FILE *out, const vouch_appraisal *appraisal, bool good, int64_t now_unix_s)
{
    const vouch_claims *c = vouch_appraisal_claims(appraisal);
    char when[VCH_MOMENT_TEXT_SIZE];
    (void)fprintf(out, "%s at %s%s%s%s\n", good ? "ok" : "reject",
                  vch_moment_format(now_unix_s, when), c->tee == VOUCH_TEE_NONE ? "" : ", ",
                  vouch_tee_name(c->tee), c->debug ? ", DEBUG" : "");
    if (c->simulated)
        (void)fputs("SIMULATED: the chain does not end in Intel's root\n", out);
    if (vch_measured_caution(c->tee)[0] != '\0')
        (void)fprintf(out, "measured: %s\n", vch_measured_caution(c->tee));
    for (size_t i = 0; i < vouch_appraisal_reason_count(appraisal); i++) {
        vouch_reason r = vouch_appraisal_reason(appraisal, i);
        (void)fprintf(out, "  refused by %s (%s): %s", r.step, r.code, r.message);
        if (r.expected[0] != '\0')
            (void)fprintf(out, "; expected %s", r.expected);
        if (r.actual[0] != '\0')
            (void)fprintf(out, "; found %s", r.actual);
        (void)fputc('\n', out);
    }
    if (c->tcb_status != VOUCH_TCB_NONE) {
        (void)fprintf(out,
                      "TCB status %s, of %s; advisories: ", vouch_tcb_status_name(c->tcb_status),
                      vch_moment_format(c->tcb_date_unix_s, when));
        print_ids(out, c->advisory_ids, c->advisory_count);
    }
    vch_claims_print(out, c);
}
