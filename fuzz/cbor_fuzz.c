/* CBOR: what passes the check is deterministic: read item by item and written, it is the same. */
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "codec/cbor.h"

/* The writer takes C strings; a text that holds a NUL has none. */
static void copy_text(vouch_span v, vch_buffer *out)
{
    vch_buffer text = vch_buffer_with_cap((size_t)1 << 21);
    vch_buffer_append(&text, v);
    if (vch_span_is(v, vch_buffer_text(&text)))
        vch_cbor_put_text(out, vch_buffer_text(&text));
    else
        out->failed = VOUCH_E_UNSUPPORTED;
    vch_buffer_drop(&text);
}

static void copy_head(vch_cbor *c, vch_buffer *out)
{
    vch_cbor_map map;
    switch (vch_cbor_peek(c)) {
    case VCH_CBOR_UINT:
        vch_cbor_put_uint(out, vch_cbor_uint(c));
        break;
    case VCH_CBOR_BYTES:
        vch_cbor_put_bytes(out, vch_cbor_bytes(c));
        break;
    case VCH_CBOR_TEXT:
        copy_text(vch_cbor_text(c), out);
        break;
    case VCH_CBOR_BOOL:
        vch_cbor_put_bool(out, vch_cbor_bool(c));
        break;
    case VCH_CBOR_NULL:
        vch_cbor_null(c);
        vch_cbor_put_null(out);
        break;
    case VCH_CBOR_ARRAY:
        vch_cbor_put_array(out, vch_cbor_array_enter(c));
        break;
    case VCH_CBOR_TAG:
        vch_cbor_put_tag(out, vch_cbor_tag(c));
        break;
    case VCH_CBOR_MAP:
        map = vch_cbor_map_enter(c);
        vch_cbor_put_map(out, map.left);
        break;
    case VCH_CBOR_END:
    case VCH_CBOR_OTHER:
        __builtin_trap(); /* the check has passed */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vouch_span in = { data, size };
    vouch_error err = { 0 };
    if (vch_cbor_check(in, "input", &err) != VOUCH_OK) {
        if (err.depth == 0)
            __builtin_trap();
        vch_cbor c = vch_cbor_over_unsorted(in);
        (void)vch_cbor_skip(&c);
        return 0;
    }
    /* Heads follow each other in the text as they nest, so a flat loop sees them all. */
    vch_cbor c = vch_cbor_over(in);
    vch_buffer out = vch_buffer_with_cap((size_t)1 << 21);
    while (c.failed == VOUCH_OK && c.in.rest.size > 0 && out.failed == VOUCH_OK)
        copy_head(&c, &out);
    if (out.failed == VOUCH_OK && !vch_span_equal(vch_buffer_span(&out), in))
        __builtin_trap();
    vch_buffer_drop(&out);
    return 0;
}
