#include "svc/verifyd_rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "codec/hex.h"
#include "crypto/cert_builder.h"
#include "crypto/cert_chain.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "identity/ratls_cert.h"
#include "svc/verifyd_pki.h"

#define LEAF_LIFE_MIN_S (30 * INT64_C(86400)) /* a root or CA that ends sooner needs a person */
#define STEM_SIZE 16                          /* hex digits of a key's id in its files' names */

typedef struct chain {
    vch_buffer leaf, ca, root; /* DER */
} chain;

static void drop_chain(chain *c)
{
    vch_buffer_drop(&c->leaf);
    vch_buffer_drop(&c->ca);
    vch_buffer_drop(&c->root);
}

typedef struct rotation {
    const vch_rotate_options *o;
    char dir[VCH_PATH_SIZE]; /* of the ring */
    vch_ring ring, next;
    char current_key[VCH_PATH_SIZE];
    chain old, made;
    vch_key *key; /* the new one */
    vch_rotate_result result;
    int lock_fd;
} rotation;

static void drop_rotation(rotation *r)
{
    drop_chain(&r->old);
    drop_chain(&r->made);
    vch_key_free(r->key);
    if (r->lock_fd >= 0)
        (void)close(r->lock_fd); /* and the lock with it */
}

static vouch_code take_lock(rotation *r, vouch_error *err)
{
    r->lock_fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->lock_fd < 0)
        return vouch_fail(err, VOUCH_E_IO, "'%s': %s", r->dir, strerror(errno));
    while (flock(r->lock_fd, LOCK_EX) != 0) {
        if (errno != EINTR)
            return vouch_fail(err, VOUCH_E_IO, "locking '%s': %s", r->dir, strerror(errno));
    }
    return VOUCH_OK;
}

static vouch_code read_chain(const char *dir, const char *name, chain *out, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
    vch_buffer *const der[] = { &out->leaf, &out->ca, &out->root };
    vouch_code rc = vch_path_join(dir, name, path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(path, VCH_PEM_MAX_SIZE, &pem, err);
    vch_pem_reader reader = { vch_buffer_span(&pem), VCH_PEM_NO_TEXT };
    for (size_t i = 0; i < 3 && rc == VOUCH_OK; i++) {
        *der[i] = vch_buffer_with_cap(VCH_CERT_CHAIN_MAX_DER_SIZE);
        rc = vch_pem_next_der(&reader, VCH_PEM_CERTIFICATE, der[i], err);
    }
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "the token key's chain '%s'", name);
}

static vouch_code make_kid(vouch_span leaf, char out[static VCH_VERIFYD_KID_SIZE], vouch_error *err)
{
    uint8_t digest[VCH_SHA384_SIZE];
    vouch_code rc = vch_sha384(leaf, digest, err);
    if (rc == VOUCH_OK)
        (void)vch_hex_encode((vouch_span) { digest, sizeof digest }, out);
    return rc;
}

static vouch_code read_ring(rotation *r, vouch_error *err)
{
    vch_faults faults = { 0 };
    vouch_code rc = vch_ring_read(r->o->config->ring, &faults, &r->ring, err);
    vch_faults_done(&faults);
    if (rc != VOUCH_OK)
        return rc;
    const vch_ring_key *youngest = &r->ring.key[r->ring.count - 1];
    rc = vch_path_join(r->dir, youngest->key, r->current_key, err);
    if (rc == VOUCH_OK)
        rc = read_chain(r->dir, youngest->chain, &r->old, err);
    r->result.signs_from_unix_s = youngest->signs_from_unix_s;
    return rc == VOUCH_OK ? make_kid(vch_buffer_span(&r->old.leaf), r->result.kid, err) : rc;
}

