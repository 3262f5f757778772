#include "fed/workspace/participant.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/scope.h"
#include "config/yaml.h"
#include "config/yaml_dump.h"

static bool is_name_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c != '\0' && strchr(".-_:", c));
}

vouch_code vch_participant_name(const char *given, char out[static VCH_PARTICIPANT_NAME_MAX + 1],
                                vouch_error *err)
{
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
    char name[VCH_PARTICIPANT_NAME_MAX + 1] = { 0 };
    size_t size = strlen(given);
    if (size == 0 || size > VCH_PARTICIPANT_NAME_MAX)
        return vouch_fail(err, VOUCH_E_CONFIG, "a name of %zu characters; 1 to %zu are allowed",
                          size, VCH_PARTICIPANT_NAME_MAX);
    for (size_t i = 0; i < size; i++) {
        char c = given[i];
        name[i] = c;
        if (c >= 'A' && c <= 'Z')
            name[i] = lower[c - 'A'];
        if (!is_name_letter(name[i]) || (i == 0 && (c == '.' || c == '-')))
            return vouch_fail(err, VOUCH_E_CONFIG,
                              "a name consists of letters, digits, '.', '-', '_' and ':', and "
                              "begins with none of '.' and '-'");
    }
    memcpy(out, name, sizeof name);
    return VOUCH_OK;
}

/* The list of an old cols.yaml; NULL where there is none yet. */
static vouch_code old_list(const char *file_name, const vch_yaml_node *root,
                           const vch_yaml_node **out, vouch_error *err)
{
    *out = NULL;
    if (vch_yaml_kind_of(root) == VCH_YAML_NULL)
        return VOUCH_OK;
    if (vch_yaml_kind_of(root) != VCH_YAML_MAPPING)
        return vouch_fail(err, VOUCH_E_CONFIG, "%s: not a mapping with 'collaborators'", file_name);
    const vch_yaml_node *list = vch_yaml_get(root, "collaborators");
    if (list == NULL || vch_yaml_kind_of(list) == VCH_YAML_NULL)
        return VOUCH_OK;
    if (vch_yaml_kind_of(list) != VCH_YAML_SEQUENCE)
        return vouch_fail(err, VOUCH_E_CONFIG, "%s:%zu: collaborators is not a list", file_name,
                          vch_yaml_place_of(list).line);
    *out = list;
    return VOUCH_OK;
}

static bool is_listed(const vch_yaml_node *list, const char *name)
{
    for (size_t i = 0; list != NULL && i < vch_yaml_count(list); i++) {
        const char *there = vch_yaml_string(vch_yaml_at(list, i));
        if (there != NULL && strcmp(there, name) == 0)
            return true;
    }
    return false;
}

vouch_code vch_cols_add(const char *file_name, vouch_span text, const char *name, vch_buffer *out,
                        bool *out_added, vouch_error *err)
{
    VCH_SCOPED(vch_yaml_drop) vch_yaml *old = NULL;
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    const vch_yaml_node *list = NULL;
    vouch_code rc = vch_yaml_parse(file_name, text, NULL, &old, err);
    if (rc == VOUCH_OK)
        rc = old_list(file_name, vch_yaml_root(old), &list, err);
    if (rc != VOUCH_OK)
        return rc;
    if (is_listed(list, name)) {
        *out_added = false;
        return VOUCH_OK;
    }
    rc = vch_yaml_new(file_name, &doc, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_yaml_node *root = vch_yaml_make_mapping(doc);
    vch_yaml_node *names = vch_yaml_make_sequence(doc);
    for (size_t i = 0; rc == VOUCH_OK && list != NULL && i < vch_yaml_count(list); i++)
        rc = vch_yaml_append(doc, names, vch_yaml_at(list, i), err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_append(doc, names, vch_yaml_make_string(doc, name), err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_put(doc, root, "collaborators", names, err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_dump(root, out, err);
    if (rc == VOUCH_OK)
        *out_added = true;
    return rc;
}

/* One line with its end, off the front. */
static vouch_span next_line(vch_cursor *c)
{
    const uint8_t *end = memchr(c->rest.data, '\n', c->rest.size);
    return vch_cursor_take(c, end == NULL ? c->rest.size : (size_t)(end - c->rest.data) + 1);
}

static bool is_line_of(vouch_span line, const char *name)
{
    size_t size = strlen(name);
    return line.size > size && memcmp(line.data, name, size) == 0 && line.data[size] == ',';
}

vouch_code vch_data_put(vouch_span text, const char *name, const char *path, vch_buffer *out,
                        vouch_error *err)
{
    if (path[0] == '\0' || strpbrk(path, "\r\n") != NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "a data path is one line of text");
    bool written = false;
    vch_cursor c = vch_cursor_over(text);
    while (c.rest.size > 0) {
        vouch_span line = next_line(&c);
        if (!is_line_of(line, name)) {
            vch_buffer_append(out, line);
            if (line.data[line.size - 1] != '\n')
                vch_buffer_u8(out, '\n');
        } else if (!written) {
            vch_buffer_append_fmt(out, "%s,%s\n", name, path);
            written = true;
        }
    }
    if (!written)
        vch_buffer_append_fmt(out, "%s,%s\n", name, path);
    return vch_buffer_finish(out, "data.yaml", err);
}
