#include "cli/input_files.h"

#include "base/scope.h"
#include "codec/base64.h"
#include "host/file.h"
#include "identity/collateral_bundle.h"
#include "identity/collateral_fetch.h"
#include "vouch/evidence.h"

#define QUOTE_FILE_CAP (2 * VOUCH_QUOTE_MAX_SIZE) /* base64 with line ends is a third larger */

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

/* Its own family's directory, if there is one. */
static vouch_code read_directory(const char *dir, const char *family, vch_collateral_bytes *out,
                                 vouch_error *err)
{
    char own[VCH_PATH_SIZE];
    vouch_code rc = vch_path_join(dir, family, own, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_collateral_bytes_read(family[0] != '\0' && vch_dir_exists(own) ? own : dir, out,
                                     err);
}

/* The only set of a bundle serves a quote that does not say what its platform is. */
static vouch_code read_bundle(const char *path, const char *family, vch_collateral_bytes *out,
                              vouch_error *err)
{
    VCH_SCOPED(vch_collateral_bundle_drop) vch_collateral_bundle bundle = { 0 };
    vouch_code rc = vch_collateral_bundle_read(path, &bundle, err);
    if (rc != VOUCH_OK)
        return rc;
    const vouch_collateral_parts *parts = vch_collateral_bundle_find(&bundle, family);
    if (family[0] == '\0' && bundle.count == 1)
        parts = &bundle.sets[0].bytes.parts;
    return parts == NULL ? VOUCH_OK : vch_collateral_bytes_copy(parts, out, err);
}

vouch_code vch_collateral_files_read(const char *path, vouch_span quote, vch_collateral_bytes *out,
                                     vouch_error *err)
{
    char family[VCH_FAMILY_SIZE] = "";
    const vch_collateral_want want = { .quote = quote };
    vch_pcs_query platform = { 0 };
    if (quote.size > 0 && vch_collateral_query(&want, &platform, NULL) == VOUCH_OK)
        vch_family_name(platform.fmspc, platform.tdx, family);
    /* else the appraisal says what is wrong with the quote */
    if (vch_dir_exists(path))
        return read_directory(path, family, out, err);
    if (!vch_file_exists(path))
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "there is no collateral directory or bundle '%s'",
                          path);
    return read_bundle(path, family, out, err);
}
