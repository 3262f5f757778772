#include "fed/wire/named_tensor_wire.h"

#include <stdlib.h>
#include <string.h>

#include "fed/wire/protobuf.h"

/* The fields of MetadataProto and NamedTensor (base.proto). */
enum { META_PAIRS = 1, META_INTS = 2, META_BOOLS = 3 };
enum { T_NAME = 1, T_ROUND, T_LOSSLESS, T_REPORT, T_TAGS, T_METADATA, T_DATA };

static uint32_t float_bits(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void read_pair(vch_pb_reader *outer, vouch_span message, vch_metadata_pair *out)
{
    vch_pb_reader r = vch_pb_read(message, outer->what);
    vch_pb_field f;
    vch_metadata_pair pair = { 0 };
    while (vch_pb_next(&r, &f)) {
        if (f.number == 1)
            pair.key = vch_pb_int32(&r, &f);
        else if (f.number == 2 && f.type == VCH_PB_FIXED32)
            pair.value = float_of((uint32_t)f.value);
        else if (f.number == 2)
            vch_pb_fail(&r, VOUCH_E_FORMAT, "a field is of another type");
    }
    if (r.code != VOUCH_OK)
        vch_pb_fail(outer, r.code, r.reason);
    *out = pair;
}

static void put_int(vch_pb_reader *r, uint64_t value, vch_metadata *m, bool store)
{
    int64_t wide = (int64_t)value;
    if (wide < INT32_MIN || wide > INT32_MAX)
        vch_pb_fail(r, VOUCH_E_LIMIT, "a number does not fit its field");
    else if (store)
        m->ints[m->int_count] = (int32_t)wide;
    m->int_count++;
}

static void put_bool(vch_pb_reader *r, uint64_t value, vch_metadata *m, bool store)
{
    if (value > 1)
        vch_pb_fail(r, VOUCH_E_FORMAT, "a truth value is neither 0 nor 1");
    else if (store)
        m->bools[m->bool_count] = value == 1;
    m->bool_count++;
}

/* Repeated numbers come packed or one by one. */
static void read_numbers(vch_pb_reader *r, const vch_pb_field *f, vch_metadata *m, bool store,
                         void (*put)(vch_pb_reader *, uint64_t, vch_metadata *, bool))
{
    if (f->type == VCH_PB_VARINT) {
        put(r, f->value, m, store);
        return;
    }
    if (f->type != VCH_PB_BYTES) {
        vch_pb_fail(r, VOUCH_E_FORMAT, "a field is of another type");
        return;
    }
    vch_cursor c = vch_cursor_over(f->bytes);
    while (r->code == VOUCH_OK && c.rest.size > 0) {
        uint64_t value = 0;
        if (vch_pb_varint(&c, &value))
            put(r, value, m, store);
        else
            vch_pb_fail(r, VOUCH_E_FORMAT, "packed numbers do not parse");
    }
}

/* The first walk counts, the second stores: `m` has room by then. */
static vouch_code read_metadata(vouch_span message, vch_metadata *m, bool store, vouch_error *err)
{
    vch_pb_reader r = vch_pb_read(message, "MetadataProto");
    vch_pb_field f;
    vch_metadata_pair pair;
    m->int_count = m->pair_count = m->bool_count = 0;
    while (vch_pb_next(&r, &f)) {
        if (f.number == META_PAIRS) {
            read_pair(&r, vch_pb_repeated_message(&r, &f),
                      store ? &m->pairs[m->pair_count] : &pair);
            m->pair_count++;
        } else if (f.number == META_INTS) {
            read_numbers(&r, &f, m, store, put_int);
        } else if (f.number == META_BOOLS) {
            read_numbers(&r, &f, m, store, put_bool);
        }
    }
    return vch_pb_finish(&r, err);
}

vouch_code vch_metadata_parse(vouch_span message, vch_metadata *out, vouch_error *err)
{
    vch_metadata m = { 0 };
    vouch_code rc = read_metadata(message, &m, false, err);
    if (rc != VOUCH_OK)
        return rc;
    if (m.int_count > VCH_METADATA_ENTRY_MAX || m.pair_count > VCH_METADATA_ENTRY_MAX
        || m.bool_count > VCH_METADATA_ENTRY_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "MetadataProto: too many entries");
    m.ints = calloc(m.int_count + 1, sizeof *m.ints);
    m.pairs = calloc(m.pair_count + 1, sizeof *m.pairs);
    m.bools = calloc(m.bool_count + 1, sizeof *m.bools);
    if (m.ints == NULL || m.pairs == NULL || m.bools == NULL)
        rc = vouch_fail(err, VOUCH_E_MEMORY, "MetadataProto");
    else
        rc = read_metadata(message, &m, true, err);
    if (rc != VOUCH_OK) {
        vch_metadata_done(&m);
        return rc;
    }
    *out = m;
    return VOUCH_OK;
}

static size_t ints_size(const vch_metadata *m)
{
    size_t size = 0;
    for (size_t i = 0; i < m->int_count; i++)
        size += vch_pb_varint_size((uint64_t)(int64_t)m->ints[i]);
    return size;
}

/* Writers of maps give key and value even where they are zero. */
static size_t pair_size(const vch_metadata_pair *pair)
{
    return 1 + vch_pb_varint_size((uint64_t)(int64_t)pair->key) + 1 + sizeof(float);
}

static size_t metadata_size(const vch_metadata *m)
{
    size_t ints = ints_size(m);
    size_t size = ints == 0 ? 0 : 1 + vch_pb_varint_size(ints) + ints;
    if (m->bool_count > 0)
        size += 1 + vch_pb_varint_size(m->bool_count) + m->bool_count;
    for (size_t i = 0; i < m->pair_count; i++) {
        size_t pair = pair_size(&m->pairs[i]);
        size += 1 + vch_pb_varint_size(pair) + pair;
    }
    return size;
}

void vch_metadata_write(const vch_metadata *m, vch_buffer *out)
{
    for (size_t i = 0; i < m->pair_count; i++) {
        vch_pb_put_head(out, META_PAIRS, pair_size(&m->pairs[i]));
        vch_pb_put_tag(out, 1, VCH_PB_VARINT);
        vch_pb_put_varint(out, (uint64_t)(int64_t)m->pairs[i].key);
        vch_pb_put_tag(out, 2, VCH_PB_FIXED32);
        vch_buffer_u32le(out, float_bits(m->pairs[i].value));
    }
    if (m->int_count > 0) {
        vch_pb_put_head(out, META_INTS, ints_size(m));
        for (size_t i = 0; i < m->int_count; i++)
            vch_pb_put_varint(out, (uint64_t)(int64_t)m->ints[i]);
    }
    if (m->bool_count > 0) {
        vch_pb_put_head(out, META_BOOLS, m->bool_count);
        for (size_t i = 0; i < m->bool_count; i++)
            vch_buffer_u8(out, m->bools[i] ? 1 : 0);
    }
}

static void read_tensor_field(vch_pb_reader *r, const vch_pb_field *f, vch_named_tensor *t)
{
    switch (f->number) {
    case T_NAME:
        t->name = vch_pb_text(r, f, VCH_TENSOR_NAME_MAX);
        return;
    case T_ROUND:
        t->round = vch_pb_int32(r, f);
        return;
    case T_LOSSLESS:
        t->lossless = vch_pb_bool(r, f);
        return;
    case T_REPORT:
        t->report = vch_pb_bool(r, f);
        return;
    case T_TAGS: {
        vouch_span tag = vch_pb_repeated_text(r, f, VCH_TAG_SIZE_MAX);
        if (r->code == VOUCH_OK && vch_tags_add(&t->tags, tag, NULL) != VOUCH_OK)
            vch_pb_fail(r, VOUCH_E_LIMIT, "too many tags, or an empty one");
        return;
    }
    case T_METADATA: {
        vouch_span metadata = vch_pb_repeated_message(r, f);
        if (r->code == VOUCH_OK && t->metadata_count >= VCH_METADATA_MAX) {
            vch_pb_fail(r, VOUCH_E_LIMIT, "too many transformer_metadata");
        } else if (r->code == VOUCH_OK) {
            vouch_code rc = vch_metadata_parse(metadata, &t->metadata[t->metadata_count], NULL);
            if (rc == VOUCH_OK)
                t->metadata_count++;
            else
                vch_pb_fail(r, rc, "transformer_metadata does not parse");
        }
        return;
    }
    case T_DATA:
        t->data = vch_pb_message(r, f);
        return;
    default:
        return;
    }
}

vouch_code vch_named_tensor_parse(vouch_span message, vch_named_tensor *out, vouch_error *err)
{
    vch_pb_reader r = vch_pb_read(message, "NamedTensor");
    vch_named_tensor t = { 0 };
    vch_pb_field f;
    while (vch_pb_next(&r, &f))
        read_tensor_field(&r, &f, &t);
    vouch_code rc = vch_pb_finish(&r, err);
    if (rc != VOUCH_OK) {
        vch_named_tensor_done(&t);
        return rc;
    }
    *out = t;
    return VOUCH_OK;
}

static size_t text_size(size_t size)
{
    return size == 0 ? 0 : 1 + vch_pb_varint_size(size) + size;
}

size_t vch_named_tensor_wire_size(const vch_named_tensor *t)
{
    size_t size = text_size(t->name.size) + text_size(t->data.size);
    if (t->round != 0)
        size += 1 + vch_pb_varint_size((uint64_t)(int64_t)t->round);
    size += (t->lossless ? 2U : 0U) + (t->report ? 2U : 0U);
    for (size_t i = 0; i < t->tags.count; i++)
        size += text_size(t->tags.tag[i].size);
    for (size_t i = 0; i < t->metadata_count; i++) {
        size_t metadata = metadata_size(&t->metadata[i]);
        size += 1 + vch_pb_varint_size(metadata) + metadata;
    }
    return size;
}

void vch_named_tensor_write_head(uint32_t number, const vch_named_tensor *t, vch_buffer *out)
{
    vch_pb_put_head(out, number, vch_named_tensor_wire_size(t));
    vch_pb_put_bytes(out, T_NAME, t->name);
    vch_pb_put_int32(out, T_ROUND, t->round);
    vch_pb_put_bool(out, T_LOSSLESS, t->lossless);
    vch_pb_put_bool(out, T_REPORT, t->report);
    for (size_t i = 0; i < t->tags.count; i++)
        vch_pb_put_bytes(out, T_TAGS, t->tags.tag[i]);
    for (size_t i = 0; i < t->metadata_count; i++) {
        /* present even when empty: a scalar's shape */
        vch_pb_put_head(out, T_METADATA, metadata_size(&t->metadata[i]));
        vch_metadata_write(&t->metadata[i], out);
    }
    if (t->data.size > 0)
        vch_pb_put_head(out, T_DATA, t->data.size);
}
