/*
 * Command-line options as a table: one table parses, makes --help and the completion. `--name VALUE`,
 * `--name=VALUE`, `-n VALUE`; `--` ends the options. An option wins over its environment variable, which
 * wins over the default. Pure: the environment is looked up through a function. One thread at a time.
 */
#ifndef VCH_CONFIG_OPTIONS_H
#define VCH_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "vouch/error.h"

typedef enum vch_option_kind {
    VCH_OPTION_FLAG,    /* bool */
    VCH_OPTION_TEXT,    /* const char *, NULL if not given */
    VCH_OPTION_TEXTS,   /* vch_texts: may be given several times */
    VCH_OPTION_INTEGER, /* int64_t within [min, max] */
    VCH_OPTION_MOMENT,  /* int64_t Unix seconds; RFC 3339 or Unix seconds */
    VCH_OPTION_CHOICE   /* const char *, one of `choices` */
} vch_option_kind;

#define VCH_TEXTS_MAX 64

typedef struct vch_texts {
    const char *item[VCH_TEXTS_MAX];
    size_t count;
} vch_texts;

typedef struct vch_option {
    const char *name; /* "at": written --at */
    char letter;      /* 'p': also written -p; 0 if none */
    vch_option_kind kind;
    size_t offset;           /* of the value in the command's values struct */
    const char *argument;    /* "FILE", "TIME"; NULL for a flag */
    const char *help;        /* one line */
    const char *environment; /* variable that stands in for it, or NULL */
    const char *fallback; /* default as text, shown in --help, parsed like an argument; or NULL */
    int64_t min, max;     /* for integers */
    const char *choices;  /* for a choice: "text|json" */
    bool required;        /* neither given nor in the environment: an error that names it */
} vch_option;

typedef struct vch_usage {
    const char *command;  /* "vouch quote verify" */
    const char *operands; /* "FILE", "FILE...", "-- COMMAND ..." or "" */
    const char *summary;  /* one line */
    const char *details;  /* paragraphs for --help, or NULL */
    const vch_option *options;
    size_t option_count;
    size_t operands_min;
    size_t operands_max;     /* SIZE_MAX: any number */
    bool operands_take_rest; /* the first operand ends the options (a command line follows) */
} vch_usage;

typedef const char *(*vch_environment_lookup)(void *context, const char *name);

typedef struct vch_operands {
    bool help;               /* --help or -h stood there: nothing else was checked */
    const char *const *item; /* borrowed from argv */
    size_t count;
} vch_operands;

/*
 * Parse the words after the command's name.
 *
 * argv      argc words; reordered so that the operands stand at its end. Borrowed; values point into it.
 * lookup    The environment; may be NULL (then no variable is looked at).
 * values    The command's struct, zeroed by the caller; filled through the table's offsets.
 *
 * Fails with VOUCH_E_CONFIG and a sentence that names the option and the remedy.
 */
VOUCH_MUST_CHECK vouch_code vch_options_parse(const vch_usage *usage, int argc, char *argv[],
                                              vch_environment_lookup lookup, void *context,
                                              void *values, vch_operands *out, vouch_error *err);

/* The text of --help. */
void vch_options_help(const vch_usage *usage, vch_buffer *out);

#endif
