/* DER: an element that is read writes to the same bytes again, and so do numbers and OIDs. */
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "codec/der.h"

static void check_same(vch_buffer *written, vouch_span read)
{
    if (written->failed != VOUCH_OK || !vch_span_equal(vch_buffer_span(written), read))
        __builtin_trap();
    vch_buffer_drop(written);
}

static void check_primitive(const vch_der_element *e)
{
    vch_buffer out = vch_buffer_with_cap((size_t)1 << 21);
    vch_der d = vch_der_over(e->whole);
    if (e->tag == VCH_DER_INTEGER) {
        vouch_span v = vch_der_magnitude(&d);
        vch_der_put_magnitude(&out, v);
    } else if (e->tag == VCH_DER_BIT_STRING) {
        vouch_span v = vch_der_bit_string(&d);
        vch_der_put_bit_string(&out, v);
    } else if (e->tag == VCH_DER_BOOLEAN) {
        vch_der_put_boolean(&out, vch_der_boolean(&d));
    } else if (e->tag == VCH_DER_OID) {
        vch_buffer text = vch_buffer_with_cap((size_t)1 << 21);
        vouch_span v = vch_der_oid(&d);
        if (d.failed == VOUCH_OK && vch_oid_text(v, &text, NULL) == VOUCH_OK) {
            const char *dotted = vch_buffer_text(&text);
            vch_der_put_oid(&out, dotted);
            if (v.size <= 64 && !vch_oid_is(v, dotted))
                __builtin_trap();
        } else {
            d.failed = VOUCH_E_FORMAT; /* an arc above 128 bits has no text */
        }
        vch_buffer_drop(&text);
    } else {
        (void)vch_der_time(&d);
        vch_der_put(&out, e->tag, e->content);
        d.failed = VOUCH_OK;
    }
    if (d.failed == VOUCH_OK)
        check_same(&out, e->whole);
    vch_buffer_drop(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_der d = vch_der_over((vouch_span) { data, size });
    for (size_t depth = 0; depth < 64 && vch_der_more(&d); depth++) {
        vch_der_element e = vch_der_any(&d);
        if (d.failed != VOUCH_OK)
            break;
        check_primitive(&e);
        if ((e.tag & 0x20) != 0)
            d = vch_der_over(e.content); /* go down instead of on */
    }
    vouch_error err = { 0 };
    if (vch_der_finish(&d, "input", &err) != VOUCH_OK && err.depth == 0)
        __builtin_trap();
    return 0;
}
