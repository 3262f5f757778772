/*
 * The event log of a TD (ACPI table CCEL): crypto-agile as TCG's PC Client Platform Firmware Profile
 * section 10.2 has it, with the register numbers of UEFI's confidential computing protocol (1 to 4
 * are RTMR0 to RTMR3). The log proves nothing by itself: what it replays to has to equal the RTMRs of
 * a verified quote. Pure.
 */
#ifndef VCH_EVIDENCE_EVENT_LOG_H
#define VCH_EVIDENCE_EVENT_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_EVENT_LOG_MAX_SIZE ((size_t)8 << 20) /* with the padding of its ACPI area */
#define VCH_RTMR_COUNT 4
#define VCH_RTMR_SIZE 48

typedef struct vch_event {
    size_t offset;      /* where it begins in the log */
    uint32_t index;     /* 0: MRTD, which no event extends; 1 to 4: RTMR0 to RTMR3 */
    uint32_t type;      /* EV_… */
    vouch_span digest;  /* SHA-384; borrowed */
    vouch_span content; /* what the digest is said to be of; unproven; borrowed */
} vch_event;

/*
 * Call `each` for every event after the header, in order, until it fails.
 * Fails with VOUCH_E_TRUNCATED, _FORMAT, _LIMIT, _UNSUPPORTED (no SHA-384 in the log).
 */
VOUCH_MUST_CHECK vouch_code vch_event_log_each(
    vouch_span log, vouch_code (*each)(void *context, const vch_event *event, vouch_error *err),
    void *context, vouch_error *err);

typedef struct vch_rtmrs {
    uint8_t value[VCH_RTMR_COUNT][VCH_RTMR_SIZE];
    size_t extended[VCH_RTMR_COUNT]; /* events that went into each */
    size_t event_count;
} vch_rtmrs;

/* From zero, each RTMR is SHA-384(itself ‖ digest) for every event of its own but EV_NO_ACTION. */
VOUCH_MUST_CHECK vouch_code vch_event_log_replay(vouch_span log, vch_rtmrs *out, vouch_error *err);

/* "EV_SEPARATOR", or "" for a type that has no name. */
const char *vch_event_type_name(uint32_t type);

#endif
