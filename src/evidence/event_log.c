#include "evidence/event_log.h"

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "crypto/hash.h"

#define EV_NO_ACTION 3U
#define ALGORITHMS_MAX 8
#define ALGORITHM_SHA384 0x000c
#define LEGACY_DIGEST_SIZE 20
#define SIGNATURE_SIZE 16

typedef struct algorithm {
    uint16_t id;
    uint16_t size; /* of its digests, bytes */
} algorithm;

typedef struct algorithms {
    algorithm item[ALGORITHMS_MAX];
    size_t count;
} algorithms;

static uint16_t digest_size(uint16_t id)
{
    static const algorithm known[] = {
        { 0x0004, 20 }, { 0x000b, 32 }, { ALGORITHM_SHA384, 48 }, { 0x000d, 64 }, { 0x0012, 32 },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].id == id)
            return known[i].size;
    }
    return 0;
}

static const algorithm *find(const algorithms *a, uint16_t id)
{
    for (size_t i = 0; i < a->count; i++) {
        if (a->item[i].id == id)
            return &a->item[i];
    }
    return NULL;
}

static vouch_code read_algorithms(vch_cursor *c, algorithms *out, vouch_error *err)
{
    uint32_t count = vch_cursor_u32le(c);
    if (c->failed || count == 0 || count > ALGORITHMS_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "event log: %u algorithms, not 1 to %d",
                          (unsigned)count, ALGORITHMS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        algorithm a = { .id = vch_cursor_u16le(c) };
        a.size = vch_cursor_u16le(c);
        if (c->failed || a.size == 0 || a.size != digest_size(a.id) || find(out, a.id) != NULL)
            return vouch_fail(err, VOUCH_E_FORMAT, "event log: algorithm %04x of %u bytes", a.id,
                              a.size);
        out->item[out->count++] = a;
    }
    if (find(out, ALGORITHM_SHA384) == NULL)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "event log: no digests with SHA-384");
    return VOUCH_OK;
}

/* TCG_EfiSpecIdEvent */
static vouch_code read_specification(vouch_span in, algorithms *out, vouch_error *err)
{
    static const uint8_t signature[SIGNATURE_SIZE] = "Spec ID Event03";
    vch_cursor c = vch_cursor_over(in);
    vouch_span given = vch_cursor_take(&c, SIGNATURE_SIZE);
    (void)vch_cursor_u32le(&c); /* platform class */
    (void)vch_cursor_u8(&c);    /* minor version */
    uint8_t major = vch_cursor_u8(&c);
    (void)vch_cursor_u8(&c); /* errata */
    (void)vch_cursor_u8(&c); /* size of UINTN: nothing below depends on it */
    if (c.failed || memcmp(given.data, signature, sizeof signature) != 0 || major != 2)
        return vouch_fail(err, VOUCH_E_FORMAT, "event log: not a crypto-agile log of version 2");
    vouch_code rc = read_algorithms(&c, out, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)vch_cursor_take(&c, vch_cursor_u8(&c)); /* the vendor's own */
    return vch_cursor_finish(&c, "event log header", err);
}

/* The first event has the old form with a SHA-1 digest, all zero; OVMF gives it register 1. */
static vouch_code read_header(vch_cursor *c, algorithms *out, vouch_error *err)
{
    uint32_t index = vch_cursor_u32le(c);
    uint32_t type = vch_cursor_u32le(c);
    vouch_span digest = vch_cursor_take(c, LEGACY_DIGEST_SIZE);
    vouch_span specification = vch_cursor_take(c, vch_cursor_u32le(c));
    if (c->failed)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "event log: shorter than its header");
    if (index > 1 || type != EV_NO_ACTION || !vch_span_is_zero(digest))
        return vouch_fail(err, VOUCH_E_FORMAT, "event log: the first event is not its header");
    return read_specification(specification, out, err);
}

/* Exactly one digest of each algorithm that the header names. */
static vouch_code read_digests(vch_cursor *c, const algorithms *a, vch_event *event,
                               vouch_error *err)
{
    algorithms seen = { 0 };
    uint32_t count = vch_cursor_u32le(c);
    if (!c->failed && count != a->count)
        return vouch_fail(err, VOUCH_E_FORMAT, "event log, byte %zu: %u digests, not %zu",
                          event->offset, (unsigned)count, a->count);
    for (uint32_t i = 0; i < count && !c->failed; i++) {
        uint16_t id = vch_cursor_u16le(c);
        const algorithm *known = find(a, id);
        if (c->failed)
            return VOUCH_OK; /* the caller says where */
        if (known == NULL || find(&seen, id) != NULL)
            return vouch_fail(err, VOUCH_E_FORMAT,
                              "event log, byte %zu: a digest of algorithm %04x", event->offset, id);
        seen.item[seen.count++] = *known;
        vouch_span digest = vch_cursor_take(c, known->size);
        if (id == ALGORITHM_SHA384)
            event->digest = digest;
    }
    return VOUCH_OK;
}

