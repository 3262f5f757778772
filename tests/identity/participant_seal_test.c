/* What a participant leaves behind sealed, and who can take it up again. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "codec/base64.h"
#include "codec/hex.h"
#include "crypto/hash.h"
#include "device.h"
#include "host/file.h"
#include "identity/keypair.h"
#include "identity/participant.h"
#include "identity/sealed_identity.h"
#include "identity/succession.h"

static world w;
static char key_path[WORLD_SITES][VCH_PATH_SIZE];
static char state_dir[VCH_PATH_SIZE];
static const char *const names[] = { WORLD_AGGREGATOR, "col1", "col2" };

static int64_t world_clock(void *clock)
{
    (void)clock;
    return WORLD_NOW;
}

static int set_up(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    world_make(&w);
    for (size_t i = 0; i < WORLD_SITES; i++) {
        VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
        CHECK_OK(vch_path_join(w.dir, names[i], key_path[i], &err), &err);
        CHECK_OK(vch_key_private_pem(w.site[i], VCH_KEY_FORM_PKCS8, &key, &err), &err);
        CHECK_OK(vch_file_write(key_path[i], (vouch_span) { key.data, key.size }, 0600, &err),
                 &err);
    }
    CHECK_OK(vch_path_join(w.dir, "state", state_dir, &err), &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_drop(&w);
    return 0;
}

/* Each test begins with an empty directory. */
static int empty(void **state)
{
    (void)state;
    return vch_dir_remove_tree(state_dir, NULL) == VOUCH_OK ? 0 : -1;
}

/* One run of a participant: what it was started as, and what came out. */
typedef struct start {
    world_site site;
    world_policy policy; /* `local` is written here */
    uint8_t plan;        /* 0: the world's */
    uint8_t measurement; /* 0: the role's */
    const uint8_t *sealing_key;
    bool no_sealing_key;
    bool no_state;

    vouch_code rc;
    uint8_t key[48];
    uint8_t ca[32];
    bool sealed, previous;
    size_t previous_count;
    uint8_t previous_policy[VCH_PREVIOUS_MAX][32];
    uint8_t policy_digest[32];
} start;

static void read_outcome(start *s, vch_participant *p)
{
    vouch_error err = { 0 };
    const vch_credentials *c = vch_participant_credentials(p);
    CHECK_OK(vch_keypair_digest(c->key, s->key, &err), &err);
    if (c->ca.size > 0)
        CHECK_OK(vch_sha256(c->ca, s->ca, &err), &err);
    vch_credentials_unref(c);
    s->sealed = vch_participant_seal_root(p) != NULL;
    const uint8_t *digest = NULL;
    for (s->previous_count = 0;
         (digest = vch_participant_previous_policy(p, s->previous_count)) != NULL;
         s->previous_count++) {
        CHECK(vch_participant_previous_seal_root(p, s->previous_count) != NULL);
        memcpy(s->previous_policy[s->previous_count], digest, 32);
    }
    s->previous = s->previous_count > 0;
    CHECK(vch_participant_previous_seal_root(p, s->previous_count) == NULL);
}

/* Set the federation's file, and what its participant is made of. */
static vch_participant_options prepare(start *s, const device *d)
{
    static uint8_t plan[32];
    static char chain_path[VCH_PATH_SIZE]; /* some certificate: nobody comes with one */
    CHECK(vch_path_join(w.platform_dir, "root.pem", chain_path, NULL) == VOUCH_OK);
    char local[2 * VCH_PATH_SIZE];
    bool serves = s->site == WORLD_AGG;
    (void)snprintf(local, sizeof local,
                   "  attestation_dir: '%s'\n  enrolment: {cert: /nowhere, key: '%s'}\n",
                   vch_pseudo_files_directory(d->files), key_path[s->site]);
    s->policy.local = local;
    if (s->policy.token == NULL)
        s->policy.token = "off";
    if (s->policy.col2 == NULL)
        s->policy.col2 = "";
    world_set_policy(&w, &s->policy);
    s->policy.local = NULL;
    memset(plan, s->plan, sizeof plan);
    memcpy(s->policy_digest, vch_attestation_file_federation(w.file)->digest, 32);
    return (vch_participant_options) {
        .file = w.file,
        .role = serves ? VCH_ROLE_AGGREGATOR : VCH_ROLE_COLLABORATOR,
        .name = names[s->site],
        .address = serves ? WORLD_AGGREGATOR : NULL,
        .plan_digest = s->plan == 0 ? w.plan : plan,
        .pki_key = key_path[s->site],
        .pki_chain = chain_path,
        .state = s->no_state ? NULL : state_dir,
        .now_unix_s = world_clock,
    };
}

