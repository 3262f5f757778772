#include "svc/verifyd_limits.h"

int64_t vch_limits_take(vch_limits *limits, int64_t key_id, const vch_verifyd_rate *rate,
                        int64_t now_ms)
{
    size_t at = (size_t)((uint64_t)key_id % VCH_LIMITS_KEYS_MAX);
    double tokens = (double)rate->burst;
    if (limits->bucket[at].at_ms != 0 && now_ms >= limits->bucket[at].at_ms) {
        double refill = (double)(now_ms - limits->bucket[at].at_ms) * (double)rate->per_s / 1000.0;
        double filled = limits->bucket[at].tokens + refill;
        tokens = filled < tokens ? filled : tokens;
    }
    limits->bucket[at].at_ms = now_ms;
    if (tokens < 1.0) {
        limits->bucket[at].tokens = tokens;
        return 1 + (int64_t)((1.0 - tokens) / (double)rate->per_s);
    }
    limits->bucket[at].tokens = tokens - 1.0;
    return 0;
}
