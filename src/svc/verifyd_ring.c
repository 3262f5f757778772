#include "svc/verifyd_ring.h"

#include <stdbool.h>
#include <string.h>

#include "base/moment.h"
#include "base/scope.h"
#include "config/schema.h"
#include "config/yaml.h"
#include "host/file.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define FILE_MAX_SIZE ((size_t)64 << 10)

typedef struct raw_ring {
    int64_t version;
    const vch_yaml_node *keys;
} raw_ring;

typedef struct raw_key {
    const char *key, *chain;
    int64_t signs_from_unix_s, until_unix_s;
} raw_key;

static const vch_setting ring_table[] = {
    { .key = "version",
      .type = VCH_SETTING_INT,
      .offset = offsetof(raw_ring, version),
      .required = true,
      .min = 1,
      .max = 1,
      .help = "of this file's form" },
    { .key = "keys",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(raw_ring, keys),
      .required = true,
      .min = 1,
      .max = VCH_RING_KEYS_MAX,
      .help = "oldest first" },
};

static const vch_setting key_table[] = {
    { .key = "key",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw_key, key),
      .required = true,
      .min = 1,
      .max = VCH_RING_NAME_SIZE - 1,
      .help = "PEM file beside this one" },
    { .key = "chain",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(raw_key, chain),
      .required = true,
      .min = 1,
      .max = VCH_RING_NAME_SIZE - 1,
      .help = "PEM file beside this one: leaf, signing CA, root" },
    { .key = "signs_from",
      .type = VCH_SETTING_MOMENT,
      .offset = offsetof(raw_key, signs_from_unix_s),
      .required = true,
      .help = "it is published before, and signs from then" },
    { .key = "until",
      .type = VCH_SETTING_MOMENT,
      .offset = offsetof(raw_key, until_unix_s),
      .help = "it is published no longer; absent: not replaced yet" },
};

/* A name beside the ring's file: a rotation may remove what the ring names. */
static bool is_name(const char *text)
{
    return strchr(text, '/') == NULL && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static void read_key(const vch_yaml_node *item, vch_faults *faults, vch_ring *out)
{
    raw_key raw = { .until_unix_s = VCH_RING_NO_END };
    vch_ring_key *k = &out->key[out->count];
    const vch_ring_key *before = out->count > 0 ? &out->key[out->count - 1] : NULL;
    if (!vch_schema_read(item, "keys", key_table, COUNT(key_table), &raw, faults))
        return;
    if (!is_name(raw.key) || !is_name(raw.chain)) {
        vch_faults_at(faults, item, "key and chain are names of files beside this one");
        return;
    }
    if (before != NULL && raw.signs_from_unix_s < before->signs_from_unix_s)
        vch_faults_at(faults, item, "the keys are not in the order of signs_from");
    if (raw.until_unix_s <= raw.signs_from_unix_s)
        vch_faults_at(faults, item, "until is not after signs_from");
    if (before != NULL
        && (before->until_unix_s == VCH_RING_NO_END
            || before->until_unix_s < raw.signs_from_unix_s))
        vch_faults_at(faults, item, "the key before it ends before this one signs, or never");
    memcpy(k->key, raw.key, strlen(raw.key) + 1);
    memcpy(k->chain, raw.chain, strlen(raw.chain) + 1);
    k->signs_from_unix_s = raw.signs_from_unix_s;
    k->until_unix_s = raw.until_unix_s;
    out->count++;
}

static void read_keys(const vch_yaml_node *root, vch_faults *faults, vch_ring *out)
{
    raw_ring raw = { 0 };
    if (!vch_schema_read(root, "key ring", ring_table, COUNT(ring_table), &raw, faults))
        return;
    for (size_t i = 0; i < vch_yaml_count(raw.keys); i++)
        read_key(vch_yaml_at(raw.keys, i), faults, out);
    if (out->count > 0 && out->key[out->count - 1].until_unix_s != VCH_RING_NO_END)
        vch_faults_at(faults, raw.keys, "the last key has an end: nothing would sign after it");
}

vouch_code vch_ring_read(const char *path, vch_faults *faults, vch_ring *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    VCH_SCOPED(vch_yaml_drop) vch_yaml *document = NULL;
    vch_ring ring = { 0 };
    vouch_code rc = vch_file_read(path, FILE_MAX_SIZE, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_parse(path, vch_buffer_span(&text), faults, &document, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "key ring");
    read_keys(vch_yaml_root(document), faults, &ring);
    rc = vch_faults_check(faults, err);
    if (rc == VOUCH_OK)
        *out = ring;
    return rc;
}

vouch_code vch_ring_write(const char *path, const vch_ring *ring, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(FILE_MAX_SIZE);
    vch_buffer_append_str(&text, "# The token keys, oldest first. `vouch-verifyd rotate` replaces "
                                 "this file; the service reads it\n# at its start and at SIGHUP.\n"
                                 "version: 1\nkeys:\n");
    for (size_t i = 0; i < ring->count; i++) {
        char moment[VCH_MOMENT_TEXT_SIZE];
        const vch_ring_key *k = &ring->key[i];
        vch_buffer_append_fmt(&text, "  - {key: %s, chain: %s, signs_from: %s", k->key, k->chain,
                              vch_moment_format(k->signs_from_unix_s, moment));
        if (k->until_unix_s != VCH_RING_NO_END)
            vch_buffer_append_fmt(&text, ", until: %s", vch_moment_format(k->until_unix_s, moment));
        vch_buffer_append_str(&text, "}\n");
    }
    vouch_code rc = vch_buffer_finish(&text, "key ring", err);
    return rc == VOUCH_OK ? vch_file_write(path, vch_buffer_span(&text), 0644, err) : rc;
}
