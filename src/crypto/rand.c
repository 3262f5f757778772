#include "crypto/rand.h"

#include <limits.h>
#include <openssl/rand.h>

#include "base/secret.h"
#include "crypto/openssl_error.h"

vouch_code vch_random_bytes(void *out, size_t size, vouch_error *err)
{
    if (size > INT_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu random bytes in one draw", size);
    if (RAND_priv_bytes(out, (int)size) == 1)
        return VOUCH_OK;
    vch_wipe(out, size);
    return vch_openssl_fail(err, VOUCH_E_CRYPTO, "drawing %zu random bytes", size);
}
