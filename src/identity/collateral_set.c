#include "identity/collateral_set.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "collateral/bundle.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "identity/collateral_parts.h"
#include "identity/ratls_cert.h"

#define ROOTS_MAX 16

/* The storage behind a set; `face` comes first, so that the two convert. */
typedef struct held {
    vch_collateral_set face;
    atomic_uint count;
    vch_collateral_bytes bytes;
    vouch_collateral *collateral;
    vouch_verifier *verifier;
} held;

static void held_free(held *h)
{
    if (h == NULL)
        return;
    vouch_collateral_free(h->collateral);
    vouch_verifier_free(h->verifier);
    vch_collateral_bytes_drop(&h->bytes);
    free(h);
}
VCH_DEFINE_DROP(held_drop, held, held_free)

static held *held_of(const vch_collateral_set *set)
{
    return (held *)(uintptr_t)set; /* made non-const by us */
}

const vch_collateral_set *vch_collateral_set_ref(const vch_collateral_set *set)
{
    (void)atomic_fetch_add(&held_of(set)->count, 1U);
    return set;
}

void vch_collateral_set_unref(const vch_collateral_set *set)
{
    if (set != NULL && atomic_fetch_sub(&held_of(set)->count, 1U) == 1U)
        held_free(held_of(set));
}

static bool is_pinned(const vch_root_pins *pins, const uint8_t digest[static 32])
{
    for (size_t i = 0; i < pins->count; i++) {
        if (memcmp(pins->sha256[i], digest, 32) == 0)
            return true;
    }
    return false;
}

/* Roots found so far; each buffer owns one certificate. */
typedef struct roots {
    vch_buffer der[ROOTS_MAX];
    size_t count;
} roots;

static void roots_drop(roots *r)
{
    for (size_t i = 0; i < r->count; i++)
        vch_buffer_drop(&r->der[i]);
    r->count = 0;
}

static bool is_self_issued(vouch_span der)
{
    vch_ratls_cert c = { 0 };
    return vch_ratls_cert_parse(der, &c, NULL) == VOUCH_OK && vch_span_equal(c.issuer, c.subject);
}

/* The pinned certificates of a PEM chain. A malformed chain has none: libvouch names the fault. */
static vouch_code gather_roots(const vch_root_pins *pins, vouch_span pem, roots *out,
                               vouch_error *err)
{
    vch_pem_reader reader = { .rest = pem };
    while (out->count < ROOTS_MAX) {
        VCH_SCOPED(vch_buffer_drop)
        vch_buffer der = vch_buffer_with_cap(VOUCH_COLLATERAL_PART_MAX_SIZE);
        if (vch_pem_next_der(&reader, VCH_PEM_CERTIFICATE, &der, NULL) != VOUCH_OK)
            return VOUCH_OK;
        uint8_t digest[VCH_SHA256_SIZE];
        vouch_code rc = vch_sha256(vch_buffer_span(&der), digest, err);
        if (rc != VOUCH_OK)
            return rc;
        if (is_pinned(pins, digest) || (pins->any && is_self_issued(vch_buffer_span(&der)))) {
            out->der[out->count++] = der;
            der = (vch_buffer) { 0 };
        }
    }
    return VOUCH_OK;
}

static vouch_code make_verifier(held *h, const vch_root_pins *pins, vouch_error *err)
{
    VCH_SCOPED(roots_drop) roots found = { .count = 0 };
    vouch_code rc = gather_roots(pins, h->bytes.parts.tcb_info_issuer_chain, &found, err);
    if (rc != VOUCH_OK)
        return rc;
    vouch_span spans[ROOTS_MAX + 1];
    size_t count = 0;
    for (; count < found.count; count++)
        spans[count] = vch_buffer_span(&found.der[count]);
    if (pins->intel)
        spans[count++] = vouch_intel_root();
    if (count == 0)
        return VOUCH_OK; /* and no verifier: never the built-in default by accident */
    const vouch_verifier_options options = { .roots = spans, .root_count = count };
    return vouch_verifier_new(&options, &h->verifier, err);
}

static int64_t expiry_of(const vouch_collateral *c)
{
    const int64_t ends[] = { c->tcb_info.next_update_unix_s, c->qe_identity.next_update_unix_s,
                             c->pck_crl.next_update_unix_s, c->root_crl.next_update_unix_s };
    int64_t first = ends[0];
    if (vch_reasons_any(&c->faults))
        return 0;
    for (size_t i = 1; i < sizeof ends / sizeof *ends; i++)
        first = ends[i] < first ? ends[i] : first;
    return first;
}

vouch_code vch_collateral_set_make(const vouch_collateral_parts *parts, const vch_root_pins *pins,
                                   const vch_collateral_set **out, vouch_error *err)
{
    VCH_SCOPED(held_drop) held *h = calloc(1, sizeof *h);
    if (h == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "collateral: out of memory");
    atomic_init(&h->count, 1U);
    vouch_code rc = vch_collateral_bytes_copy(parts, &h->bytes, err);
    if (rc == VOUCH_OK)
        rc = vouch_collateral_parse(&h->bytes.parts, &h->collateral, err);
    if (rc == VOUCH_OK)
        rc = make_verifier(h, pins, err);
    if (rc != VOUCH_OK)
        return rc;
    h->face = (vch_collateral_set) { .collateral = h->collateral,
                                     .verifier = h->verifier,
                                     .parts = h->bytes.parts,
                                     .expires_unix_s = expiry_of(h->collateral) };
    *out = &h->face;
    h = NULL;
    return VOUCH_OK;
}
