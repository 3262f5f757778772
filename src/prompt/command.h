/*
 * Programs at the prompt: a table of commands, exit statuses, help, and what every command is handed.
 * A program's main builds one runtime and passes it down; there is no global state.
 */
#ifndef VCH_PROMPT_COMMAND_H
#define VCH_PROMPT_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/log.h"
#include "config/faults.h"
#include "config/options.h"
#include "vouch/error.h"

/* The exit statuses of CLI.md. */
enum {
    VCH_EXIT_DONE = 0, /* done, or admitted */
    VCH_EXIT_NO =
        1, /* the answer is no: a verdict refuses, a peer is refused, a token is invalid */
    VCH_EXIT_USAGE = 2,   /* usage or configuration */
    VCH_EXIT_UNKNOWN = 3, /* could not find out: a file that cannot be read, the network */
    VCH_EXIT_FAULT = 70   /* our fault */
};

typedef struct vch_runtime {
    const char *program; /* "vouch", or the name of the link that it was called by */
    FILE *out;           /* answers */
    FILE *err;           /* complaints, logs, progress */
    vch_log log;         /* set up from --log-format and --log-level */
    vch_environment_lookup environment;
} vch_runtime;

typedef struct vch_command {
    const char *name;    /* "quote verify": one or two words */
    const char *summary; /* for the list that `vouch --help` prints */
    int (*run)(vch_runtime *rt, int argc, char *argv[]); /* the words after the name; exit status */
    const char
        *instead; /* with `run` NULL: a verb that is not served, and what to use; not listed */
} vch_command;

typedef struct vch_program {
    const char *name;
    const char *link; /* another name that it may be called by (prompt/link.h), or NULL */
    const char *summary;
    const vch_command *commands; /* a command with name "" is run when no other fits (a daemon) */
    size_t command_count;
} vch_program;

/* Options that every command has; embed as the first member `common` of the values struct. */
typedef struct vch_common_options {
    bool json;
    const char *log_format;
    const char *log_level;
} vch_common_options;

#define VCH_COMMON_OPTIONS(values_type)                                                            \
    { .name = "json",                                                                              \
      .kind = VCH_OPTION_FLAG,                                                                     \
      .offset = offsetof(values_type, common.json),                                                \
      .help = "print one JSON object" },                                                           \
        { .name = "log-format",                                                                    \
          .kind = VCH_OPTION_CHOICE,                                                               \
          .offset = offsetof(values_type, common.log_format),                                      \
          .argument = "text|json",                                                                 \
          .choices = "text|json",                                                                  \
          .fallback = "text",                                                                      \
          .help = "form of the log on stderr" },                                                   \
    {                                                                                              \
        .name = "log-level", .kind = VCH_OPTION_CHOICE,                                            \
        .offset = offsetof(values_type, common.log_level), .argument = "LEVEL",                    \
        .choices = "error|warn|info|debug", .fallback = "warn",                                    \
        .help = "error, warn, info or debug"                                                       \
    }

/* Run the program: find the command, handle --help and --version, close stdout. The exit status. */
int vch_program_main(const vch_program *program, int argc, char *argv[]);

/*
 * Parse a command's words into `values` (whose first member is vch_common_options) and set up the log.
 * True: go on. False: --help was printed or the words are wrong; return *status.
 */
VOUCH_MUST_CHECK bool vch_command_begin(vch_runtime *rt, const vch_usage *usage, int argc,
                                        char *argv[], void *values, vch_operands *operands,
                                        int *status);

/*
 * A whole command without operands: parse its words into `values`, act on them, and print what it
 * fails with. The exit status.
 */
int vch_command_run(vch_runtime *rt, const vch_usage *usage, int argc, char *argv[], void *values,
                    vouch_code (*act)(const vch_runtime *rt, const void *values, vouch_error *err));

/*
 * Print a whole answer on rt->out, its last line ended. `status`, or that of the failure if the
 * answer did not fit into the buffer.
 */
int vch_command_answer(const vch_runtime *rt, const char *command, vch_buffer *answer, int status);

/*
 * Print what is wrong with a file on rt->err, a line each: every warning, and every error where
 * there are several. The only one stands in the vouch_error that the command fails with.
 */
void vch_command_faults(const vch_runtime *rt, const vch_faults *faults);

/* Print "COMMAND: the whole chain of `err`" on rt->err; the exit status that fits `code`. */
int vch_command_fail(const vch_runtime *rt, const char *command, vouch_code code,
                     const vouch_error *err);

#endif
