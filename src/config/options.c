#include "config/options.h"

#include <string.h>

#include "base/bytes.h"
#include "base/moment.h"
#include "config/suggest.h"

/* What a parse carries along. */
typedef struct parse {
    const vch_usage *usage;
    int argc;
    char **argv;
    int next; /* index of the next word */
    void *values;
    vch_operands *out;
} parse;

static void store(void *values, const vch_option *option, const void *value, size_t size)
{
    memcpy((uint8_t *)values + option->offset, value, size);
}

static vouch_code integer_of(const vch_option *option, const char *text, int64_t *out,
                             vouch_error *err)
{
    bool negative = text[0] == '-';
    const char *digits = negative ? text + 1 : text;
    size_t size = strlen(digits);
    int64_t value = 0;
    bool fits = size >= 1 && size <= 18 && strspn(digits, "0123456789") == size;
    for (size_t i = 0; fits && i < size; i++)
        value = value * 10 + (digits[i] - '0');
    value = negative ? -value : value;
    if (!fits || value < option->min || value > option->max)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "--%s is '%s'; it must be a whole number from %lld to %lld", option->name,
                          text, (long long)option->min, (long long)option->max);
    *out = value;
    return VOUCH_OK;
}

static vouch_code check_choice(const vch_option *option, const char *text, vouch_error *err)
{
    const char *at = option->choices;
    size_t size = strlen(text);
    while (at != NULL && *at != '\0') {
        size_t length = strcspn(at, "|");
        if (length == size && strncmp(at, text, size) == 0)
            return VOUCH_OK;
        at += length + (at[length] == '|' ? 1 : 0);
    }
    return vouch_fail(err, VOUCH_E_CONFIG, "--%s is '%s'; it must be one of %s", option->name, text,
                      option->choices);
}

static vouch_code add_text(const vch_option *option, const char *text, void *values,
                           vouch_error *err)
{
    vch_texts texts;
    memcpy(&texts, (uint8_t *)values + option->offset, sizeof texts);
    if (texts.count == VCH_TEXTS_MAX)
        return vouch_fail(err, VOUCH_E_CONFIG, "--%s is given more than %d times", option->name,
                          VCH_TEXTS_MAX);
    texts.item[texts.count++] = text;
    store(values, option, &texts, sizeof texts);
    return VOUCH_OK;
}

static vouch_code store_moment(const vch_option *option, const char *text, void *values,
                               vouch_error *err)
{
    int64_t moment = 0;
    vouch_code rc = vch_moment_parse(vch_span_str(text), &moment, NULL);
    if (rc != VOUCH_OK)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "--%s is '%s'; it must be like 2026-03-01T00:00:00Z, or Unix seconds",
                          option->name, text);
    store(values, option, &moment, sizeof moment);
    return VOUCH_OK;
}

static vouch_code assign(const vch_option *option, const char *text, void *values, vouch_error *err)
{
    int64_t number = 0;
    vouch_code rc = VOUCH_OK;
    switch (option->kind) {
    case VCH_OPTION_FLAG:
        store(values, option, &(bool) { true }, sizeof(bool));
        return VOUCH_OK;
    case VCH_OPTION_CHOICE:
        rc = check_choice(option, text, err);
        if (rc != VOUCH_OK)
            return rc;
        store(values, option, &text, sizeof text);
        return VOUCH_OK;
    case VCH_OPTION_TEXT:
        store(values, option, &text, sizeof text);
        return VOUCH_OK;
    case VCH_OPTION_TEXTS:
        return add_text(option, text, values, err);
    case VCH_OPTION_INTEGER:
        rc = integer_of(option, text, &number, err);
        if (rc == VOUCH_OK)
            store(values, option, &number, sizeof number);
        return rc;
    case VCH_OPTION_MOMENT:
        return store_moment(option, text, values, err);
    }
    return vouch_fail(err, VOUCH_E_INTERNAL, "--%s: an option of no kind", option->name);
}

