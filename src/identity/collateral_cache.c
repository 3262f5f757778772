#include "identity/collateral_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "codec/hex.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "host/file.h"
#include "identity/ratls_cert.h"

#define SETS_MAX 256
#define KEY_SIZE 17 /* "00906ed50000-sgx" */
#define ROOTS_MAX 16
#define PART_COUNT 7

typedef struct entry {
    char key[KEY_SIZE]; /* "": for every platform */
    vch_buffer bytes[PART_COUNT];
    vouch_collateral *collateral;
    vouch_verifier *verifier;
    vch_collateral_set set;
} entry;

struct vch_collateral_cache {
    entry *entries[SETS_MAX];
    size_t count;
    const vch_root_pins *pins; /* while it is being built */
};

/* The parts in one order, so that reading, copying and naming them is a loop. */
static const struct {
    const char *file;
    size_t offset;
} parts_table[PART_COUNT] = {
    { "tcb_info.json", offsetof(vouch_collateral_parts, tcb_info) },
    { "tcb_info_issuer_chain.pem", offsetof(vouch_collateral_parts, tcb_info_issuer_chain) },
    { "qe_identity.json", offsetof(vouch_collateral_parts, qe_identity) },
    { "qe_identity_issuer_chain.pem", offsetof(vouch_collateral_parts, qe_identity_issuer_chain) },
    { "pck_crl.der", offsetof(vouch_collateral_parts, pck_crl) },
    { "root_ca_crl.der", offsetof(vouch_collateral_parts, root_ca_crl) },
    { "pck_chain.pem", offsetof(vouch_collateral_parts, pck_chain) },
};

static vouch_span *part_of(vouch_collateral_parts *parts, size_t i)
{
    return (vouch_span *)(void *)((char *)parts + parts_table[i].offset);
}

static void entry_free(entry *e)
{
    if (e == NULL)
        return;
    for (size_t i = 0; i < PART_COUNT; i++)
        vch_buffer_drop(&e->bytes[i]);
    vouch_collateral_free(e->collateral);
    vouch_verifier_free(e->verifier);
    free(e);
}
VCH_DEFINE_DROP(entry_drop, entry, entry_free)

void vch_collateral_cache_free(vch_collateral_cache *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++)
        entry_free(c->entries[i]);
    free(c);
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

static vouch_code make_verifier(entry *e, const vch_root_pins *pins, vouch_error *err)
{
    VCH_SCOPED(roots_drop) roots found = { .count = 0 };
    vouch_code rc = gather_roots(pins, e->set.parts.tcb_info_issuer_chain, &found, err);
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
    return vouch_verifier_new(&options, &e->verifier, err);
}

/* Parse what was read and give the entry to the cache. */
static vouch_code keep(vch_collateral_cache *c, entry **given, vouch_error *err)
{
    entry *e = *given;
    if (c->count == SETS_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %d sets of collateral", SETS_MAX);
    for (size_t i = 0; i < PART_COUNT; i++)
        *part_of(&e->set.parts, i) = vch_buffer_span(&e->bytes[i]);
    vouch_code rc = vouch_collateral_parse(&e->set.parts, &e->collateral, err);
    if (rc == VOUCH_OK)
        rc = make_verifier(e, c->pins, err);
    if (rc != VOUCH_OK)
        return rc;
    e->set.collateral = e->collateral;
    e->set.verifier = e->verifier;
    c->entries[c->count++] = VCH_MOVE(*given);
    return VOUCH_OK;
}

/* The files of one directory; a file that is not there is an empty part. */
static vouch_code read_dir(vch_collateral_cache *c, const char *dir, const char *key,
                           vouch_error *err)
{
    VCH_SCOPED(entry_drop) entry *e = calloc(1, sizeof *e);
    if (e == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "collateral: out of memory");
    (void)snprintf(e->key, sizeof e->key, "%s", key);
    for (size_t i = 0; i < PART_COUNT; i++) {
        char path[VCH_PATH_SIZE];
        vouch_code rc = vch_path_join(dir, parts_table[i].file, path, err);
        if (rc == VOUCH_OK)
            rc = vch_file_read(path, VOUCH_COLLATERAL_PART_MAX_SIZE, &e->bytes[i], err);
        if (rc == VOUCH_E_NOT_FOUND && err != NULL)
            *err = (vouch_error) { 0 };
        if (rc != VOUCH_OK && rc != VOUCH_E_NOT_FOUND)
            return rc;
    }
    return keep(c, &e, err);
}

static bool is_family_name(const char *name)
{
    uint8_t fmspc[6];
    return strlen(name) == KEY_SIZE - 1
           && vch_hex_decode((vouch_span) { (const uint8_t *)name, 12 }, fmspc, 6, NULL) == VOUCH_OK
           && (strcmp(name + 12, "-sgx") == 0 || strcmp(name + 12, "-tdx") == 0);
}

typedef struct walk {
    vch_collateral_cache *cache;
    const char *dir;
} walk;

static vouch_code visit(void *context, const char *name, vouch_error *err)
{
    const walk *w = context;
    char path[VCH_PATH_SIZE];
    if (!is_family_name(name))
        return VOUCH_OK;
    vouch_code rc = vch_path_join(w->dir, name, path, err);
    return rc == VOUCH_OK ? read_dir(w->cache, path, name, err) : rc;
}

static vouch_code new_cache(const vch_root_pins *pins, vch_collateral_cache **out, vouch_error *err)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "collateral: out of memory");
    (*out)->pins = pins;
    return VOUCH_OK;
}

