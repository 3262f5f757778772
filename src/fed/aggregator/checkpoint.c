#include "fed/aggregator/checkpoint.h"

#include <string.h>

#include "base/bytes.h"
#include "crypto/gmac.h"
#include "crypto/hash.h"

vouch_code vch_checkpoint_write(const vch_ledger *ledger, const vch_model *const *models,
                                size_t count, vch_sealed **out, vouch_error *err)
{
    VCH_SCOPED(vch_sealed_drop) vch_sealed *file = NULL;
    vouch_code rc =
        vch_ledger_new_file(ledger, VCH_LEDGER_MODEL, count * models[0]->data_size, &file, err);
    for (size_t m = 0; rc == VOUCH_OK && m < count; m++) {
        for (size_t i = 0; rc == VOUCH_OK && i < models[m]->count; i++)
            rc = vch_sealed_append(file, vch_tensor_bytes(&models[m]->tensor[i]), err);
    }
    if (rc == VOUCH_OK)
        rc = vch_sealed_finish(file, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "writing the model of a round");
    *out = VCH_MOVE(file);
    return VOUCH_OK;
}

vouch_code vch_checkpoint_read(vch_sealed *file, vch_model *const *models, size_t count,
                               vouch_error *err)
{
    uint64_t at = 0;
    if (vch_sealed_stamp_of(file)->size != count * models[0]->data_size)
        return vouch_fail(err, VOUCH_E_FORMAT, "the model of a round has another size");
    for (size_t m = 0; m < count; m++) {
        for (size_t i = 0; i < models[m]->count; i++) {
            const vch_tensor *t = &models[m]->tensor[i];
            size_t size = t->shape.count * sizeof *t->values;
            vouch_code rc = vch_sealed_read(file, at, t->values, size, err);
            if (rc != VOUCH_OK)
                return vouch_wrap(err, rc, "tensor '%s'", t->name);
            at += size;
        }
    }
    return VOUCH_OK;
}

/* A run is found again by it; which model a federation agreed on is judged elsewhere, by SHA-256 of
 * the file. So the values, whose digest would be most of a start, count by their GMAC. */
static vouch_code digest_values(const vch_model *model, vch_hash *hash, vouch_error *err)
{
    static const uint8_t key[VCH_GMAC_KEY_SIZE] = "vouch: which initial model";
    uint8_t values[VCH_GMAC_SIZE];
    VCH_SCOPED(vch_gmac_drop) vch_gmac *gmac = NULL;
    vouch_code rc = vch_gmac_new(key, &gmac, err);
    for (size_t i = 0; rc == VOUCH_OK && i < model->count; i++)
        rc = vch_gmac_update(gmac, vch_tensor_bytes(&model->tensor[i]), err);
    if (rc == VOUCH_OK)
        rc = vch_gmac_finish(gmac, values, err);
    return rc == VOUCH_OK ? vch_hash_update(hash, (vouch_span) { values, sizeof values }, err) : rc;
}

vouch_code vch_checkpoint_digest(const vch_model *model, uint8_t out[static VCH_SHA256_SIZE],
                                 vouch_error *err)
{
    VCH_SCOPED(vch_hash_drop) vch_hash *hash = NULL;
    vouch_code rc = vch_hash_new(VCH_HASH_SHA256, &hash, err);
    for (size_t i = 0; rc == VOUCH_OK && i < model->count; i++) {
        const vch_tensor *t = &model->tensor[i];
        const vouch_span name = { (const uint8_t *)t->name, strlen(t->name) + 1 };
        rc = vch_hash_update(hash, name, err);
        if (rc == VOUCH_OK)
            rc = vch_hash_update(
                hash, (vouch_span) { (const uint8_t *)&t->shape.rank, sizeof t->shape.rank }, err);
        if (rc == VOUCH_OK)
            rc = vch_hash_update(hash,
                                 (vouch_span) { (const uint8_t *)t->shape.dim,
                                                t->shape.rank * sizeof *t->shape.dim },
                                 err);
    }
    if (rc == VOUCH_OK)
        rc = digest_values(model, hash, err);
    return rc == VOUCH_OK ? vch_hash_finish(hash, out, VCH_SHA256_SIZE, err) : rc;
}

uint64_t vch_checkpoint_offset(const vch_model *like, size_t at)
{
    uint64_t from = 0;
    for (size_t i = 0; i < at; i++)
        from += like->tensor[i].shape.count * sizeof(float);
    return from;
}

vouch_code vch_checkpoint_tensor(vch_sealed *file, const vch_model *like, size_t at,
                                 vch_tensor *out, vouch_error *err)
{
    uint64_t from = vch_checkpoint_offset(like, at);
    vch_tensor t = { 0 };
    vouch_code rc =
        vch_tensor_init(&t, vch_span_str(like->tensor[at].name), &like->tensor[at].shape, err);
    if (rc == VOUCH_OK)
        rc = vch_sealed_read(file, from, t.values, t.shape.count * sizeof *t.values, err);
    if (rc != VOUCH_OK) {
        vch_tensor_done(&t);
        return vouch_wrap(err, rc, "tensor '%s'", like->tensor[at].name);
    }
    *out = t;
    return VOUCH_OK;
}
