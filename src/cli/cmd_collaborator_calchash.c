/* vouch collaborator calchash: the hash of a data set, as OpenFL computes it. */
#include <stddef.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "cli/commands.h"
#include "fed/workspace/dataset_hash.h"
#include "host/file.h"

#define COMMAND "vouch collaborator calchash"
#define SOURCES "datasources.json"
#define HASH_FILE "hash.txt"

typedef struct values {
    vch_common_options common;
    const char *data_path;
} values;

static const vch_option options[] = {
    { .name = "data_path",
      .letter = 'j',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, data_path),
      .argument = "DIR",
      .help = "directory with " SOURCES,
      .required = true },
    VCH_COMMON_OPTIONS(values),
};

static const vch_usage usage = {
    .command = COMMAND,
    .operands = "",
    .summary = "Hash a data set: every file of the sources that " SOURCES " names.",
    .details =
        "{\"NAME\": {\"type\": \"local\", \"params\": {\"path\": PATH}}, ...}; paths are relative "
        "to this\n"
        "directory and stay in it. The hash is printed, and written to " HASH_FILE " beside it.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static vouch_code calculate(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    vch_dataset_hash hash = { 0 };
    char path[VCH_PATH_SIZE];
    vouch_code rc = vch_path_join(v->data_path, SOURCES, path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(path, VCH_DATASET_SOURCES_MAX, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_dataset_hash_sources(vch_buffer_span(&text), &hash, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "'%s'", path);
    rc = vch_path_join(v->data_path, HASH_FILE, path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_write(path, vch_span_str(hash.hex), 0644, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "%s\n%s: of %zu files\n", hash.hex, path, hash.file_count);
    return rc;
}

int vch_cmd_collaborator_calchash(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &usage, argc, argv, &v, calculate);
}
