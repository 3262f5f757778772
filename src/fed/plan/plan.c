#include "fed/plan/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "fed/plan/plan_parts.h"
#include "host/file.h"

VCH_DEFINE_DROP(plan_drop, vch_plan, vch_plan_free)

void vch_plan_free(vch_plan *p)
{
    if (p == NULL)
        return;
    vch_plan_groups_done(p);
    for (size_t i = 0; i < p->document_count; i++)
        vch_yaml_free(p->document[i]);
    vch_buffer_drop(&p->dump);
    free(p->task);
    free(p->member);
    free(p);
}

vouch_code vch_plan_add_document(vch_plan *p, const char *name, vouch_span text, vch_faults *faults,
                                 vch_yaml **out, vouch_error *err)
{
    if (p->document_count >= VCH_PLAN_DOCUMENT_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "%s: more than %d default files", name,
                          VCH_PLAN_DOCUMENT_MAX);
    vch_yaml *doc = NULL;
    vouch_code rc = vch_yaml_parse(name, text, faults, &doc, err);
    if (rc != VOUCH_OK)
        return rc;
    p->document[p->document_count++] = doc;
    *out = doc;
    return VOUCH_OK;
}

const vch_yaml_node *vch_plan_settings(const vch_plan *p, const char *section)
{
    const vch_yaml_node *node = vch_yaml_get(p->root, section);
    return node == NULL ? NULL : vch_yaml_get(node, "settings");
}

const char *vch_plan_template(const vch_plan *p, const char *section)
{
    const vch_yaml_node *node = vch_yaml_get(p->root, section);
    const vch_yaml_node *name = node == NULL ? NULL : vch_yaml_get(node, "template");
    return name == NULL ? NULL : vch_yaml_string(name);
}

const char *vch_plan_class(const char *template_name)
{
    const char *dot = strrchr(template_name, '.');
    return dot == NULL ? template_name : dot + 1;
}

static vouch_code parse_into(vch_plan *p, const vch_plan_source *source, vch_faults *faults,
                             vouch_error *err)
{
    vouch_code rc = vch_plan_merge(p, source, faults, err);
    if (rc == VOUCH_OK)
        rc = vch_plan_read_members(p, source, faults, err);
    if (rc == VOUCH_OK)
        rc = vch_plan_resolve(p, source, err);
    if (rc == VOUCH_OK)
        rc = vch_plan_read_sections(p, faults, err);
    if (rc == VOUCH_OK)
        rc = vch_plan_read_tasks(p, faults, err);
    if (rc == VOUCH_OK)
        rc = vch_plan_read_assigner(p, source->task_group, faults, err);
    return rc == VOUCH_OK ? vch_faults_check(faults, err) : rc;
}

vouch_code vch_plan_parse(const vch_plan_source *source, vch_faults *faults, vch_plan **out,
                          vouch_error *err)
{
    VCH_SCOPED(plan_drop) vch_plan *p = calloc(1, sizeof *p);
    if (p == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a plan");
    vouch_code rc = VOUCH_OK;
    p->view.release = source->release;
    if (p->view.release == NULL)
        rc = vch_release_find(VCH_RELEASE_DEFAULT, &p->view.release, err);
    if (rc == VOUCH_OK)
        rc = parse_into(p, source, faults, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(p);
    return VOUCH_OK;
}

vouch_code vch_plan_load(const char *plan_path, const char *cols_path,
                         const vch_plan_source *source, vch_faults *faults, vch_plan **out,
                         vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer plan = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer cols = { 0 };
    vouch_code rc = vch_file_read(plan_path, VCH_PLAN_FILE_MAX, &plan, err);
    if (rc == VOUCH_OK && cols_path != NULL)
        rc = vch_file_read(cols_path, VCH_PLAN_FILE_MAX, &cols, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_plan_source full = *source;
    full.plan_name = plan_path;
    full.plan = vch_buffer_span(&plan);
    full.cols_name = cols_path;
    full.cols = vch_buffer_span(&cols);
    return vch_plan_parse(&full, faults, out, err);
}

const vch_plan_view *vch_plan_look(const vch_plan *p)
{
    return &p->view;
}

const vch_yaml_node *vch_plan_document(const vch_plan *p)
{
    return p->root;
}

const vch_yaml_node *vch_plan_resolved(const vch_plan *p)
{
    return p->resolved;
}

vouch_span vch_plan_dump(const vch_plan *p)
{
    return vch_buffer_span(&p->dump);
}

ptrdiff_t vch_plan_member(const vch_plan *p, vouch_span name)
{
    for (size_t i = 0; i < p->view.member_count; i++) {
        if (vch_span_is(name, p->view.member[i]))
            return (ptrdiff_t)i;
    }
    return -1;
}

const vch_plan_task *vch_plan_task_find(const vch_plan *p, vouch_span name)
{
    for (size_t i = 0; i < p->view.task_count; i++) {
        if (vch_span_is(name, p->view.task[i].name))
            return &p->view.task[i];
    }
    return NULL;
}
