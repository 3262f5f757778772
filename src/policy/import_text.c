#include "policy/import_text.h"

#include "config/yaml_dump.h"
#include "policy/policy.h"

vouch_code vch_import_begin(vch_import *i, const char *name, vch_faults *faults, vouch_error *err)
{
    *i = (vch_import) { .name = name, .faults = faults };
    vouch_code rc = vch_yaml_new(name, &i->doc, err);
    if (rc != VOUCH_OK)
        return rc;
    i->measurements = vch_yaml_make_sequence(i->doc);
    i->accept = vch_yaml_make_sequence(i->doc);
    return VOUCH_OK; /* a list without memory is refused by whoever appends to it */
}

void vch_import_drop(vch_import *i)
{
    vch_yaml_free(i->doc);
    i->doc = NULL;
}

vouch_code vch_import_finish(vch_import *i, vch_buffer *out, vouch_error *err)
{
    vouch_code rc = vch_faults_check(i->faults, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_yaml_node *root = vch_yaml_make_mapping(i->doc);
    vch_yaml_node *tcb = vch_yaml_make_mapping(i->doc);
    rc = vch_yaml_put(i->doc, tcb, "accept", i->accept, err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_put(i->doc, root, "version", vch_yaml_make_int(i->doc, 1), err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_put(i->doc, root, "measurements", i->measurements, err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_put(i->doc, root, "tcb", tcb, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(VCH_YAML_MAX_SIZE);
    rc = vch_yaml_dump(root, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_policy_drop) vouch_policy *policy = NULL;
    rc = vch_policy_parse_all(i->name, vch_buffer_span(&text), i->faults, &policy, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the imported policy");
    vch_buffer_append(out, vch_buffer_span(&text));
    return vch_buffer_finish(out, "imported policy", err);
}