static vouch_code unknown_option(const parse *p, const char *word, vouch_error *err)
{
    const char *names[256];
    size_t count = p->usage->option_count < 256 ? p->usage->option_count : 256;
    for (size_t i = 0; i < count; i++)
        names[i] = p->usage->options[i].name;
    char name[64];
    size_t size = strcspn(word, "=");
    const char *near = NULL;
    if (size < sizeof name) {
        memcpy(name, word, size);
        name[size] = '\0';
        near = vch_suggest(name, names, count);
    }
    if (near != NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "unknown option --%.*s (did you mean --%s?)",
                          (int)size, word, near);
    return vouch_fail(err, VOUCH_E_CONFIG, "unknown option --%.*s (see %s --help)", (int)size, word,
                      p->usage->command);
}

static const vch_option *by_name(const vch_usage *usage, const char *name, size_t size)
{
    for (size_t i = 0; i < usage->option_count; i++) {
        const vch_option *o = &usage->options[i];
        if (strlen(o->name) == size && strncmp(o->name, name, size) == 0)
            return o;
    }
    return NULL;
}

static const vch_option *by_letter(const vch_usage *usage, char letter)
{
    for (size_t i = 0; i < usage->option_count; i++) {
        if (usage->options[i].letter == letter)
            return &usage->options[i];
    }
    return NULL;
}

/* The option's argument: what follows '=' (may be NULL), or the next word. */
static vouch_code take_argument(parse *p, const vch_option *o, const char *attached,
                                vouch_error *err)
{
    if (o->kind == VCH_OPTION_FLAG) {
        if (attached != NULL)
            return vouch_fail(err, VOUCH_E_CONFIG, "--%s takes no value", o->name);
        return assign(o, NULL, p->values, err);
    }
    if (attached == NULL) {
        if (p->next == p->argc)
            return vouch_fail(err, VOUCH_E_CONFIG, "--%s needs a value: %s", o->name, o->argument);
        attached = p->argv[p->next++];
    }
    return assign(o, attached, p->values, err);
}

static vouch_code take_long(parse *p, const char *word, vouch_error *err)
{
    size_t size = strcspn(word, "=");
    const vch_option *o = by_name(p->usage, word, size);
    if (o == NULL)
        return unknown_option(p, word, err);
    return take_argument(p, o, word[size] == '=' ? word + size + 1 : NULL, err);
}

static vouch_code take_short(parse *p, const char *word, vouch_error *err)
{
    const vch_option *o = by_letter(p->usage, word[1]);
    if (o == NULL || word[2] != '\0')
        return vouch_fail(err, VOUCH_E_CONFIG, "unknown option %s (see %s --help)", word,
                          p->usage->command);
    return take_argument(p, o, NULL, err);
}

/* Sort the words: options into values, operands to the front of argv in their order. */
static vouch_code take_words(parse *p, vouch_error *err)
{
    size_t operands = 0;
    bool only_operands = false;
    while (p->next < p->argc) {
        char *word = p->argv[p->next++];
        vouch_code rc = VOUCH_OK;
        if (only_operands || word[0] != '-' || word[1] == '\0') {
            p->argv[operands++] = word;
            only_operands = only_operands || p->usage->operands_take_rest;
        } else if (strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            p->out->help = true;
            return VOUCH_OK;
        } else {
            rc = word[1] == '-' ? take_long(p, word + 2, err) : take_short(p, word, err);
        }
        if (rc != VOUCH_OK)
            return rc;
    }
    p->out->item = (const char *const *)p->argv;
    p->out->count = operands;
    return VOUCH_OK;
}

static bool given(const vch_option *o, int argc, char *const *argv)
{
    size_t size = strlen(o->name);
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *w = argv[i];
        if (w[0] == '-' && w[1] == '-' && strncmp(w + 2, o->name, size) == 0
            && (w[2 + size] == '\0' || w[2 + size] == '='))
            return true;
        if (o->letter != 0 && w[0] == '-' && w[1] == o->letter && w[2] == '\0')
            return true;
    }
    return false;
}

