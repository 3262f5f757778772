#include "prompt/command.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/scope.h"
#include "config/suggest.h"
#include "prompt/link.h"
#include "prompt/version.h"

static const char *environment_of_process(void *context, const char *name)
{
    (void)context;
    return getenv(name); /* read here, in main's name, and nowhere below */
}

static void write_line(void *sink, const char *line, size_t size)
{
    (void)fwrite(line, 1, size, sink);
}

static int64_t clock_now(void *clock)
{
    (void)clock;
    struct timespec now = { 0 };
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static size_t words_in(const char *name)
{
    if (*name == '\0')
        return 0;
    return strchr(name, ' ') == NULL ? 1 : 2;
}

/* Do the first words of argv spell the command's name? */
static bool spells(const char *name, int argc, char *const argv[])
{
    size_t words = words_in(name);
    if (words > (size_t)argc)
        return false;
    if (words < 2)
        return words == 0 || strcmp(name, argv[0]) == 0;
    size_t first = (size_t)(strchr(name, ' ') - name);
    return strlen(argv[0]) == first && strncmp(name, argv[0], first) == 0
           && strcmp(name + first + 1, argv[1]) == 0;
}

static const vch_command *find(const vch_program *program, int argc, char *const argv[])
{
    const vch_command *best = NULL;
    for (size_t i = 0; i < program->command_count; i++) {
        const vch_command *c = &program->commands[i];
        if (spells(c->name, argc, argv)
            && (best == NULL || words_in(c->name) > words_in(best->name)))
            best = c;
    }
    return best;
}

static int print_help(const vch_program *program, const char *name, FILE *out)
{
    (void)fprintf(out, "usage: %s COMMAND [OPTION]...\n\n%s\n\nCommands:\n", name,
                  program->summary);
    for (size_t i = 0; i < program->command_count; i++) {
        if (program->commands[i].run != NULL)
            (void)fprintf(out, "  %-38s %s\n", program->commands[i].name,
                          program->commands[i].summary);
    }
    (void)fprintf(out, "\n%s COMMAND --help says more of each. --version prints the version.\n",
                  name);
    return VCH_EXIT_DONE;
}

/* "plan hash" of the group "plan": "hash"; NULL if the command is of another. */
static const char *verb_in(const char *group, const vch_command *command)
{
    size_t size = strlen(group);
    return strncmp(command->name, group, size) == 0 && command->name[size] == ' '
               ? command->name + size + 1
               : NULL;
}

static bool is_group(const vch_program *program, const char *word)
{
    for (size_t i = 0; i < program->command_count; i++) {
        if (verb_in(word, &program->commands[i]) != NULL)
            return true;
    }
    return false;
}

/* The verbs of one group, those too that are not served. */
static int print_group(const vch_program *program, const char *name, const char *group, FILE *out)
{
    (void)fprintf(out, "usage: %s %s COMMAND [OPTION]...\n\nCommands:\n", name, group);
    for (size_t i = 0; i < program->command_count; i++) {
        const vch_command *c = &program->commands[i];
        const char *verb = verb_in(group, c);
        if (verb != NULL)
            (void)fprintf(out, "  %-24s %s\n", verb, c->run != NULL ? c->summary : "not served");
    }
    (void)fprintf(out, "\n%s %s COMMAND --help says more of each.\n", name, group);
    return VCH_EXIT_DONE;
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool any_asks_for_help(int count, char *const words[])
{
    for (int i = 0; i < count; i++) {
        if (asks_for_help(words[i]))
            return true;
    }
    return false;
}

/* A verb that is known and not served: its help and its refusal are one sentence. */
static int refuse_verb(const vch_command *command, const char *name, bool help)
{
    (void)fprintf(help ? stdout : stderr, "%s %s is not served: %s\n", name, command->name,
                  command->instead);
    return help ? VCH_EXIT_DONE : VCH_EXIT_USAGE;
}

static int unknown_command(const vch_program *program, const char *name, int argc,
                           char *const argv[])
{
    const char *names[128];
    size_t count = 0;
    for (size_t i = 0; i < program->command_count && count < 128; i++) {
        if (program->commands[i].run != NULL)
            names[count++] = program->commands[i].name;
    }
    char typed[64];
    (void)snprintf(typed, sizeof typed, "%s%s%s", argv[0], argc > 1 && argv[1][0] != '-' ? " " : "",
                   argc > 1 && argv[1][0] != '-' ? argv[1] : "");
    const char *near = vch_suggest(typed, names, count);
    (void)fprintf(stderr, "%s: unknown command '%s'%s%s%s (see %s --help)\n", name, typed,
                  near == NULL ? "" : "; did you mean '", near == NULL ? "" : near,
                  near == NULL ? "" : "'?", name);
    return VCH_EXIT_USAGE;
}

static int finish(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fputs("cannot write to standard output\n", stderr);
        return status == VCH_EXIT_DONE ? VCH_EXIT_UNKNOWN : status;
    }
    return status;
}

/* The words after the program's name, by the name `name`. */
static int run_words(const vch_program *program, const char *name, int words, char *first[])
{
    const vch_command *command = find(program, words, first);
    bool daemon = command != NULL && command->name[0] == '\0';
    if (words > 0 && strcmp(first[0], "--version") == 0) {
        (void)printf("%s %s\n", name, VCH_VERSION);
        return finish(VCH_EXIT_DONE);
    }
    if (!daemon && words == 0) {
        (void)print_help(program, name, stderr);
        return VCH_EXIT_USAGE;
    }
    if (!daemon && asks_for_help(first[0]))
        return finish(print_help(program, name, stdout));
    if (command == NULL && is_group(program, first[0])) {
        if (words > 1 && asks_for_help(first[1]))
            return finish(print_group(program, name, first[0], stdout));
        if (words == 1) {
            (void)print_group(program, name, first[0], stderr);
            return VCH_EXIT_USAGE;
        }
    }
    if (command == NULL)
        return unknown_command(program, name, words, first);
    if (command->run == NULL)
        return finish(refuse_verb(command, name, any_asks_for_help(words, first)));
    vch_runtime rt = {
        .program = name, .out = stdout, .err = stderr, .environment = environment_of_process
    };
    int skip = (int)words_in(command->name);
    return finish(command->run(&rt, words - skip, first + skip));
}

int vch_program_main(const vch_program *program, int argc, char *argv[])
{
    int words = argc > 0 ? argc - 1 : 0;
    char **first = argv + (argc > 0 ? 1 : 0);
    if (program->link == NULL || argc == 0 || !vch_link_is(argv[0], program->link))
        return run_words(program, program->name, words, first);
    vouch_error err = { 0 };
    char text[VOUCH_ERROR_DEPTH * VOUCH_ERROR_TEXT];
    VCH_SCOPED(vch_free_drop) char **taken = calloc((size_t)words + 2, sizeof *taken);
    vouch_code rc = taken == NULL ? vouch_fail(&err, VOUCH_E_MEMORY, "out of memory")
                                  : vch_link_words(words, first, taken, &words, &err);
    if (rc == VOUCH_OK)
        return run_words(program, program->link, words, taken);
    (void)fprintf(stderr, "%s: %s\n", program->link, vouch_error_text(&err, text, sizeof text));
    return VCH_EXIT_USAGE;
}

static vch_log_level level_named(const char *name)
{
    for (vch_log_level level = VCH_LOG_ERROR; level <= VCH_LOG_DEBUG; level++) {
        if (strcmp(name, vch_log_level_name(level)) == 0)
            return level;
    }
    return VCH_LOG_WARN;
}

/* "vouch plan hash" as it was called: through a link, "fx plan hash". */
static const char *as_called(const vch_runtime *rt, const char *command, char out[static 128])
{
    const char *rest = strchr(command, ' ');
    if (rt->program == NULL || rest == NULL || strcmp(rt->program, VCH_LINK_FX) != 0)
        return command;
    (void)snprintf(out, 128, "%s%s", rt->program, rest);
    return out;
}

bool vch_command_begin(vch_runtime *rt, const vch_usage *usage, int argc, char *argv[],
                       void *values, vch_operands *operands, int *status)
{
    vouch_error err = { 0 };
    char called[128];
    vch_usage shown = *usage;
    shown.command = as_called(rt, usage->command, called);
    vouch_code rc =
        vch_options_parse(&shown, argc, argv, rt->environment, NULL, values, operands, &err);
    if (rc != VOUCH_OK) {
        *status = vch_command_fail(rt, usage->command, rc, &err);
        return false;
    }
    if (operands->help) {
        vch_buffer help = vch_buffer_with_cap(65536);
        vch_options_help(&shown, &help);
        (void)fwrite(help.data, 1, help.size, rt->out);
        vch_buffer_drop(&help);
        *status = VCH_EXIT_DONE;
        return false;
    }
    vch_common_options common;
    memcpy(&common, values, sizeof common);
    rt->log = (vch_log) { .level = level_named(common.log_level),
                          .json = strcmp(common.log_format, "json") == 0,
                          .write_line = write_line,
                          .sink = rt->err,
                          .now_unix_ms = clock_now };
    return true;
}

static int status_of(vouch_code code)
{
    switch (code) {
    case VOUCH_OK:
        return VCH_EXIT_DONE;
    case VOUCH_E_REFUSED:
        return VCH_EXIT_NO;
    case VOUCH_E_TRUNCATED:
    case VOUCH_E_FORMAT:
    case VOUCH_E_LIMIT:
    case VOUCH_E_UNSUPPORTED:
    case VOUCH_E_CONFIG:
        return VCH_EXIT_USAGE;
    case VOUCH_E_IO:
    case VOUCH_E_NOT_FOUND:
    case VOUCH_E_NETWORK:
    case VOUCH_E_TIMEOUT:
        return VCH_EXIT_UNKNOWN;
    case VOUCH_E_CRYPTO:
    case VOUCH_E_MEMORY:
    case VOUCH_E_INTERNAL:
        return VCH_EXIT_FAULT;
    }
    return VCH_EXIT_FAULT;
}

void vch_command_faults(const vch_runtime *rt, const vch_faults *faults)
{
    for (size_t i = 0; i < faults->count; i++) {
        const vch_fault *fault = &faults->item[i];
        bool said_by_error = faults->errors == 1 && strlen(fault->text) < VOUCH_ERROR_TEXT;
        if (fault->warning)
            (void)fprintf(rt->err, "warning: %s\n", fault->text);
        else if (!said_by_error)
            (void)fprintf(rt->err, "%s\n", fault->text);
    }
    if (faults->more > 0)
        (void)fprintf(rt->err, "... and %zu more\n", faults->more);
}

int vch_command_fail(const vch_runtime *rt, const char *command, vouch_code code,
                     const vouch_error *err)
{
    char called[128];
    char text[VOUCH_ERROR_DEPTH * VOUCH_ERROR_TEXT];
    (void)fprintf(rt->err, "%s: %s\n", as_called(rt, command, called),
                  vouch_error_text(err, text, sizeof text));
    return status_of(code);
}

int vch_command_answer(const vch_runtime *rt, const char *command, vch_buffer *answer, int status)
{
    vouch_error err = { 0 };
    if (answer->size == 0 || answer->data[answer->size - 1] != '\n')
        vch_buffer_u8(answer, '\n');
    vouch_code rc = vch_buffer_finish(answer, "answer", &err);
    if (rc != VOUCH_OK)
        return vch_command_fail(rt, command, rc, &err);
    (void)fwrite(answer->data, 1, answer->size, rt->out);
    return status;
}

int vch_command_run(vch_runtime *rt, const vch_usage *usage, int argc, char *argv[], void *values,
                    vouch_code (*act)(const vch_runtime *rt, const void *values, vouch_error *err))
{
    vch_operands operands = { 0 };
    vouch_error err = { 0 };
    int status = VCH_EXIT_DONE;
    if (!vch_command_begin(rt, usage, argc, argv, values, &operands, &status))
        return status;
    vouch_code rc = act(rt, values, &err);
    return rc == VOUCH_OK ? VCH_EXIT_DONE : vch_command_fail(rt, usage->command, rc, &err);
}