static vouch_code read_event(vch_cursor *c, const algorithms *a, vch_event *event, vouch_error *err)
{
    event->index = vch_cursor_u32le(c);
    event->type = vch_cursor_u32le(c);
    vouch_code rc = read_digests(c, a, event, err);
    if (rc != VOUCH_OK)
        return rc;
    event->content = vch_cursor_take(c, vch_cursor_u32le(c));
    if (c->failed)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "event log, byte %zu: the event is cut short",
                          event->offset);
    if (event->index > VCH_RTMR_COUNT || (event->index == 0 && event->type != EV_NO_ACTION))
        return vouch_fail(err, VOUCH_E_FORMAT, "event log, byte %zu: an event of register %u",
                          event->offset, (unsigned)event->index);
    return VOUCH_OK;
}

/* Firmware leaves the rest of the area at 0xff or at 0; no event begins with four such bytes and more. */
static bool is_padding(vouch_span rest)
{
    if (rest.data[0] != 0x00 && rest.data[0] != 0xff)
        return false;
    for (size_t i = 1; i < rest.size; i++) {
        if (rest.data[i] != rest.data[0])
            return false;
    }
    return true;
}

vouch_code vch_event_log_each(vouch_span log,
                              vouch_code (*each)(void *context, const vch_event *event,
                                                 vouch_error *err),
                              void *context, vouch_error *err)
{
    vch_cursor c = vch_cursor_over(log);
    algorithms a = { 0 };
    if (log.size > VCH_EVENT_LOG_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "event log: over %zu bytes", VCH_EVENT_LOG_MAX_SIZE);
    vouch_code rc = read_header(&c, &a, err);
    while (rc == VOUCH_OK && c.rest.size > 0 && !is_padding(c.rest)) {
        vch_event event = { .offset = log.size - c.rest.size };
        rc = read_event(&c, &a, &event, err);
        if (rc == VOUCH_OK)
            rc = each(context, &event, err);
    }
    return rc;
}

static vouch_code extend(void *context, const vch_event *event, vouch_error *err)
{
    vch_rtmrs *r = context;
    r->event_count++;
    if (event->type == EV_NO_ACTION)
        return VOUCH_OK;
    if (event->digest.data == NULL) /* every event that is handed out has one */
        return vouch_fail(err, VOUCH_E_INTERNAL, "event log: an event without its digest");
    uint8_t both[VCH_RTMR_SIZE + VCH_RTMR_SIZE];
    uint8_t *value = r->value[event->index - 1];
    memcpy(both, value, VCH_RTMR_SIZE);
    memcpy(both + VCH_RTMR_SIZE, event->digest.data, VCH_RTMR_SIZE);
    r->extended[event->index - 1]++;
    return vch_sha384((vouch_span) { both, sizeof both }, value, err);
}

vouch_code vch_event_log_replay(vouch_span log, vch_rtmrs *out, vouch_error *err)
{
    vch_rtmrs r = { 0 };
    vouch_code rc = vch_event_log_each(log, extend, &r, err);
    if (rc == VOUCH_OK)
        *out = r;
    return rc;
}

const char *vch_event_type_name(uint32_t type)
{
    static const struct {
        uint32_t type;
        const char *name;
    } names[] = {
        { 0x00000000, "EV_PREBOOT_CERT" },
        { 0x00000001, "EV_POST_CODE" },
        { 0x00000003, "EV_NO_ACTION" },
        { 0x00000004, "EV_SEPARATOR" },
        { 0x00000005, "EV_ACTION" },
        { 0x00000006, "EV_EVENT_TAG" },
        { 0x00000007, "EV_S_CRTM_CONTENTS" },
        { 0x00000008, "EV_S_CRTM_VERSION" },
        { 0x0000000a, "EV_PLATFORM_CONFIG_FLAGS" },
        { 0x0000000b, "EV_TABLE_OF_DEVICES" },
        { 0x0000000c, "EV_COMPACT_HASH" },
        { 0x0000000d, "EV_IPL" },
        { 0x80000001, "EV_EFI_VARIABLE_DRIVER_CONFIG" },
        { 0x80000002, "EV_EFI_VARIABLE_BOOT" },
        { 0x80000003, "EV_EFI_BOOT_SERVICES_APPLICATION" },
        { 0x80000004, "EV_EFI_BOOT_SERVICES_DRIVER" },
        { 0x80000006, "EV_EFI_GPT_EVENT" },
        { 0x80000007, "EV_EFI_ACTION" },
        { 0x80000008, "EV_EFI_PLATFORM_FIRMWARE_BLOB" },
        { 0x80000009, "EV_EFI_HANDOFF_TABLES" },
        { 0x8000000a, "EV_EFI_PLATFORM_FIRMWARE_BLOB2" },
        { 0x8000000b, "EV_EFI_HANDOFF_TABLES2" },
        { 0x80000010, "EV_EFI_HCRTM_EVENT" },
        { 0x800000e0, "EV_EFI_VARIABLE_AUTHORITY" },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].type == type)
            return names[i].name;
    }
    return "";
}