/* The keys that have not ended; true if the last rotation is over. */
static bool begin_next(rotation *r)
{
    for (size_t i = 0; i < r->ring.count; i++) {
        if (r->ring.key[i].until_unix_s <= r->o->now_unix_s)
            continue;
        r->next.key[r->next.count++] = r->ring.key[i];
    }
    if (r->next.count > 1)
        r->result.until_unix_s = r->next.key[r->next.count - 2].until_unix_s;
    return r->next.count == 1 && r->next.key[0].signs_from_unix_s <= r->o->now_unix_s;
}

static vouch_code load_key(const char *path, vch_key **out, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret pem = { 0 };
    vouch_code rc = vch_file_read_secret(path, VCH_KEY_PEM_MAX_SIZE, &pem, err);
    if (rc == VOUCH_OK)
        rc = vch_key_from_private_pem((vouch_span) { pem.data, pem.size }, out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "key '%s'", path);
}

/* One certificate after the pattern of another: its name, its kind, its CRL's address. */
typedef struct pattern {
    const vch_buffer *of;
    const vch_key *subject_key, *signer;
    const vch_buffer *issuer;
    int64_t until_unix_s;
    bool ca;
} pattern;

static vouch_code crl_url_of(const rotation *r, size_t index, char url[VCH_CERT_CHAIN_URL_SIZE],
                             vouch_error *err)
{
    const vouch_span ders[] = { vch_buffer_span(&r->old.leaf), vch_buffer_span(&r->old.ca),
                                vch_buffer_span(&r->old.root) };
    vch_cert_chain *parsed = NULL;
    vouch_code rc = vch_cert_chain_parse(ders, 3, &parsed, err);
    if (rc == VOUCH_OK)
        rc = vch_cert_chain_crl_url(parsed, index, url, err);
    vch_cert_chain_free(parsed);
    return rc;
}

