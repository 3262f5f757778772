/* vouch policy sign: the proof that an attestation.yaml may follow the one that it replaces. */
#include <stddef.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "cli/commands.h"
#include "codec/base64.h"
#include "codec/hex.h"
#include "crypto/hash.h"
#include "crypto/secure_heap.h"
#include "host/file.h"
#include "identity/attestation_file.h"
#include "identity/succession.h"

#define COMMAND "vouch policy sign"
#define TEXT_CAP ((size_t)8 << 10)

typedef struct values {
    vch_common_options common;
    const char *key;
} values;

static const vch_option options[] = {
    VCH_COMMON_OPTIONS(values),
    { .name = "key",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, key),
      .argument = "PEM",
      .help = "private key whose SPKI digest the policy in force pins as successor; without it "
              "only FILE's digest is printed" },
};

static const vch_usage usage = {
    .command = COMMAND,
    .operands = "FILE",
    .summary = "Sign an attestation.yaml as the successor of the one that it replaces.",
    .details = "Prints FILE's policy digest (what the next one names in federation.replaces) as a\n"
               "comment, and with --key the `succession:` section to put into FILE.\n\n"
               "federation.successor of the policy in force is the SHA-256 of the key's SPKI; the\n"
               "comment shows it, too.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = 1
};

static vouch_code load(const char *path, vch_attestation_file **out, vouch_error *err)
{
    return vch_attestation_file_load(path, NULL, NULL, out, err);
}

static vouch_code load_key(const char *path, vch_key **out, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret pem = { 0 };
    vouch_code rc = vch_secure_heap_start(err);
    if (rc == VOUCH_OK)
        rc = vch_file_read_secret(path, VCH_KEY_PEM_MAX_SIZE, &pem, err);
    return rc == VOUCH_OK ? vch_key_from_private_pem((vouch_span) { pem.data, pem.size }, out, err)
                          : rc;
}

static vouch_code put_succession(const char *key_path, const vch_federation *f, vch_buffer *out,
                                 vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE];
    char hex[65];
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer signature = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
    vouch_code rc = load_key(key_path, &key, err);
    if (rc == VOUCH_OK)
        rc = vch_key_spki(key, &spki, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(vch_buffer_span(&spki), digest, err);
    if (rc == VOUCH_OK)
        vch_buffer_append_fmt(out, "# successor: %s\n",
                              vch_hex_encode((vouch_span) { digest, sizeof digest }, hex));
    if (rc != VOUCH_OK || !f->has_replaces)
        return rc;
    rc = vch_succession_sign(key, f, &signature, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_append_str(out, "succession:\n  key: '");
    vch_base64_encode(vch_buffer_span(&spki), out);
    vch_buffer_append_str(out, "'\n  signature: '");
    vch_base64_encode(vch_buffer_span(&signature), out);
    vch_buffer_append_str(out, "'\n");
    return VOUCH_OK;
}

int vch_cmd_policy_sign(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    vouch_error err = { 0 };
    int status = 0;
    char hex[65];
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    VCH_SCOPED(vch_attestation_file_drop) vch_attestation_file *file = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(TEXT_CAP);
    vouch_code rc = load(operands.item[0], &file, &err);
    if (rc == VOUCH_OK) {
        const vch_federation *f = vch_attestation_file_federation(file);
        vch_buffer_append_fmt(&out, "# policy: %s\n",
                              vch_hex_encode((vouch_span) { f->digest, sizeof f->digest }, hex));
        if (v.key != NULL)
            rc = put_succession(v.key, f, &out, &err);
    }
    if (rc != VOUCH_OK)
        return vch_command_fail(rt, COMMAND, rc, &err);
    return vch_command_answer(rt, COMMAND, &out, VCH_EXIT_DONE);
}
