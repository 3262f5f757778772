#include "identity/attestation_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "codec/base64.h"
#include "codec/hex.h"
#include "config/yaml.h"
#include "config/yaml_dump.h"
#include "crypto/hash.h"
#include "crypto/key.h"
#include "host/file.h"
#include "identity/attestation_schema.h"
#include "policy/policy.h"

#define MODEL_EXPORT_NONE "none"

struct vch_attestation_file {
    vch_yaml *doc; /* owns the texts */
    vch_federation federation;
    vch_local local;
    vch_member *members;
    vch_token_issuer *issuers;
    uint8_t (*roots)[32];
    vch_succession succession;
    vch_buffer successor_key, succession_signature; /* behind it */
    char *attestation_dir;                          /* overrides, copied */
    char *verifier_url;
    char *api_key_file;
    vouch_policy *policies[VCH_ROLE_COLLABORATOR + 1];
};

/* What the reading functions share. */
typedef struct reading {
    vch_attestation_file *file;
    vch_faults *faults;
    vouch_code fatal; /* out of memory */
    vch_raw_federation raw;
    vch_raw_local raw_local;
    vch_raw_measurements measurements;
    vch_raw_stricter stricter;
} reading;

void vch_attestation_file_free(vch_attestation_file *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; f->members != NULL && i < f->federation.member_count; i++)
        free((void *)(uintptr_t)f->members[i].platforms);
    free(f->members);
    free(f->issuers);
    free(f->roots);
    vch_buffer_drop(&f->successor_key);
    vch_buffer_drop(&f->succession_signature);
    free(f->attestation_dir);
    free(f->verifier_url);
    free(f->api_key_file);
    vouch_policy_free(f->policies[VCH_ROLE_AGGREGATOR]);
    vouch_policy_free(f->policies[VCH_ROLE_COLLABORATOR]);
    vch_yaml_free(f->doc);
    free(f);
}

/* Room for `count` items; NULL and fatal if there is none. */
static void *room(reading *r, size_t count, size_t size)
{
    void *at = calloc(count == 0 ? 1 : count, size);
    if (at == NULL)
        r->fatal = VOUCH_E_MEMORY;
    return at;
}

static bool is_hex_list_item(const vch_yaml_node *item, uint8_t *out, size_t size)
{
    const char *written = vch_yaml_written(item);
    return written != NULL
           && vch_hex_decode((vouch_span) { (const uint8_t *)written, strlen(written) }, out, size,
                             NULL)
                  == VOUCH_OK;
}

/* Names become file names, host names and subjects: printable, without blanks and slashes. */
static bool is_plain_name(const char *name)
{
    if (name[0] == '.' || name[0] == '-')
        return false;
    for (const char *c = name; *c != 0; c++) {
        if (*c <= 0x20 || *c >= 0x7f || strchr("/\\\"'*?<>|", *c) != NULL)
            return false;
    }
    return true;
}

static void read_platforms(reading *r, const vch_yaml_node *list, vch_member *out)
{
    size_t count = vch_yaml_count(list);
    if (list == NULL)
        return;
    uint8_t(*ppids)[VCH_PPID_SIZE] = room(r, count, sizeof *ppids);
    if (ppids == NULL)
        return;
    out->platforms = (const uint8_t(*)[VCH_PPID_SIZE])ppids;
    out->platform_count = count;
    for (size_t i = 0; i < count; i++) {
        if (!is_hex_list_item(vch_yaml_at(list, i), ppids[i], VCH_PPID_SIZE))
            vch_faults_at(r->faults, vch_yaml_at(list, i),
                          "platform must be a PPID of 32 hexadecimal digits");
    }
}

static void check_name(reading *r, size_t index, const vch_yaml_node *at)
{
    const vch_member *m = &r->file->members[index];
    if (!is_plain_name(m->name))
        vch_faults_at(r->faults, at, "'%.64s' cannot be a name: use letters, digits, '.', '-', '_'",
                      m->name);
    for (size_t i = 0; i < index; i++) {
        const vch_member *other = &r->file->members[i];
        if (other->name != NULL && strcmp(other->name, m->name) == 0)
            vch_faults_at(r->faults, at, "participant '%.64s' stands there twice", m->name);
        if (memcmp(other->enrolment, m->enrolment, sizeof m->enrolment) == 0)
            vch_faults_at(r->faults, at, "'%.64s' and '%.64s' have the same enrolment key", m->name,
                          other->name == NULL ? "another" : other->name);
    }
}

