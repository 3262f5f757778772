#include "svc/verifyd_appraise.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "identity/collateral_cache.h"
#include "policy/builder.h"
#include "policy/policy.h"
#include "result/token_content.h"
#include "svc/cache_pool.h"

#define ROOT_MAX_SIZE ((size_t)16 << 10)

typedef struct loaded_policy {
    char id[VCH_UUID_TEXT_SIZE + 1];
    uint8_t sha384[VCH_SHA384_SIZE];
    vouch_policy *policy;
    vch_builder_policy *builder; /* in place of `policy` */
} loaded_policy;

struct vch_appraiser {
    vch_collateral_cache *collateral;
    loaded_policy *policies;
    size_t policy_count;
    vch_cache_pool *caches;
};

void vch_appraiser_free(vch_appraiser *appraiser)
{
    if (appraiser == NULL)
        return;
    vch_collateral_cache_free(appraiser->collateral);
    for (size_t i = 0; i < appraiser->policy_count; i++) {
        vouch_policy_free(appraiser->policies[i].policy);
        vch_builder_free(appraiser->policies[i].builder);
    }
    vch_cache_pool_free(appraiser->caches);
    free(appraiser->policies);
    free(appraiser);
}

void vch_attest_result_drop(vch_attest_result *result)
{
    vouch_appraisal_free(result->appraisal);
    *result = (vch_attest_result) { 0 };
}

static vouch_code read_root(const char *path, uint8_t out[static VCH_SHA256_SIZE], vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(ROOT_MAX_SIZE);
    vouch_code rc = vch_file_read(path, VCH_PEM_MAX_SIZE, &pem, err);
    if (rc == VOUCH_OK)
        rc = vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_TEXT_BEFORE,
                                &der, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(vch_buffer_span(&der), out, err);
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "root '%s'", path);
}

static vouch_code load_collateral(const vch_verifyd_config *config,
                                  const vch_collateral_surroundings *given, vch_appraiser *a,
                                  vouch_error *err)
{
    vch_collateral_surroundings around = *given;
    uint8_t digests[VCH_VERIFYD_ROOTS_MAX][VCH_SHA256_SIZE];
    for (size_t i = 0; i < config->root_count; i++) {
        vouch_code rc = read_root(config->roots[i], digests[i], err);
        if (rc != VOUCH_OK)
            return rc;
    }
    const vch_root_pins pins = { .intel = config->intel_root,
                                 .sha256 = (const uint8_t(*)[VCH_SHA256_SIZE])digests,
                                 .count = config->root_count };
    around.pins = &pins;
    return vch_collateral_settings_open(&config->collateral, &around, &a->collateral, err);
}

