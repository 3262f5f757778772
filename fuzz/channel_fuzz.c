/* The channel message: what is accepted is written back as the same bytes. */
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "identity/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const vouch_span in = { data, size };
    vch_channel_message message = { 0 };
    vouch_error err = { 0 };
    vch_buffer again = vch_buffer_with_cap(VCH_CHANNEL_MESSAGE_MAX_SIZE + 16);
    if (vch_channel_message_parse(in, &message, &err) != VOUCH_OK) {
        if (message.token.data != NULL || message.quote.data != NULL || err.depth == 0)
            __builtin_trap();
    } else if (vch_channel_message_build(&message, &again, &err) != VOUCH_OK
               || !vch_span_equal(vch_buffer_span(&again), in)) {
        __builtin_trap();
    }
    vch_buffer_drop(&again);
    return 0;
}
