#include "config/yaml_resolve.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/moment.h"

/* The forms are those of YAML 1.1's types as PyYAML's resolver writes them, in ASCII. */

static bool one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(text, *words) == 0)
            return true;
    }
    return false;
}

static bool is_null(const char *text)
{
    static const char *const words[] = { "", "~", "null", "Null", "NULL", NULL };
    return one_of(text, words);
}

static const char *const true_words[] = { "yes",  "Yes", "YES", "true", "True",
                                          "TRUE", "on",  "On",  "ON",   NULL };
static const char *const false_words[] = { "no",    "No",  "NO",  "false", "False",
                                           "FALSE", "off", "Off", "OFF",   NULL };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Behind the characters of `set`; `count` tells how many there were. */
static const char *skip(const char *at, const char *set, size_t *count)
{
    *count = strspn(at, set);
    return at + *count;
}

static const char *skip_sign(const char *at)
{
    return *at == '-' || *at == '+' ? at + 1 : at;
}

/* (:[0-5]?[0-9])+ : behind it, or NULL if there is not even one. */
static const char *skip_sixties(const char *at)
{
    const char *last = NULL;
    while (at[0] == ':' && is_digit(at[1])) {
        if (at[1] <= '5' && is_digit(at[2]))
            at += 3;
        else
            at += 2;
        last = at;
    }
    return last;
}

static bool is_int(const char *text)
{
    const char *at = skip_sign(text);
    size_t count = 0;
    if (at[0] == '0' && at[1] == 'b')
        return *skip(at + 2, "01_", &count) == 0 && count > 0;
    if (at[0] == '0' && at[1] == 'x')
        return *skip(at + 2, "0123456789abcdefABCDEF_", &count) == 0 && count > 0;
    if (at[0] == '0')
        return *skip(at + 1, "01234567_", &count) == 0;
    if (!is_digit(*at))
        return false;
    at = skip(at, "0123456789_", &count);
    if (*at == 0)
        return true;
    const char *end = skip_sixties(at);
    return end != NULL && *end == 0;
}

/* ([eE][-+][0-9]+)? to the end. */
static bool is_exponent_or_end(const char *at)
{
    size_t count = 0;
    if (*at == 0)
        return true;
    if ((*at != 'e' && *at != 'E') || (at[1] != '-' && at[1] != '+'))
        return false;
    return *skip(at + 2, "0123456789", &count) == 0 && count > 0;
}

static bool is_special_real(const char *text)
{
    static const char *const infinite[] = { ".inf", ".Inf", ".INF", NULL };
    static const char *const none[] = { ".nan", ".NaN", ".NAN", NULL };
    return one_of(skip_sign(text), infinite) || one_of(text, none);
}

static bool is_real(const char *text)
{
    size_t count = 0;
    if (is_special_real(text))
        return true;
    if (text[0] == '.')
        return is_digit(text[1]) && is_exponent_or_end(skip(text + 1, "0123456789_", &count));
    const char *at = skip_sign(text);
    if (!is_digit(*at))
        return false;
    at = skip(at, "0123456789_", &count);
    if (*at == '.')
        return is_exponent_or_end(skip(at + 1, "0123456789_", &count));
    at = skip_sixties(at);
    return at != NULL && *at == '.' && *skip(at + 1, "0123456789_", &count) == 0;
}

typedef struct timestamp {
    int year, month, day, hour, minute, second, microsecond;
    bool has_time, has_zone;
    int zone_minutes;
} timestamp;

/* Between `least` and `most` digits as a number; NULL if there are not so many. */
static const char *number(const char *at, size_t least, size_t most, int *out)
{
    size_t count = 0;
    int value = 0;
    while (count < most && is_digit(at[count]))
        value = value * 10 + (at[count++] - '0');
    *out = value;
    return count < least ? NULL : at + count;
}

static const char *literal(const char *at, char wanted)
{
    return at != NULL && *at == wanted ? at + 1 : NULL;
}

/* Z, +1, -05:30; NULL if it is none of them. */
static const char *zone(const char *at, timestamp *t)
{
    t->has_zone = true;
    if (*at == 'Z')
        return at + 1;
    if (*at != '-' && *at != '+')
        return NULL;
    int sign = *at == '-' ? -1 : 1;
    int hours = 0;
    int minutes = 0;
    at = number(at + 1, 1, 2, &hours);
    if (at != NULL && *at == ':')
        at = number(at + 1, 2, 2, &minutes);
    t->zone_minutes = sign * (hours * 60 + minutes);
    return at;
}