static void begin_device(device *d, const start *s)
{
    uint8_t usual =
        s->site == WORLD_AGG ? WORLD_AGGREGATOR_MEASUREMENT : WORLD_COLLABORATOR_MEASUREMENT;
    *d = (device) { .no_sealing_key = s->no_sealing_key, .sealing_key = s->sealing_key };
    device_start(d, &w, s->measurement != 0 ? s->measurement : usual);
}

static void run(start *s)
{
    vouch_error err = { 0 };
    vch_participant *p = NULL;
    device d;
    begin_device(&d, s);
    vch_participant_options o = prepare(s, &d);
    s->rc = vch_participant_new(&o, &p, &err);
    if (s->rc == VOUCH_OK)
        read_outcome(s, p);
    vch_participant_free(p);
    device_stop(&d);
}

/* `next` is loaded into the running `first`. */
static void follow(start *first, start *next, char why[static 2048])
{
    vouch_error err = { 0 };
    vch_participant *a = NULL;
    vch_participant *b = NULL;
    device d;
    begin_device(&d, first);
    vch_participant_options o = prepare(first, &d);
    CHECK_OK(vch_participant_new(&o, &a, &err), &err);
    read_outcome(first, a);
    vch_attestation_file *kept = w.file; /* the first one lives on with it */
    w.file = NULL;
    o = prepare(next, &d);
    o.predecessor = a;
    next->rc = vch_participant_new(&o, &b, &err);
    (void)vouch_error_text(&err, why, 2048);
    if (next->rc == VOUCH_OK)
        read_outcome(next, b);
    vch_participant_free(b);
    vch_participant_free(a);
    vch_attestation_file_free(kept);
    device_stop(&d);
}

static start run_as(world_site site)
{
    start s = { .site = site };
    run(&s);
    CHECK(s.rc == VOUCH_OK);
    return s;
}

static bool same_key(const start *a, const start *b)
{
    return memcmp(a->key, b->key, sizeof a->key) == 0;
}

/* The names in the state directory, and the last of them that is an identity. */
typedef struct found {
    size_t count;
    char path[VCH_PATH_SIZE];
} found;

static vouch_code note(void *context, const char *name, vouch_error *err)
{
    found *f = context;
    size_t size = strlen(name);
    f->count++;
    if (size > 9 && strcmp(name + size - 9, ".identity") == 0)
        return vch_path_join(state_dir, name, f->path, err);
    return VOUCH_OK;
}

static found look(void)
{
    found f = { 0 };
    if (vch_file_exists(state_dir))
        CHECK(vch_dir_list(state_dir, note, &f, NULL) == VOUCH_OK);
    return f;
}

static void read_whole(const char *path, vch_buffer *out)
{
    CHECK(vch_file_read(path, VCH_SEALED_IDENTITY_MAX_SIZE, out, NULL) == VOUCH_OK);
}

static void a_restarted_participant_has_its_key_and_its_ca_again(void **state)
{
    (void)state;
    for (world_site site = WORLD_AGG; site <= WORLD_COL1; site++) {
        start first = run_as(site);
        start second = run_as(site);
        CHECK(same_key(&first, &second));
        CHECK(memcmp(first.ca, second.ca, sizeof first.ca) == 0);
        CHECK(first.sealed && second.sealed && !second.previous);
    }
}

static void what_is_sealed_is_private_and_shows_no_key(void **state)
{
    (void)state;
    struct stat s;
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = { 0 };
    (void)run_as(WORLD_AGG);
    found f = look();
    CHECK(stat(f.path, &s) == 0 && (s.st_mode & 0777) == 0600);
    CHECK(stat(state_dir, &s) == 0 && (s.st_mode & 0777) == 0700);
    read_whole(f.path, &bytes);
    CHECK(memmem(bytes.data, bytes.size, "PRIVATE", 7) == NULL);
}

static void without_a_state_directory_or_a_sealing_key_a_restart_is_a_new_identity(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        start a = { .site = WORLD_AGG, .no_state = i == 0, .no_sealing_key = i == 1 };
        start b = a;
        run(&a);
        run(&b);
        CHECK(a.rc == VOUCH_OK && b.rc == VOUCH_OK);
        CHECK(!same_key(&a, &b) && memcmp(a.ca, b.ca, sizeof a.ca) != 0);
        CHECK(!a.sealed && look().count == 0);
    }
}

