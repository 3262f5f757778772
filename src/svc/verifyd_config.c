#include "svc/verifyd_config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/scope.h"
#include "config/schema.h"
#include "config/yaml.h"
#include "svc/verifyd_config_reader.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* The values as the tables read them; texts belong to the document. */
typedef struct raw {
    int64_t version;
    const char *listen, *base_url, *instance, *state;
    const vch_yaml_node *tls, *token, *nonce, *crl, *roots, *collateral, *policies, *limits,
        *api_keys;
    const char *operations;
} raw;

static const vch_setting top_table[] = {
    { .key = "version",
      .type = VCH_SETTING_INT,
      .offset = offsetof(raw, version),
      .required = true,
      .min = 1,
      .max = 1,
      .help = "of this file's form" },
    { .key = "listen",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw, listen),
      .required = true,
      .min = 1,
      .max = 80,
      .help = "ADDRESS:PORT of the service" },
    { .key = "base_url",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw, base_url),
      .required = true,
      .min = 9,
      .max = VCH_VERIFYD_URL_SIZE - 1,
      .help = "https origin that clients use and tokens name; no final slash" },
    { .key = "instance",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw, instance),
      .required = true,
      .min = VCH_UUID_TEXT_SIZE,
      .max = VCH_UUID_TEXT_SIZE,
      .help = "UUID of this verifier, in every token" },
    { .key = "state",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw, state),
      .required = true,
      .min = 1,
      .help = "database file: API keys, used nonces, decisions" },
    { .key = "tls",
      .type = VCH_SETTING_MAPPING,
      .offset = offsetof(raw, tls),
      .required = true,
      .help = "certificate and key of the service" },
    { .key = "token",
      .type = VCH_SETTING_MAPPING,
      .offset = offsetof(raw, token),
      .required = true,
      .help = "keys that sign tokens and nonces" },
    { .key = "crl",
      .type = VCH_SETTING_MAPPING,
      .offset = offsetof(raw, crl),
      .required = true,
      .help = "keys that sign the CRLs" },
    { .key = "nonce",
      .type = VCH_SETTING_MAPPING,
      .offset = offsetof(raw, nonce),
      .help = "life of a nonce" },
    { .key = "roots",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(raw, roots),
      .required = true,
      .min = 1,
      .max = VCH_VERIFYD_ROOTS_MAX,
      .help = "'intel', or PEM files of other vendors' roots (simulated platforms)" },
    { .key = "collateral",
      .type = VCH_SETTING_MAPPING,
      .offset = offsetof(raw, collateral),
      .required = true,
      .help = "where the collateral of platforms is" },
    { .key = "policies",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(raw, policies),
      .max = VCH_VERIFYD_POLICIES_MAX,
      .help = "policies under UUIDs" },
    { .key = "limits",
      .type = VCH_SETTING_MAPPING,
      .offset = offsetof(raw, limits),
      .help = "how much one API key, and all, may ask" },
    { .key = "api_keys",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(raw, api_keys),
      .max = VCH_VERIFYD_KEY_RULES_MAX,
      .help = "what holds for single API keys" },
    { .key = "operations",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw, operations),
      .min = 1,
      .max = 80,
      .help = "ADDRESS:PORT for /healthz, /readyz and /metrics over plain HTTP" },
};

static const vch_setting limits_table[] = {
    { .key = "requests_per_s",
      .type = VCH_SETTING_INT,
      .offset = offsetof(vch_verifyd_config, rate.per_s),
      .min = 1,
      .max = 100000,
      .fallback = "1000",
      .help = "requests of one API key, on average" },
    { .key = "burst",
      .type = VCH_SETTING_INT,
      .offset = offsetof(vch_verifyd_config, rate.burst),
      .min = 1,
      .max = 1000000,
      .fallback = "2000",
      .help = "requests of one API key at once" },
    { .key = "connections",
      .type = VCH_SETTING_INT,
      .offset = offsetof(vch_verifyd_config, connections_max),
      .min = 1,
      .max = 100000,
      .fallback = "4000",
      .help = "connections at once; then the one that waited longest without a request ends" },
};

typedef struct raw_rule {
    const char *name;
    vch_verifyd_rate rate;
    const vch_yaml_node *policies;
} raw_rule;