static const char *fraction(const char *at, timestamp *t)
{
    int scale = 100000;
    for (; is_digit(*at); at++) {
        t->microsecond += (*at - '0') * scale;
        scale /= 10;
    }
    return at;
}

/* `T`, `t` or blanks, then h:mm:ss with fraction and zone. */
static bool scan_time(const char *at, timestamp *t)
{
    size_t count = 0;
    t->has_time = true;
    if (*at == 'T' || *at == 't')
        at++;
    else
        at = skip(at, " \t", &count);
    at = literal(number(at, 1, 2, &t->hour), ':');
    at = at == NULL ? NULL : literal(number(at, 2, 2, &t->minute), ':');
    at = at == NULL ? NULL : number(at, 2, 2, &t->second);
    if (at == NULL)
        return false;
    if (*at == '.')
        at = fraction(at + 1, t);
    if (*at == 0)
        return true;
    at = zone(skip(at, " \t", &count), t);
    return at != NULL && *at == 0;
}

static bool scan_timestamp(const char *text, timestamp *t)
{
    *t = (timestamp) { 0 };
    const char *at = literal(number(text, 4, 4, &t->year), '-');
    const char *month = at;
    at = at == NULL ? NULL : literal(number(at, 1, 2, &t->month), '-');
    const char *day = at;
    at = at == NULL ? NULL : number(at, 1, 2, &t->day);
    if (at == NULL)
        return false;
    if (*at == 0) /* a date alone has two digits each */
        return day - month == 3 && at - day == 2;
    return strchr("Tt \t", *at) != NULL && scan_time(at, t);
}

vch_yaml_tag vch_yaml_tag_of(const char *text)
{
    timestamp t;
    if (is_null(text))
        return VCH_YAML_TAG_NULL;
    if (one_of(text, true_words) || one_of(text, false_words))
        return VCH_YAML_TAG_BOOL;
    if (is_real(text))
        return VCH_YAML_TAG_REAL;
    if (is_int(text))
        return VCH_YAML_TAG_INT;
    if (strcmp(text, "<<") == 0 || strcmp(text, "=") == 0)
        return VCH_YAML_TAG_OTHER;
    return scan_timestamp(text, &t) ? VCH_YAML_TAG_MOMENT : VCH_YAML_TAG_STRING;
}

/* Whole numbers of any size, as far as anybody writes one. */
#define NUMBER_MAX_SIZE 256 /* characters */
#define LIMB 1000000000U
#define LIMB_COUNT 40 /* 360 decimal digits; 256 hexadecimal ones need 309 */

typedef struct big {
    uint32_t limb[LIMB_COUNT]; /* least first */
} big;

static void multiply_add(big *b, uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;
    for (size_t i = 0; i < LIMB_COUNT; i++) {
        uint64_t v = (uint64_t)b->limb[i] * factor + carry;
        b->limb[i] = (uint32_t)(v % LIMB);
        carry = v / LIMB;
    }
}

static void big_text(const big *b, bool negative, char *out, size_t size)
{
    size_t top = LIMB_COUNT - 1;
    while (top > 0 && b->limb[top] == 0)
        top--;
    bool zero = top == 0 && b->limb[0] == 0;
    size_t used =
        (size_t)snprintf(out, size, "%s%u", negative && !zero ? "-" : "", (unsigned)b->limb[top]);
    while (top > 0 && used < size)
        used += (size_t)snprintf(out + used, size - used, "%09u", (unsigned)b->limb[--top]);
}

static unsigned digit_of(char c)
{
    if (is_digit(c))
        return (unsigned)(c - '0');
    return (unsigned)((c | 0x20) - 'a') + 10;
}

/* Digits of one base without underscores; false if there are none. */
static bool read_digits(const char **at, unsigned base, big *out)
{
    bool any = false;
    for (; **at != 0 && **at != ':'; (*at)++) {
        if (**at == '_')
            continue;
        multiply_add(out, base, digit_of(**at));
        any = true;
    }
    return any;
}