static void nothing_is_sealed_for_who_would_not_be_admitted(void **state)
{
    (void)state;
    start s = { .site = WORLD_COL1,
                .measurement = 0xdd }; /* a collaborator may knock all the same */
    run(&s);
    CHECK(s.rc == VOUCH_OK && !s.sealed && look().count == 0);
}

/* The genuine program of another start: its file is replaced by the one of the first. */
static void expect_nothing_unsealed(start *other)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer sealed = { 0 };
    start first = run_as(WORLD_COL1);
    read_whole(look().path, &sealed);
    CHECK(vch_dir_remove_tree(state_dir, NULL) == VOUCH_OK);
    run(other);
    CHECK(other->rc == VOUCH_OK && !same_key(&first, other));
    found f = look();
    CHECK(f.count == 1);
    CHECK(vch_file_write(f.path, vch_buffer_span(&sealed), 0600, NULL) == VOUCH_OK);
    start again = *other;
    run(&again);
    CHECK(again.rc == VOUCH_OK && !same_key(&first, &again) && !same_key(other, &again));
    CHECK(look().count == 2); /* what did not open lies beside the new one */
    CHECK(vch_dir_remove_tree(state_dir, NULL) == VOUCH_OK);
}

static void the_genuine_program_with_another_policy_unseals_nothing(void **state)
{
    (void)state;
    expect_nothing_unsealed(
        &(start) { .site = WORLD_COL1, .policy = { .tcb = "{accept: [UpToDate, OutOfDate]}" } });
}

static void the_genuine_program_with_another_plan_unseals_nothing(void **state)
{
    (void)state;
    expect_nothing_unsealed(&(start) { .site = WORLD_COL1, .plan = 0x78 });
}

static void the_genuine_program_with_another_name_unseals_nothing(void **state)
{
    (void)state;
    expect_nothing_unsealed(&(start) { .site = WORLD_COL2 });
}

static void the_genuine_program_in_another_role_unseals_nothing(void **state)
{
    (void)state;
    expect_nothing_unsealed(&(start) { .site = WORLD_AGG });
}

static void another_platform_unseals_nothing(void **state)
{
    (void)state;
    static const uint8_t key[VCH_SIM_SEALING_KEY_SIZE] = { 1, 2, 3 };
    start first = run_as(WORLD_AGG);
    start moved = { .site = WORLD_AGG, .sealing_key = key };
    run(&moved);
    CHECK(moved.rc == VOUCH_OK && !same_key(&first, &moved));
    CHECK(memcmp(first.ca, moved.ca, sizeof first.ca) != 0);
}

static void a_new_identity_moves_what_did_not_open_aside(void **state)
{
    (void)state;
    static const uint8_t key[VCH_SIM_SEALING_KEY_SIZE] = { 1, 2, 3 };
    char aside[VCH_PATH_SIZE + 8];
    start first = run_as(WORLD_AGG);
    start moved = { .site = WORLD_AGG, .sealing_key = key };
    run(&moved);
    found f = look();
    CHECK(f.count == 2);
    (void)snprintf(aside, sizeof aside, "%s.old", f.path);
    CHECK(rename(aside, f.path) == 0); /* the operator brings it back where it opens */
    start home = run_as(WORLD_AGG);
    CHECK(same_key(&first, &home));
}

static void a_file_that_was_rolled_back_opens_as_the_same_identity(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer old = { 0 };
    start first = run_as(WORLD_AGG);
    read_whole(look().path, &old);
    start second = run_as(WORLD_AGG);
    CHECK(vch_file_write(look().path, vch_buffer_span(&old), 0600, NULL) == VOUCH_OK);
    start third = run_as(WORLD_AGG);
    CHECK(same_key(&first, &second) && same_key(&second, &third));
}

static vch_seal_root *a_root(uint8_t first)
{
    uint8_t key[16] = { first }, digest[32] = { 1 };
    vch_seal_root *root = NULL;
    const vch_seal_context c = { digest, digest, "aggregator", "agg" };
    CHECK(vch_seal_root_new((vouch_span) { key, sizeof key }, &c, &root, NULL) == VOUCH_OK);
    return root;
}

