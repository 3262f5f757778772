/* Public keys in DER and private keys in PEM: an accepted public key has one encoding. */
#include <openssl/err.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "crypto/key.h"

static void read_public(vouch_span input)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    vouch_code rc = vch_key_from_spki(input, &key, &err);
    if ((rc == VOUCH_OK) != (key != NULL) || (rc != VOUCH_OK && err.depth == 0))
        __builtin_trap();
    if (key == NULL)
        return;
    VCH_SCOPED(vch_buffer_drop) vch_buffer again = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    if (vch_key_is_private(key) || vch_key_spki(key, &again, NULL) != VOUCH_OK
        || !vch_span_equal(vch_buffer_span(&again), input))
        __builtin_trap();
}

static void read_private(vouch_span input)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    vouch_code rc = vch_key_from_private_pem(input, &key, &err);
    if ((rc == VOUCH_OK) != (key != NULL) || (rc != VOUCH_OK && err.depth == 0)
        || (key != NULL && !vch_key_is_private(key)))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_public((vouch_span) { data, size });
    read_private((vouch_span) { data, size });
    if (ERR_peek_error() != 0)
        __builtin_trap(); /* the next caller would find our error */
    return 0;
}
