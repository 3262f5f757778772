/* vouch collateral fetch: fill a directory or a bundle from Intel's service or from a PCCS. */
#include "cli/commands.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "cli/input_files.h"
#include "codec/hex.h"
#include "codec/json_writer.h"
#include "host/clock.h"
#include "host/file.h"
#include "identity/collateral_bundle.h"
#include "identity/collateral_fetch.h"

#define COMMAND "vouch collateral fetch"
#define BUNDLE_END ".bundle"
#define OUTPUT_CAP ((size_t)64 << 10)

typedef struct values {
    vch_common_options common;
    const char *quote;
    const char *fmspc;
    const char *tee;
    const char *ca;
    const char *pck_chain;
    const char *out;
    vch_texts pccs;
    const char *tls_ca;
    const char *update;
    int64_t deadline_s;
} values;

/* A bundle by its name, or because it is one already. */
static bool is_bundle(const char *path)
{
    size_t size = strlen(path);
    size_t end = strlen(BUNDLE_END);
    return (size > end && strcmp(path + size - end, BUNDLE_END) == 0)
           || (vch_file_exists(path) && !vch_dir_exists(path));
}

/* The order of the files: tcb_info.json last, since a directory without it holds nothing. Each is
 * replaced at once. A crash in between mixes two good sets, which an appraisal either accepts part
 * by part or refuses. */
static vouch_code write_directory(const char *dir, const vouch_collateral_parts *parts,
                                  vouch_error *err)
{
    vouch_code rc = vch_dir_make(dir, 0755, err);
    for (size_t n = 0; n < VCH_COLLATERAL_PARTS && rc == VOUCH_OK; n++) {
        size_t i = VCH_COLLATERAL_PARTS - 1 - n;
        char path[VCH_PATH_SIZE];
        vouch_span bytes = vch_collateral_part(parts, i);
        rc = vch_path_join(dir, vch_collateral_part_file(i), path, err);
        if (rc == VOUCH_OK && bytes.size > 0)
            rc = vch_file_write(path, bytes, 0644, err);
        else if (rc == VOUCH_OK)
            rc = vch_file_remove(path, err); /* another platform's chain must not stay */
    }
    return rc;
}

/* Where it goes, and what is there already. */
typedef struct place {
    const char *path;
    bool bundle;
    vch_collateral_bundle all; /* with `bundle` */
    vch_collateral_bytes seen;
} place;

static void place_drop(place *p)
{
    vch_collateral_bundle_drop(&p->all);
    vch_collateral_bytes_drop(&p->seen);
}

/* What is there already sets the floor: nothing older takes its place. */
static vouch_code look(const char *path, const vch_collateral_want *want, place *out,
                       vouch_error *err)
{
    char family[VCH_FAMILY_SIZE];
    out->path = path;
    out->bundle = is_bundle(path);
    if (!vch_file_exists(path))
        return VOUCH_OK;
    if (!out->bundle)
        return vch_collateral_bytes_read(path, &out->seen, err);
    vouch_code rc = vch_collateral_bundle_read(path, &out->all, err);
    vch_pcs_query query = want->query;
    if (rc == VOUCH_OK)
        rc = vch_collateral_query(want, &query, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_family_name(query.fmspc, query.tdx, family);
    const vouch_collateral_parts *parts = vch_collateral_bundle_find(&out->all, family);
    return parts == NULL ? VOUCH_OK : vch_collateral_bytes_copy(parts, &out->seen, err);
}

static vouch_code write_all(place *p, const vch_collateral_want *want,
                            const vouch_collateral_parts *parts, vouch_error *err)
{
    char family[VCH_FAMILY_SIZE];
    vch_pcs_query query = want->query;
    if (!p->bundle)
        return write_directory(p->path, parts, err);
    vouch_code rc = vch_collateral_query(want, &query, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_family_name(query.fmspc, query.tdx, family);
    rc = vch_collateral_bundle_put(&p->all, family, parts, err);
    return rc == VOUCH_OK ? vch_collateral_bundle_write(&p->all, p->path, err) : rc;
}

/* The buffers keep what `want` points to. */
static vouch_code read_want(const values *v, vch_buffer *quote, vch_buffer *chain,
                            vch_collateral_want *want, vouch_error *err)
{
    if (v->pck_chain != NULL) {
        vouch_code rc = vch_file_read(v->pck_chain, VOUCH_COLLATERAL_PART_MAX_SIZE, chain, err);
        if (rc != VOUCH_OK)
            return rc;
        want->pck_chain = vch_buffer_span(chain);
    }
    want->query.update = strcmp(v->update, "early") == 0 ? VCH_PCS_EARLY : VCH_PCS_STANDARD;
    if ((v->quote != NULL) == (v->fmspc != NULL))
        return vouch_fail(err, VOUCH_E_CONFIG, "give either --quote or --fmspc with --tee");
    if (v->quote != NULL) {
        if (v->tee != NULL || v->ca != NULL)
            return vouch_fail(err, VOUCH_E_CONFIG, "--tee and --ca go with --fmspc");
        vouch_code rc = vch_quote_file_read(v->quote, quote, err);
        want->quote = vch_buffer_span(quote);
        if (rc == VOUCH_OK && quote->size == 0)
            rc = vouch_fail(err, VOUCH_E_TRUNCATED, "'%s' is empty", v->quote);
        return rc;
    }
    if (v->tee == NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "--fmspc needs --tee sgx or tdx");
    want->query.tdx = strcmp(v->tee, "tdx") == 0;
    want->query.processor_ca = v->ca != NULL && strcmp(v->ca, "processor") == 0;
    if (vch_hex_decode(vch_span_str(v->fmspc), want->query.fmspc, sizeof want->query.fmspc, NULL)
        != VOUCH_OK)
        return vouch_fail(err, VOUCH_E_CONFIG, "--fmspc is not 12 hexadecimal digits");
    return VOUCH_OK;
}

static vouch_code fetch(const values *v, const vch_collateral_want *want,
                        const vouch_collateral_parts *seen, vch_pcs_set *set, vouch_error *err)
{
    static const char *const intel[] = { VCH_PCS_INTEL_URL };
    const vch_collateral_services services = {
        .urls = v->pccs.count > 0 ? v->pccs.item : intel,
        .url_count = v->pccs.count > 0 ? v->pccs.count : 1,
        .ca_file = v->tls_ca,
        .deadline_ms = v->deadline_s * 1000,
    };
    return vch_collateral_fetch(&services, want, seen, vch_clock_unix_s(), set, err);
}

static int report(const vch_runtime *rt, const values *v, const place *p,
                  const vouch_collateral_parts *parts)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    if (!v->common.json) {
        (void)fprintf(rt->out, "collateral written to %s\n", v->out);
        return VCH_EXIT_DONE;
    }
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, p->bundle ? "bundle" : "dir", v->out);
    vch_json_key(&w, p->bundle ? "families" : "files");
    vch_json_begin_array(&w);
    for (size_t i = 0; p->bundle && i < p->all.count; i++)
        vch_json_string(&w, p->all.sets[i].family);
    for (size_t i = 0; !p->bundle && i < VCH_COLLATERAL_PARTS; i++) {
        if (vch_collateral_part(parts, i).size > 0)
            vch_json_string(&w, vch_collateral_part_file(i));
    }
    vch_json_end(&w);
    vch_json_end(&w);
    return vch_command_answer(rt, COMMAND, &out, VCH_EXIT_DONE);
}

