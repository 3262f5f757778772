#include "crypto/secure_heap.h"

#include <openssl/crypto.h>

#include "base/secret.h"
#include "crypto/openssl_error.h"

#define HEAP_SIZE ((size_t)1 << 20) /* some hundred RSA keys; a power of two, as OpenSSL asks */
#define HEAP_MIN_BLOCK ((size_t)32)

vouch_code vch_secure_heap_start(vouch_error *err)
{
    if (CRYPTO_secure_malloc_initialized() == 1)
        return VOUCH_OK;
    /* 2 means that the memory is there but not locked or not guarded: secrets could be swapped. */
    int answer = CRYPTO_secure_malloc_init(HEAP_SIZE, HEAP_MIN_BLOCK);
    if (answer == 1)
        return VOUCH_OK;
    /* Under Gramine it is 2 always, for want of MADV_DONTDUMP alone: then try what it should do. */
    if (answer == 2 && vch_secret_dumps_need_no_advice(HEAP_SIZE))
        return VOUCH_OK;
    if (answer == 2)
        (void)CRYPTO_secure_malloc_done();
    return vch_openssl_fail(err, VOUCH_E_CRYPTO,
                            "no locked memory for private keys (is RLIMIT_MEMLOCK below 1 MiB?)");
}
