/* What a task runner in a child process says: refused with a reason, or within the stated limits. */
#include "fed/runner/process_message.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vouch_error err = { 0 };
    vch_process_ready ready = { .training = 77 };
    vouch_code rc = vch_process_ready_read((vouch_span) { data, size }, &ready, &err);
    if (rc != VOUCH_OK && (ready.training != 77 || ready.model.count != 0 || err.depth == 0))
        __builtin_trap(); /* failed, yet wrote its output or gave no reason */
    if (rc == VOUCH_OK && (ready.training < 0 || ready.validation < 0 || ready.model.count == 0))
        __builtin_trap();
    vch_model_done(&ready.model);

    err = (vouch_error) { 0 };
    vch_process_answer answer = { .bytes = 77 };
    rc = vch_process_answer_read((vouch_span) { data, size }, 1, &answer, &err);
    if (rc != VOUCH_OK && (answer.bytes != 77 || err.depth == 0))
        __builtin_trap();
    if (rc == VOUCH_OK && answer.metric_count > VCH_TASK_METRIC_MAX)
        __builtin_trap();
    for (size_t i = 0; rc == VOUCH_OK && i < answer.metric_count; i++) {
        if (!isfinite(answer.metric[i].value))
            __builtin_trap();
    }
    return 0;
}
