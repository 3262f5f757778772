#include "flips.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRIDE 11
#else
#define STRIDE 1
#endif

/*
 * The whole list of what may change without a change of the verdict. Each row is used by a genuine
 * file below: a row that nothing needs would fail the test, for the counts would be too low.
 */
typedef struct place {
    vouch_span file;
    size_t at;   /* of the changed byte; for a cut: the size that is left */
    uint8_t now; /* the byte after the flip; for a cut: 0 */
    bool cut;
} place;

/* A chain in PEM may end in NULs, blanks and line ends: no certificate is in them. */
static bool is_blank_after_the_last_certificate(const place *p)
{
    static const char end[] = "-----END CERTIFICATE-----";
    const uint8_t *last = NULL;
    for (size_t i = 0; i + sizeof end - 1 <= p->file.size; i++) {
        if (memcmp(p->file.data + i, end, sizeof end - 1) == 0)
            last = p->file.data + i + sizeof end - 1;
    }
    if (last == NULL || p->at < (size_t)(last - p->file.data))
        return false;
    return p->cut || memchr(" \t\r\n", p->now, 4) != NULL;
}

/* Intel writes a document's signature as hex digits; both cases of a letter are the same number. */
static bool is_case_of_a_hex_digit_of_the_signature(const place *p)
{
    static const char label[] = "\"signature\":\"";
    const uint8_t *at = memmem(p->file.data, p->file.size, label, sizeof label - 1);
    if (at == NULL || p->cut)
        return false;
    size_t begin = (size_t)(at - p->file.data) + sizeof label - 1;
    uint8_t before = p->file.data[p->at];
    return p->at >= begin && p->at < begin + 128 && (before ^ p->now) == 0x20 && before >= 'A';
}

/* Where the signature section of a quote of version 3 or 4 ends. */
static size_t section_end(vouch_span quote)
{
    const uint8_t *d = quote.data;
    size_t at = 48 + (d[4] == 0 ? (size_t)384 : (size_t)584);
    return at + 4 + (d[at] | (size_t)d[at + 1] << 8 | (size_t)d[at + 2] << 16);
}

/*
 * Padding after the signature section is zeros, any number of them; its length is reported. And the
 * section ends in the certification data, which ends in a NUL that may as well be a blank.
 */
static bool is_spared_in_quote(const place *p)
{
    size_t end = section_end(p->file);
    if (p->cut)
        return p->at >= end;
    return p->at == end - 1 && memchr(" \t\r\n", p->now, 4) != NULL;
}

static bool is_spared_in_part(const place *p)
{
    return is_blank_after_the_last_certificate(p) || is_case_of_a_hex_digit_of_the_signature(p);
}

static size_t stride(void)
{
    const char *text = getenv("VCH_FLIP_STRIDE");
    long wanted = text == NULL ? STRIDE : strtol(text, NULL, 10);
    return wanted < 1 ? 1 : (size_t)wanted;
}

void flips_begin(flips *f, vouch_collateral_parts parts, vouch_span quote, int64_t now_unix_s)
{
    vouch_error err = { 0 };
    *f = (flips) { .parts = parts, .quote = quote, .now_unix_s = now_unix_s };
    CHECK_OK(vouch_verifier_new(NULL, &f->verifier, &err), &err);
    CHECK_OK(vouch_collateral_parse(&f->parts, &f->collateral, &err), &err);
    CHECK_OK(vouch_cache_new(8, &f->cache, &err), &err);
}

void flips_end(flips *f)
{
    vouch_cache_free(f->cache);
    vouch_collateral_free(f->collateral);
    vouch_verifier_free(f->verifier);
    corpus_parts_free(&f->parts);
    corpus_free(f->quote);
}

static bool is_genuine(const flips *f, vouch_span quote, const vouch_collateral *collateral)
{
    vouch_appraisal *a = NULL;
    vouch_error err = { 0 };
    const vouch_request r = {
        .quote = quote, .collateral = collateral, .now_unix_s = f->now_unix_s, .cache = f->cache
    };
    CHECK_OK(vouch_verifier_appraise(f->verifier, &r, &a, &err), &err);
    bool genuine = vouch_appraisal_is_genuine(a);
    CHECK(genuine == (vouch_appraisal_reason_count(a) == 0));
    CHECK(genuine == (vouch_appraisal_claims(a)->tcb_status != VOUCH_TCB_NONE));
    vouch_appraisal_free(a);
    return genuine;
}