static const char *resolve_int(vch_yaml *doc, vch_yaml_node *node, const char *text)
{
    char decimal[9 * LIMB_COUNT + 2];
    big value = { 0 };
    const char *at = skip_sign(text);
    unsigned base = 10;
    if (strlen(text) > NUMBER_MAX_SIZE)
        return "the number has too many digits";
    if (at[0] == '0' && (at[1] == 'b' || at[1] == 'x')) {
        base = at[1] == 'b' ? 2 : 16;
        at += 2;
    } else if (at[0] == '0') {
        base = 8;
    }
    if (!read_digits(&at, base, &value))
        return "the number has no digits";
    while (*at == ':') { /* base 60 */
        int part = 0;
        at = number(at + 1, 1, 2, &part);
        multiply_add(&value, 60, (uint32_t)part);
    }
    big_text(&value, text[0] == '-', decimal, sizeof decimal);
    node->text = vch_yaml_copy_text(doc, decimal, strlen(decimal));
    node->kind = VCH_YAML_INT;
    return node->text == NULL ? "out of memory" : NULL;
}

/* 1:30.5 is 90.5; summed from the last part on, as Python does, for the same last bit. */
static double sixties(char *text)
{
    double value = 0;
    double base = 1;
    for (char *colon = strrchr(text, ':'); colon != NULL; colon = strrchr(text, ':')) {
        value += strtod(colon + 1, NULL) * base;
        base *= 60;
        *colon = 0;
    }
    return value + strtod(text, NULL) * base;
}

static const char *resolve_real(vch_yaml_node *node, const char *text)
{
    char plain[NUMBER_MAX_SIZE + 1];
    size_t size = 0;
    if (strlen(text) > NUMBER_MAX_SIZE)
        return "the number has too many digits";
    const char *at = skip_sign(text);
    for (const char *c = at; *c != 0; c++) {
        if (*c != '_')
            plain[size++] = *c;
    }
    plain[size] = 0;
    double sign = text[0] == '-' ? -1.0 : 1.0;
    if (is_special_real(text))
        node->real = (at[1] | 0x20) == 'i' ? sign * (double)INFINITY : (double)NAN;
    else
        node->real = sign * sixties(plain);
    node->kind = VCH_YAML_REAL;
    return NULL;
}

/* Python's isoformat(' '). */
static void timestamp_text(const timestamp *t, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "%04d-%02d-%02d", t->year, t->month, t->day);
    if (t->has_time)
        used += (size_t)snprintf(out + used, size - used, " %02d:%02d:%02d", t->hour, t->minute,
                                 t->second);
    if (t->microsecond != 0)
        used += (size_t)snprintf(out + used, size - used, ".%06d", t->microsecond);
    int zone_size = abs(t->zone_minutes);
    if (t->has_zone)
        (void)snprintf(out + used, size - used, "%c%02d:%02d", t->zone_minutes < 0 ? '-' : '+',
                       zone_size / 60, zone_size % 60);
}

static const char *resolve_moment(vch_yaml *doc, vch_yaml_node *node, const char *text)
{
    timestamp t;
    char iso[64];
    int64_t unix_s = 0;
    if (!scan_timestamp(text, &t) || abs(t.zone_minutes) >= 24 * 60
        || vch_moment_from_utc(t.year, t.month, t.day, t.hour, t.minute, t.second, &unix_s, NULL)
               != VOUCH_OK)
        return "there is no such date or time";
    timestamp_text(&t, iso, sizeof iso);
    node->text = vch_yaml_copy_text(doc, iso, strlen(iso));
    node->kind = VCH_YAML_MOMENT;
    node->has_zone = t.has_zone || !t.has_time;
    node->moment_unix_s = unix_s - (int64_t)t.zone_minutes * 60;
    return node->text == NULL ? "out of memory" : NULL;
}

const char *vch_yaml_resolve(vch_yaml *doc, vch_yaml_node *node, const char *text)
{
    switch (vch_yaml_tag_of(text)) {
    case VCH_YAML_TAG_NULL:
        node->kind = VCH_YAML_NULL;
        return NULL;
    case VCH_YAML_TAG_BOOL:
        node->kind = VCH_YAML_BOOL;
        node->boolean = one_of(text, true_words);
        return NULL;
    case VCH_YAML_TAG_INT:
        return resolve_int(doc, node, text);
    case VCH_YAML_TAG_REAL:
        return resolve_real(node, text);
    case VCH_YAML_TAG_MOMENT:
        return resolve_moment(doc, node, text);
    case VCH_YAML_TAG_STRING:
        node->kind = VCH_YAML_STRING;
        node->text = vch_yaml_copy_text(doc, text, strlen(text));
        return node->text == NULL ? "out of memory" : NULL;
    case VCH_YAML_TAG_OTHER:
        break;
    }
    return "'<<' and '=' mean something in YAML that is not supported; quote it if it is text";
}
