#include "codec/cbor.h"

#include <string.h>

#include "base/bytes.h"
#include "codec/utf8.h"

enum {
    MAJOR_UINT = 0,
    MAJOR_BYTES = 2,
    MAJOR_TEXT = 3,
    MAJOR_ARRAY = 4,
    MAJOR_MAP = 5,
    MAJOR_TAG = 6,
    SIMPLE_FALSE = 0xf4,
    SIMPLE_TRUE = 0xf5,
    SIMPLE_NULL = 0xf6
};

vch_cbor vch_cbor_over(vouch_span in)
{
    return (vch_cbor) { .in = vch_cursor_over(in) };
}

vch_cbor vch_cbor_over_unsorted(vouch_span in)
{
    return (vch_cbor) { .in = vch_cursor_over(in), .any_order = true };
}

static void fail(vch_cbor *c, vouch_code code, const char *why)
{
    if (c->failed != VOUCH_OK)
        return;
    c->failed = code;
    c->why = why;
    c->in.failed = true; /* so that nothing more is read */
}

void vch_cbor_refuse(vch_cbor *c, const char *why)
{
    fail(c, VOUCH_E_FORMAT, why);
}

vch_cbor_type vch_cbor_peek(const vch_cbor *c)
{
    static const vch_cbor_type of_major[7] = {
        [MAJOR_UINT] = VCH_CBOR_UINT,   [1] = VCH_CBOR_OTHER,
        [MAJOR_BYTES] = VCH_CBOR_BYTES, [MAJOR_TEXT] = VCH_CBOR_TEXT,
        [MAJOR_ARRAY] = VCH_CBOR_ARRAY, [MAJOR_MAP] = VCH_CBOR_MAP,
        [MAJOR_TAG] = VCH_CBOR_TAG,
    };
    if (c->failed != VOUCH_OK || c->in.rest.size == 0)
        return VCH_CBOR_END;
    uint8_t initial = c->in.rest.data[0];
    if (initial >> 5 < 7)
        return of_major[initial >> 5];
    if (initial == SIMPLE_FALSE || initial == SIMPLE_TRUE)
        return VCH_CBOR_BOOL;
    return initial == SIMPLE_NULL ? VCH_CBOR_NULL : VCH_CBOR_OTHER;
}

/* RFC 8949 3 and 4.2.1: the argument in the shortest of its forms; 28 to 30 reserved, 31 no length. */
static uint64_t read_head(vch_cbor *c, unsigned major)
{
    uint8_t initial = vch_cursor_u8(&c->in);
    unsigned info = initial & 31U;
    if (!c->in.failed && initial >> 5 != major) {
        fail(c, VOUCH_E_FORMAT, "an item has another type than expected");
        return 0;
    }
    uint64_t value = info;
    uint64_t least = 0;
    if (info >= 24 && info <= 27) {
        unsigned size = 1U << (info - 24);
        least = info == 24 ? 24 : UINT64_C(1) << (4 * size);
        value = 0;
        for (unsigned i = 0; i < size; i++)
            value = (value << 8) | vch_cursor_u8(&c->in);
    }
    if (c->in.failed)
        fail(c, VOUCH_E_TRUNCATED, "ends too early");
    else if (info > 27)
        fail(c, VOUCH_E_FORMAT, "indefinite length or reserved value");
    else if (value < least)
        fail(c, VOUCH_E_FORMAT, "number not in its shortest form");
    return c->failed == VOUCH_OK ? value : 0;
}

static vouch_span read_string(vch_cbor *c, unsigned major)
{
    uint64_t size = read_head(c, major);
    if (c->failed != VOUCH_OK)
        return (vouch_span) { NULL, 0 };
    if (size > c->in.rest.size) {
        fail(c, VOUCH_E_TRUNCATED, "ends too early");
        return (vouch_span) { NULL, 0 };
    }
    return vch_cursor_take(&c->in, (size_t)size);
}

/* Each item takes a byte at least, so a count above what is left is a lie; refused before use. */
static size_t read_count(vch_cbor *c, unsigned major, size_t least_item_size)
{
    uint64_t count = read_head(c, major);
    if (count > c->in.rest.size / least_item_size) {
        fail(c, VOUCH_E_TRUNCATED, "announces more items than there are bytes");
        return 0;
    }
    return (size_t)count;
}

uint64_t vch_cbor_uint(vch_cbor *c)
{
    return read_head(c, MAJOR_UINT);
}

vouch_span vch_cbor_bytes(vch_cbor *c)
{
    return read_string(c, MAJOR_BYTES);
}

vouch_span vch_cbor_text(vch_cbor *c)
{
    vouch_span text = read_string(c, MAJOR_TEXT);
    if (!vch_utf8_valid(text)) {
        fail(c, VOUCH_E_FORMAT, "text is not UTF-8");
        return (vouch_span) { NULL, 0 };
    }
    return text;
}

static uint8_t read_simple(vch_cbor *c)
{
    uint8_t initial = vch_cursor_u8(&c->in);
    if (c->in.failed)
        fail(c, VOUCH_E_TRUNCATED, "ends too early");
    return initial;
}

bool vch_cbor_bool(vch_cbor *c)
{
    uint8_t initial = read_simple(c);
    if (initial != SIMPLE_FALSE && initial != SIMPLE_TRUE)
        fail(c, VOUCH_E_FORMAT, "an item has another type than expected");
    return initial == SIMPLE_TRUE;
}

