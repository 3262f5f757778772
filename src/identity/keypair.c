#include "identity/keypair.h"

#include "base/scope.h"
#include "crypto/hash.h"
#include "crypto/secure_heap.h"
#include "host/process.h"

vouch_code vch_keypair_guard(vouch_error *err)
{
    vouch_code rc = vch_process_harden(err);
    return rc == VOUCH_OK ? vch_secure_heap_start(err) : rc;
}

vouch_code vch_keypair_new(vch_key **out, vouch_error *err)
{
    vouch_code rc = vch_keypair_guard(err);
    if (rc == VOUCH_OK)
        rc = vch_key_generate(VCH_KEY_P384, out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "making the attested key");
}

vouch_code vch_keypair_digest(const vch_key *key, uint8_t out[static 48], vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    vouch_code rc = vch_key_spki(key, &spki, err);
    return rc == VOUCH_OK ? vch_sha384(vch_buffer_span(&spki), out, err) : rc;
}