static void read_members(reading *r, const vch_raw_enable *enable)
{
    vch_federation *f = &r->file->federation;
    size_t count = vch_yaml_count(r->raw.participants);
    size_t aggregators = 0;
    r->file->members = room(r, count, sizeof *r->file->members);
    if (r->file->members == NULL)
        return;
    f->members = r->file->members;
    for (; f->member_count < count && r->fatal == VOUCH_OK; f->member_count++) {
        const vch_yaml_node *at = vch_yaml_at(r->raw.participants, f->member_count);
        vch_member *m = &r->file->members[f->member_count];
        vch_raw_member raw = { 0 };
        m->name = "";
        if (!vch_raw_member_read(at, &raw, r->faults))
            continue;
        m->name = raw.name;
        m->role = raw.role == 0 ? VCH_ROLE_AGGREGATOR : VCH_ROLE_COLLABORATOR;
        memcpy(m->enrolment, raw.enrolment, sizeof m->enrolment);
        m->attested =
            raw.attested
            && (m->role == VCH_ROLE_AGGREGATOR ? enable->aggregator : enable->collaborator);
        aggregators += m->role == VCH_ROLE_AGGREGATOR ? 1 : 0;
        read_platforms(r, raw.platform, m);
        check_name(r, f->member_count, at);
    }
    if (aggregators != 1)
        vch_faults_at(r->faults, r->raw.participants,
                      "participants: %zu aggregators; there must be one", aggregators);
}

static void read_issuers(reading *r)
{
    vch_federation *f = &r->file->federation;
    size_t count = vch_yaml_count(r->raw.token_issuers);
    r->file->issuers = room(r, count, sizeof *r->file->issuers);
    if (r->file->issuers == NULL)
        return;
    f->issuers = r->file->issuers;
    for (; f->issuer_count < count; f->issuer_count++) {
        const vch_yaml_node *at = vch_yaml_at(r->raw.token_issuers, f->issuer_count);
        vch_token_issuer *issuer = &r->file->issuers[f->issuer_count];
        vch_raw_issuer raw = { 0 };
        issuer->base_url = "";
        if (!vch_raw_issuer_read(at, &raw, r->faults))
            continue;
        issuer->base_url = raw.base_url;
        memcpy(issuer->root, raw.root, sizeof issuer->root);
        if (strncmp(raw.base_url, "https://", 8) != 0)
            vch_faults_at(r->faults, at, "base_url must begin with https://");
    }
}

static void read_token_mode(reading *r)
{
    const char *written = vch_yaml_written(r->raw.token);
    vch_federation *f = &r->file->federation;
    f->token_required = written != NULL && strcmp(written, "required") == 0;
    if (!f->token_required && (written == NULL || strcmp(written, "off") != 0))
        vch_faults_at(r->faults, r->raw.token, "token must be required or off");
    if (f->token_required && f->issuer_count == 0)
        vch_faults_at(r->faults, r->raw.token,
                      "a token is required, and token_issuers names nobody who issues it");
}

static void read_roots(reading *r)
{
    vch_federation *f = &r->file->federation;
    size_t count = vch_yaml_count(r->raw.roots);
    f->intel_root = r->raw.roots == NULL;
    r->file->roots = room(r, count, sizeof *r->file->roots);
    if (r->file->roots == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        const vch_yaml_node *item = vch_yaml_at(r->raw.roots, i);
        const char *text = vch_yaml_string(item);
        if (text != NULL && strcmp(text, "intel") == 0)
            f->intel_root = true;
        else if (is_hex_list_item(item, r->file->roots[f->root_count], 32))
            f->root_count++; /* anything else is a fault that the policy names */
    }
    f->roots = (const uint8_t(*)[32])r->file->roots;
}