/* A file that was sealed under a_root(1), and the claims that it is for. */
static void a_sealed_file(vch_buffer *out, bool other_key)
{
    vouch_error err = { 0 };
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_identity_parts_drop) vch_identity_parts parts = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
    VCH_SCOPED(vch_seal_root_drop) vch_seal_root *root = a_root(1);
    vch_claims claims = { .name = "agg", .role = VCH_ROLE_AGGREGATOR, .has_ca = true };
    CHECK_OK(vch_keypair_new(&parts.key, &err), &err);
    CHECK_OK(vch_federation_ca_new("agg", WORLD_NOW, &parts.ca, &err), &err);
    CHECK_OK(vch_keypair_digest(parts.key, claims.key_digest, &err), &err);
    CHECK_OK(vch_sha256(vch_federation_ca_certificate(parts.ca), claims.ca, &err), &err);
    if (other_key)
        claims.key_digest[0] ^= 1;
    CHECK_OK(vch_claims_build(&claims, &bytes, &err), &err);
    CHECK_OK(vch_path_join(w.dir, "one.identity", path, &err), &err);
    CHECK_OK(vch_sealed_identity_write(path, root, vch_buffer_span(&bytes), &parts, &err), &err);
    read_whole(path, out);
}

static bool opens(vouch_span file, const vch_seal_root *root)
{
    VCH_SCOPED(vch_sealed_identity_drop) vch_sealed_identity *s = NULL;
    VCH_SCOPED(vch_identity_parts_drop) vch_identity_parts parts = { 0 };
    return vch_sealed_identity_parse(file, &s, NULL) == VOUCH_OK
           && vch_sealed_identity_open(s, root, "agg", &parts, NULL) == VOUCH_OK;
}

static void a_file_altered_in_any_byte_or_cut_anywhere_does_not_open(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer file = { 0 };
    VCH_SCOPED(vch_seal_root_drop) vch_seal_root *root = a_root(1);
    VCH_SCOPED(vch_seal_root_drop) vch_seal_root *other = a_root(2);
    a_sealed_file(&file, false);
    CHECK(opens(vch_buffer_span(&file), root));
    CHECK(!opens(vch_buffer_span(&file), other));
    for (size_t i = 0; i < file.size; i++) {
        CHECK(!opens((vouch_span) { file.data, i }, root));
        file.data[i] ^= 1;
        CHECK(!opens(vch_buffer_span(&file), root));
        file.data[i] ^= 1;
    }
}

static void a_key_that_is_not_the_claims_own_is_refused(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer file = { 0 };
    VCH_SCOPED(vch_seal_root_drop) vch_seal_root *root = a_root(1);
    VCH_SCOPED(vch_sealed_identity_drop) vch_sealed_identity *s = NULL;
    vch_identity_parts parts = { 0 };
    a_sealed_file(&file, true);
    CHECK(vch_sealed_identity_parse(vch_buffer_span(&file), &s, NULL) == VOUCH_OK);
    CHECK(vch_sealed_identity_open(s, root, "agg", &parts, NULL) == VOUCH_E_REFUSED);
    CHECK(parts.key == NULL && parts.ca == NULL);
}

static void an_aggregators_identity_opens_only_with_its_ca(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer file = { 0 };
    VCH_SCOPED(vch_seal_root_drop) vch_seal_root *root = a_root(1);
    VCH_SCOPED(vch_sealed_identity_drop) vch_sealed_identity *s = NULL;
    vch_identity_parts parts = { 0 };
    a_sealed_file(&file, false);
    CHECK(vch_sealed_identity_parse(vch_buffer_span(&file), &s, NULL) == VOUCH_OK);
    CHECK(vch_sealed_identity_open(s, root, NULL, &parts, NULL) == VOUCH_E_FORMAT);
}

