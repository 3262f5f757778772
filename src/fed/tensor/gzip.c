#include "fed/tensor/gzip.h"

#include <limits.h>
#include <stdbool.h>
#define ZLIB_CONST /* input is const */
#include <zlib.h>

#include "base/scope.h"

enum { GZIP_WINDOW = 15 + 16, BLOCK = 4096, BEST_MEMORY = 8 };

size_t vch_gzip_bound(size_t size)
{
    /* Stored blocks have 5 bytes of head for 16 KiB or less; head and trail of gzip have 18. */
    return size + (size / 4096 + 1) * 5 + 64;
}

static void end_deflate(z_stream *z)
{
    if (z->state != NULL)
        (void)deflateEnd(z);
}

static void end_inflate(z_stream *z)
{
    if (z->state != NULL)
        (void)inflateEnd(z);
}

/* Run the compressor until it has taken its input (or, at the end, given everything). */
static vouch_code drain(z_stream *z, bool last, vch_buffer *out, vouch_error *err)
{
    uint8_t piece[BLOCK];
    for (;;) {
        z->next_out = piece;
        z->avail_out = sizeof piece;
        int rc = deflate(z, last ? Z_FINISH : Z_NO_FLUSH);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
            return vouch_fail(err, VOUCH_E_INTERNAL, "gzip: zlib says %d", rc);
        vch_buffer_append(out, (vouch_span) { piece, sizeof piece - z->avail_out });
        if (rc == Z_STREAM_END || (!last && z->avail_out > 0))
            return VOUCH_OK;
    }
}

vouch_code vch_gzip_indices(const uint8_t *indices, size_t count, vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(end_deflate) z_stream z = { 0 };
    float block[BLOCK];
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, BEST_MEMORY,
                     Z_DEFAULT_STRATEGY)
        != Z_OK)
        return vouch_fail(err, VOUCH_E_MEMORY, "gzip");
    for (size_t from = 0; from < count || from == 0; from += BLOCK) {
        size_t n = count - from < BLOCK ? count - from : BLOCK;
        for (size_t i = 0; i < n; i++)
            block[i] = (float)indices[from + i];
        z.next_in = (Bytef *)block;
        z.avail_in = (uInt)(n * sizeof *block);
        vouch_code rc = drain(&z, from + n >= count, out, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return vch_buffer_finish(out, "gzip", err);
}

/* The output is full: the stream must end here, in this very call. */
static vouch_code expect_end(z_stream *z, uint8_t *spare, vouch_error *err)
{
    z->next_out = spare;
    z->avail_out = 1;
    int rc = inflate(z, Z_NO_FLUSH);
    if (z->avail_out == 0)
        return vouch_fail(err, VOUCH_E_LIMIT, "gzip: there is more in it than the shape takes");
    if (rc != Z_STREAM_END)
        return vouch_fail(err, rc == Z_BUF_ERROR || rc == Z_OK ? VOUCH_E_TRUNCATED : VOUCH_E_FORMAT,
                          "gzip: the data does not end as it should");
    return VOUCH_OK;
}

vouch_code vch_gunzip(vouch_span bytes, void *out, size_t size, vouch_error *err)
{
    VCH_SCOPED(end_inflate) z_stream z = { 0 };
    if (bytes.size > UINT_MAX || size > UINT_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "gzip: %zu bytes", bytes.size);
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return vouch_fail(err, VOUCH_E_MEMORY, "gunzip");
    z.next_in = (z_const Bytef *)bytes.data;
    z.avail_in = (uInt)bytes.size;
    z.next_out = out;
    z.avail_out = (uInt)size;
    int rc = size == 0 ? Z_OK : inflate(&z, Z_NO_FLUSH);
    if (rc == Z_MEM_ERROR)
        return vouch_fail(err, VOUCH_E_MEMORY, "gunzip");
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return vouch_fail(err, VOUCH_E_FORMAT, "gzip: the data is damaged");
    if (z.avail_out > 0)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "gzip: %u bytes too few", z.avail_out);
    if (rc != Z_STREAM_END) {
        uint8_t spare = 0;
        vouch_code code = expect_end(&z, &spare, err);
        if (code != VOUCH_OK)
            return code;
    }
    if (z.avail_in > 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "gzip: %u bytes after its end", z.avail_in);
    return VOUCH_OK;
}