static void read_model_export(reading *r)
{
    vch_federation *f = &r->file->federation;
    const char *written =
        r->raw.model_export == NULL ? NULL : vch_yaml_written(r->raw.model_export);
    bool none = written != NULL && strcmp(written, MODEL_EXPORT_NONE) == 0;
    bool clear = written != NULL && strcmp(written, "clear") == 0;
    f->model_export = clear;
    if (r->raw.model_export != NULL && !none && !clear)
        vch_faults_at(r->faults, r->raw.model_export, "model_export must be clear or none");
    if (r->raw.model_export == NULL && f->aggregator_attested)
        vch_faults_at(r->faults, vch_yaml_get(vch_yaml_root(r->file->doc), "federation"),
                      "model_export is missing: it must be stated when the aggregator is attested");
    if (r->raw.model_export == NULL && !f->aggregator_attested)
        f->model_export = true;
}

static vouch_code digest_federation(reading *r, const vch_yaml_node *node, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer dump = vch_buffer_with_cap(4 * VCH_ATTESTATION_FILE_MAX_SIZE);
    vouch_code rc = vch_yaml_dump(node, &dump, err);
    return rc == VOUCH_OK ? vch_sha256(vch_buffer_span(&dump), r->file->federation.digest, err)
                          : rc;
}

static void read_federation(reading *r, const vch_yaml_node *node)
{
    vch_federation *f = &r->file->federation;
    vch_raw_enable enable = { 0 };
    if (!vch_raw_federation_read(node, &r->raw, r->faults))
        return; /* its parts may be absent: their own faults are named in the next run */
    (void)vch_raw_enable_read(r->raw.enable, &enable, r->faults);
    memcpy(f->id, r->raw.id, sizeof f->id);
    f->from_unix_s = r->raw.from_unix_s;
    f->aggregator_attested = enable.aggregator;
    f->collaborator_attested = enable.collaborator;
    memcpy(f->initial_model, r->raw.initial_model, sizeof f->initial_model);
    f->channel = r->raw.channel == 0 ? VCH_CHANNEL_KEY : VCH_CHANNEL_QUOTE;
    f->certificate_life_s = (uint32_t)r->raw.certificate_life_h * 3600;
    f->reattest_s = (uint32_t)r->raw.reattest_min * 60;
    memcpy(f->replaces, r->raw.replaces, sizeof f->replaces);
    memcpy(f->successor, r->raw.successor, sizeof f->successor);
    f->has_replaces = !vch_span_is_zero((vouch_span) { f->replaces, sizeof f->replaces });
    f->has_successor = !vch_span_is_zero((vouch_span) { f->successor, sizeof f->successor });
    read_members(r, &enable);
    read_issuers(r);
    read_token_mode(r);
    read_roots(r);
    read_model_export(r);
    if (r->raw.measurements != NULL)
        (void)vch_raw_measurements_read(r->raw.measurements, &r->measurements, r->faults);
}

static void read_base64(reading *r, const vch_yaml_node *at, const char *text, vch_buffer *out)
{
    if (vch_base64_decode(vch_span_str(text), VCH_BASE64_STANDARD | VCH_BASE64_PADDED, out, NULL)
            != VOUCH_OK
        || out->size == 0)
        vch_faults_at(r->faults, at, "not base64");
}

static void read_succession(reading *r, const vch_yaml_node *node)
{
    vch_raw_succession raw = { 0 };
    vch_attestation_file *f = r->file;
    if (node == NULL || !vch_raw_succession_read(node, &raw, r->faults))
        return;
    read_base64(r, vch_yaml_get(node, "key"), raw.key, &f->successor_key);
    read_base64(r, vch_yaml_get(node, "signature"), raw.signature, &f->succession_signature);
    f->succession = (vch_succession) { vch_buffer_span(&f->successor_key),
                                       vch_buffer_span(&f->succession_signature) };
    if (!f->federation.has_replaces)
        vch_faults_at(r->faults, node, "succession: federation.replaces names no policy");
}