/* Defaults first, so that words given later write over them. */
static vouch_code take_defaults(const vch_usage *usage, int argc, char *const *argv,
                                vch_environment_lookup lookup, void *context, void *values,
                                vouch_error *err)
{
    for (size_t i = 0; i < usage->option_count; i++) {
        const vch_option *o = &usage->options[i];
        const char *text = NULL;
        bool from_environment = false;
        if (given(o, argc, argv))
            continue;
        if (o->environment != NULL && lookup != NULL)
            text = lookup(context, o->environment);
        from_environment = text != NULL && text[0] != '\0';
        if (!from_environment)
            text = o->fallback;
        if (text == NULL && o->required)
            return vouch_fail(
                err, VOUCH_E_CONFIG, "--%s %s is missing%s%s (see %s --help)", o->name, o->argument,
                o->environment == NULL ? "" : "; it may come from the environment as ",
                o->environment == NULL ? "" : o->environment, usage->command);
        if (text == NULL)
            continue;
        vouch_code rc = assign(o, text, values, err);
        if (rc != VOUCH_OK)
            return from_environment ? vouch_wrap(err, rc, "environment variable %s", o->environment)
                                    : rc;
    }
    return VOUCH_OK;
}

static bool wants_help(int argc, char *const *argv, bool rest)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
        if (rest && argv[i][0] != '-')
            return false; /* the words of another command begin here */
    }
    return false;
}

vouch_code vch_options_parse(const vch_usage *usage, int argc, char *argv[],
                             vch_environment_lookup lookup, void *context, void *values,
                             vch_operands *out, vouch_error *err)
{
    *out = (vch_operands) { .help = wants_help(argc, argv, usage->operands_take_rest) };
    if (out->help)
        return VOUCH_OK;
    parse p = { usage, argc, argv, 0, values, out };
    vouch_code rc = take_defaults(usage, argc, argv, lookup, context, values, err);
    if (rc == VOUCH_OK)
        rc = take_words(&p, err);
    if (rc != VOUCH_OK || out->help)
        return rc;
    if (out->count < usage->operands_min)
        return vouch_fail(err, VOUCH_E_CONFIG, "%s is missing (see %s --help)", usage->operands,
                          usage->command);
    if (out->count > usage->operands_max)
        return vouch_fail(err, VOUCH_E_CONFIG, "unexpected '%s' (see %s --help)",
                          out->item[usage->operands_max], usage->command);
    return VOUCH_OK;
}

static void help_option(const vch_option *o, vch_buffer *out)
{
    char left[64];
    vch_buffer name = vch_buffer_with_cap(sizeof left);
    if (o->letter != 0)
        vch_buffer_append_fmt(&name, "-%c, ", o->letter);
    vch_buffer_append_fmt(&name, "--%s%s%s", o->name, o->argument == NULL ? "" : " ",
                          o->argument == NULL ? "" : o->argument);
    const char *text = vch_buffer_text(&name);
    vch_buffer_append_fmt(out, "  %-28s %s", text == NULL ? o->name : text, o->help);
    vch_buffer_drop(&name);
    if (o->fallback != NULL)
        vch_buffer_append_fmt(out, " (default %s)", o->fallback);
    if (o->environment != NULL)
        vch_buffer_append_fmt(out, " [environment: %s]", o->environment);
    vch_buffer_append_str(out, "\n");
}

void vch_options_help(const vch_usage *usage, vch_buffer *out)
{
    vch_buffer_append_fmt(out, "usage: %s%s%s%s\n\n%s\n", usage->command,
                          usage->option_count > 0 ? " [OPTION]..." : "",
                          usage->operands[0] == '\0' ? "" : " ", usage->operands, usage->summary);
    if (usage->details != NULL)
        vch_buffer_append_fmt(out, "\n%s\n", usage->details);
    vch_buffer_append_str(out, "\nOptions:\n");
    for (size_t i = 0; i < usage->option_count; i++)
        help_option(&usage->options[i], out);
    vch_buffer_append_str(out, "  -h, --help                   this text\n");
}
