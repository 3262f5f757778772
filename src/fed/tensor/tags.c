#include "fed/tensor/tags.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

/* By bytes, a prefix first: for UTF-8 this is the order of code points, which is Python's. */
static int tag_compare(vouch_span a, vouch_span b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return (a.size > b.size) - (a.size < b.size);
}

vouch_code vch_tags_add(vch_tags *tags, vouch_span tag, vouch_error *err)
{
    if (tag.size == 0 || tag.size > VCH_TAG_SIZE_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "a tag of %zu bytes; 1 to %d are allowed", tag.size,
                          VCH_TAG_SIZE_MAX);
    size_t at = 0;
    while (at < tags->count && tag_compare(tags->tag[at], tag) < 0)
        at++;
    if (at < tags->count && tag_compare(tags->tag[at], tag) == 0)
        return VOUCH_OK;
    if (tags->count >= VCH_TAGS_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %d tags", VCH_TAGS_MAX);
    memmove(&tags->tag[at + 1], &tags->tag[at], (tags->count - at) * sizeof *tags->tag);
    tags->tag[at] = tag;
    tags->count++;
    return VOUCH_OK;
}

bool vch_tags_has(const vch_tags *tags, const char *tag)
{
    for (size_t i = 0; i < tags->count; i++) {
        if (vch_span_is(tags->tag[i], tag))
            return true;
    }
    return false;
}

void vch_tags_remove(vch_tags *tags, const char *tag)
{
    for (size_t i = 0; i < tags->count; i++) {
        if (!vch_span_is(tags->tag[i], tag))
            continue;
        tags->count--;
        memmove(&tags->tag[i], &tags->tag[i + 1], (tags->count - i) * sizeof *tags->tag);
        return;
    }
}

bool vch_tags_equal(const vch_tags *a, const vch_tags *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!vch_span_equal(a->tag[i], b->tag[i]))
            return false;
    }
    return true;
}

vch_tags vch_tags_of(const char *const *words)
{
    vch_tags tags = { 0 };
    for (size_t i = 0; i < VCH_TAGS_MAX && words[i] != NULL; i++) {
        if (vch_tags_add(&tags, vch_span_str(words[i]), NULL) != VOUCH_OK)
            return (vch_tags) { 0 };
    }
    return tags;
}

const char *vch_tags_text(const vch_tags *tags, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < tags->count && used < size; i++) {
        int n = snprintf(out + used, size - used, "%s%.*s", i == 0 ? "" : ",",
                         (int)tags->tag[i].size, (const char *)tags->tag[i].data);
        used += n > 0 ? (size_t)n : 0;
    }
    return out;
}

vouch_code vch_tags_strip_transport(vch_tags *tags, bool *out_lossy, vouch_error *err)
{
    bool plain = vch_tags_has(tags, VCH_TAG_COMPRESSED);
    bool lossy = vch_tags_has(tags, VCH_TAG_LOSSY);
    if (plain == lossy)
        return vouch_fail(err, VOUCH_E_FORMAT,
                          "tags hold %s of 'compressed' and 'lossy_compressed', expected one",
                          plain ? "both" : "none");
    vch_tags_remove(tags, VCH_TAG_COMPRESSED);
    vch_tags_remove(tags, VCH_TAG_LOSSY);
    *out_lossy = lossy;
    return VOUCH_OK;
}

vch_tags_want vch_tags_wanted(const vch_tags *stripped, int32_t round)
{
    if (stripped->count == 1 && vch_tags_has(stripped, VCH_TAG_MODEL))
        return VCH_WANT_MODEL;
    if (round != 0 && vch_tags_has(stripped, VCH_TAG_AGGREGATED)
        && vch_tags_has(stripped, VCH_TAG_DELTA))
        return VCH_WANT_DELTA;
    return VCH_WANT_OTHER;
}