static int run(const vch_runtime *rt, const values *v)
{
    VCH_SCOPED(vch_pcs_set_drop) vch_pcs_set set = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer chain = { 0 };
    VCH_SCOPED(place_drop) place p = { 0 };
    vch_collateral_want want = { 0 };
    vouch_error err = { 0 };
    vouch_code rc = read_want(v, &quote, &chain, &want, &err);
    if (rc != VOUCH_OK)
        return vch_command_fail(rt, COMMAND, rc, &err);
    rc = look(v->out, &want, &p, &err);
    if (rc == VOUCH_OK)
        rc = fetch(v, &want, &p.seen.parts, &set, &err);
    if (rc == VOUCH_OK)
        rc = write_all(&p, &want, &set.parts, &err);
    if (rc == VOUCH_OK)
        return report(rt, v, &p, &set.parts);
    int status = vch_command_fail(rt, COMMAND, rc, &err);
    /* Whatever a service sent, too much or badly signed: we could not find out. */
    if (rc == VOUCH_E_CONFIG || rc == VOUCH_E_MEMORY || rc == VOUCH_E_INTERNAL)
        return status;
    return VCH_EXIT_UNKNOWN;
}

static const vch_option options[] = {
    { .name = "quote",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, quote),
      .argument = "FILE",
      .help = "fetch for the platform of this quote" },
    { .name = "fmspc",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, fmspc),
      .argument = "HEX",
      .help = "fetch for this platform family; 12 digits" },
    { .name = "tee",
      .kind = VCH_OPTION_CHOICE,
      .offset = offsetof(values, tee),
      .argument = "sgx|tdx",
      .choices = "sgx|tdx",
      .help = "with --fmspc: the kind of its quotes" },
    { .name = "ca",
      .kind = VCH_OPTION_CHOICE,
      .offset = offsetof(values, ca),
      .argument = "platform|processor",
      .choices = "platform|processor",
      .help = "with --fmspc: whose revocation list; otherwise platform (servers)" },
    { .name = "pck-chain",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, pck_chain),
      .argument = "PEM",
      .help = "the platform's PCK chain, for quotes that do not carry it; kept with the rest" },
    { .name = "out",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, out),
      .argument = "DIR|FILE.bundle",
      .help = "a directory, or a bundle of any number of families; never replaced by older",
      .required = true },
    { .name = "pccs",
      .kind = VCH_OPTION_TEXTS,
      .offset = offsetof(values, pccs),
      .argument = "URL",
      .help = "ask this PCCS, not Intel; may be repeated: the next is asked if one fails" },
    { .name = "tls-ca",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, tls_ca),
      .argument = "PEM",
      .help = "root of the services' TLS certificates; otherwise the system's" },
    { .name = "update",
      .kind = VCH_OPTION_CHOICE,
      .offset = offsetof(values, update),
      .argument = "early|standard",
      .choices = "early|standard",
      .fallback = "standard",
      .help = "new evaluation numbers at once, or after Intel's grace period" },
    { .name = "deadline",
      .kind = VCH_OPTION_INTEGER,
      .offset = offsetof(values, deadline_s),
      .argument = "SECONDS",
      .fallback = "60",
      .min = 1,
      .max = 3600,
      .help = "for all of it, waits included" },
    VCH_COMMON_OPTIONS(values),
};

int vch_cmd_collateral_fetch(vch_runtime *rt, int argc, char *argv[])
{
    static const vch_usage usage = {
        .command = COMMAND,
        .operands = "",
        .summary = "Fetch a platform's collateral into a directory or a bundle file.",
        .details =
            "What comes must be signed, for this platform, in force and not older than what\n"
            "is in --out; otherwise that stays as it is. Trust in the root is judged later, by\n"
            "'vouch quote verify' and others, which read either with --collateral-dir.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    return run(rt, &v);
}