/* What only this program could have sealed, for other claims than its own: is it taken up? */
static bool takes_up(void (*bend)(vch_claims *claims))
{
    static const uint8_t device_key[VCH_SIM_SEALING_KEY_SIZE] = { 1, 2, 3 };
    uint8_t sealed_key[48];
    vouch_error err = { 0 };
    VCH_SCOPED(vch_identity_parts_drop) vch_identity_parts parts = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
    VCH_SCOPED(vch_seal_root_drop) vch_seal_root *root = NULL;
    start s = { .site = WORLD_COL1, .sealing_key = device_key };
    run(&s);
    const vch_seal_context context = { w.plan, s.policy_digest, "collaborator", "col1" };
    vch_claims claims = { .name = "col1", .role = VCH_ROLE_COLLABORATOR };
    memcpy(claims.federation, vch_attestation_file_federation(w.file)->id, 16);
    memcpy(claims.plan, w.plan, 32);
    memcpy(claims.policy, s.policy_digest, 32);
    CHECK_OK(vch_keypair_new(&parts.key, &err), &err);
    CHECK_OK(vch_keypair_digest(parts.key, claims.key_digest, &err), &err);
    memcpy(sealed_key, claims.key_digest, sizeof sealed_key);
    bend(&claims);
    CHECK_OK(vch_claims_build(&claims, &bytes, &err), &err);
    CHECK_OK(
        vch_seal_root_new((vouch_span) { device_key, sizeof device_key }, &context, &root, &err),
        &err);
    CHECK_OK(vch_sealed_identity_write(look().path, root, vch_buffer_span(&bytes), &parts, &err),
             &err);
    run(&s);
    CHECK(s.rc == VOUCH_OK);
    CHECK(vch_dir_remove_tree(state_dir, NULL) == VOUCH_OK);
    return memcmp(s.key, sealed_key, sizeof sealed_key) == 0;
}

static void bend_nothing(vch_claims *c)
{
    (void)c;
}

static void bend_federation(vch_claims *c)
{
    c->federation[0] ^= 1;
}

static void bend_name(vch_claims *c)
{
    (void)snprintf(c->name, sizeof c->name, "col2");
}

static void bend_role(vch_claims *c)
{
    c->role = VCH_ROLE_AGGREGATOR;
}

static void bend_plan(vch_claims *c)
{
    c->plan[0] ^= 1;
}

static void bend_policy(vch_claims *c)
{
    c->policy[0] ^= 1;
}

static void an_unsealed_identity_is_used_only_if_its_claims_are_this_starts(void **state)
{
    (void)state;
    CHECK(takes_up(bend_nothing));
    CHECK(!takes_up(bend_federation));
    CHECK(!takes_up(bend_name));
    CHECK(!takes_up(bend_role));
    CHECK(!takes_up(bend_plan));
    CHECK(!takes_up(bend_policy));
}

static void a_device_that_quotes_other_code_gets_nothing_opened(void **state)
{
    (void)state;
    static const uint8_t key[VCH_SIM_SEALING_KEY_SIZE] = { 1, 2, 3 };
    start first = { .site = WORLD_COL1, .sealing_key = key };
    start other = { .site = WORLD_COL1, .sealing_key = key, .measurement = 0xdd };
    run(&first);
    run(&other);
    CHECK(first.rc == VOUCH_OK && other.rc == VOUCH_OK && !same_key(&first, &other));
    CHECK(!other.sealed);
}

static void a_device_whose_quote_nobody_can_verify_gets_nothing_opened(void **state)
{
    (void)state;
    char dir[VCH_PATH_SIZE], kept[VCH_PATH_SIZE];
    const vch_sim_platform_options o = { .tee = VOUCH_TEE_SGX,
                                         .status = VOUCH_TCB_UP_TO_DATE,
                                         .now_unix_s = WORLD_NOW };
    (void)run_as(WORLD_COL1);
    CHECK(vch_path_join(w.dir, "elsewhere", dir, NULL) == VOUCH_OK);
    CHECK(vch_sim_platform_create(dir, &o, NULL) == VOUCH_OK);
    memcpy(kept, w.collateral_dir, sizeof kept);
    CHECK(vch_path_join(dir, "collateral", w.collateral_dir, NULL) == VOUCH_OK);
    start s = { .site = WORLD_COL1 };
    run(&s);
    memcpy(w.collateral_dir, kept, sizeof kept);
    CHECK(s.rc == VOUCH_E_REFUSED && !s.sealed);
}

/* Policy change */

typedef struct chain {
    vch_key *governor;
    char first[256];  /* lines of `federation:` of the first policy */
    char second[256]; /* and of the next */
    char proof[2048]; /* `succession:` of the next */
} chain;

static void hex_digest(const vch_key *key, char out[static 65])
{
    uint8_t digest[32];
    VCH_SCOPED(vch_buffer_drop) vch_buffer spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    CHECK(vch_key_spki(key, &spki, NULL) == VOUCH_OK);
    CHECK(vch_sha256(vch_buffer_span(&spki), digest, NULL) == VOUCH_OK);
    (void)vch_hex_encode((vouch_span) { digest, 32 }, out);
}

