/* The identity that a start takes up again or leaves behind, sealed. docs/protocol.md section 9. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "codec/hex.h"
#include "crypto/hash.h"
#include "host/file.h"
#include "identity/keypair.h"
#include "identity/participant_parts.h"
#include "identity/succession.h"
#include "vouch/evidence.h"
#include "vouch/verifier.h"

VCH_DEFINE_DROP(appraisal_drop, vouch_appraisal, vouch_appraisal_free)

/* Another plan or policy has a file of its own: a start with the wrong one loses nothing. */
static vouch_code find_path(const vch_participant *p, const uint8_t policy[static 32],
                            char out[static VCH_PATH_SIZE], vouch_error *err)
{
    uint8_t both[64], digest[VCH_SHA256_SIZE];
    char hex[17];
    char name[VCH_PARTICIPANT_NAME_SIZE + 64];
    memcpy(both, p->plan_digest, 32);
    memcpy(both + 32, policy, 32);
    vouch_code rc = vch_sha256((vouch_span) { both, sizeof both }, digest, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)snprintf(name, sizeof name, "%s-%s-%s.identity", vch_role_name(p->role), p->name,
                   vch_hex_encode((vouch_span) { digest, 8 }, hex));
    return vch_path_join(p->state, name, out, err);
}

/* docs/protocol.md section 9: used only if its claims equal this start's. */
static vouch_code check_claims(const vch_participant *p, const vch_claims *c,
                               const uint8_t policy[static 32], vouch_error *err)
{
    const char *other = NULL;
    if (memcmp(c->federation, p->federation->id, sizeof c->federation) != 0)
        other = "federation";
    else if (strcmp(c->name, p->name) != 0)
        other = "name";
    else if (c->role != p->role)
        other = "role";
    else if (memcmp(c->plan, p->plan_digest, sizeof c->plan) != 0)
        other = "plan";
    else if (memcmp(c->policy, policy, sizeof c->policy) != 0)
        other = "policy";
    if (other == NULL)
        return VOUCH_OK;
    return vouch_fail(err, VOUCH_E_REFUSED, "what is sealed there is of another %s", other);
}

static vouch_code find_one(vch_participant *p, const uint8_t policy[static 32], vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_sealed_identity_drop) vch_sealed_identity *s = NULL;
    vouch_code rc = find_path(p, policy, path, err);
    if (rc == VOUCH_OK && !vch_file_exists(path))
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "none is sealed in '%s' for this policy",
                          p->state);
    if (rc == VOUCH_OK)
        rc = vch_sealed_identity_read(path, &s, err);
    if (rc == VOUCH_OK)
        rc = check_claims(p, vch_sealed_identity_claims(s), policy, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "'%s'", path);
    p->stored = VCH_MOVE(s);
    return VOUCH_OK;
}

vouch_code vch_identity_find(vch_participant *p, vouch_error *err)
{
    if (p->state == NULL)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "nothing is sealed in this run");
    vouch_code rc = find_one(p, p->federation->digest, err);
    if (rc == VOUCH_OK || !p->federation->has_replaces)
        return rc;
    if (err != NULL)
        *err = (vouch_error) { 0 };
    return find_one(p, p->federation->replaces, err);
}

vouch_code vch_identity_name_keys(const vch_participant *p, vch_claims *out, vouch_error *err)
{
    if (p->key == NULL) {
        const vch_claims *stored = vch_sealed_identity_claims(p->stored);
        memcpy(out->key_digest, stored->key_digest, sizeof out->key_digest);
        memcpy(out->ca, stored->ca, sizeof out->ca);
        out->has_ca = stored->has_ca;
        return VOUCH_OK;
    }
    out->has_ca = p->ca != NULL;
    vouch_code rc = vch_keypair_digest(p->key, out->key_digest, err);
    if (rc == VOUCH_OK && p->ca != NULL)
        rc = vch_sha256(vch_federation_ca_certificate(p->ca), out->ca, err);
    return rc;
}

/* Before its key is believed: the device is genuine and runs this program. That the quote is over
 * the claims that were asked for, the attester has seen to. */
static vouch_code prove_device(const vch_participant *p, vouch_span quote, vouch_error *err)
{
    VCH_SCOPED(appraisal_drop) vouch_appraisal *appraisal = NULL;
    VCH_SCOPED(vch_collateral_set_drop) const vch_collateral_set *set = NULL;
    vouch_code rc = vch_collateral_cache_prepare(p->collateral, quote, err);
    if (rc == VOUCH_OK)
        rc = vch_collateral_cache_get(p->collateral, quote, &set, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the device's quote cannot be verified");
    if (set->verifier == NULL)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "the device's quote cannot be verified: its "
                          "collateral is under no root that the policy names");
    const vouch_request request = { .quote = quote,
                                    .collateral = set->collateral,
                                    .policy = vch_attestation_file_policy(p->file, p->role),
                                    .now_unix_s = vch_participant_now(p) };
    rc = vch_proven_appraise(p->proven, set->verifier, &request, &appraisal, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!vouch_appraisal_admits(appraisal))
        return vouch_fail(err, VOUCH_E_REFUSED, "the device's quote: %s",
                          vouch_appraisal_reason(appraisal, 0).message);
    return VOUCH_OK;
}