static const vch_setting rule_table[] = {
    { .key = "name",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw_rule, name),
      .required = true,
      .min = 1,
      .max = VCH_VERIFYD_KEY_NAME_SIZE - 1,
      .help = "of the API key" },
    { .key = "requests_per_s",
      .type = VCH_SETTING_INT,
      .offset = offsetof(raw_rule, rate.per_s),
      .min = 1,
      .max = 100000,
      .help = "as in limits" },
    { .key = "burst",
      .type = VCH_SETTING_INT,
      .offset = offsetof(raw_rule, rate.burst),
      .min = 1,
      .max = 1000000,
      .help = "as in limits" },
    { .key = "policies",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(raw_rule, policies),
      .max = VCH_ATTEST_POLICIES_MAX,
      .help = "UUIDs; judged when a request names none. Without the list: all" },
};

static const vch_setting tls_table[] = {
    { .key = "certificate",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(vch_config_pair, first),
      .required = true,
      .min = 1,
      .help = "PEM file" },
    { .key = "key",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(vch_config_pair, second),
      .required = true,
      .min = 1,
      .help = "PEM file" },
};

static const vch_setting nonce_table[] = {
    { .key = "lifetime_s",
      .type = VCH_SETTING_INT,
      .offset = offsetof(vch_verifyd_config, nonce_lifetime_s),
      .min = 1,
      .max = 3600,
      .fallback = "120",
      .help = "life of a nonce in seconds" },
};

static const vch_setting policy_table[] = {
    { .key = "id",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(vch_config_pair, first),
      .required = true,
      .min = VCH_UUID_TEXT_SIZE,
      .max = VCH_UUID_TEXT_SIZE,
      .help = "UUID" },
    { .key = "file",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(vch_config_pair, second),
      .required = true,
      .min = 1,
      .help = "a Vouch policy" },
};

bool vch_config_put_path(vch_config_reader *r, const vch_yaml_node *at, const char *path,
                         char out[static VCH_PATH_SIZE])
{
    if (vch_path_join(r->dir, path, out, NULL) == VOUCH_OK)
        return true;
    vch_faults_at(r->faults, at, "the path is too long");
    return false;
}

bool vch_config_put_listen(vch_config_reader *r, const vch_yaml_node *at, const char *text,
                           vch_verifyd_listen *out)
{
    vouch_error err = { 0 };
    if (vch_verifyd_listen_parse(text, out, &err) == VOUCH_OK)
        return true;
    vch_faults_at(r->faults, at, "%s", err.frame[0]);
    return false;
}

static bool put_uuid(vch_config_reader *r, const vch_yaml_node *at, const char *text,
                     char out[static VCH_UUID_TEXT_SIZE + 1])
{
    if (!vch_uuid_is_valid(text)) {
        vch_faults_at(r->faults, at, "'%s' is no UUID", text);
        return false;
    }
    memcpy(out, text, VCH_UUID_TEXT_SIZE + 1);
    return true;
}

static bool read_tls(vch_config_reader *r, const vch_yaml_node *node)
{
    vch_config_pair pair = { 0 };
    return vch_schema_read(node, "tls", tls_table, COUNT(tls_table), &pair, r->faults)
           && vch_config_put_path(r, node, pair.first, r->config->tls_certificate)
           && vch_config_put_path(r, node, pair.second, r->config->tls_key);
}

static bool read_roots(vch_config_reader *r, const vch_yaml_node *list)
{
    for (size_t i = 0; i < vch_yaml_count(list); i++) {
        const vch_yaml_node *item = vch_yaml_at(list, i);
        const char *text = vch_yaml_string(item);
        if (text == NULL) {
            vch_faults_at(r->faults, item, "a root is 'intel' or the path of a PEM file");
            return false;
        }
        if (strcmp(text, "intel") == 0)
            r->config->intel_root = true;
        else if (!vch_config_put_path(r, item, text, r->config->roots[r->config->root_count++]))
            return false;
    }
    return true;
}

