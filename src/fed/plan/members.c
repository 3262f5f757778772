/* Who takes part: cols.yaml, and where each one's data lies: data.yaml. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "fed/plan/plan_parts.h"

enum { NAME_SIZE_MAX = 256 }; /* a name travels as a tag */

static void check_name(const vch_yaml_node *node, vch_faults *faults)
{
    const char *name = vch_yaml_string(node);
    if (name == NULL)
        vch_faults_at(faults, node, "a collaborator's name must be text; quote it");
    else if (name[0] == '\0' || strlen(name) > NAME_SIZE_MAX)
        vch_faults_at(faults, node, "a collaborator's name has 1 to %d bytes", NAME_SIZE_MAX);
}

static vouch_code read_list(vch_plan *p, const vch_yaml_node *list, vch_faults *faults,
                            vouch_error *err)
{
    size_t count = vch_yaml_count(list);
    if (count > VCH_PLAN_MEMBER_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu collaborators; at most %d", count,
                          VCH_PLAN_MEMBER_MAX);
    p->member = calloc(count + 1, sizeof *p->member);
    if (p->member == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "%zu collaborators", count);
    for (size_t i = 0; i < count; i++) {
        const vch_yaml_node *node = vch_yaml_at(list, i);
        check_name(node, faults);
        const char *name = vch_yaml_string(node);
        if (name == NULL)
            continue;
        if (vch_plan_member(p, vch_span_str(name)) >= 0) {
            vch_faults_at(faults, node, "collaborator '%s' is listed twice", name);
            continue;
        }
        p->view.member = p->member;
        p->member[p->view.member_count++] = name;
    }
    return VOUCH_OK;
}

vouch_code vch_plan_read_members(vch_plan *p, const vch_plan_source *source, vch_faults *faults,
                                 vouch_error *err)
{
    vch_yaml *doc = NULL;
    if (source->cols_name == NULL)
        return VOUCH_OK;
    vouch_code rc = vch_plan_add_document(p, source->cols_name, source->cols, faults, &doc, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_yaml_node *root = vch_yaml_root(doc);
    if (vch_yaml_kind_of(root) == VCH_YAML_NULL)
        return VOUCH_OK; /* an empty file authorises nobody */
    if (vch_yaml_kind_of(root) != VCH_YAML_MAPPING) {
        vch_faults_at(faults, root, "cols.yaml holds 'collaborators:' and a list of names");
        return VOUCH_OK;
    }
    const vch_yaml_node *list = vch_yaml_get(root, "collaborators");
    for (size_t i = 0; i < vch_yaml_count(root); i++) {
        if (vch_yaml_at(root, i) != list)
            vch_faults_at(faults, vch_yaml_key_at(root, i),
                          "unknown key; cols.yaml holds 'collaborators' only");
    }
    if (list == NULL || vch_yaml_kind_of(list) == VCH_YAML_NULL)
        return VOUCH_OK;
    if (vch_yaml_kind_of(list) != VCH_YAML_SEQUENCE) {
        vch_faults_at(faults, list, "collaborators must be a list of names");
        return VOUCH_OK;
    }
    return read_list(p, list, faults, err);
}

/* One line off the front of `c`, without its end and the blanks before it. */
static vouch_span next_line(vch_cursor *c)
{
    const uint8_t *end = memchr(c->rest.data, '\n', c->rest.size);
    size_t size = end == NULL ? c->rest.size : (size_t)(end - c->rest.data);
    vouch_span line = vch_cursor_take(c, size);
    if (end != NULL)
        (void)vch_cursor_u8(c);
    while (line.size > 0 && memchr(" \t\r\v\f", line.data[line.size - 1], 5) != NULL)
        line.size--;
    return line;
}

vouch_code vch_data_path_find(const char *file_name, vouch_span data_yaml, const char *name,
                              vouch_span *out, vouch_error *err)
{
    vouch_span found = { 0 };
    vch_cursor c = vch_cursor_over(data_yaml);
    for (size_t number = 1; c.rest.size > 0; number++) {
        vouch_span line = next_line(&c);
        if (line.size == 0 || line.data[0] == '#')
            continue;
        vch_cursor fields = vch_cursor_over(line);
        const uint8_t *comma = memchr(line.data, ',', line.size);
        if (comma == NULL)
            return vouch_fail(err, VOUCH_E_CONFIG, "%s:%zu:1: a line is 'name,path'", file_name,
                              number);
        vouch_span who = vch_cursor_take(&fields, (size_t)(comma - line.data));
        (void)vch_cursor_u8(&fields);
        if (!vch_span_is(who, name))
            continue;
        if (found.data != NULL)
            return vouch_fail(err, VOUCH_E_CONFIG, "%s:%zu:1: '%s' stands here a second time",
                              file_name, number, name);
        if (fields.rest.size == 0)
            return vouch_fail(err, VOUCH_E_CONFIG, "%s:%zu:%zu: '%s' has no path", file_name,
                              number, line.size + 1, name);
        found = fields.rest;
    }
    if (found.data == NULL)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "%s: no line for '%s'", file_name, name);
    *out = found;
    return VOUCH_OK;
}