/* Unlike a UUID nothing goes to the verifier: it would refuse it, and only then be heard of. */
static bool is_uuid(const char *text)
{
    static const char form[] = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
    if (strlen(text) != sizeof form - 1)
        return false;
    for (size_t i = 0; form[i] != '\0'; i++) {
        bool hex = strchr("0123456789abcdefABCDEF", text[i]) != NULL;
        if (form[i] == 'h' ? !hex : text[i] != '-')
            return false;
    }
    return true;
}

static void read_verifier(reading *r, const vch_raw_verifier *raw)
{
    vch_local *l = &r->file->local;
    l->verifier_url = raw->url;
    l->verifier_ca = raw->ca;
    l->api_key_file = raw->api_key_file;
    l->verifier_version = (unsigned)raw->version;
    l->verifier_rs256 = raw->alg == 1;
    l->policy_must_match = raw->policy_must_match;
    if (raw->url != NULL && strncmp(raw->url, "https://", 8) != 0)
        vch_faults_at(r->faults, r->raw_local.verifier, "url must begin with https://");
    for (size_t i = 0; raw->policy_ids != NULL && i < vch_yaml_count(raw->policy_ids); i++) {
        const char *id = vch_yaml_string(vch_yaml_at(raw->policy_ids, i));
        if (id == NULL || !is_uuid(id))
            vch_faults_at(r->faults, vch_yaml_at(raw->policy_ids, i), "a policy id is a UUID");
        else
            l->policy_ids[l->policy_id_count++] = id;
    }
}

static void read_local(reading *r, const vch_yaml_node *node)
{
    vch_local *l = &r->file->local;
    vch_raw_verifier verifier = { 0 };
    vch_raw_enrolment enrolment = { 0 };
    l->attestation_dir = "/dev/attestation";
    l->clock_skew_s = 120;
    l->state = "save/sealed";
    if (node == NULL || !vch_raw_local_read(node, &r->raw_local, r->faults))
        return;
    l->attestation_dir = r->raw_local.attestation_dir;
    l->clock_skew_s = (uint32_t)r->raw_local.clock_skew_s;
    l->state = r->raw_local.state;
    if (r->raw_local.collateral != NULL)
        (void)vch_collateral_settings_read(r->raw_local.collateral, &l->collateral, r->faults);
    l->verifier_version = 1;
    if (r->raw_local.verifier != NULL
        && vch_raw_verifier_read(r->raw_local.verifier, &verifier, r->faults))
        read_verifier(r, &verifier);
    if (r->raw_local.enrolment != NULL
        && vch_raw_enrolment_read(r->raw_local.enrolment, &enrolment, r->faults)) {
        l->enrolment_cert = enrolment.cert;
        l->enrolment_key = enrolment.key;
    }
    if (r->raw_local.stricter != NULL)
        (void)vch_raw_stricter_read(r->raw_local.stricter, &r->stricter, r->faults);
}

/* One role's policy out of the federation's parts, met with this host's own. */
static vouch_code build_policy(reading *r, vch_role role, bool attested, vouch_error *err)
{
    bool aggregator = role == VCH_ROLE_AGGREGATOR;
    const vch_policy_parts parts = {
        .measurements = aggregator ? r->measurements.aggregator : r->measurements.collaborator,
        .tcb = r->raw.tcb,
        .roots = r->raw.roots,
    };
    const vch_policy_parts stricter = {
        .tcb = r->stricter.tcb,
        .platform = r->stricter.platform,
        .roots = r->stricter.roots,
    };
    if (!attested)
        return VOUCH_OK;
    if (parts.measurements == NULL) {
        vch_faults_at(r->faults, r->raw.measurements == NULL ? r->raw.enable : r->raw.measurements,
                      "the %s is attested, and measurements.%s says nothing of it",
                      vch_role_name(role), vch_role_name(role));
        return VOUCH_OK;
    }
    vouch_code rc = vch_policy_build(&parts, r->raw_local.stricter == NULL ? NULL : &stricter,
                                     r->faults, &r->file->policies[role], err);
    return rc == VOUCH_E_CONFIG ? VOUCH_OK : rc; /* its faults are in the list */
}

