/* Passports: what is read is complete, and can be written again. */
#include <stddef.h>
#include <stdint.h>

#include "identity/passport.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_passport *passport = NULL;
    vouch_error err = { 0 };
    if (vch_passport_parse((vouch_span) { data, size }, &passport, &err) != VOUCH_OK) {
        if (passport != NULL || err.depth == 0)
            __builtin_trap();
        return 0;
    }
    const vch_passport_contents *c = vch_passport_contents_of(passport);
    if (c->certificate.size == 0 || c->claims.size == 0 || c->quote.size == 0 || c->name[0] == 0)
        __builtin_trap();
    vch_buffer again = vch_buffer_with_cap(VCH_PASSPORT_MAX_SIZE);
    if (vch_passport_build(c, &again, &err) != VOUCH_OK)
        __builtin_trap();
    vch_buffer_drop(&again);
    vch_passport_free(passport);
    return 0;
}
