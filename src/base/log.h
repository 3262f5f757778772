/*
 * Structured log lines: an event name, then fields. The sink and the clock are given by the
 * program; a NULL log drops everything. Lines go out in one write each. Internally unlocked: the
 * sink of a program with threads locks. Peer-supplied text is cut and escaped here.
 */
#ifndef VCH_BASE_LOG_H
#define VCH_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "vouch/span.h"

typedef enum vch_log_level {
    VCH_LOG_ERROR = 0, /* an operator must act */
    VCH_LOG_WARN = 1,  /* we carried on and say so */
    VCH_LOG_INFO = 2,  /* state changes that a person would ask about */
    VCH_LOG_DEBUG = 3  /* off in production */
} vch_log_level;

typedef struct vch_log_field {
    const char *name;
    enum { VCH_FIELD_STR, VCH_FIELD_INT, VCH_FIELD_HEX, VCH_FIELD_BOOL } kind;
    const char *str;
    int64_t number;
    vouch_span bytes;
} vch_log_field;

#define VCH_STR(name_, text_)                                                                      \
    ((vch_log_field) { .name = (name_), .kind = VCH_FIELD_STR, .str = (text_) })
#define VCH_INT(name_, value_)                                                                     \
    ((vch_log_field) { .name = (name_), .kind = VCH_FIELD_INT, .number = (int64_t)(value_) })
#define VCH_BOOL(name_, value_)                                                                    \
    ((vch_log_field) { .name = (name_), .kind = VCH_FIELD_BOOL, .number = (value_) ? 1 : 0 })
#define VCH_SPAN_HEX(name_, span_)                                                                 \
    ((vch_log_field) { .name = (name_), .kind = VCH_FIELD_HEX, .bytes = (span_) })

typedef struct vch_log {
    vch_log_level level; /* lines above it are dropped */
    bool json;           /* one JSON object a line; otherwise text */
    void (*write_line)(void *sink, const char *line, size_t size); /* the line ends in \n */
    void *sink;
    int64_t (*now_unix_ms)(void *clock);
    void *clock;
} vch_log;

/*
 * vch_log(log, VCH_LOG_WARN, "admission.refused", VCH_STR("peer", name), VCH_STR("reason", why));
 * At least one field.
 */
#define vch_log(log_, level_, event_, ...)                                                         \
    vch_log_emit((log_), (level_), (event_),                                                       \
                 (const vch_log_field[]) { __VA_ARGS__, { .name = NULL } })

/* `fields` ends with a field whose name is NULL. Use the macro. */
void vch_log_emit(const vch_log *log, vch_log_level level, const char *event,
                  const vch_log_field *fields);

const char *vch_log_level_name(vch_log_level level);

#endif
