/*
 * From the text of plan.yaml to the plan that OpenFL hashes: `settings` in every section, default
 * files below what the plan says, then the canonical dump, its hashes, and `auto`.
 * openfl_interop.md section 9.
 */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/scope.h"
#include "codec/hex.h"
#include "config/suggest.h"
#include "config/yaml_dump.h"
#include "crypto/hash.h"
#include "fed/plan/plan_parts.h"

enum { PORT_FIRST = 49152, PORT_LAST = 60999, DUMP_MAX = 1 << 22, PATHS_MAX = 32 };

/* Put the pairs of `below` under `mapping`: only where it says nothing itself. */
static vouch_code put_below(vch_yaml *doc, vch_yaml_node *mapping, const vch_yaml_node *below,
                            vouch_error *err)
{
    for (size_t i = 0; i < vch_yaml_count(below); i++) {
        const char *key = vch_yaml_string(vch_yaml_key_at(below, i));
        if (key == NULL || vch_yaml_get(mapping, key) != NULL)
            continue;
        vouch_code rc = vch_yaml_put(doc, mapping, key, vch_yaml_at(below, i), err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

static void check_keys(const vch_yaml_node *mapping, vch_faults *faults)
{
    for (size_t i = 0; i < vch_yaml_count(mapping); i++) {
        if (vch_yaml_string(vch_yaml_key_at(mapping, i)) == NULL)
            vch_faults_at(faults, vch_yaml_key_at(mapping, i), "a key must be text");
    }
}

/* The section's default file as a node, or NULL if it names none (or a fault was added). */
static vouch_code read_defaults(vch_plan *p, const vch_yaml_node *section, vch_faults *faults,
                                const vch_yaml_node **out, vouch_error *err)
{
    *out = NULL;
    const vch_yaml_node *value = vch_yaml_get(section, "defaults");
    if (value == NULL || vch_yaml_kind_of(value) == VCH_YAML_NULL)
        return VOUCH_OK;
    const char *path = vch_yaml_string(value);
    const char *text = path == NULL ? NULL : vch_release_defaults(p->view.release, path);
    if (text == NULL) {
        const char *known[PATHS_MAX];
        size_t count = vch_release_default_paths(p->view.release, known, PATHS_MAX);
        const char *near = path == NULL ? NULL : vch_suggest(path, known, count);
        vch_faults_at(faults, value, "OpenFL %s has no default file '%s'%s%s%s",
                      p->view.release->name, path == NULL ? "" : path,
                      near == NULL ? "" : " (did you mean '", near == NULL ? "" : near,
                      near == NULL ? "" : "'?)");
        return VOUCH_OK;
    }
    vch_yaml *doc = NULL;
    vouch_code rc = vch_plan_add_document(p, path, vch_span_str(text), faults, &doc, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = vch_yaml_root(doc);
    return VOUCH_OK;
}

/* A section as OpenFL merges it: the plan over its defaults, `settings` merged one level down. */
static vouch_code merge_section(vch_plan *p, const char *name, const vch_yaml_node *section,
                                vch_yaml_node *root, vch_faults *faults, vouch_error *err)
{
    vch_yaml *doc = p->merged;
    const vch_yaml_node *defaults = NULL;
    const vch_yaml_node *own = vch_yaml_get(section, "settings");
    if (own != NULL && vch_yaml_kind_of(own) == VCH_YAML_NULL)
        own = NULL;
    if (own != NULL && vch_yaml_kind_of(own) != VCH_YAML_MAPPING) {
        vch_faults_at(faults, own, "settings must be a mapping");
        own = NULL;
    }
    check_keys(section, faults);
    check_keys(own, faults);
    vouch_code rc = read_defaults(p, section, faults, &defaults, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_yaml_node *below = defaults == NULL ? NULL : vch_yaml_get(defaults, "settings");
    vch_yaml_node *merged = vch_yaml_copy_mapping(doc, section);
    vch_yaml_node *settings =
        own != NULL ? vch_yaml_copy_mapping(doc, own) : vch_yaml_make_mapping(doc);
    if (settings == NULL || merged == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "merging the plan");
    vch_yaml_remove(merged, "defaults");
    rc = put_below(doc, settings, below, err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_put(doc, merged, "settings", settings, err);
    if (rc == VOUCH_OK)
        rc = put_below(doc, merged, defaults, err);
    return rc == VOUCH_OK ? vch_yaml_put(doc, root, name, merged, err) : rc;
}

vouch_code vch_plan_merge(vch_plan *p, const vch_plan_source *source, vch_faults *faults,
                          vouch_error *err)
{
    vch_yaml *text = NULL;
    vouch_code rc = vch_plan_add_document(p, source->plan_name, source->plan, faults, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_new(source->plan_name, &p->merged, err);
    if (rc != VOUCH_OK)
        return rc;
    p->document[p->document_count++] = p->merged;
    const vch_yaml_node *read = vch_yaml_root(text);
    if (vch_yaml_kind_of(read) != VCH_YAML_MAPPING)
        return vouch_fail(err, VOUCH_E_CONFIG, "%s: a plan is a mapping of sections",
                          source->plan_name);
    vch_yaml_node *root = vch_yaml_copy_mapping(p->merged, read);
    if (root == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "merging the plan");
    check_keys(read, faults);
    for (size_t i = 0; i < vch_yaml_count(read) && rc == VOUCH_OK; i++) {
        const char *name = vch_yaml_string(vch_yaml_key_at(read, i));
        const vch_yaml_node *section = vch_yaml_at(read, i);
        if (name == NULL)
            continue;
        if (vch_yaml_kind_of(section) == VCH_YAML_MAPPING)
            rc = merge_section(p, name, section, root, faults, err);
        else
            vch_faults_at(faults, section, "section '%s' must be a mapping", name);
    }
    vch_yaml_set_root(p->merged, root);
    p->root = root;
    return rc;
}

static vouch_code make_uuids(vch_plan *p, const vch_plan_source *source, vouch_error *err)
{
    const char *slash = strrchr(source->plan_name, '/');
    const char *name = slash == NULL ? source->plan_name : slash + 1;
    int n =
        source->federation_uuid != NULL
            ? snprintf(p->federation_uuid, sizeof p->federation_uuid, "%s", source->federation_uuid)
            : snprintf(p->federation_uuid, sizeof p->federation_uuid, "%s_%.8s", name, p->hash_hex);
    int m = snprintf(p->aggregator_uuid, sizeof p->aggregator_uuid, "aggregator_%.*s",
                     (int)sizeof p->federation_uuid, p->federation_uuid);
    if (n <= 0 || (size_t)n >= sizeof p->federation_uuid || (size_t)m >= sizeof p->aggregator_uuid)
        return vouch_fail(err, VOUCH_E_LIMIT, "the federation's uuid is empty or too long");
    p->view.federation_uuid = p->federation_uuid;
    p->view.aggregator_uuid = p->aggregator_uuid;
    return VOUCH_OK;
}

static bool is_auto(const vch_yaml_node *node)
{
    const char *text = node == NULL ? NULL : vch_yaml_string(node);
    return text != NULL && strcmp(text, "auto") == 0;
}

/* The first eight digits of the hash as a number choose the port. */
static int64_t auto_port(const uint8_t digest[static VCH_SHA384_SIZE])
{
    vch_cursor c = vch_cursor_over((vouch_span) { digest, VCH_SHA384_SIZE });
    return vch_cursor_u32be(&c) % (PORT_LAST - PORT_FIRST) + PORT_FIRST;
}

/* The plan with agg_addr and agg_port filled in. The port comes of a hash in which the address
 * already stands. */
static vouch_code fill_auto(vch_plan *p, const vch_plan_source *source, vouch_error *err)
{
    vch_yaml *doc = p->merged;
    const vch_yaml_node *section = vch_yaml_get(p->root, "network");
    const vch_yaml_node *settings = vch_plan_settings(p, "network");
    p->resolved = p->root;
    if (settings == NULL)
        return VOUCH_OK;
    vch_yaml_node *root = vch_yaml_copy_mapping(doc, p->root);
    vch_yaml_node *network = vch_yaml_copy_mapping(doc, section);
    vch_yaml_node *filled = vch_yaml_copy_mapping(doc, settings);
    if (root == NULL || network == NULL || filled == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "resolving the plan");
    vouch_code rc = vch_yaml_put(doc, network, "settings", filled, err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_put(doc, root, "network", network, err);
    p->view.agg_addr_was_auto = is_auto(vch_yaml_get(settings, "agg_addr"));
    if (rc == VOUCH_OK && p->view.agg_addr_was_auto && source->host_name != NULL)
        rc = vch_yaml_put(doc, filled, "agg_addr", vch_yaml_make_string(doc, source->host_name),
                          err);
    if (rc == VOUCH_OK && is_auto(vch_yaml_get(settings, "agg_port"))) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer dump = vch_buffer_with_cap(DUMP_MAX);
        uint8_t digest[VCH_SHA384_SIZE] = { 0 };
        rc = vch_yaml_dump(root, &dump, err);
        if (rc == VOUCH_OK)
            rc = vch_sha384(vch_buffer_span(&dump), digest, err);
        if (rc == VOUCH_OK)
            rc = vch_yaml_put(doc, filled, "agg_port", vch_yaml_make_int(doc, auto_port(digest)),
                              err);
    }
    p->resolved = root;
    return rc;
}

vouch_code vch_plan_resolve(vch_plan *p, const vch_plan_source *source, vouch_error *err)
{
    p->dump = vch_buffer_with_cap(DUMP_MAX);
    uint8_t digest[VCH_SHA384_SIZE] = { 0 };
    vouch_code rc = vch_yaml_dump(p->root, &p->dump, err);
    if (rc == VOUCH_OK)
        rc = vch_sha384(vch_buffer_span(&p->dump), digest, err);
    vch_hex_encode((vouch_span) { digest, sizeof digest }, p->hash_hex);
    if (rc == VOUCH_OK)
        rc = vch_sha256(vch_buffer_span(&p->dump), p->view.claim, err);
    if (rc == VOUCH_OK)
        rc = make_uuids(p, source, err);
    p->view.hash_hex = p->hash_hex;
    return rc == VOUCH_OK ? fill_auto(p, source, err) : rc;
}