static bool read_policies(vch_config_reader *r, const vch_yaml_node *list)
{
    size_t count = list != NULL ? vch_yaml_count(list) : 0;
    if (count == 0)
        return true;
    r->config->policies = calloc(count, sizeof *r->config->policies);
    if (r->config->policies == NULL) {
        vch_faults_at(r->faults, list, "no memory for the policies");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const vch_yaml_node *item = vch_yaml_at(list, i);
        vch_verifyd_policy_file *policy = &r->config->policies[i];
        vch_config_pair pair = { 0 };
        if (!vch_schema_read(item, "policies", policy_table, COUNT(policy_table), &pair, r->faults)
            || !put_uuid(r, item, pair.first, policy->id)
            || !vch_config_put_path(r, item, pair.second, policy->file))
            return false;
        for (size_t j = 0; j < i; j++) {
            if (strcasecmp(policy->id, r->config->policies[j].id) == 0) {
                vch_faults_at(r->faults, item, "policy %s stands twice", policy->id);
                return false;
            }
        }
        r->config->policy_count = i + 1;
    }
    return true;
}

static bool read_limits(vch_config_reader *r, const vch_yaml_node *node)
{
    r->config->rate = (vch_verifyd_rate) { 1000, 2000 };
    r->config->connections_max = 4000;
    return node == NULL
           || vch_schema_read(node, "limits", limits_table, COUNT(limits_table), r->config,
                              r->faults);
}

static bool is_policy(const vch_verifyd_config *c, const char *id)
{
    for (size_t i = 0; i < c->policy_count; i++) {
        if (strcasecmp(c->policies[i].id, id) == 0)
            return true;
    }
    return false;
}

static bool read_own_policies(vch_config_reader *r, const vch_yaml_node *list,
                              vch_verifyd_key_rule *rule)
{
    rule->own_policies = list != NULL;
    for (size_t i = 0; list != NULL && i < vch_yaml_count(list); i++) {
        const vch_yaml_node *item = vch_yaml_at(list, i);
        const char *text = vch_yaml_string(item);
        if (text == NULL || !is_policy(r->config, text)) {
            vch_faults_at(r->faults, item, "'%s' is none of the policies",
                          text != NULL ? text : "");
            return false;
        }
        memcpy(rule->policies[rule->policy_count++], text, VCH_UUID_TEXT_SIZE + 1);
    }
    return true;
}

static bool read_key_rule(vch_config_reader *r, const vch_yaml_node *item)
{
    raw_rule read = { .rate = r->config->rate };
    vch_verifyd_key_rule *rule = &r->config->key_rules[r->config->key_rule_count];
    if (!vch_schema_read(item, "api_keys", rule_table, COUNT(rule_table), &read, r->faults)
        || !read_own_policies(r, read.policies, rule))
        return false;
    for (size_t i = 0; i < r->config->key_rule_count; i++) {
        if (strcmp(r->config->key_rules[i].name, read.name) == 0) {
            vch_faults_at(r->faults, item, "API key '%s' stands twice", read.name);
            return false;
        }
    }
    memcpy(rule->name, read.name, strlen(read.name) + 1);
    rule->rate = read.rate;
    r->config->key_rule_count++;
    return true;
}

/* After limits and policies, which it refers to. */
static bool read_key_rules(vch_config_reader *r, const vch_yaml_node *list)
{
    size_t count = list != NULL ? vch_yaml_count(list) : 0;
    if (count == 0)
        return true;
    r->config->key_rules = calloc(count, sizeof *r->config->key_rules);
    if (r->config->key_rules == NULL) {
        vch_faults_at(r->faults, list, "no memory for the rules of API keys");
        return false;
    }
    bool good = true;
    for (size_t i = 0; i < count; i++)
        good = read_key_rule(r, vch_yaml_at(list, i)) && good;
    return good;
}

static bool read_base_url(vch_config_reader *r, const vch_yaml_node *root, const char *url)
{
    size_t size = strlen(url);
    if (strncmp(url, "https://", 8) != 0 || url[size - 1] == '/') {
        vch_faults_at(r->faults, vch_yaml_get(root, "base_url"),
                      "base_url must begin with https:// and have no final slash");
        return false;
    }
    memcpy(r->config->base_url, url, size + 1);
    return true;
}

