#include "config/schema.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/hex.h"
#include "config/suggest.h"

#define KEYS_MAX 64 /* lines of a table */

static void *member_of(void *target, const vch_setting *s)
{
    return (uint8_t *)target + s->offset;
}

/* Which of "a|b|c" the word is; -1 if none. */
static int choice_index(const char *choices, const char *word)
{
    size_t size = strlen(word);
    int index = 0;
    for (const char *at = choices; *at != 0; index++) {
        size_t length = strcspn(at, "|");
        if (length == size && memcmp(at, word, size) == 0)
            return index;
        at += length + (at[length] == '|' ? 1 : 0);
    }
    return -1;
}

static bool read_bool(const vch_yaml_node *value, const vch_setting *s, void *out,
                      vch_faults *faults)
{
    if (vch_yaml_to_bool(value, out))
        return true;
    vch_faults_at(faults, value, "%s must be true or false, not %s", s->key,
                  vch_yaml_kind_name(vch_yaml_kind_of(value)));
    return false;
}

static bool read_int(const vch_yaml_node *value, const vch_setting *s, void *out,
                     vch_faults *faults)
{
    int64_t number = 0;
    if (!vch_yaml_to_int(value, &number) && vch_yaml_kind_of(value) != VCH_YAML_INT) {
        vch_faults_at(faults, value, "%s must be a whole number, not %s", s->key,
                      vch_yaml_kind_name(vch_yaml_kind_of(value)));
        return false;
    }
    if (!vch_yaml_to_int(value, &number) || number < s->min || number > s->max) {
        vch_faults_at(faults, value, "%s is %.40s; it must be from %" PRId64 " to %" PRId64, s->key,
                      vch_yaml_written(value), s->min, s->max);
        return false;
    }
    memcpy(out, &number, sizeof number);
    return true;
}

static bool read_real(const vch_yaml_node *value, const vch_setting *s, void *out,
                      vch_faults *faults)
{
    double number = 0;
    if (!vch_yaml_to_real(value, &number)) {
        vch_faults_at(faults, value, "%s must be a number, not %s", s->key,
                      vch_yaml_kind_name(vch_yaml_kind_of(value)));
        return false;
    }
    bool open = s->max == INT64_MAX;
    if (!(number >= (double)s->min && (open || number <= (double)s->max))) { /* nor a NaN */
        vch_faults_at(faults, value, "%s is %.40s; it must be from %" PRId64 " to %" PRId64, s->key,
                      vch_yaml_written(value), s->min, s->max);
        return false;
    }
    memcpy(out, &number, sizeof number);
    return true;
}

static bool read_text(const vch_yaml_node *value, const vch_setting *s, void *out,
                      vch_faults *faults)
{
    const char *text = vch_yaml_string(value);
    if (text == NULL) {
        vch_faults_at(faults, value, "%s must be text, not %s; quote it if it is meant so", s->key,
                      vch_yaml_kind_name(vch_yaml_kind_of(value)));
        return false;
    }
    size_t size = strlen(text);
    if (size < (size_t)s->min || (s->max > 0 && size > (size_t)s->max)) {
        vch_faults_at(faults, value, "%s has %zu bytes; it must have from %" PRId64 " to %" PRId64,
                      s->key, size, s->min, s->max);
        return false;
    }
    memcpy(out, &text, sizeof text);
    return true;
}

/* Digits alone are a number to YAML; what counts is how they were written. */
static bool read_hex(const vch_yaml_node *value, const vch_setting *s, void *out,
                     vch_faults *faults)
{
    const char *text = vch_yaml_string(value);
    if (text == NULL)
        text = vch_yaml_written(value);
    if (text == NULL || vch_hex_decode(vch_span_str(text), out, (size_t)s->max, NULL) != VOUCH_OK) {
        vch_faults_at(faults, value, "%s must be exactly %" PRId64 " hexadecimal digits", s->key,
                      2 * s->max);
        return false;
    }
    return true;
}

