#include "cli/input_files.h"

#include <stddef.h>
#include <string.h>

#include "base/scope.h"
#include "codec/base64.h"
#include "host/file.h"
#include "vouch/evidence.h"

#define QUOTE_FILE_CAP (2 * VOUCH_QUOTE_MAX_SIZE) /* base64 with line ends is a third larger */
#define COLLATERAL_FILE_CAP                                                                        \
    (4 * VOUCH_COLLATERAL_PART_MAX_SIZE) /* libvouch says what is too large */

static bool is_blank(uint8_t c)
{
    return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

/* Text without its white space, if every byte may stand in base64; otherwise out stays empty. A
 * raw quote begins with a version below 32, so it is never mistaken for text. */
static void base64_text(vouch_span in, vch_buffer *out)
{
    for (size_t i = 0; i < in.size; i++) {
        uint8_t c = in.data[i];
        if (!is_blank(c) && (c <= ' ' || c >= 0x7f)) {
            vch_buffer_drop(out);
            return;
        }
        if (!is_blank(c))
            vch_buffer_u8(out, c);
    }
}

vouch_code vch_quote_file_read(const char *path, vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer raw = vch_buffer_with_cap(QUOTE_FILE_CAP);
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(QUOTE_FILE_CAP);
    VCH_SCOPED(vch_buffer_drop) vch_buffer decoded = vch_buffer_with_cap(QUOTE_FILE_CAP);
    vouch_code rc = vch_file_read(path, QUOTE_FILE_CAP, &raw, err);
    if (rc != VOUCH_OK)
        return rc;
    base64_text(vch_buffer_span(&raw), &text);
    if (text.size > 0
        && vch_base64_decode(vch_buffer_span(&text),
                             VCH_BASE64_STANDARD | VCH_BASE64_URL | VCH_BASE64_PADDED
                                 | VCH_BASE64_UNPADDED,
                             &decoded, NULL)
               == VOUCH_OK) {
        *out = decoded;
        decoded = (vch_buffer) { 0 };
        return VOUCH_OK;
    }
    *out = raw;
    raw = (vch_buffer) { 0 };
    return VOUCH_OK;
}

/* One file into `out`, which stays empty if there is none. */
static vouch_code read_part(const char *dir, const char *name, vch_buffer *out, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    vouch_code rc = vch_path_join(dir, name, path, err);
    if (rc != VOUCH_OK || !vch_file_exists(path))
        return rc;
    return vch_file_read(path, COLLATERAL_FILE_CAP, out, err);
}

vouch_code vch_collateral_files_read(const char *dir, vch_collateral_files *out, vouch_error *err)
{
    static const struct {
        const char *name;
        size_t part; /* offset in vouch_collateral_parts */
    } names[] = {
        { "tcb_info.json", offsetof(vouch_collateral_parts, tcb_info) },
        { "tcb_info_issuer_chain.pem", offsetof(vouch_collateral_parts, tcb_info_issuer_chain) },
        { "qe_identity.json", offsetof(vouch_collateral_parts, qe_identity) },
        { "qe_identity_issuer_chain.pem",
          offsetof(vouch_collateral_parts, qe_identity_issuer_chain) },
        { "pck_crl.der", offsetof(vouch_collateral_parts, pck_crl) },
        { "root_ca_crl.der", offsetof(vouch_collateral_parts, root_ca_crl) },
        { "pck_chain.pem", offsetof(vouch_collateral_parts, pck_chain) },
    };
    vch_collateral_files files = { 0 };
    if (!vch_file_exists(dir))
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "there is no collateral directory '%s'", dir);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        vouch_code rc = read_part(dir, names[i].name, &files.file[i], err);
        if (rc != VOUCH_OK) {
            vch_collateral_files_drop(&files);
            return rc;
        }
        vouch_span span = vch_buffer_span(&files.file[i]);
        memcpy((char *)&files.parts + names[i].part, &span, sizeof span);
    }
    *out = files;
    return VOUCH_OK;
}

void vch_collateral_files_drop(vch_collateral_files *files)
{
    for (size_t i = 0; i < sizeof files->file / sizeof *files->file; i++)
        vch_buffer_drop(&files->file[i]);
    *files = (vch_collateral_files) { 0 };
}
