/*
 * The intruders of `vouch demo`: each is started as a process of its own, tries to get in, and is
 * refused with a code of its own. One thread.
 */
#ifndef VCH_CLI_DEMO_INTRUDERS_H
#define VCH_CLI_DEMO_INTRUDERS_H

#include "cli/demo_federation.h"

#define VCH_DEMO_INTRUDER_PROCESSES 4

/* Its processes: the one that knocks first, then helpers (relays). */
typedef struct vch_demo_intrusion {
    vch_demo_actor actor[VCH_DEMO_INTRUDER_PROCESSES];
    size_t count;
    int64_t prepared_ms; /* monotonic */
} vch_demo_intrusion;

typedef struct vch_demo_intruder_kind {
    const char *name;
    const char *title;
    /* What must happen long before it knocks; NULL: nothing. */
    vouch_code (*prepare)(const vch_demo_scene *scene, const vch_demo_federation *f,
                          vch_demo_intrusion *out, vouch_error *err);
    /* Knock; goes on with what prepare made. */
    vouch_code (*start)(const vch_demo_scene *scene, const vch_demo_federation *f,
                        vch_demo_intrusion *out, vouch_error *err);
} vch_demo_intruder_kind;

extern const vch_demo_intruder_kind vch_demo_intruder_kinds[];
extern const size_t vch_demo_intruder_kind_count;

/* Stop all its processes. Safe twice and on a zeroed one. */
void vch_demo_intrusion_drop(vch_demo_intrusion *intrusion);

#endif
