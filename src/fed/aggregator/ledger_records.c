/*
 * CBOR, an array each:
 *   [1, round, file, federation, plan digest, rules digest or empty]       the run begins
 *   [2, round, file or null, member, task, certificate, samples + 1, order, [[name, validates, value]…]]
 *   [3, round, file, steps, best or empty, [member…]]                      the round is over
 *   [4, round]                                                             everybody was told
 *   [5, round, member], [6, round, member]                                 put out; taken back in
 * A file is as store/state_file.h has it; floating point numbers are their bytes, big-endian.
 */
#include "fed/aggregator/ledger_records.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "codec/cbor.h"

static void put_bits(uint64_t bits, size_t size, vch_buffer *out)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(bits >> (8 * (size - 1 - i)));
    vch_cbor_put_bytes(out, (vouch_span) { bytes, size });
}

static void put_begin(const vch_plan *plan, const uint8_t *policy_digest,
                      const vch_ledger_record *record, vch_buffer *out)
{
    const vch_plan_view *view = vch_plan_look(plan);
    vch_cbor_put_array(out, 6);
    vch_cbor_put_uint(out, VCH_LEDGER_BEGIN);
    vch_cbor_put_uint(out, (uint64_t)record->round);
    vch_state_file_put(&record->file, out);
    vch_cbor_put_text(out, view->federation_uuid);
    vch_cbor_put_bytes(out, (vouch_span) { view->claim, sizeof view->claim });
    vch_cbor_put_bytes(out, (vouch_span) { policy_digest, policy_digest == NULL ? 0 : 32 });
}

static void put_result(const vch_plan *plan, const vch_ledger_record *record, vch_buffer *out)
{
    const vch_plan_view *view = vch_plan_look(plan);
    const vch_result *r = record->result;
    vch_cbor_put_array(out, 9);
    vch_cbor_put_uint(out, VCH_LEDGER_RESULT);
    vch_cbor_put_uint(out, (uint64_t)record->round);
    vch_state_file_put(&record->file, out);
    vch_cbor_put_text(out, view->member[record->member]);
    vch_cbor_put_text(out, view->task[record->task].name);
    vch_cbor_put_bytes(out, (vouch_span) { r->certificate, sizeof r->certificate });
    vch_cbor_put_uint(out, (uint64_t)((int64_t)r->data_size + 1));
    vch_cbor_put_array(out, r->order == NULL ? 0 : r->order_count);
    for (size_t i = 0; r->order != NULL && i < r->order_count; i++)
        vch_cbor_put_uint(out, r->order[i]);
    vch_cbor_put_array(out, r->metric_count);
    for (size_t i = 0; i < r->metric_count; i++) {
        uint32_t bits = 0;
        memcpy(&bits, &r->metric[i].value, sizeof bits);
        vch_cbor_put_array(out, 3);
        vch_cbor_put_bytes(out, vch_span_str(r->metric[i].name)); /* a peer's: not surely UTF-8 */
        vch_cbor_put_bool(out, r->metric[i].validates_global);
        put_bits(bits, sizeof bits, out);
    }
}

static void put_round(const vch_plan *plan, const vch_ledger_record *record, vch_buffer *out)
{
    const vch_plan_view *view = vch_plan_look(plan);
    size_t count = 0;
    uint64_t bits = 0;
    memcpy(&bits, &record->best, sizeof bits);
    for (size_t m = 0; m < view->member_count; m++)
        count += record->counts[m];
    vch_cbor_put_array(out, 6);
    vch_cbor_put_uint(out, VCH_LEDGER_ROUND);
    vch_cbor_put_uint(out, (uint64_t)record->round);
    vch_state_file_put(&record->file, out);
    vch_cbor_put_uint(out, record->steps);
    put_bits(bits, record->has_best ? sizeof bits : 0, out);
    vch_cbor_put_array(out, count);
    for (size_t m = 0; m < view->member_count; m++) {
        if (record->counts[m])
            vch_cbor_put_text(out, view->member[m]);
    }
}