static vouch_code make_root(const vch_participant *p, vouch_span device_key,
                            const uint8_t policy[static 32], vch_seal_root **out, vouch_error *err)
{
    const vch_seal_context context = { .plan_digest = p->plan_digest,
                                       .policy_digest = policy,
                                       .role = vch_role_name(p->role),
                                       .name = p->name };
    return vch_seal_root_new(device_key, &context, out, err);
}

/* With the root that it was sealed under; for another policy than ours, with the leave to follow it. */
static vouch_code open_stored(vch_participant *p, vouch_span key, vch_identity_parts *out,
                              vouch_error *err)
{
    const vch_claims *stored = vch_sealed_identity_claims(p->stored);
    bool same = memcmp(stored->policy, p->federation->digest, sizeof stored->policy) == 0;
    VCH_SCOPED(vch_identity_parts_drop) vch_identity_parts parts = { 0 };
    VCH_SCOPED(vch_seal_root_drop) vch_seal_root *root = NULL;
    vouch_code rc = make_root(p, key, stored->policy, &root, err);
    if (rc == VOUCH_OK)
        rc = vch_sealed_identity_open(p->stored, root, p->address, &parts, err);
    const vch_succession_base base = { .digest = stored->policy,
                                       .successor = parts.has_successor ? parts.successor : NULL };
    if (rc == VOUCH_OK && !same)
        rc = vch_succession_check(&base, p->file, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!same)
        vch_previous_push(parts.previous, &parts.previous_count, stored->policy);
    p->sealed = same;
    *out = parts;
    parts = (vch_identity_parts) { 0 };
    return VOUCH_OK;
}

/* For what is sealed from now on, and for what was sealed before. */
static vouch_code make_roots(vch_participant *p, vouch_span device_key, vouch_error *err)
{
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; rc == VOUCH_OK && i < p->previous_count; i++)
        rc = make_root(p, device_key, p->previous_policy[i], &p->previous[i], err);
    return rc == VOUCH_OK ? make_root(p, device_key, p->federation->digest, &p->root, err) : rc;
}

static void forget_previous(vch_participant *p)
{
    for (size_t i = 0; i < p->previous_count; i++)
        vch_seal_root_free(p->previous[i]);
    memset(p->previous, 0, sizeof p->previous);
    p->previous_count = 0;
}

/* Key and CA become ours. */
static vouch_code take_over(vch_participant *p, vouch_span device_key, vch_identity_parts *parts,
                            vouch_error *err)
{
    p->previous_count = parts->previous_count;
    memcpy(p->previous_policy, parts->previous, sizeof p->previous_policy);
    vouch_code rc = make_roots(p, device_key, err);
    if (rc != VOUCH_OK) {
        forget_previous(p);
        return rc;
    }
    p->key = parts->key;
    p->ca = parts->ca;
    *parts = (vch_identity_parts) { 0 };
    return VOUCH_OK;
}

vouch_code vch_identity_unseal(vch_participant *p, vouch_span quote, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret device_key = { 0 };
    VCH_SCOPED(vch_identity_parts_drop) vch_identity_parts parts = { 0 };
    vouch_code rc = prove_device(p, quote, err);
    if (rc == VOUCH_OK)
        rc = vch_attester_sealing_key(p->attester, &device_key, err);
    vouch_span key = { device_key.data, device_key.size };
    if (rc == VOUCH_OK)
        rc = open_stored(p, key, &parts, err);
    if (rc == VOUCH_OK)
        rc = take_over(p, key, &parts, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc,
                          "the sealed identity cannot be used (other platform, microcode, program "
                          "or policy, or an altered file)");
    vch_log(p->log, VCH_LOG_INFO, "identity.resumed", VCH_STR("name", p->name),
            VCH_BOOL("policy_changed", !p->sealed));
    return VOUCH_OK;
}

static vouch_code copy_key(const vch_key *key, vch_key **out, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret pem = { 0 };
    vouch_code rc = vch_key_private_pem(key, VCH_KEY_FORM_PKCS8, &pem, err);
    return rc == VOUCH_OK ? vch_key_from_private_pem((vouch_span) { pem.data, pem.size }, out, err)
                          : rc;
}

