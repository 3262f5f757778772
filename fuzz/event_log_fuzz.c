/* Event logs of TDs. */
#include "evidence/event_log.h"

typedef struct seen {
    const uint8_t *begin;
    size_t size, count;
} seen;

static vouch_code look(void *context, const vch_event *event, vouch_error *err)
{
    seen *s = context;
    (void)err;
    s->count++;
    if (event->index > VCH_RTMR_COUNT || event->digest.size != VCH_RTMR_SIZE
        || event->content.size > s->size || event->offset >= s->size)
        __builtin_trap();
    return VOUCH_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vouch_error err = { 0 };
    seen s = { data, size, 0 };
    vch_rtmrs r = { 0 };
    vouch_span log = { data, size };
    vouch_code rc = vch_event_log_replay(log, &r, &err);
    if (rc != VOUCH_OK && (r.event_count != 0 || err.depth == 0))
        __builtin_trap();
    if (vch_event_log_each(log, look, &s, NULL) != rc
        || (rc == VOUCH_OK && s.count != r.event_count))
        __builtin_trap();
    return 0;
}