/* `proof` for the policy with these lines, by `signer`. */
static void sign(chain *c, const vch_key *signer, const world_policy *next)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer raw = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer key = vch_buffer_with_cap(4096);
    VCH_SCOPED(vch_buffer_drop) vch_buffer signature = vch_buffer_with_cap(4096);
    world_policy p = *next;
    p.token = "off";
    p.col2 = "";
    world_set_policy(&w, &p);
    CHECK_OK(vch_key_spki(signer, &spki, &err), &err);
    CHECK_OK(vch_succession_sign(signer, vch_attestation_file_federation(w.file), &raw, &err),
             &err);
    vch_base64_encode(vch_buffer_span(&spki), &key);
    vch_base64_encode(vch_buffer_span(&raw), &signature);
    (void)snprintf(c->proof, sizeof c->proof, "succession: {key: '%s', signature: '%s'}\n",
                   vch_buffer_text(&key), vch_buffer_text(&signature));
}

static void begin_chain(chain *c, start *first)
{
    char hex[65];
    CHECK(vch_key_generate(VCH_KEY_P384, &c->governor, NULL) == VOUCH_OK);
    hex_digest(c->governor, hex);
    (void)snprintf(c->first, sizeof c->first, "  successor: '%s'\n", hex);
    *first = (start) { .site = WORLD_AGG, .policy = { .federation = c->first } };
    run(first);
    CHECK(first->rc == VOUCH_OK && first->sealed);
    (void)vch_hex_encode((vouch_span) { first->policy_digest, 32 }, hex);
    (void)snprintf(c->second, sizeof c->second, "  replaces: '%s'\n", hex);
}

static void a_successor_signed_by_the_pinned_key_keeps_key_and_ca(void **state)
{
    (void)state;
    chain c = { 0 };
    start first;
    begin_chain(&c, &first);
    start next = { .site = WORLD_AGG, .policy = { .federation = c.second, .top = c.proof } };
    sign(&c, c.governor, &(world_policy) { .federation = c.second });
    run(&next);
    CHECK(next.rc == VOUCH_OK && same_key(&first, &next));
    CHECK(memcmp(first.ca, next.ca, sizeof first.ca) == 0);
    CHECK(next.previous_count == 1);
    CHECK(memcmp(next.previous_policy[0], first.policy_digest, 32) == 0);
    CHECK(next.previous && next.sealed); /* older state can be opened, and is sealed anew */
    start again = next;
    again.previous = false;
    run(&again);
    CHECK(again.rc == VOUCH_OK && same_key(&first, &again) && again.previous);
    vch_key_free(c.governor);
}

static void expect_chain(const start *first, const start *second, const start *last)
{
    CHECK(last->rc == VOUCH_OK && same_key(first, last) && last->previous_count == 2);
    CHECK(memcmp(last->previous_policy[0], second->policy_digest, 32) == 0);
    CHECK(memcmp(last->previous_policy[1], first->policy_digest, 32) == 0);
}

/* first -> second -> third. The second may never come into force, or not seal anew what the first
 * did: the third knows both. */
static void the_identity_names_every_policy_that_it_came_through(void **state)
{
    (void)state;
    chain c = { 0 };
    char hex[65];
    char governor[65];
    char third[256];
    char why[2048];
    start first;
    begin_chain(&c, &first);
    hex_digest(c.governor, governor);
    (void)vch_hex_encode((vouch_span) { first.policy_digest, 32 }, hex);
    (void)snprintf(c.second, sizeof c.second, "  replaces: '%s'\n  successor: '%s'\n", hex,
                   governor);
    sign(&c, c.governor, &(world_policy) { .federation = c.second });
    chain then = c;
    start second = { .site = WORLD_AGG, .policy = { .federation = c.second, .top = c.proof } };
    run(&second);
    CHECK(second.rc == VOUCH_OK && second.previous_count == 1);
    (void)vch_hex_encode((vouch_span) { second.policy_digest, 32 }, hex);
    (void)snprintf(third, sizeof third, "  replaces: '%s'\n", hex);
    sign(&then, c.governor, &(world_policy) { .federation = third });
    start last = { .site = WORLD_AGG, .policy = { .federation = third, .top = then.proof } };
    follow(&second, &last, why); /* of one that runs */
    expect_chain(&first, &second, &last);
    run(&last); /* out of what it sealed */
    expect_chain(&first, &second, &last);
    vch_key_free(c.governor);
}