static vouch_code load_policy(const vch_verifyd_policy_file *file, loaded_policy *out,
                              vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    memcpy(out->id, file->id, sizeof out->id);
    vouch_code rc = vch_file_read(file->file, VCH_YAML_MAX_SIZE, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_sha384(vch_buffer_span(&text), out->sha384, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = vch_policy_form_of(vch_buffer_span(&text)) == VCH_POLICY_BUILDER
             ? vch_builder_parse(file->file, vch_buffer_span(&text), &out->builder, err)
             : vouch_policy_parse(file->file, vch_buffer_span(&text), &out->policy, err);
    return rc == VOUCH_OK || rc == VOUCH_E_MEMORY
               ? rc
               : vouch_wrap(err, VOUCH_E_CONFIG, "policy %s", out->id);
}

static vouch_code load_policies(const vch_verifyd_config *config, vch_appraiser *a,
                                vouch_error *err)
{
    if (config->policy_count == 0)
        return VOUCH_OK;
    a->policies = calloc(config->policy_count, sizeof *a->policies);
    if (a->policies == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the policies");
    for (size_t i = 0; i < config->policy_count; i++) {
        a->policy_count = i + 1;
        vouch_code rc = load_policy(&config->policies[i], &a->policies[i], err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

vouch_code vch_appraiser_new(const vch_verifyd_config *config,
                             const vch_collateral_surroundings *around, vch_appraiser **out,
                             vouch_error *err)
{
    VCH_SCOPED(vch_appraiser_drop) vch_appraiser *a = calloc(1, sizeof *a);
    if (a == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for an appraiser");
    vouch_code rc = load_collateral(config, around, a, err);
    if (rc == VOUCH_OK)
        rc = load_policies(config, a, err);
    if (rc == VOUCH_OK)
        rc = vch_cache_pool_new(&a->caches, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(a);
    return VOUCH_OK;
}

VOUCH_PRINTF(4, 5)
static void refuse(vch_attest_result *result, const char *step, const char *code, const char *fmt,
                   ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(result->message, sizeof result->message, fmt, args);
    va_end(args);
    result->step = step;
    result->code = code;
}

/* Intel's word for it, then ours. */
static void refuse_appraisal(vch_attest_result *result)
{
    vouch_reason reason = vouch_appraisal_reason(result->appraisal, 0);
    refuse(result, "quote", reason.code, "Failed to verify quote: %s: %s", reason.step,
           reason.message);
}

static vouch_code hash_collateral(const vouch_collateral_parts *parts, vch_token_collateral *out,
                                  vouch_error *err)
{
    const struct {
        vouch_span bytes;
        uint8_t *digest;
    } each[] = {
        { parts->qe_identity, out->qe_identity },
        { parts->qe_identity_issuer_chain, out->qe_identity_chain },
        { parts->tcb_info, out->tcb_info },
        { parts->tcb_info_issuer_chain, out->tcb_info_chain },
        { parts->root_ca_crl, out->root_ca_crl },
    };
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        vouch_code rc = vch_sha256(each[i].bytes, each[i].digest, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

static bool find_collateral(const vch_appraiser *a, vouch_span quote,
                            const vch_collateral_set **out, vch_attest_result *result)
{
    vouch_error why = { 0 };
    char text[200];
    if (vch_collateral_cache_get(a->collateral, quote, out, &why) != VOUCH_OK)
        refuse(result, "quote", "collateral_missing",
               "Failed to verify quote: could not find out: %s",
               vouch_error_text(&why, text, sizeof text));
    else if ((*out)->verifier == NULL)
        refuse(result, "quote", "collateral_missing",
               "Failed to verify quote: the platform's collateral is under no trusted root");
    else
        return true;
    return false;
}

/* True in *out_good: genuine, and not revoked. Intel's rule: TCB and measurement are not judged. */
static vouch_code appraise(const vch_appraiser *a, const vch_attest_request *request,
                           int64_t now_unix_s, vch_attest_result *result, bool *out_good,
                           vouch_error *err)
{
    vouch_claims said = { 0 };
    vouch_error fault = { 0 };
    vouch_code rc = vouch_quote_read(vch_buffer_span(&request->quote), &said, &fault);
    if (rc == VOUCH_E_MEMORY)
        return vouch_fail(err, rc, "no memory to read a quote");
    if (rc != VOUCH_OK) {
        char text[200];
        refuse(result, "quote", "malformed", "Failed to verify quote: %s",
               vouch_error_text(&fault, text, sizeof text));
        return VOUCH_OK;
    }
    VCH_SCOPED(vch_collateral_set_drop) const vch_collateral_set *set = NULL;
    vouch_request ask = { .quote = vch_buffer_span(&request->quote), .now_unix_s = now_unix_s };
    if (!find_collateral(a, ask.quote, &set, result))
        return VOUCH_OK;
    ask.collateral = set->collateral;
    ask.cache = vch_cache_pool_lend(a->caches);
    rc = vouch_verifier_appraise(set->verifier, &ask, &result->appraisal, err);
    vch_cache_pool_give_back(a->caches, ask.cache);
    if (rc == VOUCH_OK)
        rc = hash_collateral(&set->parts, &result->collateral, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!vouch_appraisal_is_genuine(result->appraisal)) {
        refuse_appraisal(result);
        return VOUCH_OK;
    }
    if (vouch_appraisal_claims(result->appraisal)->tcb_status == VOUCH_TCB_REVOKED) {
        refuse(result, "quote", "tcb_revoked", "Failed to verify quote: the TCB level is revoked");
        return VOUCH_OK;
    }
    *out_good = true;
    return VOUCH_OK;
}

/* Section 4.4: with a nonce or data all 64 bytes must be bound to them; with neither nothing is
 * compared, and whoever reads the token has to look. */
static vouch_code check_binding(const vch_attest_request *request, vch_attest_result *result,
                                bool *out_good, vouch_error *err)
{
    const vouch_claims *claims = vouch_appraisal_claims(result->appraisal);
    if (!request->has_nonce && request->held_data.size == 0) {
        *out_good = true;
        return VOUCH_OK;
    }
    uint8_t want[64];
    vouch_code rc = vch_token_binding(
        claims->tee == VOUCH_TEE_TDX, vch_buffer_span(&request->nonce_val),
        vch_buffer_span(&request->nonce_iat), vch_buffer_span(&request->held_data), want, err);
    if (rc != VOUCH_OK)
        return rc;
    *out_good = memcmp(want, claims->report_data, sizeof want) == 0;
    if (!*out_good)
        refuse(result, "binding", "report_data",
               "the quote's report data is not bound to verifier_nonce and runtime_data");
    return VOUCH_OK;
}

/* Past the cap a renamed claim is missing from the token; it stands there under its own name. */
static void add_exports(const vch_builder_policy *builder, vouch_tee tee, vch_attest_result *result)
{
    const vch_builder_export *list = NULL;
    size_t count = vch_builder_exports(builder, tee, &list);
    for (size_t i = 0; i < count && result->export_count < VCH_ATTEST_EXPORTS_MAX; i++)
        result->exports[result->export_count++] =
            (vch_token_export) { list[i].name, list[i].claim };
}

static bool judge_policy(const loaded_policy *p, int64_t now_unix_s, vch_attest_result *result)
{
    VCH_SCOPED(vch_reasons_drop) vch_reasons reasons = { 0 };
    const vouch_claims *claims = vouch_appraisal_claims(result->appraisal);
    vch_token_policy *entry = &result->policies[result->policy_count++];
    bool matched = p->builder != NULL ? vch_builder_judge(p->builder, claims, now_unix_s, &reasons)
                                      : vch_policy_judge(p->policy, claims, now_unix_s, &reasons);
    *entry = (vch_token_policy) { .id = p->id, .matched = matched };
    if (p->builder != NULL)
        add_exports(p->builder, claims->tee, result);
    memcpy(entry->sha384, p->sha384, sizeof entry->sha384);
    return entry->matched;
}

static const loaded_policy *find_policy(const vch_appraiser *a, const char *id)
{
    for (size_t i = 0; i < a->policy_count; i++) {
        if (strcasecmp(a->policies[i].id, id) == 0)
            return &a->policies[i];
    }
    return NULL;
}

bool vch_appraiser_has_policy(const vch_appraiser *a, const char *id)
{
    return find_policy(a, id) != NULL;
}

/* The ids of the request replace those of its API key. */
static bool judge_policies(const vch_appraiser *a, const vch_attest_request *request,
                           const vch_own_policies *own, int64_t now_unix_s,
                           vch_attest_result *result)
{
    bool asked = request->policy_id_count > 0;
    const char *const *ids = asked ? request->policy_ids : own->id;
    size_t count = asked ? request->policy_id_count : ids != NULL ? own->count : a->policy_count;
    for (size_t i = 0; i < count; i++) {
        const char *id = ids != NULL ? ids[i] : a->policies[i].id;
        const loaded_policy *p = ids != NULL ? find_policy(a, id) : &a->policies[i];
        if (p == NULL) {
            refuse(result, "policy", "unknown", "policy %s does not exist", id);
            return false;
        }
        if (!judge_policy(p, now_unix_s, result) && request->policy_must_match) {
            refuse(result, "policy", "unmatched", "policy %s does not match", p->id);
            return false;
        }
    }
    return true;
}

vouch_code vch_appraiser_judge(const vch_appraiser *appraiser, const vch_attest_request *request,
                               const vch_own_policies *own, int64_t now_unix_s,
                               vch_attest_result *out, vouch_error *err)
{
    bool good = false;
    vouch_code rc = appraise(appraiser, request, now_unix_s, out, &good, err);
    if (rc != VOUCH_OK || !good)
        return rc;
    vouch_tee tee = vouch_appraisal_claims(out->appraisal)->tee;
    if (request->tee != VOUCH_TEE_NONE && request->tee != tee) {
        refuse(out, "request", "tee", "the quote is not of the TEE that the body names");
        return VOUCH_OK;
    }
    good = false;
    rc = check_binding(request, out, &good, err);
    if (rc != VOUCH_OK || !good)
        return rc;
    out->accepted = judge_policies(appraiser, request, own, now_unix_s, out);
    return VOUCH_OK;
}
