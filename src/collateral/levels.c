#include "collateral/levels.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "evidence/claims.h"
#include "vouch/collateral.h"

void vch_advisories_drop(vch_advisories *a)
{
    free(a->ids);
    *a = (vch_advisories) { 0 };
}

void vch_svn_levels_drop(vch_svn_levels *levels)
{
    free(levels->list);
    *levels = (vch_svn_levels) { 0 };
}

void *vch_levels_grow(vch_json_pull *p, void *list, size_t count, size_t *capacity, size_t size,
                      size_t max)
{
    if (count < *capacity)
        return list;
    if (count >= max) {
        vch_json_pull_refuse(p, "too many levels or advisories");
        return NULL;
    }
    size_t wanted = *capacity == 0 ? 32 : 2 * *capacity;
    void *grown = realloc(list, wanted * size);
    if (grown == NULL) {
        vch_json_pull_no_memory(p);
        return NULL;
    }
    *capacity = wanted;
    return grown;
}

static void read_advisories(vch_json_pull *p, vch_level_facts *facts, vch_advisories *a)
{
    facts->first_advisory = a->count;
    vch_json_pull_array(p);
    while (vch_json_pull_element(p)) {
        vouch_span id = vch_json_pull_string(p);
        if (p->why == NULL && (id.size == 0 || id.size > VCH_ADVISORY_ID_MAX_SIZE))
            vch_json_pull_refuse(p, "an advisory id is empty or too long");
        vouch_span *ids =
            vch_levels_grow(p, a->ids, a->count, &a->capacity, sizeof *ids, VCH_ADVISORIES_MAX);
        if (ids == NULL)
            return;
        a->ids = ids;
        a->ids[a->count++] = id;
    }
    facts->advisory_count = a->count - facts->first_advisory;
}

bool vch_level_member(vch_json_pull *p, vouch_span name, unsigned allowed, vch_level_facts *facts,
                      unsigned *seen, vch_advisories *advisories)
{
    if (vch_span_is(name, "tcbDate")) {
        facts->date_unix_s = vch_json_pull_moment(p);
        *seen |= VCH_SEEN_DATE;
    } else if (vch_span_is(name, "tcbStatus")) {
        facts->status = vch_tcb_status_from_name(vch_json_pull_string(p));
        if ((allowed & (1U << facts->status)) == 0) /* VOUCH_TCB_NONE never is */
            vch_json_pull_refuse(p, "an unknown TCB status");
        *seen |= VCH_SEEN_STATUS;
    } else if (vch_span_is(name, "advisoryIDs")) {
        read_advisories(p, facts, advisories);
    } else {
        return false;
    }
    return true;
}

static uint16_t read_isv_svn(vch_json_pull *p)
{
    uint16_t isv_svn = 0;
    bool seen = false;
    vch_json_pull_object(p);
    for (vouch_span name; vch_json_pull_member(p, &name);) {
        if (vch_span_is(name, "isvsvn")) {
            isv_svn = (uint16_t)vch_json_pull_uint(p, UINT16_MAX);
            seen = true;
        } else {
            vch_json_pull_skip(p);
        }
    }
    if (!seen)
        vch_json_pull_refuse(p, "a level has no isvsvn");
    return isv_svn;
}

static void read_level(vch_json_pull *p, unsigned allowed, vch_svn_level *out,
                       vch_advisories *advisories)
{
    vch_svn_level level = { 0 };
    unsigned seen = 0;
    vch_json_pull_object(p);
    for (vouch_span name; vch_json_pull_member(p, &name);) {
        if (vch_span_is(name, "tcb")) {
            level.isv_svn = read_isv_svn(p);
            seen |= VCH_SEEN_TCB;
        } else if (!vch_level_member(p, name, allowed, &level.facts, &seen, advisories)) {
            vch_json_pull_skip(p);
        }
    }
    if (seen != VCH_SEEN_ALL)
        vch_json_pull_refuse(p, "a level lacks tcb, tcbDate or tcbStatus");
    *out = level;
}

static int by_isv_svn_descending(const void *a, const void *b)
{
    const vch_svn_level *x = a;
    const vch_svn_level *y = b;
    return (x->isv_svn < y->isv_svn) - (x->isv_svn > y->isv_svn);
}

static void sort_levels(vch_json_pull *p, vch_svn_level *levels, size_t count)
{
    qsort(levels, count, sizeof *levels, by_isv_svn_descending);
    for (size_t i = 1; i < count; i++) {
        if (levels[i].isv_svn == levels[i - 1].isv_svn)
            vch_json_pull_refuse(p, "a level stands twice");
    }
}

void vch_svn_levels_read(vch_json_pull *p, unsigned allowed, vch_svn_levels *levels,
                         vch_advisories *advisories)
{
    size_t first = levels->count;
    vch_json_pull_array(p);
    while (vch_json_pull_element(p)) {
        vch_svn_level *list = vch_levels_grow(p, levels->list, levels->count, &levels->capacity,
                                              sizeof *list, VCH_LEVELS_MAX);
        if (list == NULL)
            return;
        levels->list = list;
        read_level(p, allowed, &levels->list[levels->count], advisories);
        levels->count++;
    }
    if (p->why == NULL && levels->count == first)
        vch_json_pull_refuse(p, "no levels");
    if (p->why == NULL)
        sort_levels(p, levels->list + first, levels->count - first);
}

const vch_svn_level *vch_svn_levels_match(const vch_svn_level *levels, size_t count,
                                          uint16_t isv_svn)
{
    for (size_t i = 0; i < count; i++) {
        if (levels[i].isv_svn <= isv_svn)
            return &levels[i];
    }
    return NULL;
}

vouch_code vch_signed_document_read(vouch_span document, const char *name, vch_signed_body body,
                                    void *context, vouch_span *signed_bytes,
                                    uint8_t signature[static 64], vouch_error *err)
{
    if (document.size > VOUCH_COLLATERAL_PART_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "%s: %zu bytes exceed %zu", name, document.size,
                          VOUCH_COLLATERAL_PART_MAX_SIZE);
    vch_json_pull p;
    vch_json_pull_start(&p, document);
    size_t members = 0;
    vch_json_pull_object(&p);
    for (vouch_span member; vch_json_pull_member(&p, &member);) {
        members++;
        if (vch_span_is(member, name)) {
            size_t begin = vch_json_pull_position(&p);
            body(&p, context);
            *signed_bytes = (vouch_span) { document.data + begin, p.at - begin };
        } else if (vch_span_is(member, "signature")) {
            vch_json_pull_hex(&p, signature, 64);
        } else {
            vch_json_pull_refuse(&p, "an unknown member beside the signed one");
        }
    }
    if (members != 2) /* both, since none stands twice and no other is let through */
        vch_json_pull_refuse(&p, "the signed member or its signature is missing");
    return vch_json_pull_finish(&p, name, err);
}