static vouch_code build(const rotation *r, const pattern *p, vch_buffer *out, vouch_error *err)
{
    char url[VCH_CERT_CHAIN_URL_SIZE];
    uint8_t serial[16];
    vch_ratls_cert like = { 0 };
    vouch_code rc = vch_ratls_cert_parse(vch_buffer_span(p->of), &like, err);
    if (rc == VOUCH_OK)
        rc = crl_url_of(r, p->ca ? 1 : 0, url, err);
    if (rc == VOUCH_OK)
        rc = vch_verifyd_pki_serial(serial, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_cert_options options = {
        .subject_der = like.subject,
        .public_key = p->subject_key,
        .signer = p->signer,
        .alg = VCH_SIG_RSA_PKCS1_SHA384,
        .issuer_cert = vch_buffer_span(p->issuer),
        .serial = { serial, sizeof serial },
        .not_before_unix_s = r->o->now_unix_s - VCH_VERIFYD_BACK_DATE_S,
        .not_after_unix_s = p->until_unix_s,
        .kind = p->ca ? VCH_CERT_CA : VCH_CERT_LEAF,
        .pathlen = p->ca ? 0 : VCH_PATHLEN_NONE,
        .kind_critical = true,
        .key_usage =
            p->ca ? VCH_USE_CERT_SIGN | VCH_USE_CRL_SIGN : (unsigned)VCH_USE_DIGITAL_SIGNATURE,
        .crl_url = url,
        .subject_key_id = true,
        .authority_key_id = true,
    };
    *out = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    return vch_cert_build(&options, out, err);
}

static vouch_code end_of(const vch_buffer *der, int64_t *out, vouch_error *err)
{
    vch_ratls_cert cert = { 0 };
    vouch_code rc = vch_ratls_cert_parse(vch_buffer_span(der), &cert, err);
    if (rc == VOUCH_OK)
        *out = cert.exp_unix_s;
    return rc;
}

static vouch_code copy(const vch_buffer *from, vch_buffer *to, vouch_error *err)
{
    *to = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    vch_buffer_append(to, vch_buffer_span(from));
    return vch_buffer_finish(to, "certificate", err);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The signing CA is kept as long as it outlives a leaf; else it is renewed with its key and name,
 * so that chains and CRLs of before go on to hold. The root, which clients pin, never changes. */
static vouch_code provide_ca(rotation *r, const vch_key *ca_key, vouch_error *err)
{
    int64_t ca_until = 0;
    int64_t root_until = 0;
    vouch_code rc = end_of(&r->old.ca, &ca_until, err);
    if (rc == VOUCH_OK)
        rc = end_of(&r->old.root, &root_until, err);
    if (rc == VOUCH_OK)
        rc = copy(&r->old.root, &r->made.root, err);
    if (rc != VOUCH_OK)
        return rc;
    int64_t now = r->o->now_unix_s;
    int64_t want = earlier(now + VCH_VERIFYD_TOKEN_LEAF_LIFE_S, root_until);
    if (want < now + LEAF_LIFE_MIN_S)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "the token root ends within 30 days: set up a new service with init, and "
                          "give its root to whoever pins this one");
    if (ca_until >= want)
        return copy(&r->old.ca, &r->made.ca, err);
    VCH_SCOPED(vch_key_drop) vch_key *root_key = NULL;
    rc = load_key(r->o->config->root_ca_key, &root_key, err);
    const pattern ca = { &r->old.ca,
                         ca_key,
                         root_key,
                         &r->old.root,
                         earlier(now + VCH_VERIFYD_TOKEN_CA_LIFE_S, root_until),
                         true };
    r->result.ca_renewed = true;
    return rc == VOUCH_OK ? build(r, &ca, &r->made.ca, err) : rc;
}

static vouch_code make_chain(rotation *r, vouch_error *err)
{
    VCH_SCOPED(vch_key_drop) vch_key *ca_key = NULL;
    int64_t until = 0;
    vouch_code rc = load_key(r->o->config->signing_ca_key, &ca_key, err);
    if (rc == VOUCH_OK)
        rc = provide_ca(r, ca_key, err);
    if (rc == VOUCH_OK)
        rc = end_of(&r->made.ca, &until, err);
    if (rc == VOUCH_OK)
        rc = vch_key_generate(VCH_KEY_RSA3072, &r->key, err);
    if (rc != VOUCH_OK)
        return rc;
    until = earlier(until, r->o->now_unix_s + VCH_VERIFYD_TOKEN_LEAF_LIFE_S);
    const pattern leaf = { &r->old.leaf, r->key, ca_key, &r->made.ca, until, false };
    rc = build(r, &leaf, &r->made.leaf, err);
    return rc == VOUCH_OK ? make_kid(vch_buffer_span(&r->made.leaf), r->result.kid, err) : rc;
}

/* Not the root user's, if the key before is not: the service has to read it. */
static vouch_code keep_owner(const char *like, const char *path, vouch_error *err)
{
    struct stat about = { 0 };
    if (geteuid() != 0)
        return VOUCH_OK;
    if (stat(like, &about) != 0 || chown(path, about.st_uid, about.st_gid) != 0)
        return vouch_fail(err, VOUCH_E_IO, "giving '%s' the owner of '%s': %s", path, like,
                          strerror(errno));
    return VOUCH_OK;
}

static vouch_code write_files(const rotation *r, const vch_ring_key *names, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&r->made.leaf), &pem);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&r->made.ca), &pem);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&r->made.root), &pem);
    vouch_code rc = vch_buffer_finish(&pem, "chain", err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(r->dir, names->chain, path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_write(path, vch_buffer_span(&pem), 0644, err);
    if (rc == VOUCH_OK)
        rc = vch_key_private_pem(r->key, VCH_KEY_FORM_PKCS8, &key, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(r->dir, names->key, path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_write(path, (vouch_span) { key.data, key.size }, 0600, err);
    return rc == VOUCH_OK ? keep_owner(r->current_key, path, err) : rc;
}

/* The key before is published until the last token and the last nonce that it signed have ended. */
static int64_t overlap_s(const vch_verifyd_config *config)
{
    int64_t longest = config->token_lifetime_s > config->nonce_lifetime_s
                          ? config->token_lifetime_s
                          : config->nonce_lifetime_s;
    return longest + VCH_ROTATE_SLACK_S;
}

static vouch_code add_key(rotation *r, vouch_error *err)
{
    vch_ring_key *before = &r->next.key[r->next.count - 1];
    vch_ring_key *key = &r->next.key[r->next.count++];
    vouch_code rc = make_chain(r, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)snprintf(key->key, sizeof key->key, "token-%.*s.key", STEM_SIZE, r->result.kid);
    (void)snprintf(key->chain, sizeof key->chain, "token-%.*s.pem", STEM_SIZE, r->result.kid);
    key->signs_from_unix_s = r->o->now_unix_s + r->o->ahead_s;
    key->until_unix_s = VCH_RING_NO_END;
    before->until_unix_s = key->signs_from_unix_s + overlap_s(r->o->config);
    r->result.signs_from_unix_s = key->signs_from_unix_s;
    r->result.until_unix_s = before->until_unix_s;
    return write_files(r, key, err);
}

/* "token-0123456789abcdef.key" or ".pem": a name that only a rotation gives; or one of init's. */
static bool is_ours(const char *name)
{
    static const char prefix[] = "token-";
    size_t size = strlen(name);
    if (strcmp(name, VCH_VERIFYD_FIRST_KEY) == 0 || strcmp(name, VCH_VERIFYD_FIRST_CHAIN) == 0)
        return true;
    return size == sizeof prefix - 1 + STEM_SIZE + 4
           && strncmp(name, prefix, sizeof prefix - 1) == 0
           && strspn(name + sizeof prefix - 1, "0123456789abcdef") == STEM_SIZE
           && (strcmp(name + size - 4, ".key") == 0 || strcmp(name + size - 4, ".pem") == 0);
}

static bool names(const vch_ring *ring, const char *name)
{
    for (size_t i = 0; i < ring->count; i++) {
        if (strcmp(ring->key[i].key, name) == 0 || strcmp(ring->key[i].chain, name) == 0)
            return true;
    }
    return false;
}

/* What the ring named before, and what a rotation that was killed left behind. */
static vouch_code remove_unused(void *context, const char *name, vouch_error *err)
{
    rotation *r = context;
    char path[VCH_PATH_SIZE];
    if (names(&r->next, name) || (!names(&r->ring, name) && !is_ours(name)))
        return VOUCH_OK;
    vouch_code rc = vch_path_join(r->dir, name, path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_remove(path, err);
    r->result.removed += rc == VOUCH_OK ? 1 : 0;
    return rc;
}

vouch_code vch_verifyd_rotate(const vch_rotate_options *options, vch_rotate_result *out,
                              vouch_error *err)
{
    VCH_SCOPED(drop_rotation) rotation r = { .o = options, .lock_fd = -1 };
    if (options->config->ring[0] == '\0')
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "token.keys is a list kept by hand: rotate turns a key ring, token.ring");
    vouch_code rc = vch_path_directory(options->config->ring, r.dir, err);
    if (rc == VOUCH_OK)
        rc = take_lock(&r, err);
    if (rc == VOUCH_OK)
        rc = read_ring(&r, err);
    if (rc != VOUCH_OK)
        return rc;
    r.result.made = begin_next(&r);
    if (r.result.made)
        rc = add_key(&r, err);
    if (rc == VOUCH_OK && r.result.made)
        rc = vch_ring_write(options->config->ring, &r.next, err); /* from here on it counts */
    else if (rc == VOUCH_OK)
        r.next = r.ring;
    if (rc == VOUCH_OK)
        rc = vch_dir_list(r.dir, remove_unused, &r, err);
    if (rc == VOUCH_OK)
        *out = r.result;
    return rc;
}
