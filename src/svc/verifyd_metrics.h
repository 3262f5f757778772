/* What the service counts, and the text form that Prometheus reads. One thread at a time. */
#ifndef VCH_SVC_VERIFYD_METRICS_H
#define VCH_SVC_VERIFYD_METRICS_H

#include <stdint.h>

#include "svc/verifyd_attest.h"

#define VCH_METRIC_STEPS 5

typedef struct vch_verifyd_metrics {
    uint64_t nonces, tokens, refused[VCH_METRIC_STEPS];
    uint64_t unauthorized, limited, busy, faults, commits;
    uint64_t working;     /* now: waiting for a worker, or with one */
    uint64_t connections; /* now; set before writing */
    int64_t crls_end_unix_s;
} vch_verifyd_metrics;

void vch_verifyd_metrics_count(vch_verifyd_metrics *metrics, const vch_attest_answer *answer);
void vch_verifyd_metrics_write(const vch_verifyd_metrics *metrics, vch_buffer *out);

#endif
