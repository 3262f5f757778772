#include "codec/cbor.h"

#include <string.h>

#include "base/bytes.h"

static void put_head(vch_buffer *out, unsigned major, uint64_t v)
{
    unsigned size = v < 24 ? 0 : v <= UINT8_MAX ? 1 : v <= UINT16_MAX ? 2 : v <= UINT32_MAX ? 4 : 8;
    static const uint8_t info[9] = { [1] = 24, [2] = 25, [4] = 26, [8] = 27 };
    vch_buffer_u8(out, (uint8_t)((major << 5) | (size == 0 ? (unsigned)v : info[size])));
    for (unsigned i = size; i > 0; i--)
        vch_buffer_u8(out, (uint8_t)(v >> (8 * (i - 1))));
}

void vch_cbor_put_uint(vch_buffer *out, uint64_t v)
{
    put_head(out, 0, v);
}

void vch_cbor_put_bytes(vch_buffer *out, vouch_span v)
{
    put_head(out, 2, v.size);
    vch_buffer_append(out, v);
}

void vch_cbor_put_text(vch_buffer *out, const char *v)
{
    put_head(out, 3, strlen(v));
    vch_buffer_append_str(out, v);
}

void vch_cbor_put_bool(vch_buffer *out, bool v)
{
    vch_buffer_u8(out, v ? 0xf5 : 0xf4);
}

void vch_cbor_put_null(vch_buffer *out)
{
    vch_buffer_u8(out, 0xf6);
}

void vch_cbor_put_tag(vch_buffer *out, uint64_t tag)
{
    put_head(out, 6, tag);
}

void vch_cbor_put_array(vch_buffer *out, size_t count)
{
    put_head(out, 4, count);
}

void vch_cbor_put_map(vch_buffer *out, size_t count)
{
    put_head(out, 5, count);
}

/* A text key's encoding begins with its length, so shorter keys come first. */
static int key_order(const char *a, const char *b)
{
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    if (a_size != b_size)
        return a_size < b_size ? -1 : 1;
    return strcmp(a, b);
}

/* The least key above `after` (NULL: above none), or NULL. Few entries: looked for each time. */
static const vch_cbor_entry *next_entry(const vch_cbor_entry *entries, size_t count,
                                        const char *after)
{
    const vch_cbor_entry *least = NULL;
    for (size_t i = 0; i < count; i++) {
        bool above = after == NULL || key_order(entries[i].key, after) > 0;
        if (above && (least == NULL || key_order(entries[i].key, least->key) < 0))
            least = &entries[i];
    }
    return least;
}

void vch_cbor_put_entries(vch_buffer *out, const vch_cbor_entry *entries, size_t count)
{
    const char *after = NULL;
    vch_cbor_put_map(out, count);
    for (size_t i = 0; i < count; i++) {
        const vch_cbor_entry *e = next_entry(entries, count, after);
        if (e == NULL) { /* a key was given twice: no such map */
            out->failed = VOUCH_E_INTERNAL;
            return;
        }
        vch_cbor_put_text(out, e->key);
        vch_cbor_put_bytes(out, e->value);
        after = e->key;
    }
}
