/* How often an API key may ask: a bucket of requests for each, refilled at its rate. Time is given.
 * One thread at a time. */
#ifndef VCH_SVC_VERIFYD_LIMITS_H
#define VCH_SVC_VERIFYD_LIMITS_H

#include <stdint.h>

#include "svc/verifyd_config.h"

#define VCH_LIMITS_KEYS_MAX 4096

/* Zeroed it is empty. Beyond its size two keys can share a bucket and so each other's rate: a service with
 * more keys than that needs a larger table. */
typedef struct vch_limits {
    struct {
        double tokens;
        int64_t at_ms; /* 0: full */
    } bucket[VCH_LIMITS_KEYS_MAX];
} vch_limits;

/* 0: it may, and that is counted; else the seconds after which it may (for Retry-After). */
int64_t vch_limits_take(vch_limits *limits, int64_t key_id, const vch_verifyd_rate *rate,
                        int64_t now_ms);

#endif
