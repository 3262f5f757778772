/*
 * Reading a mapping by a table: key, type, range, default, help. Everything wrong with it goes to
 * the fault list, with its place, in one run: unknown keys (with the nearest known one), missing
 * keys, wrong types, values out of range. The reference text is made from the same table.
 *
 *     static const vch_setting table[] = {
 *         { .key = "rounds", .type = VCH_SETTING_INT, .offset = offsetof(plan, rounds),
 *           .min = 1, .max = 10000, .fallback = "10", .help = "rounds to train" },
 *     };
 *     bool good = vch_schema_read(node, table, 1, &plan, faults);
 *
 * Tables are constants. One thread at a time for the target and the fault list.
 */
#ifndef VCH_CONFIG_SCHEMA_H
#define VCH_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "config/faults.h"
#include "config/yaml.h"

typedef enum vch_setting_type {
    VCH_SETTING_BOOL,    /* bool */
    VCH_SETTING_INT,     /* int64_t in [min, max] */
    VCH_SETTING_REAL,    /* double in [min, max]; max INT64_MAX: any number, infinity too */
    VCH_SETTING_TEXT,    /* const char *, of the document; [min, max] bytes, max 0: any */
    VCH_SETTING_HEX,     /* uint8_t[max]: exactly `max` bytes as 2 * max digits, quoted or not */
    VCH_SETTING_MOMENT,  /* int64_t, Unix seconds */
    VCH_SETTING_CHOICE,  /* int: the index of the word in `choices`, "key|quote" */
    VCH_SETTING_LIST,    /* const vch_yaml_node *: a sequence of [min, max] values, max 0: any */
    VCH_SETTING_MAPPING, /* const vch_yaml_node * */
    VCH_SETTING_ANY      /* const vch_yaml_node * */
} vch_setting_type;

typedef struct vch_setting {
    const char *key;
    vch_setting_type type;
    bool required;
    size_t offset; /* of the member in the target struct, of the type given above */
    int64_t min, max;
    const char *choices;
    const char *fallback; /* default of a scalar, as it would be written; NULL: member untouched */
    const char *help;     /* one line */
} vch_setting;

/*
 * Read `mapping` into `target`, whose members the caller has zeroed or preset. False: at least one
 * fault was added, and `target` is filled in part. `what` names the mapping ("tcb").
 */
VOUCH_MUST_CHECK bool vch_schema_read(const vch_yaml_node *mapping, const char *what,
                                      const vch_setting *table, size_t count, void *target,
                                      vch_faults *faults);

/* One value by one line of a table, for the items of a list; the key names it in messages. */
VOUCH_MUST_CHECK bool vch_schema_read_value(const vch_yaml_node *value, const vch_setting *setting,
                                            void *target, vch_faults *faults);

/* The table as text for --help and the reference page: key, type and range, default, help. */
void vch_schema_describe(const vch_setting *table, size_t count, vch_buffer *out);

#endif