static bool read_moment(const vch_yaml_node *value, const vch_setting *s, void *out,
                        vch_faults *faults)
{
    int64_t unix_s = 0;
    if (!vch_yaml_to_moment(value, &unix_s)) {
        vch_faults_at(faults, value,
                      "%s must be a date (2027-01-01) or a moment with its zone "
                      "(2026-12-01T09:00:00Z)",
                      s->key);
        return false;
    }
    memcpy(out, &unix_s, sizeof unix_s);
    return true;
}

static bool read_choice(const vch_yaml_node *value, const vch_setting *s, void *out,
                        vch_faults *faults)
{
    const char *word = vch_yaml_string(value);
    if (word == NULL) /* `off` is a boolean to YAML 1.1, and a good word all the same */
        word = vch_yaml_written(value);
    int index = word == NULL ? -1 : choice_index(s->choices, word);
    if (index < 0) {
        vch_faults_at(faults, value, "%s must be one of %s", s->key, s->choices);
        return false;
    }
    memcpy(out, &index, sizeof index);
    return true;
}

static bool read_node(const vch_yaml_node *value, const vch_setting *s, void *out,
                      vch_faults *faults)
{
    vch_yaml_kind kind = vch_yaml_kind_of(value);
    bool wanted = s->type == VCH_SETTING_ANY
                  || (s->type == VCH_SETTING_LIST && kind == VCH_YAML_SEQUENCE)
                  || (s->type == VCH_SETTING_MAPPING && kind == VCH_YAML_MAPPING);
    if (!wanted) {
        vch_faults_at(faults, value, "%s must be %s, not %s", s->key,
                      s->type == VCH_SETTING_LIST ? "a list" : "a mapping",
                      vch_yaml_kind_name(kind));
        return false;
    }
    size_t count = vch_yaml_count(value);
    if (s->type == VCH_SETTING_LIST
        && (count < (size_t)s->min || (s->max > 0 && count > (size_t)s->max))) {
        vch_faults_at(faults, value, "%s has %zu items; it must have from %" PRId64 " to %" PRId64,
                      s->key, count, s->min, s->max > 0 ? s->max : INT64_MAX);
        return false;
    }
    memcpy(out, &value, sizeof value);
    return true;
}

bool vch_schema_read_value(const vch_yaml_node *value, const vch_setting *s, void *target,
                           vch_faults *faults)
{
    void *out = member_of(target, s);
    switch (s->type) {
    case VCH_SETTING_BOOL:
        return read_bool(value, s, out, faults);
    case VCH_SETTING_INT:
        return read_int(value, s, out, faults);
    case VCH_SETTING_REAL:
        return read_real(value, s, out, faults);
    case VCH_SETTING_TEXT:
        return read_text(value, s, out, faults);
    case VCH_SETTING_HEX:
        return read_hex(value, s, out, faults);
    case VCH_SETTING_MOMENT:
        return read_moment(value, s, out, faults);
    case VCH_SETTING_CHOICE:
        return read_choice(value, s, out, faults);
    case VCH_SETTING_LIST:
    case VCH_SETTING_MAPPING:
    case VCH_SETTING_ANY:
        return read_node(value, s, out, faults);
    }
    return false;
}

static const vch_setting *find_setting(const vch_setting *table, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].key, key) == 0)
            return &table[i];
    }
    return NULL;
}

static void refuse_unknown(const vch_yaml_node *key, const char *what, const vch_setting *table,
                           size_t count, vch_faults *faults)
{
    const char *known[KEYS_MAX];
    size_t known_count = 0;
    for (size_t i = 0; i < count && i < KEYS_MAX; i++)
        known[known_count++] = table[i].key;
    const char *word = vch_yaml_written(key);
    const char *near = vch_suggest(word, known, known_count);
    if (near != NULL)
        vch_faults_at(faults, key, "unknown key '%.64s' in %s (did you mean '%s'?)", word, what,
                      near);
    else
        vch_faults_at(faults, key, "unknown key '%.64s' in %s", word, what);
}