/* Paths are the configuration's neighbours. */
static bool read_collateral(vch_config_reader *r, const vch_yaml_node *mapping)
{
    vch_collateral_settings *s = &r->config->collateral;
    const struct {
        const char **path;
        char *room;
    } paths[] = { { &s->dir, r->config->collateral_dir },
                  { &s->ca, r->config->collateral_ca },
                  { &s->store, r->config->collateral_store } };
    bool good = vch_collateral_settings_read(mapping, s, r->faults);
    for (size_t i = 0; i < COUNT(paths) && good; i++) {
        if (*paths[i].path == NULL)
            continue;
        good = vch_config_put_path(r, mapping, *paths[i].path, paths[i].room);
        *paths[i].path = paths[i].room;
    }
    return good;
}

/* Every part is read although one before it failed, so that all faults are told in one run. */
static bool read_all(vch_config_reader *r, const vch_yaml_node *root)
{
    raw top = { 0 };
    if (!vch_schema_read(root, "configuration", top_table, COUNT(top_table), &top, r->faults))
        return false;
    bool good = read_base_url(r, root, top.base_url);
    good = vch_config_put_listen(r, vch_yaml_get(root, "listen"), top.listen, &r->config->listen)
           && good;
    good =
        put_uuid(r, vch_yaml_get(root, "instance"), top.instance, r->config->instance_id) && good;
    good = vch_config_put_path(r, root, top.state, r->config->state) && good;
    good = read_tls(r, top.tls) && good;
    good = vch_config_read_token(r, top.token) && good;
    good = vch_config_read_crl(r, top.crl) && good;
    good = read_roots(r, top.roots) && good;
    good = read_policies(r, top.policies) && good;
    good = read_limits(r, top.limits) && good;
    good = read_key_rules(r, top.api_keys) && good;
    good = (top.operations == NULL
            || vch_config_put_listen(r, vch_yaml_get(root, "operations"), top.operations,
                                     &r->config->operations))
           && good;
    good = read_collateral(r, top.collateral) && good;
    r->config->nonce_lifetime_s = 120;
    if (top.nonce != NULL)
        good = vch_schema_read(top.nonce, "nonce", nonce_table, COUNT(nonce_table), r->config,
                               r->faults)
               && good;
    return good;
}

vouch_code vch_verifyd_config_read(const char *path, vch_faults *faults, vch_verifyd_config **out,
                                   vouch_error *err)
{
    char dir[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    VCH_SCOPED(vch_yaml_drop) vch_yaml *document = NULL;
    VCH_SCOPED(vch_verifyd_config_drop) vch_verifyd_config *config = calloc(1, sizeof *config);
    if (config == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the configuration");
    vouch_code rc = vch_path_directory(path, dir, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(path, VCH_YAML_MAX_SIZE, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_parse(path, vch_buffer_span(&text), faults, &document, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_config_reader r = { dir, faults, config };
    bool good = read_all(&r, vch_yaml_root(document));
    rc = vch_faults_check(faults, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!good)
        return vouch_fail(err, VOUCH_E_INTERNAL, "%s: refused without a reason", path);
    config->document = VCH_MOVE(document);
    *out = VCH_MOVE(config);
    return VOUCH_OK;
}

void vch_verifyd_config_free(vch_verifyd_config *config)
{
    if (config == NULL)
        return;
    free(config->policies);
    free(config->key_rules);
    vch_yaml_free(config->document);
    free(config);
}

static bool parse_port(const char *text, uint16_t *out)
{
    uint32_t port = 0;
    size_t size = strlen(text);
    if (size == 0 || size > 5)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    return true;
}

vouch_code vch_verifyd_listen_parse(const char *text, vch_verifyd_listen *out, vouch_error *err)
{
    vch_verifyd_listen made = { 0 };
    const char *colon = strrchr(text, ':');
    const char *begin = text;
    size_t size = colon != NULL ? (size_t)(colon - text) : 0;
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        begin++;
        size -= 2;
    } else if (memchr(text, ':', size) != NULL) {
        size = 0; /* an IPv6 address without brackets: where would the port begin? */
    }
    if (size == 0 || size >= sizeof made.address || !parse_port(colon + 1, &made.port))
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "'%s' is no address to listen on; 127.0.0.1:8443 or [::1]:8443 are",
                          text);
    memcpy(made.address, begin, size);
    *out = made;
    return VOUCH_OK;
}
