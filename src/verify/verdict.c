#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "base/size.h"
#include "verify/appraisal.h"

VCH_DEFINE_DROP(drop_appraisal, vouch_appraisal, vouch_appraisal_free)

void vouch_appraisal_free(vouch_appraisal *a)
{
    if (a == NULL)
        return;
    free(a->advisories);
    vch_reasons_drop(&a->reasons);
    free(a);
}

bool vouch_appraisal_admits(const vouch_appraisal *a)
{
    return a != NULL && a->genuine && a->admitted && !vch_reasons_any(&a->reasons);
}

bool vouch_appraisal_is_genuine(const vouch_appraisal *a)
{
    return a != NULL && a->genuine;
}

size_t vouch_appraisal_reason_count(const vouch_appraisal *a)
{
    return a == NULL ? 0 : a->reasons.count;
}

vouch_reason vouch_appraisal_reason(const vouch_appraisal *a, size_t index)
{
    if (a == NULL || index >= a->reasons.count)
        return (vouch_reason) { "", "", "", "", "" };
    const vch_reason *r = &a->reasons.list[index];
    return (vouch_reason) { r->step, r->code, r->message, r->expected, r->actual };
}

const vouch_claims *vouch_appraisal_claims(const vouch_appraisal *a)
{
    static const vouch_claims nothing = { 0 };
    return a == NULL ? &nothing : &a->claims;
}

static int by_text(const void *a, const void *b)
{
    const vouch_span *x = a;
    const vouch_span *y = b;
    int order = memcmp(x->data, y->data, x->size < y->size ? x->size : y->size);
    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

/* Sort and drop duplicates; ids are never empty. Returns how many are left. */
static size_t make_set(vouch_span *ids, size_t count)
{
    size_t kept = 0;
    if (count > 1)
        qsort(ids, count, sizeof *ids, by_text);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || by_text(&ids[kept - 1], &ids[i]) != 0)
            ids[kept++] = ids[i];
    }
    return kept;
}

static char *put_list(const char **list, const vouch_span *ids, size_t count, char *text)
{
    for (size_t i = 0; i < count; i++) {
        list[i] = text;
        memcpy(text, ids[i].data, ids[i].size);
        text[ids[i].size] = '\0';
        text += ids[i].size + 1;
    }
    return text;
}

static bool text_size(const vouch_span *ids, size_t count, size_t *size)
{
    bool fits = true;
    for (size_t i = 0; i < count; i++)
        fits = fits && vch_size_add(*size, ids[i].size + 1 + sizeof(char *), size);
    return fits;
}

vouch_code vch_appraisal_set_advisories(vouch_appraisal *a, vouch_span *ids, size_t count,
                                        vouch_span *current_ids, size_t current_count,
                                        vouch_error *err)
{
    size_t size = 0;
    count = make_set(ids, count);
    current_count = make_set(current_ids, current_count);
    if (count + current_count == 0)
        return VOUCH_OK;
    if (!text_size(ids, count, &size) || !text_size(current_ids, current_count, &size))
        return vouch_fail(err, VOUCH_E_LIMIT, "advisory ids");
    const char **lists = malloc(size);
    if (lists == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "advisory ids");
    char *text = (char *)(lists + count + current_count);
    text = put_list(lists, ids, count, text);
    (void)put_list(lists + count, current_ids, current_count, text);
    free(a->advisories);
    a->advisories = lists;
    a->claims.advisory_ids = lists;
    a->claims.advisory_count = count;
    a->claims.current_advisory_ids = lists + count;
    a->claims.current_advisory_count = current_count;
    return VOUCH_OK;
}

/* The lists of another appraisal as spans, for copying. */
static void as_spans(const char *const *list, size_t count, vouch_span *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (vouch_span) { (const uint8_t *)list[i], strlen(list[i]) };
}

static vouch_code copy_advisories(const vouch_claims *from, vouch_appraisal *to, vouch_error *err)
{
    size_t count = from->advisory_count + from->current_advisory_count;
    vouch_span few[64];
    vouch_span *ids = count > 64 ? calloc(count, sizeof *ids) : few;
    if (ids == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "advisory ids");
    as_spans(from->advisory_ids, from->advisory_count, ids);
    as_spans(from->current_advisory_ids, from->current_advisory_count, ids + from->advisory_count);
    vouch_code rc =
        vch_appraisal_set_advisories(to, ids, from->advisory_count, ids + from->advisory_count,
                                     from->current_advisory_count, err);
    if (ids != few)
        free(ids);
    return rc;
}

vouch_code vch_appraisal_set(vouch_appraisal *to, const vouch_appraisal *a, vouch_error *err)
{
    to->claims = a->claims;
    to->claims.advisory_ids = NULL;
    to->claims.current_advisory_ids = NULL;
    vouch_code rc = copy_advisories(&a->claims, to, err);
    if (rc != VOUCH_OK)
        return rc;
    to->genuine = a->genuine && !vch_reasons_any(&a->reasons);
    return VOUCH_OK;
}

vouch_code vch_appraisal_copy(const vouch_appraisal *a, vouch_appraisal **out, vouch_error *err)
{
    VCH_SCOPED(drop_appraisal) vouch_appraisal *copy = calloc(1, sizeof *copy);
    if (copy == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "appraisal");
    vouch_code rc = vch_appraisal_set(copy, a, err);
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(copy);
    return rc;
}