/* Is the set genuine with `file` in place of its quote (part == FLIPS_PARTS) or of one part? */
static bool passes_with(const flips *f, size_t part, vouch_span file)
{
    if (part == FLIPS_PARTS)
        return is_genuine(f, file, f->collateral);
    vouch_collateral_parts parts = f->parts;
    vouch_span *list[FLIPS_PARTS] = { &parts.tcb_info,    &parts.tcb_info_issuer_chain,
                                      &parts.qe_identity, &parts.qe_identity_issuer_chain,
                                      &parts.pck_crl,     &parts.root_ca_crl };
    vouch_collateral *collateral = NULL;
    vouch_error err = { 0 };
    *list[part] = file;
    CHECK_OK(vouch_collateral_parse(&parts, &collateral, &err), &err);
    bool genuine = is_genuine(f, f->quote, collateral);
    vouch_collateral_free(collateral);
    return genuine;
}

static vouch_span file_of(const flips *f, size_t part)
{
    const vouch_span list[FLIPS_PARTS + 1] = { f->parts.tcb_info,
                                               f->parts.tcb_info_issuer_chain,
                                               f->parts.qe_identity,
                                               f->parts.qe_identity_issuer_chain,
                                               f->parts.pck_crl,
                                               f->parts.root_ca_crl,
                                               f->quote };
    return list[part];
}

static bool is_spared(size_t part, const place *p)
{
    return part == FLIPS_PARTS ? is_spared_in_quote(p) : is_spared_in_part(p);
}

static void flip_file(const flips *f, size_t part, size_t spared)
{
    vouch_span original = file_of(f, part);
    vouch_span copy = corpus_copy(original, original.size);
    size_t step = stride();
    size_t found = 0;
    CHECK(passes_with(f, part, copy)); /* and the cache knows what does not change */
    for (size_t bit = 0; bit < 8 * copy.size; bit += step) {
        size_t at = bit / 8;
        corpus_bytes(copy)[at] ^= (uint8_t)(1U << (bit % 8));
        const place p = { original, at, copy.data[at], false };
        bool genuine = passes_with(f, part, copy);
        if (genuine != is_spared(part, &p))
            fail_msg("bit %zu of byte %zu flipped: %s", bit % 8, at,
                     genuine ? "still genuine" : "refused");
        found += genuine;
        corpus_bytes(copy)[at] ^= (uint8_t)(1U << (bit % 8));
    }
    if (step == 1 && found != spared)
        fail_msg("%zu bits are outside of what is signed, not %zu", found, spared);
    corpus_free(copy);
}

static void cut_file(const flips *f, size_t part, size_t spared)
{
    vouch_span original = file_of(f, part);
    size_t step = stride();
    size_t found = 0;
    for (size_t size = 0; size < original.size; size += step) {
        vouch_span cut = corpus_copy(original, size); /* in a block of its own: ASan sees its end */
        const place p = { original, size, 0, true };
        bool genuine = passes_with(f, part, cut);
        if (genuine != is_spared(part, &p))
            fail_msg("cut to %zu bytes: %s", size, genuine ? "still genuine" : "refused");
        found += genuine;
        corpus_free(cut);
    }
    if (step == 1 && found != spared)
        fail_msg("%zu cuts take nothing that is signed, not %zu", found, spared);
}

void flips_quote(flips *f, size_t spared)
{
    flip_file(f, FLIPS_PARTS, spared);
}

void flips_part(flips *f, size_t part, size_t spared)
{
    flip_file(f, part, spared);
}

void flips_cut_quote(flips *f, size_t spared)
{
    cut_file(f, FLIPS_PARTS, spared);
}

void flips_cut_part(flips *f, size_t part, size_t spared)
{
    cut_file(f, part, spared);
}
