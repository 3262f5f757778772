#include <stddef.h>

#include "config/schema.h"
#include "svc/verifyd_config_reader.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

typedef struct raw_token {
    int64_t lifetime_s;
    const char *ring;
    const vch_yaml_node *keys;
} raw_token;

typedef struct raw_crl {
    const char *listen, *root_key, *signing_key;
} raw_crl;

static const vch_setting token_table[] = {
    { .key = "lifetime_s",
      .type = VCH_SETTING_INT,
      .offset = offsetof(raw_token, lifetime_s),
      .min = 5,
      .max = 300,
      .fallback = "300",
      .help = "life of a token in seconds" },
    { .key = "ring",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw_token, ring),
      .min = 1,
      .help = "the key ring that init makes and rotate turns" },
    { .key = "keys",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(raw_token, keys),
      .min = 1,
      .max = VCH_VERIFYD_KEYS_MAX,
      .help = "in place of ring, kept by hand: the first signs, all are published" },
};

static const vch_setting key_table[] = {
    { .key = "key",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(vch_config_pair, first),
      .required = true,
      .min = 1,
      .help = "PEM file, RSA" },
    { .key = "chain",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(vch_config_pair, second),
      .required = true,
      .min = 1,
      .help = "PEM file: leaf, signing CA, root" },
};

static const vch_setting crl_table[] = {
    { .key = "root_key",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw_crl, root_key),
      .required = true,
      .min = 1,
      .help = "PEM file: key of the token root" },
    { .key = "signing_key",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw_crl, signing_key),
      .required = true,
      .min = 1,
      .help = "PEM file: key of the signing CA" },
    { .key = "listen",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw_crl, listen),
      .min = 1,
      .help = "ADDRESS:PORT that also serves the CRLs over plain HTTP" },
};

static bool read_key_list(vch_config_reader *r, const vch_yaml_node *list)
{
    r->config->key_count = vch_yaml_count(list);
    for (size_t i = 0; i < r->config->key_count; i++) {
        const vch_yaml_node *item = vch_yaml_at(list, i);
        vch_verifyd_key_files *files = &r->config->keys[i];
        vch_config_pair pair = { 0 };
        if (!vch_schema_read(item, "keys", key_table, COUNT(key_table), &pair, r->faults)
            || !vch_config_put_path(r, item, pair.first, files->key)
            || !vch_config_put_path(r, item, pair.second, files->chain))
            return false;
        files->signs_from_unix_s = INT64_MIN;
        files->until_unix_s = VCH_RING_NO_END;
    }
    return true;
}

static bool read_ring(vch_config_reader *r, const vch_yaml_node *at, const char *path)
{
    vch_ring ring = { 0 };
    vouch_error err = { 0 };
    char dir[VCH_PATH_SIZE];
    size_t faults = r->faults->count;
    if (!vch_config_put_path(r, at, path, r->config->ring))
        return false;
    vouch_code rc = vch_path_directory(r->config->ring, dir, &err);
    if (rc == VOUCH_OK)
        rc = vch_ring_read(r->config->ring, r->faults, &ring, &err);
    if (rc != VOUCH_OK && r->faults->count == faults) /* else its faults are told already */
        vch_faults_at(r->faults, at, "%s", err.frame[0]);
    r->config->key_count = ring.count;
    for (size_t i = 0; i < ring.count && rc == VOUCH_OK; i++) {
        vch_verifyd_key_files *files = &r->config->keys[i];
        rc = vch_path_join(dir, ring.key[i].key, files->key, &err);
        if (rc == VOUCH_OK)
            rc = vch_path_join(dir, ring.key[i].chain, files->chain, &err);
        files->signs_from_unix_s = ring.key[i].signs_from_unix_s;
        files->until_unix_s = ring.key[i].until_unix_s;
    }
    return rc == VOUCH_OK;
}

bool vch_config_read_token(vch_config_reader *r, const vch_yaml_node *node)
{
    raw_token token = { 0 };
    if (!vch_schema_read(node, "token", token_table, COUNT(token_table), &token, r->faults))
        return false;
    r->config->token_lifetime_s = token.lifetime_s;
    if ((token.ring == NULL) == (token.keys == NULL)) {
        vch_faults_at(r->faults, node, "token keys are either in a 'ring' or a list of 'keys'");
        return false;
    }
    return token.ring != NULL ? read_ring(r, node, token.ring) : read_key_list(r, token.keys);
}

bool vch_config_read_crl(vch_config_reader *r, const vch_yaml_node *node)
{
    raw_crl crl = { 0 };
    return vch_schema_read(node, "crl", crl_table, COUNT(crl_table), &crl, r->faults)
           && vch_config_put_path(r, node, crl.root_key, r->config->root_ca_key)
           && vch_config_put_path(r, node, crl.signing_key, r->config->signing_ca_key)
           && (crl.listen == NULL
               || vch_config_put_listen(r, node, crl.listen, &r->config->crl_listen));
}