static void a_long_chain_forgets_its_beginning(void **state)
{
    (void)state;
    uint8_t list[VCH_PREVIOUS_MAX][32] = { { 0 } };
    size_t count = 0;
    for (uint8_t i = 1; i <= VCH_PREVIOUS_MAX + 2; i++)
        vch_previous_push(list, &count, (const uint8_t[32]) { i });
    CHECK(count == VCH_PREVIOUS_MAX);
    for (size_t i = 0; i < count; i++)
        CHECK(list[i][0] == VCH_PREVIOUS_MAX + 2 - i);
}

static void expect_new_identity(const start *first, start *next)
{
    run(next);
    CHECK(next->rc == VOUCH_OK && !same_key(first, next) && !next->previous);
    CHECK(memcmp(first->ca, next->ca, sizeof first->ca) != 0);
}

static void a_next_policy_that_nobody_signed_is_a_new_identity(void **state)
{
    (void)state;
    chain c = { 0 };
    start first;
    begin_chain(&c, &first);
    expect_new_identity(&first,
                        &(start) { .site = WORLD_AGG, .policy = { .federation = c.second } });
    vch_key_free(c.governor);
}

static void a_next_policy_signed_by_another_key_is_a_new_identity(void **state)
{
    (void)state;
    chain c = { 0 };
    start first;
    begin_chain(&c, &first);
    sign(&c, w.site[WORLD_AGG], &(world_policy) { .federation = c.second });
    start next = { .site = WORLD_AGG, .policy = { .federation = c.second, .top = c.proof } };
    expect_new_identity(&first, &next);
    vch_key_free(c.governor);
}

static void a_signature_over_another_policy_is_a_new_identity(void **state)
{
    (void)state;
    chain c = { 0 };
    start first;
    begin_chain(&c, &first);
    sign(&c, c.governor, &(world_policy) { .federation = c.second });
    start next = { .site = WORLD_AGG,
                   .policy = { .federation = c.second,
                               .top = c.proof,
                               .tcb = "{accept: [UpToDate, OutOfDate]}" } };
    expect_new_identity(&first, &next);
    vch_key_free(c.governor);
}

static void a_policy_that_replaces_another_one_than_that_in_force_is_refused(void **state)
{
    (void)state;
    chain c = { 0 };
    start first;
    begin_chain(&c, &first);
    sign(&c, c.governor, &(world_policy) { .federation = c.second });
    world_set_policy(
        &w, &(world_policy) { .federation = c.second, .top = c.proof, .token = "off", .col2 = "" });
    char hex[65];
    uint8_t pinned[32], other[32] = { 7 };
    hex_digest(c.governor, hex);
    CHECK(vch_hex_decode(vch_span_str(hex), pinned, sizeof pinned, NULL) == VOUCH_OK);
    const vch_succession_base base = { first.policy_digest, pinned };
    const vch_succession_base elsewhere = { other, pinned };
    CHECK(vch_succession_check(&base, w.file, NULL) == VOUCH_OK);
    CHECK(vch_succession_check(&elsewhere, w.file, NULL) == VOUCH_E_REFUSED);
    vch_key_free(c.governor);
}

static void where_no_successor_was_pinned_nobody_can_sign_one(void **state)
{
    (void)state;
    chain c = { 0 };
    char hex[65];
    CHECK(vch_key_generate(VCH_KEY_P384, &c.governor, NULL) == VOUCH_OK);
    start first = { .site = WORLD_AGG };
    run(&first);
    (void)vch_hex_encode((vouch_span) { first.policy_digest, 32 }, hex);
    (void)snprintf(c.second, sizeof c.second, "  replaces: '%s'\n", hex);
    sign(&c, c.governor, &(world_policy) { .federation = c.second });
    start next = { .site = WORLD_AGG, .policy = { .federation = c.second, .top = c.proof } };
    expect_new_identity(&first, &next);
    vch_key_free(c.governor);
}