static vouch_code copy_ca(const vch_participant *of, vch_federation_ca **out, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret pem = { 0 };
    if (of->ca == NULL)
        return VOUCH_OK;
    vouch_code rc = vch_federation_ca_private_pem(of->ca, &pem, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_federation_ca_restore(of->address, (vouch_span) { pem.data, pem.size },
                                     vch_federation_ca_certificate(of->ca), out, err);
}

/* What a running process cannot change under itself. */
static const char *unchangeable(const vch_participant *p, const vch_participant *before)
{
    const vch_federation *a = before->federation;
    const vch_federation *b = p->federation;
    if (memcmp(a->id, b->id, sizeof a->id) != 0)
        return "id: another run is another federation";
    if (memcmp(a->initial_model, b->initial_model, sizeof a->initial_model) != 0)
        return "initial_model";
    if (a->model_export != b->model_export)
        return "model_export";
    if (a->aggregator_attested != b->aggregator_attested
        || before->member->attested != p->member->attested)
        return "who is attested: the aggregator, or this participant";
    return NULL;
}

vouch_code vch_identity_inherit(vch_participant *p, const vch_participant *before, vouch_error *err)
{
    const vch_federation *old = before->federation;
    const vch_succession_base base = { .digest = old->digest,
                                       .successor = old->has_successor ? old->successor : NULL };
    if (before->file == NULL || before->member == NULL || p->member == NULL)
        return vouch_fail(err, VOUCH_E_REFUSED, "there is no policy that this one could follow");
    const char *what = unchangeable(p, before);
    if (what != NULL)
        return vouch_fail(err, VOUCH_E_REFUSED, "only a restart can change federation.%s", what);
    if (p->attester == NULL) /* not attested: its operator decides for himself */
        return VOUCH_OK;
    vouch_code rc = vch_succession_check(&base, p->file, err);
    if (rc == VOUCH_OK)
        rc = copy_key(before->key, &p->key, err);
    if (rc == VOUCH_OK)
        rc = copy_ca(before, &p->ca, err);
    p->previous_count = before->previous_count;
    memcpy(p->previous_policy, before->previous_policy, sizeof p->previous_policy);
    vch_previous_push(p->previous_policy, &p->previous_count, old->digest);
    return rc;
}

vouch_code vch_identity_renew(vch_participant *p, vouch_error *err)
{
    vouch_code rc = vch_keypair_new(&p->key, err);
    if (rc == VOUCH_OK && p->role == VCH_ROLE_AGGREGATOR)
        rc = vch_federation_ca_new(p->address, vch_participant_now(p), &p->ca, err);
    return rc;
}

/* A file that did not open may open again elsewhere or later: it is moved aside, not written over. */
static vouch_code write_identity(const vch_participant *p, vouch_error *err)
{
    char path[VCH_PATH_SIZE], aside[VCH_PATH_SIZE + 8];
    vch_identity_parts parts = { .key = p->key,
                                 .ca = p->ca,
                                 .has_successor = p->federation->has_successor,
                                 .previous_count = p->previous_count };
    memcpy(parts.successor, p->federation->successor, sizeof parts.successor);
    memcpy(parts.previous, p->previous_policy, sizeof parts.previous);
    vouch_code rc = find_path(p, p->federation->digest, path, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(p->state, 0700, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)snprintf(aside, sizeof aside, "%s.old", path);
    if (vch_file_exists(path) && rename(path, aside) != 0)
        return vouch_fail(err, VOUCH_E_IO, "'%s': %s", path, strerror(errno));
    return vch_sealed_identity_write(path, p->root, vch_buffer_span(&p->current->claims), &parts,
                                     err);
}

static vouch_code keep(vch_participant *p, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret device_key = { 0 };
    vouch_code rc = VOUCH_OK;
    if (!vch_admission_admits(&p->current->face.appraisal))
        return vouch_fail(err, VOUCH_E_REFUSED, "our own evidence would not be admitted");
    if (p->root == NULL) {
        rc = vch_attester_sealing_key(p->attester, &device_key, err);
        vouch_span key = { device_key.data, device_key.size };
        if (rc == VOUCH_OK)
            rc = make_roots(p, key, err);
    }
    return rc == VOUCH_OK ? write_identity(p, err) : rc;
}

void vch_identity_keep(vch_participant *p)
{
    vouch_error err = { 0 };
    char text[VOUCH_ERROR_TEXT * VOUCH_ERROR_DEPTH];
    if (p->attester == NULL || p->state == NULL || p->sealed)
        return;
    p->sealed = keep(p, &err) == VOUCH_OK;
    if (!p->sealed)
        vch_log(p->log, VCH_LOG_WARN, "identity.not_sealed", VCH_STR("name", p->name),
                VCH_STR("reason", vouch_error_text(&err, text, sizeof text)));
}

const vch_seal_root *vch_participant_seal_root(const vch_participant *p)
{
    return p->root;
}

const uint8_t *vch_participant_previous_policy(const vch_participant *p, size_t at)
{
    return at < p->previous_count && p->root != NULL ? p->previous_policy[at] : NULL;
}

const vch_seal_root *vch_participant_previous_seal_root(const vch_participant *p, size_t at)
{
    return at < p->previous_count ? p->previous[at] : NULL;
}