void vch_ledger_record_write(const vch_plan *plan, const uint8_t *policy_digest,
                             const vch_ledger_record *record, vch_buffer *out)
{
    switch (record->kind) {
    case VCH_LEDGER_BEGIN:
        put_begin(plan, policy_digest, record, out);
        return;
    case VCH_LEDGER_RESULT:
        put_result(plan, record, out);
        return;
    case VCH_LEDGER_ROUND:
        put_round(plan, record, out);
        return;
    case VCH_LEDGER_FINISH:
        vch_cbor_put_array(out, 2);
        vch_cbor_put_uint(out, VCH_LEDGER_FINISH);
        vch_cbor_put_uint(out, (uint64_t)record->round);
        return;
    case VCH_LEDGER_QUARANTINE:
    case VCH_LEDGER_READMIT:
        vch_cbor_put_array(out, 3);
        vch_cbor_put_uint(out, (uint64_t)record->kind);
        vch_cbor_put_uint(out, (uint64_t)record->round);
        vch_cbor_put_text(out, vch_plan_look(plan)->member[record->member]);
        return;
    }
}

static void take_bytes(vch_cbor *c, void *out, size_t size)
{
    vouch_span bytes = vch_cbor_bytes(c);
    if (bytes.size != size)
        vch_cbor_refuse(c, "a byte string of another size");
    else
        memcpy(out, bytes.data, size);
}

static uint64_t take_bits(vch_cbor *c, size_t size, bool *out_given)
{
    vouch_span bytes = vch_cbor_bytes(c);
    uint64_t bits = 0;
    *out_given = bytes.size != 0;
    if (bytes.size != 0 && bytes.size != size)
        vch_cbor_refuse(c, "a number of another size");
    for (size_t i = 0; c->failed == VOUCH_OK && i < bytes.size; i++)
        bits = bits << 8 | bytes.data[i];
    return bits;
}

static void take_array(vch_cbor *c, size_t count)
{
    if (vch_cbor_array_enter(c) != count)
        vch_cbor_refuse(c, "an array of another size");
}

static void take_metric(vch_cbor *c, vch_metric *out)
{
    bool given = false;
    take_array(c, 3);
    vouch_span name = vch_cbor_bytes(c);
    if (name.size == 0 || name.size >= sizeof out->name)
        vch_cbor_refuse(c, "no metric's name");
    else
        memcpy(out->name, name.data, name.size);
    out->validates_global = vch_cbor_bool(c);
    uint32_t bits = (uint32_t)take_bits(c, sizeof bits, &given);
    memcpy(&out->value, &bits, sizeof out->value);
    if (!given || !isfinite(out->value))
        vch_cbor_refuse(c, "a metric that is not finite");
}