static void a_running_participant_takes_its_identity_along_to_a_signed_successor(void **state)
{
    (void)state;
    chain c = { 0 };
    char why[2048];
    start first;
    begin_chain(&c, &first);
    sign(&c, c.governor,
         &(world_policy) { .federation = c.second, .from = "2030-01-01T00:00:00Z" });
    start next = {
        .site = WORLD_AGG,
        .policy = { .federation = c.second, .top = c.proof, .from = "2030-01-01T00:00:00Z" }
    }; /* loaded ahead */
    follow(&first, &next, why);
    CHECK(next.rc == VOUCH_OK && same_key(&first, &next));
    CHECK(memcmp(first.ca, next.ca, sizeof first.ca) == 0);
    CHECK(next.sealed && next.previous);
    vch_key_free(c.governor);
}

static void a_running_participant_refuses_a_successor_that_nobody_signed(void **state)
{
    (void)state;
    chain c = { 0 };
    char why[2048];
    start first;
    begin_chain(&c, &first);
    start next = { .site = WORLD_AGG, .policy = { .federation = c.second } };
    follow(&first, &next, why);
    CHECK(next.rc == VOUCH_E_REFUSED && strstr(why, "succession: absent") != NULL);
    vch_key_free(c.governor);
}

static void what_only_a_restart_can_change_is_refused(void **state)
{
    (void)state;
    static const struct {
        world_policy change;
        const char *says;
    } cases[] = {
        { { .id = "ff0102030405060708090a0b0c0d0e0f" }, "federation.id" },
        { { .initial_model = "22" }, "federation.initial_model" },
        { { .model_export = "none" }, "federation.model_export" },
        { { .enable_aggregator = "false" }, "who is attested" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        chain c = { 0 };
        char why[2048];
        start first;
        begin_chain(&c, &first);
        first.site = WORLD_COL1;
        start next = { .site = WORLD_COL1, .policy = cases[i].change };
        next.policy.federation = c.second;
        sign(&c, c.governor, &next.policy);
        next.policy.top = c.proof;
        follow(&first, &next, why);
        if (next.rc != VOUCH_E_REFUSED || strstr(why, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].says, why);
        vch_key_free(c.governor);
    }
}

#define SEAL_TEST(f) cmocka_unit_test_setup(f, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEAL_TEST(a_restarted_participant_has_its_key_and_its_ca_again),
        SEAL_TEST(what_is_sealed_is_private_and_shows_no_key),
        SEAL_TEST(without_a_state_directory_or_a_sealing_key_a_restart_is_a_new_identity),
        SEAL_TEST(nothing_is_sealed_for_who_would_not_be_admitted),
        SEAL_TEST(the_genuine_program_with_another_policy_unseals_nothing),
        SEAL_TEST(the_genuine_program_with_another_plan_unseals_nothing),
        SEAL_TEST(the_genuine_program_with_another_name_unseals_nothing),
        SEAL_TEST(the_genuine_program_in_another_role_unseals_nothing),
        SEAL_TEST(another_platform_unseals_nothing),
        SEAL_TEST(a_new_identity_moves_what_did_not_open_aside),
        SEAL_TEST(a_file_that_was_rolled_back_opens_as_the_same_identity),
        SEAL_TEST(a_file_altered_in_any_byte_or_cut_anywhere_does_not_open),
        SEAL_TEST(a_key_that_is_not_the_claims_own_is_refused),
        SEAL_TEST(an_unsealed_identity_is_used_only_if_its_claims_are_this_starts),
        SEAL_TEST(an_aggregators_identity_opens_only_with_its_ca),
        SEAL_TEST(a_device_that_quotes_other_code_gets_nothing_opened),
        SEAL_TEST(a_device_whose_quote_nobody_can_verify_gets_nothing_opened),
        SEAL_TEST(a_policy_that_replaces_another_one_than_that_in_force_is_refused),
        SEAL_TEST(a_successor_signed_by_the_pinned_key_keeps_key_and_ca),
        SEAL_TEST(the_identity_names_every_policy_that_it_came_through),
        SEAL_TEST(a_long_chain_forgets_its_beginning),
        SEAL_TEST(a_next_policy_that_nobody_signed_is_a_new_identity),
        SEAL_TEST(a_next_policy_signed_by_another_key_is_a_new_identity),
        SEAL_TEST(a_signature_over_another_policy_is_a_new_identity),
        SEAL_TEST(a_running_participant_takes_its_identity_along_to_a_signed_successor),
        SEAL_TEST(a_running_participant_refuses_a_successor_that_nobody_signed),
        SEAL_TEST(what_only_a_restart_can_change_is_refused),
        SEAL_TEST(where_no_successor_was_pinned_nobody_can_sign_one),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