vouch_code vch_collateral_cache_from_dir(const char *dir, const vch_root_pins *pins,
                                         vch_collateral_cache **out, vouch_error *err)
{
    VCH_SCOPED(vch_collateral_cache_drop) vch_collateral_cache *c = NULL;
    vouch_code rc = new_cache(pins, &c, err);
    if (rc != VOUCH_OK)
        return rc;
    walk w = { c, dir };
    rc = vch_dir_list(dir, visit, &w, err);
    char flat[VCH_PATH_SIZE] = "";
    if (rc == VOUCH_OK)
        rc = vch_path_join(dir, parts_table[0].file, flat, err);
    if (rc == VOUCH_OK && vch_file_exists(flat))
        rc = read_dir(c, dir, "", err); /* last: a family's own directory is found first */
    if (rc == VOUCH_OK && c->count == 0)
        rc = vouch_fail(err, VOUCH_E_NOT_FOUND, "'%s' holds no collateral (no %s)", dir,
                        parts_table[0].file);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "reading collateral from '%s'", dir);
    c->pins = NULL;
    *out = VCH_MOVE(c);
    return VOUCH_OK;
}

vouch_code vch_collateral_cache_from_parts(const vouch_collateral_parts *parts,
                                           const vch_root_pins *pins, vch_collateral_cache **out,
                                           vouch_error *err)
{
    VCH_SCOPED(vch_collateral_cache_drop) vch_collateral_cache *c = NULL;
    vouch_code rc = new_cache(pins, &c, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(entry_drop) entry *e = calloc(1, sizeof *e);
    if (e == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "collateral: out of memory");
    vouch_collateral_parts given = *parts;
    for (size_t i = 0; i < PART_COUNT && rc == VOUCH_OK; i++) {
        e->bytes[i] = vch_buffer_with_cap(VOUCH_COLLATERAL_PART_MAX_SIZE);
        vch_buffer_append(&e->bytes[i], *part_of(&given, i));
        rc = vch_buffer_finish(&e->bytes[i], parts_table[i].file, err);
    }
    if (rc == VOUCH_OK)
        rc = keep(c, &e, err);
    if (rc != VOUCH_OK)
        return rc;
    c->pins = NULL;
    *out = VCH_MOVE(c);
    return VOUCH_OK;
}

const vch_collateral_set *vch_collateral_cache_get(const vch_collateral_cache *c,
                                                   const vouch_claims *quote)
{
    char key[KEY_SIZE + 16] = "";
    char hex[13];
    if (quote->has_platform)
        (void)snprintf(key, sizeof key, "%s-%s",
                       vch_hex_encode((vouch_span) { quote->fmspc, sizeof quote->fmspc }, hex),
                       vouch_tee_name(quote->tee));
    for (size_t i = 0; i < c->count; i++) {
        if (c->entries[i]->key[0] == 0 || strcmp(c->entries[i]->key, key) == 0)
            return &c->entries[i]->set;
    }
    return NULL;
}
