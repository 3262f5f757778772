#include "attester/attester.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "attester/backend.h"
#include "attester/device_file.h"
#include "base/bytes.h"
#include "base/scope.h"
#include "vouch/evidence.h"

#define NAP_MIN_MS 2
#define NAP_MAX_MS 100

struct vch_attester {
    const vch_attester_backend *backend;
    char *dir;
    int64_t timeout_ms;
    pthread_mutex_t lock; /* over write, open and read of one quote */
};

vouch_code vch_attester_new(const vch_attester_backend *backend, const char *dir,
                            int64_t timeout_ms, vch_attester **out, vouch_error *err)
{
    vch_attester *a = calloc(1, sizeof *a);
    if (a == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "attester: out of memory");
    a->backend = backend;
    a->timeout_ms = timeout_ms;
    a->dir = strdup(dir);
    if (a->dir == NULL || pthread_mutex_init(&a->lock, NULL) != 0) {
        free(a->dir);
        free(a);
        return vouch_fail(err, VOUCH_E_MEMORY, "attester: out of memory");
    }
    *out = a;
    return VOUCH_OK;
}

void vch_attester_free(vch_attester *a)
{
    if (a == NULL)
        return;
    (void)pthread_mutex_destroy(&a->lock);
    free(a->dir);
    free(a);
}

const char *vch_attester_kind(const vch_attester *a)
{
    return a->backend->kind;
}

/* After a deadline that passed, the answer to an earlier request may be what is read. */
static vouch_code check_answer(vouch_span quote,
                               const uint8_t report_data[static VCH_REPORT_DATA_SIZE],
                               vouch_error *err)
{
    vouch_claims claims = { 0 };
    if (quote.size == 0)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "the device gave an empty quote");
    vouch_code rc = vouch_quote_read(quote, &claims, err);
    if (rc != VOUCH_OK)
        return rc;
    if (memcmp(claims.report_data, report_data, VCH_REPORT_DATA_SIZE) != 0)
        return vouch_fail(err, VOUCH_E_IO, "the device's quote is over other data than asked for");
    return VOUCH_OK;
}

/* Until the device is neither busy nor disturbed, each time from the start. */
static vouch_code ask(const vch_attester *a, const uint8_t report_data[static VCH_REPORT_DATA_SIZE],
                      vch_buffer *out, vouch_error *err)
{
    int64_t deadline_ms = vch_device_deadline_ms(a->timeout_ms);
    for (int64_t nap_ms = NAP_MIN_MS;; nap_ms = nap_ms * 2 < NAP_MAX_MS ? nap_ms * 2 : NAP_MAX_MS) {
        out->size = 0;
        vouch_code rc = a->backend->quote(a->dir, report_data, deadline_ms, out, err);
        if (rc != VOUCH_E_REFUSED)
            return rc;
        if (!vch_device_nap(deadline_ms, nap_ms))
            return vouch_wrap(err, VOUCH_E_TIMEOUT, "no undisturbed quote within %lld ms",
                              (long long)a->timeout_ms);
    }
}

vouch_code vch_attester_quote(vch_attester *a,
                              const uint8_t report_data[static VCH_REPORT_DATA_SIZE],
                              vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(VCH_ATTESTER_QUOTE_MAX_SIZE);
    if (pthread_mutex_lock(&a->lock) != 0)
        return vouch_fail(err, VOUCH_E_INTERNAL, "the attester's lock is broken");
    vouch_code rc = ask(a, report_data, &quote, err);
    (void)pthread_mutex_unlock(&a->lock);
    if (rc == VOUCH_OK)
        rc = check_answer(vch_buffer_span(&quote), report_data, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "asking the %s device in '%s' for a quote", a->backend->kind,
                          a->dir);
    vch_buffer_append(out, vch_buffer_span(&quote));
    return vch_buffer_finish(out, "quote", err);
}

vouch_code vch_attester_sealing_key(vch_attester *a, vch_secret *out, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    if (a->backend->sealing_key == NULL)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED,
                          "the %s device has no sealing key: nothing outlives this process",
                          a->backend->kind);
    vouch_code rc = vch_device_read_secret(a->dir, a->backend->sealing_key, VCH_SEALING_KEY_SIZE,
                                           vch_device_deadline_ms(a->timeout_ms), &key, err);
    if (rc == VOUCH_OK && vch_span_is_zero((vouch_span) { key.data, key.size }))
        rc = vouch_fail(err, VOUCH_E_CRYPTO, "the key is all zero");
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the sealing key of '%s'", a->dir);
    *out = key;
    key = (vch_secret) { 0 };
    return VOUCH_OK;
}

vouch_code vch_attester_open(const char *dir, int64_t timeout_ms, vch_attester **out,
                             vouch_error *err)
{
    vouch_error reason = { 0 };
    vouch_code rc = vch_sgx_gramine_new(dir, timeout_ms, out, &reason);
    if (rc == VOUCH_E_NOT_FOUND) { /* no attestation_type: not Gramine's */
        reason = (vouch_error) { 0 };
        rc = vch_tdx_tsm_new(dir, timeout_ms, out, &reason);
    }
    if (rc == VOUCH_E_NOT_FOUND)
        return vouch_fail(
            err, rc,
            "'%s' is no attestation device, neither Gramine's (sgx.remote_attestation "
            "= \"dcap\") nor Linux's configfs-tsm; 'vouch doctor' says what this host "
            "has",
            dir);
    if (rc != VOUCH_OK && err != NULL)
        *err = reason;
    return rc;
}
