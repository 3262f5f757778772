/* plan.yaml and cols.yaml; a NUL parts them. A plan that is taken keeps its promises. */
#include <stdint.h>
#include <string.h>

#include "fed/plan/plan.h"

static void check(const vch_plan *p)
{
    const vch_plan_view *v = vch_plan_look(p);
    if (v->rounds == 0 || v->agg_port == 0 || v->agg_addr == NULL || v->init_state_path == NULL
        || v->task_count == 0 || strlen(v->hash_hex) != 96)
        __builtin_trap();
    for (size_t m = 0; m < v->member_count && m < 4; m++) {
        size_t tasks[VCH_PLAN_TASK_MAX];
        size_t count = 0;
        if (vch_plan_assign(p, m, 1, tasks, &count, NULL) != VOUCH_OK || count == 0)
            __builtin_trap(); /* a plan that leaves a member without a group was taken */
        for (size_t i = 0; i < count; i++) {
            if (tasks[i] >= v->task_count)
                __builtin_trap();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size == 0 ? NULL : memchr(data, 0, size);
    size_t plan_size = nul == NULL ? size : (size_t)(nul - data);
    vch_plan_source source = { .plan_name = "plan.yaml", .plan = { data, plan_size } };
    source.host_name = "host.example.org";
    if (nul != NULL) {
        source.cols_name = "cols.yaml";
        source.cols = (vouch_span) { nul + 1, size - plan_size - 1 };
    }
    vch_faults faults = { 0 };
    vch_plan *p = NULL;
    vouch_error err = { 0 };
    vouch_code rc = vch_plan_parse(&source, &faults, &p, &err);
    if ((rc == VOUCH_OK) != (p != NULL) || (rc != VOUCH_OK && err.depth == 0)
        || (rc == VOUCH_OK && faults.errors != 0))
        __builtin_trap();
    if (p != NULL)
        check(p);
    vch_plan_free(p);
    vch_faults_done(&faults);
    return 0;
}
