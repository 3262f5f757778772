#include "identity/collateral_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "codec/hex.h"
#include "host/file.h"

#define FILE_CAP (4 * VOUCH_COLLATERAL_PART_MAX_SIZE) /* libvouch says what is too large */

static const struct {
    const char *file;
    size_t offset;
} table[VCH_COLLATERAL_PARTS] = {
    { "tcb_info.json", offsetof(vouch_collateral_parts, tcb_info) },
    { "tcb_info_issuer_chain.pem", offsetof(vouch_collateral_parts, tcb_info_issuer_chain) },
    { "qe_identity.json", offsetof(vouch_collateral_parts, qe_identity) },
    { "qe_identity_issuer_chain.pem", offsetof(vouch_collateral_parts, qe_identity_issuer_chain) },
    { "pck_crl.der", offsetof(vouch_collateral_parts, pck_crl) },
    { "root_ca_crl.der", offsetof(vouch_collateral_parts, root_ca_crl) },
    { "pck_chain.pem", offsetof(vouch_collateral_parts, pck_chain) },
};

const char *vch_collateral_part_file(size_t i)
{
    return table[i].file;
}

vouch_span vch_collateral_part(const vouch_collateral_parts *parts, size_t i)
{
    vouch_span span;
    memcpy(&span, (const char *)parts + table[i].offset, sizeof span);
    return span;
}

void vch_collateral_bytes_drop(vch_collateral_bytes *bytes)
{
    for (size_t i = 0; i < VCH_COLLATERAL_PARTS; i++)
        vch_buffer_drop(&bytes->part[i]);
    *bytes = (vch_collateral_bytes) { 0 };
}

void vch_collateral_bytes_point(vch_collateral_bytes *bytes)
{
    for (size_t i = 0; i < VCH_COLLATERAL_PARTS; i++) {
        vouch_span span = vch_buffer_span(&bytes->part[i]);
        memcpy((char *)&bytes->parts + table[i].offset, &span, sizeof span);
    }
}

vouch_code vch_collateral_bytes_copy(const vouch_collateral_parts *parts, vch_collateral_bytes *out,
                                     vouch_error *err)
{
    VCH_SCOPED(vch_collateral_bytes_drop) vch_collateral_bytes copy = { 0 };
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; i < VCH_COLLATERAL_PARTS && rc == VOUCH_OK; i++) {
        copy.part[i] = vch_buffer_with_cap(VOUCH_COLLATERAL_PART_MAX_SIZE);
        vch_buffer_append(&copy.part[i], vch_collateral_part(parts, i));
        rc = vch_buffer_finish(&copy.part[i], table[i].file, err);
    }
    if (rc != VOUCH_OK)
        return rc;
    vch_collateral_bytes_point(&copy);
    *out = copy;
    copy = (vch_collateral_bytes) { 0 };
    return VOUCH_OK;
}

vouch_code vch_collateral_bytes_read(const char *dir, vch_collateral_bytes *out, vouch_error *err)
{
    VCH_SCOPED(vch_collateral_bytes_drop) vch_collateral_bytes read = { 0 };
    for (size_t i = 0; i < VCH_COLLATERAL_PARTS; i++) {
        char path[VCH_PATH_SIZE];
        vouch_code rc = vch_path_join(dir, table[i].file, path, err);
        if (rc == VOUCH_OK)
            rc = vch_file_read(path, FILE_CAP, &read.part[i], err);
        if (rc == VOUCH_E_NOT_FOUND && err != NULL)
            *err = (vouch_error) { 0 };
        if (rc != VOUCH_OK && rc != VOUCH_E_NOT_FOUND)
            return rc;
    }
    vch_collateral_bytes_point(&read);
    *out = read;
    read = (vch_collateral_bytes) { 0 };
    return VOUCH_OK;
}

void vch_family_name(const uint8_t fmspc[static 6], bool tdx, char out[static VCH_FAMILY_SIZE])
{
    char hex[13];
    (void)snprintf(out, VCH_FAMILY_SIZE, "%s-%s", vch_hex_encode((vouch_span) { fmspc, 6 }, hex),
                   tdx ? "tdx" : "sgx");
}

bool vch_family_is_name(const char *text)
{
    uint8_t fmspc[6];
    char canonical[VCH_FAMILY_SIZE];
    if (strlen(text) != VCH_FAMILY_SIZE - 1
        || vch_hex_decode((vouch_span) { (const uint8_t *)text, 12 }, fmspc, 6, NULL) != VOUCH_OK)
        return false;
    vch_family_name(fmspc, text[13] == 't', canonical);
    return strcmp(text, canonical) == 0;
}
