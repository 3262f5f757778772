#include "verify/verifier.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/scope.h"
#include "collateral/chain.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "crypto/x509.h"

VCH_DEFINE_DROP(drop_verifier, vouch_verifier, vouch_verifier_free)

/* The DER of a root given as PEM or DER, in `out`. */
static vouch_code root_der(vouch_span in, vch_buffer *out, vouch_error *err)
{
    if (in.size > 0 && in.data[0] == '-')
        return vch_pem_decode_one(in, VCH_PEM_CERTIFICATE, VCH_PEM_NO_TEXT, out, err);
    vch_buffer_append(out, in);
    return vch_buffer_finish(out, "root certificate", err);
}

static vouch_code add_root(vouch_verifier *v, vouch_span given, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_PCK_CERT_MAX_SIZE);
    vouch_code rc = root_der(given, &der, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_cert cert;
    rc = vch_cert_parse(vch_buffer_span(&der), &cert, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_trusted_root *root = &v->roots[v->root_count];
    rc = vch_sha256(cert.der, root->digest, err);
    if (rc == VOUCH_OK)
        rc = vch_p256_key_new(cert.point, NULL, &root->key, err);
    if (rc != VOUCH_OK)
        return rc;
    root->is_intel = vch_span_equal(cert.der, vouch_intel_root());
    root->not_before_unix_s = cert.not_before_unix_s;
    root->not_after_unix_s = cert.not_after_unix_s;
    root->der = der.data;
    root->der_size = der.size;
    der = (vch_buffer) { 0 };
    v->root_count++;
    return VOUCH_OK;
}

static vouch_code keep_digest(vouch_verifier *v, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer all = vch_buffer_with_cap(VCH_ROOTS_MAX * 32 + 8);
    vch_buffer_u64be(&all, (uint64_t)v->expired_grace_s);
    for (size_t i = 0; i < v->root_count; i++)
        vch_buffer_append(&all, (vouch_span) { v->roots[i].digest, 32 });
    vouch_code rc = vch_buffer_finish(&all, "verifier", err);
    return rc != VOUCH_OK ? rc : vch_sha256(vch_buffer_span(&all), v->digest, err);
}

vouch_code vouch_verifier_new(const vouch_verifier_options *options, vouch_verifier **out,
                              vouch_error *err)
{
    static const vouch_verifier_options defaults = { 0 };
    if (options == NULL)
        options = &defaults;
    if (options->root_count > VCH_ROOTS_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu trusted roots; at most %d", options->root_count,
                          VCH_ROOTS_MAX);
    if (options->expired_grace_s < 0 || options->expired_grace_s > VCH_GRACE_MAX_S)
        return vouch_fail(err, VOUCH_E_LIMIT, "a grace of %lld s; it must be from 0 to 90 days",
                          (long long)options->expired_grace_s);
    VCH_SCOPED(drop_verifier) vouch_verifier *v = calloc(1, sizeof *v);
    if (v == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "verifier");
    v->expired_grace_s = options->expired_grace_s;
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; i < options->root_count && rc == VOUCH_OK; i++)
        rc = add_root(v, options->roots[i], err);
    if (options->root_count == 0)
        rc = add_root(v, vouch_intel_root(), err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "trusted root");
    rc = keep_digest(v, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(v);
    return VOUCH_OK;
}

void vouch_verifier_free(vouch_verifier *v)
{
    if (v == NULL)
        return;
    for (size_t i = 0; i < VCH_ROOTS_MAX; i++) {
        free(v->roots[i].der);
        vch_p256_key_free(v->roots[i].key);
    }
    free(v);
}

const vch_trusted_root *vch_verifier_root(const vouch_verifier *v, vouch_span der)
{
    for (size_t i = 0; i < v->root_count; i++) {
        if (vch_span_equal(der, (vouch_span) { v->roots[i].der, v->roots[i].der_size }))
            return &v->roots[i];
    }
    return NULL;
}

const vch_trusted_root *vch_verifier_root_by_digest(const vouch_verifier *v,
                                                    const uint8_t digest[static 32])
{
    for (size_t i = 0; i < v->root_count; i++) {
        if (memcmp(v->roots[i].digest, digest, 32) == 0)
            return &v->roots[i];
    }
    return NULL;
}