/* A default takes the same way as a written value, through a document of its own. */
static bool read_fallback(const vch_setting *s, void *target, vch_faults *faults)
{
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    if (s->type == VCH_SETTING_TEXT) {
        memcpy(member_of(target, s), &s->fallback, sizeof s->fallback);
        return true;
    }
    if (vch_yaml_parse("default", vch_span_str(s->fallback), faults, &doc, NULL) != VOUCH_OK) {
        faults->out_of_memory = true; /* the defaults are our own text: nothing else can be wrong */
        return false;
    }
    return vch_schema_read_value(vch_yaml_root(doc), s, target, faults);
}

static bool read_absent(const vch_yaml_node *mapping, const char *what, const vch_setting *s,
                        void *target, vch_faults *faults)
{
    if (s->required) {
        vch_faults_at(faults, mapping, "%s has no '%s'", what, s->key);
        return false;
    }
    return s->fallback == NULL || read_fallback(s, target, faults);
}

bool vch_schema_read(const vch_yaml_node *mapping, const char *what, const vch_setting *table,
                     size_t count, void *target, vch_faults *faults)
{
    bool good = true;
    if (vch_yaml_kind_of(mapping) != VCH_YAML_MAPPING) {
        vch_faults_at(faults, mapping, "%s must be a mapping, not %s", what,
                      vch_yaml_kind_name(vch_yaml_kind_of(mapping)));
        return false;
    }
    for (size_t i = 0; i < vch_yaml_count(mapping); i++) {
        const vch_yaml_node *key = vch_yaml_key_at(mapping, i);
        const char *name = vch_yaml_string(key);
        if (name == NULL || find_setting(table, count, name) == NULL) {
            refuse_unknown(key, what, table, count, faults);
            good = false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const vch_yaml_node *value = vch_yaml_get(mapping, table[i].key);
        bool read = value == NULL ? read_absent(mapping, what, &table[i], target, faults)
                                  : vch_schema_read_value(value, &table[i], target, faults);
        good = good && read;
    }
    return good;
}

static void describe_type(const vch_setting *s, vch_buffer *out)
{
    switch (s->type) {
    case VCH_SETTING_BOOL:
        vch_buffer_append_str(out, "true or false");
        return;
    case VCH_SETTING_INT:
    case VCH_SETTING_REAL:
        vch_buffer_append_fmt(out, "%" PRId64 " to %" PRId64, s->min, s->max);
        return;
    case VCH_SETTING_TEXT:
        vch_buffer_append_str(out, "text");
        return;
    case VCH_SETTING_HEX:
        vch_buffer_append_fmt(out, "%" PRId64 " hexadecimal digits", 2 * s->max);
        return;
    case VCH_SETTING_MOMENT:
        vch_buffer_append_str(out, "date or moment");
        return;
    case VCH_SETTING_CHOICE:
        vch_buffer_append_str(out, s->choices);
        return;
    case VCH_SETTING_LIST:
        vch_buffer_append_str(out, "list");
        return;
    case VCH_SETTING_MAPPING:
        vch_buffer_append_str(out, "mapping");
        return;
    case VCH_SETTING_ANY:
        break;
    }
    vch_buffer_append_str(out, "anything");
}

void vch_schema_describe(const vch_setting *table, size_t count, vch_buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        vch_buffer_append_fmt(out, "%s  (", table[i].key);
        describe_type(&table[i], out);
        if (table[i].required)
            vch_buffer_append_str(out, ", required");
        else if (table[i].fallback != NULL)
            vch_buffer_append_fmt(out, ", default %s", table[i].fallback);
        vch_buffer_append_fmt(out, ")\n    %s\n", table[i].help == NULL ? "" : table[i].help);
    }
}