static vouch_code take_order(vch_cbor *c, vch_result *out, vouch_error *err)
{
    size_t count = vch_cbor_array_enter(c);
    if (c->failed != VOUCH_OK || count == 0)
        return VOUCH_OK;
    out->order = calloc(count, sizeof *out->order);
    if (out->order == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a result");
    out->order_count = count;
    for (size_t i = 0; i < count; i++) {
        uint64_t at = vch_cbor_uint(c);
        if (at >= count)
            vch_cbor_refuse(c, "a tensor beyond the model");
        out->order[i] = (uint32_t)at;
    }
    return VOUCH_OK;
}

static vouch_code take_result(const vch_plan *plan, vch_cbor *c, vch_ledger_record *out,
                              vouch_error *err)
{
    out->result = calloc(1, sizeof *out->result);
    if (out->result == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a result");
    vch_state_file_take(c, &out->file);
    ptrdiff_t member = vch_plan_member(plan, vch_cbor_text(c));
    const vch_plan_task *task = vch_plan_task_find(plan, vch_cbor_text(c));
    if (task == NULL) {
        vch_cbor_refuse(c, "a task that the plan does not have");
        return VOUCH_OK;
    }
    out->member = member < 0 ? VCH_LEDGER_NOBODY : (size_t)member;
    out->task = (size_t)(task - vch_plan_look(plan)->task);
    take_bytes(c, out->result->certificate, sizeof out->result->certificate);
    uint64_t size = vch_cbor_uint(c);
    if (size > (uint64_t)INT32_MAX + 1)
        vch_cbor_refuse(c, "samples out of range");
    else
        out->result->data_size = (int32_t)((int64_t)size - 1);
    vouch_code rc = take_order(c, out->result, err);
    if (rc != VOUCH_OK)
        return rc;
    size_t metrics = vch_cbor_array_enter(c);
    if (metrics > VCH_METRIC_MAX)
        vch_cbor_refuse(c, "too many metrics");
    for (size_t i = 0; c->failed == VOUCH_OK && i < metrics; i++)
        take_metric(c, &out->result->metric[out->result->metric_count++]);
    return VOUCH_OK;
}

static void take_round(vch_cbor *c, vch_ledger_record *out)
{
    vch_state_file_take(c, &out->file);
    uint64_t steps = vch_cbor_uint(c);
    if (steps > UINT32_MAX)
        vch_cbor_refuse(c, "steps out of range");
    out->steps = (uint32_t)steps;
    uint64_t bits = take_bits(c, sizeof bits, &out->has_best);
    memcpy(&out->best, &bits, sizeof out->best);
    size_t members = vch_cbor_array_enter(c);
    for (size_t i = 0; c->failed == VOUCH_OK && i < members; i++)
        (void)vch_cbor_text(c);
}

static void take_begin(const vch_plan *plan, vch_cbor *c, vch_ledger_record *out)
{
    uint8_t claim[32];
    vch_state_file_take(c, &out->file);
    if (!vch_span_is(vch_cbor_text(c), vch_plan_look(plan)->federation_uuid))
        vch_cbor_refuse(c, "another federation's");
    take_bytes(c, claim, sizeof claim);
    (void)vch_cbor_bytes(c);
}

static void take_member(const vch_plan *plan, vch_cbor *c, vch_ledger_record *out)
{
    ptrdiff_t member = vch_plan_member(plan, vch_cbor_text(c));
    out->member = member < 0 ? VCH_LEDGER_NOBODY : (size_t)member;
}

vouch_code vch_ledger_record_read(const vch_plan *plan, vouch_span bytes, vch_ledger_record *out,
                                  vouch_error *err)
{
    static const size_t sizes[] = { 0, 6, 9, 6, 2, 3, 3 };
    vouch_code rc = VOUCH_OK;
    vch_cbor c = vch_cbor_over(bytes);
    *out = (vch_ledger_record) { 0 };
    size_t count = vch_cbor_array_enter(&c);
    uint64_t kind = vch_cbor_uint(&c);
    uint64_t round = vch_cbor_uint(&c);
    if (kind == 0 || kind >= sizeof sizes / sizeof *sizes || count != sizes[kind]
        || round > INT32_MAX)
        return vouch_fail(err, VOUCH_E_FORMAT, "no record of an aggregator");
    out->kind = (vch_ledger_kind)kind;
    out->round = (int32_t)round;
    switch (out->kind) {
    case VCH_LEDGER_BEGIN:
        take_begin(plan, &c, out);
        break;
    case VCH_LEDGER_RESULT:
        rc = take_result(plan, &c, out, err);
        break;
    case VCH_LEDGER_ROUND:
        take_round(&c, out);
        break;
    case VCH_LEDGER_FINISH:
        break;
    case VCH_LEDGER_QUARANTINE:
    case VCH_LEDGER_READMIT:
        take_member(plan, &c, out);
        break;
    }
    if (rc == VOUCH_OK)
        rc = vch_cbor_finish(&c, "record", err);
    if (rc != VOUCH_OK) {
        vch_ledger_record_done(out);
        return vouch_wrap(err, rc == VOUCH_E_MEMORY ? rc : VOUCH_E_FORMAT, "a record of kind %u",
                          (unsigned)kind);
    }
    return VOUCH_OK;
}

void vch_ledger_record_done(vch_ledger_record *record)
{
    if (record->result != NULL)
        vch_result_drop(record->result);
    free(record->result);
    record->result = NULL;
}
