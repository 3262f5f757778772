/* What a policy holds once it is read. For policy/ only; docs in policy.h. */
#ifndef VCH_POLICY_RULES_H
#define VCH_POLICY_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"

#define VCH_POLICY_LIST_MAX 256
#define VCH_ADVISORY_ID_SIZE 65 /* with its NUL */

/* One line of `measurements`: everything given in it must hold. */
typedef struct vch_measurement_rule {
    vouch_tee tee;
    bool has_mrenclave, has_signer, has_rtmr[4], has_mrconfigid;
    uint8_t mrenclave[32];
    uint8_t mrsigner[32]; /* with the next two */
    uint16_t prod_id;
    uint16_t min_svn;
    uint8_t mrtd[48];
    uint8_t rtmr[4][48];
    uint8_t mrconfigid[48];
} vch_measurement_rule;

typedef struct vch_advisory_rule {
    char id[VCH_ADVISORY_ID_SIZE];
    int64_t until_unix_s; /* accepted before this moment */
} vch_advisory_rule;

typedef struct vch_pin {
    uint8_t bytes[32];
} vch_pin;

/* A list of values, one of which must be met; owned. */
typedef struct vch_pins {
    bool given;  /* false: no such rule */
    size_t size; /* bytes of each that count */
    vch_pin *list;
    size_t count;
} vch_pins;

/* `given` false: the rule is not judged. In a policy's base everything security rests on is given. */
typedef struct vch_rules {
    struct {
        bool given;
        vch_measurement_rule *list; /* owned; one of them must be met */
        size_t count;
    } measurements;
    struct {
        bool given;
        bool status[VCH_TCB_STATUS_COUNT + 1]; /* by vouch_tcb_status */
    } accept;
    struct {
        bool given;
        vch_advisory_rule *list; /* owned */
        size_t count;
    } advisories;
    uint32_t min_evaluation_number; /* 0: any */
    int64_t min_tcb_date_unix_s;    /* 0: any */
    vch_pins fmspc, instances, ppid;
    bool refuse_smt, refuse_dynamic_platform, refuse_cached_keys;
    bool accept_intel; /* of roots */
    vch_pins roots;
    struct {
        bool given;
        int64_t seconds;
    } grace;
    struct {
        bool given;
        bool accepted;
    } debug;
} vch_rules;

struct vouch_policy {
    vch_rules base;
    vch_rules stricter; /* nothing given: no further rule */
    uint8_t digest[32];
};

/* Read parts; what is not given stays so. False: faults were added, or memory ran out (then also
 * *out_of_memory). */
VOUCH_MUST_CHECK bool vch_rules_read(const vch_policy_parts *parts, vch_rules *out,
                                     vch_faults *faults, bool *out_of_memory);
void vch_rules_default(vch_rules *rules); /* everything not given becomes the secure default */
void vch_rules_drop(vch_rules *rules);

#endif
