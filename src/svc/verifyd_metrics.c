#include "svc/verifyd_metrics.h"

#include <string.h>

static const char *const steps[VCH_METRIC_STEPS] = { "request", "nonce", "quote", "binding",
                                                     "policy" };

void vch_verifyd_metrics_count(vch_verifyd_metrics *m, const vch_attest_answer *answer)
{
    if (answer->issued)
        m->tokens++;
    for (size_t i = 0; !answer->issued && i < VCH_METRIC_STEPS; i++) {
        if (strcmp(answer->step, steps[i]) == 0)
            m->refused[i]++;
    }
}

static void put(vch_buffer *out, const char *name, const char *type, const char *help,
                uint64_t value)
{
    vch_buffer_append_fmt(out, "# HELP vouch_verifyd_%s %s\n# TYPE vouch_verifyd_%s %s\n", name,
                          help, name, type);
    vch_buffer_append_fmt(out, "vouch_verifyd_%s %llu\n", name, (unsigned long long)value);
}

void vch_verifyd_metrics_write(const vch_verifyd_metrics *m, vch_buffer *out)
{
    put(out, "nonces_total", "counter", "Nonces signed.", m->nonces);
    put(out, "tokens_total", "counter", "Tokens issued.", m->tokens);
    vch_buffer_append_str(out, "# HELP vouch_verifyd_refused_total Attestations refused, by step.\n"
                               "# TYPE vouch_verifyd_refused_total counter\n");
    for (size_t i = 0; i < VCH_METRIC_STEPS; i++)
        vch_buffer_append_fmt(out, "vouch_verifyd_refused_total{step=\"%s\"} %llu\n", steps[i],
                              (unsigned long long)m->refused[i]);
    put(out, "unauthorized_total", "counter", "Requests without a valid API key.", m->unauthorized);
    put(out, "limited_total", "counter", "Requests over their API key's rate.", m->limited);
    put(out, "busy_total", "counter", "Requests turned away because too many waited.", m->busy);
    put(out, "faults_total", "counter", "Answers of status 500.", m->faults);
    put(out, "commits_total", "counter", "Turns of the event loop that were committed.",
        m->commits);
    put(out, "working", "gauge", "Requests with the workers.", m->working);
    put(out, "connections", "gauge", "Open connections of the service.", m->connections);
    put(out, "crl_next_update_seconds", "gauge", "When the published CRLs end, Unix time.",
        m->crls_end_unix_s > 0 ? (uint64_t)m->crls_end_unix_s : 0);
}
