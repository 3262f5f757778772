/* Documents with a part replaced, for tables of refusals. */
#ifndef VCH_TESTS_COLLATERAL_DOCUMENT_H
#define VCH_TESTS_COLLATERAL_DOCUMENT_H

#include "base/buffer.h"
#include "corpus.h"

/* `text` with the first `from` replaced by `to`, on the heap in exactly its size. */
static inline vouch_span with_replaced(vouch_span text, const char *from, const char *to)
{
    const uint8_t *at = memmem(text.data, text.size, from, strlen(from));
    if (at == NULL)
        fail_msg("the document does not hold '%s'", from);
    size_t before = (size_t)(at - text.data);
    vch_buffer b = vch_buffer_with_cap(1 << 20);
    vch_buffer_append(&b, (vouch_span) { text.data, before });
    vch_buffer_append_str(&b, to);
    size_t after = before + strlen(from);
    vch_buffer_append(&b, (vouch_span) { text.data + after, text.size - after });
    vouch_span out = corpus_copy(vch_buffer_span(&b), b.size);
    vch_buffer_drop(&b);
    return out;
}

#endif
