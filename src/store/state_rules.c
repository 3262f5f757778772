#include "store/state_rules.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "codec/hex.h"
#include "crypto/hash.h"

#define IDENTITY_MAX ((size_t)8192)
#define IN_NAME ((size_t)12) /* bytes of the digest */

vouch_code vch_state_name(const vch_state_subject *subject, const uint8_t *rules_digest,
                          char out[static VCH_STATE_NAME_SIZE], vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE];
    char hex[2 * IN_NAME + 1];
    VCH_SCOPED(vch_buffer_drop) vch_buffer all = vch_buffer_with_cap(IDENTITY_MAX);
    vch_buffer_append(&all, subject->federation);
    if (rules_digest != NULL)
        vch_buffer_append(&all, (vouch_span) { rules_digest, VCH_SHA256_SIZE });
    vouch_code rc = vch_buffer_finish(&all, "federation", err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(vch_buffer_span(&all), digest, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)vch_hex_encode((vouch_span) { digest, IN_NAME }, hex);
    (void)snprintf(out, VCH_STATE_NAME_SIZE, "%.16s-%s", subject->role, hex);
    return VOUCH_OK;
}

vouch_code vch_state_open_under(const vch_state_subject *subject, const vch_state_history *rules,
                                const vch_state_options *options, vch_state **out, vouch_error *err)
{
    char name[VCH_STATE_NAME_SIZE];
    char older[VCH_STATE_BEFORE_MAX][VCH_STATE_NAME_SIZE];
    vch_state_origin before[VCH_STATE_BEFORE_MAX];
    vch_state_options how = *options;
    if (rules->before_count > VCH_STATE_BEFORE_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu rules before these", rules->before_count);
    vouch_code rc = vch_state_name(subject, rules->now.digest, name, err);
    for (size_t i = 0; rc == VOUCH_OK && i < rules->before_count; i++) {
        rc = vch_state_name(subject, rules->before[i].digest, older[i], err);
        before[i] = (vch_state_origin) { older[i], rules->before[i].root };
    }
    how.name = name;
    how.root = rules->now.root;
    how.before = before;
    how.before_count = rules->before_count;
    return rc == VOUCH_OK ? vch_state_open(&how, out, err) : rc;
}