static vouch_code apply_overrides(vch_attestation_file *file, const vch_local_overrides *o,
                                  vouch_error *err)
{
    if (o != NULL && o->attestation_dir != NULL) {
        file->attestation_dir = strdup(o->attestation_dir);
        if (file->attestation_dir == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "attestation file: out of memory");
        file->local.attestation_dir = file->attestation_dir;
    }
    if (o != NULL && o->verifier_url != NULL) {
        if (strncmp(o->verifier_url, "https://", 8) != 0)
            return vouch_fail(err, VOUCH_E_CONFIG, "AVS_URL must begin with https://");
        file->verifier_url = strdup(o->verifier_url);
        if (file->verifier_url == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "attestation file: out of memory");
        file->local.verifier_url = file->verifier_url;
    }
    if (o != NULL && o->api_key_file != NULL && file->local.api_key_file == NULL) {
        file->api_key_file = strdup(o->api_key_file);
        if (file->api_key_file == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "attestation file: out of memory");
        file->local.api_key_file = file->api_key_file;
    }
    return VOUCH_OK;
}

static vouch_code read_all(reading *r, vouch_error *err)
{
    vch_raw_file raw = { 0 };
    if (!vch_raw_file_read(vch_yaml_root(r->file->doc), &raw, r->faults))
        return vch_faults_check(r->faults, err);
    read_federation(r, raw.federation);
    read_succession(r, raw.succession);
    read_local(r, raw.local);
    if (r->fatal != VOUCH_OK)
        return vouch_fail(err, r->fatal, "attestation file: out of memory");
    const vch_federation *f = &r->file->federation;
    vouch_code rc = build_policy(r, VCH_ROLE_AGGREGATOR, f->aggregator_attested, err);
    if (rc == VOUCH_OK)
        rc = build_policy(r, VCH_ROLE_COLLABORATOR, f->collaborator_attested, err);
    if (rc == VOUCH_OK)
        rc = vch_faults_check(r->faults, err);
    return rc == VOUCH_OK ? digest_federation(r, raw.federation, err) : rc;
}

vouch_code vch_attestation_file_parse(vouch_span text, const char *name,
                                      const vch_local_overrides *overrides, vch_faults *faults,
                                      vch_attestation_file **out, vouch_error *err)
{
    if (text.size > VCH_ATTESTATION_FILE_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "%s: larger than %zu bytes", name,
                          VCH_ATTESTATION_FILE_MAX_SIZE);
    VCH_SCOPED(vch_attestation_file_drop)
    vch_attestation_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "attestation file: out of memory");
    file->successor_key = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    file->succession_signature = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
    VCH_SCOPED(vch_faults_done) vch_faults own = { 0 };
    reading r = { .file = file, .faults = faults == NULL ? &own : faults };
    vouch_code rc = vch_yaml_parse(name, text, r.faults, &file->doc, err);
    if (rc == VOUCH_OK)
        rc = read_all(&r, err);
    if (rc == VOUCH_OK)
        rc = apply_overrides(file, overrides, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(file);
    return VOUCH_OK;
}

vouch_code vch_attestation_file_load(const char *path, const vch_local_overrides *overrides,
                                     vch_faults *faults, vch_attestation_file **out,
                                     vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    vouch_code rc = vch_file_read(path, VCH_ATTESTATION_FILE_MAX_SIZE, &text, err);
    if (rc == VOUCH_E_NOT_FOUND || rc == VOUCH_E_IO)
        return vouch_wrap(err, VOUCH_E_CONFIG, "the attestation file cannot be read");
    if (rc != VOUCH_OK)
        return rc;
    return vch_attestation_file_parse(vch_buffer_span(&text), path, overrides, faults, out, err);
}

const vch_federation *vch_attestation_file_federation(const vch_attestation_file *f)
{
    return &f->federation;
}

const vch_local *vch_attestation_file_local(const vch_attestation_file *f)
{
    return &f->local;
}

const vch_succession *vch_attestation_file_succession(const vch_attestation_file *f)
{
    return &f->succession;
}

const vouch_policy *vch_attestation_file_policy(const vch_attestation_file *f, vch_role role)
{
    return role == VCH_ROLE_AGGREGATOR || role == VCH_ROLE_COLLABORATOR ? f->policies[role] : NULL;
}