void vch_cbor_null(vch_cbor *c)
{
    if (read_simple(c) != SIMPLE_NULL)
        fail(c, VOUCH_E_FORMAT, "an item has another type than expected");
}

uint64_t vch_cbor_tag(vch_cbor *c)
{
    return read_head(c, MAJOR_TAG);
}

size_t vch_cbor_array_enter(vch_cbor *c)
{
    return read_count(c, MAJOR_ARRAY, 1);
}

vch_cbor_map vch_cbor_map_enter(vch_cbor *c)
{
    return (vch_cbor_map) { .left = read_count(c, MAJOR_MAP, 2) };
}

/* RFC 8949 4.2.1: bytewise lexicographic order of the keys' encodings. */
static bool in_order(vouch_span before, vouch_span after)
{
    size_t common = before.size < after.size ? before.size : after.size;
    int order = common == 0 ? 0 : memcmp(before.data, after.data, common);
    return order < 0 || (order == 0 && before.size < after.size);
}

/* The key just read began where `start` does. */
static bool accept_key(vch_cbor *c, vch_cbor_map *map, vouch_span start)
{
    if (c->failed != VOUCH_OK)
        return false;
    vouch_span key = { start.data, start.size - c->in.rest.size };
    if (map->last.size > 0 && !c->any_order && !in_order(map->last, key)) {
        fail(c, VOUCH_E_FORMAT, "map keys out of order or twice");
        return false;
    }
    map->last = key;
    map->left--;
    return true;
}

bool vch_cbor_map_text(vch_cbor *c, vch_cbor_map *map, vouch_span *key)
{
    if (c->failed != VOUCH_OK || map->left == 0)
        return false;
    vouch_span start = c->in.rest;
    *key = vch_cbor_text(c);
    return accept_key(c, map, start);
}

bool vch_cbor_map_uint(vch_cbor *c, vch_cbor_map *map, uint64_t *key)
{
    if (c->failed != VOUCH_OK || map->left == 0)
        return false;
    vouch_span start = c->in.rest;
    *key = vch_cbor_uint(c);
    return accept_key(c, map, start);
}

/* What of an open array, map or tag is still to come. */
typedef struct open_item {
    size_t left; /* items; of a map, entries */
    bool is_map;
    vch_cbor_map map;
} open_item;

/* Read one item's head; for a container, fill `inner` and return true. */
static bool skip_head(vch_cbor *c, open_item *inner)
{
    *inner = (open_item) { 0 };
    switch (vch_cbor_peek(c)) {
    case VCH_CBOR_UINT:
        (void)vch_cbor_uint(c);
        return false;
    case VCH_CBOR_BYTES:
        (void)vch_cbor_bytes(c);
        return false;
    case VCH_CBOR_TEXT:
        (void)vch_cbor_text(c);
        return false;
    case VCH_CBOR_BOOL:
        (void)vch_cbor_bool(c);
        return false;
    case VCH_CBOR_NULL:
        vch_cbor_null(c);
        return false;
    case VCH_CBOR_ARRAY:
        inner->left = vch_cbor_array_enter(c);
        return true;
    case VCH_CBOR_TAG:
        (void)vch_cbor_tag(c);
        inner->left = 1;
        return true;
    case VCH_CBOR_MAP:
        inner->map = vch_cbor_map_enter(c);
        inner->left = inner->map.left;
        inner->is_map = true;
        return true;
    case VCH_CBOR_END:
        fail(c, VOUCH_E_TRUNCATED, "ends too early");
        return false;
    case VCH_CBOR_OTHER:
        break;
    }
    fail(c, VOUCH_E_FORMAT, "negative integer, float or other simple value");
    return false;
}

/* Keys are text or integers here: a key that is itself a container would need recursion. */
static void skip_key(vch_cbor *c, open_item *map)
{
    vouch_span text;
    uint64_t number = 0;
    if (vch_cbor_peek(c) == VCH_CBOR_TEXT)
        (void)vch_cbor_map_text(c, &map->map, &text);
    else
        (void)vch_cbor_map_uint(c, &map->map, &number);
}

vouch_span vch_cbor_skip(vch_cbor *c)
{
    vouch_span start = c->in.rest;
    open_item open[VCH_CBOR_MAX_DEPTH];
    open_item inner;
    size_t depth = 0;
    bool begun = false;
    while (c->failed == VOUCH_OK && (depth > 0 || !begun)) {
        begun = true;
        if (depth > 0 && open[depth - 1].left == 0) {
            depth--;
            continue;
        }
        if (depth > 0) {
            open[depth - 1].left--;
            if (open[depth - 1].is_map)
                skip_key(c, &open[depth - 1]);
        }
        if (!skip_head(c, &inner))
            continue;
        if (depth == VCH_CBOR_MAX_DEPTH)
            fail(c, VOUCH_E_LIMIT, "nested too deep");
        else
            open[depth++] = inner;
    }
    if (c->failed != VOUCH_OK)
        return (vouch_span) { NULL, 0 };
    return (vouch_span) { start.data, start.size - c->in.rest.size };
}

vouch_code vch_cbor_finish(const vch_cbor *c, const char *what, vouch_error *err)
{
    if (c->failed != VOUCH_OK)
        return vouch_fail(err, c->failed, "%s: %s", what, c->why);
    return vch_cursor_finish(&c->in, what, err);
}

vouch_code vch_cbor_check(vouch_span item, const char *what, vouch_error *err)
{
    vch_cbor c = vch_cbor_over(item);
    (void)vch_cbor_skip(&c);
    return vch_cbor_finish(&c, what, err);
}
