/* vouch workspace dockerize: this workspace in a container image. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "cli/commands.h"
#include "cli/engine.h"
#include "cli/interrupt.h"
#include "cli/scratch.h"
#include "cli/workspace_pack.h"
#include "fed/plan/release.h"
#include "fed/workspace/workspace.h"

/* The package is unpacked here, not there: nothing has to run to make the image. User, directory and
 * entry point are the base image's (deploy/docker/Dockerfile). */
static const char dockerfile[] = "ARG BASE_IMAGE\n"
                                 "FROM ${BASE_IMAGE}\n"
                                 "COPY --chown=vouch:vouch workspace/ /workspace/\n"
                                 "WORKDIR /workspace\n";

typedef struct values {
    vch_common_options common;
    const char *base_image, *engine, *tag, *release, *enclave_key;
    bool save, no_save, rebuild;
} values;

static const vch_option options[] = {
    { .name = "base_image",
      .letter = 'b',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, base_image),
      .argument = "IMAGE",
      .help = "the image of the program, by deploy/docker/Dockerfile or from it",
      .fallback = "vouch" },
    { .name = "base-image",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, base_image),
      .argument = "IMAGE",
      .help = "the same, as OpenFL 1.7 and later call it" },
    { .name = "tag",
      .letter = 't',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, tag),
      .argument = "NAME",
      .help = "the new image; this directory's name" },
    { .name = "save",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, save),
      .help = "also to a file, this directory's name with .tar; so it is unless --no-save" },
    { .name = "no-save",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, no_save),
      .help = "leave the image with the engine alone" },
    { .name = "rebuild",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, rebuild),
      .help = "use no layer of an earlier image" },
    { .name = "engine",
      .kind = VCH_OPTION_CHOICE,
      .offset = offsetof(values, engine),
      .argument = VCH_ENGINES,
      .choices = VCH_ENGINES,
      .help = "which; the first of them in PATH" },
    { .name = "enclave-key",
      .letter = 'e',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, enclave_key),
      .argument = "FILE",
      .help = "as fx has it from 1.7 on; refused: a measured image holds no workspace" },
    { .name = "openfl-release",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, release),
      .argument = "R",
      .help = "OpenFL release whose default files and setting names hold",
      .fallback = VCH_RELEASE_DEFAULT },
    VCH_COMMON_OPTIONS(values),
};

static const vch_usage usage = {
    .command = "vouch workspace dockerize",
    .operands = "",
    .summary = "Put this workspace into a container image.",
    .details = "On top of the program's image, what `workspace export` packs: no key, certificate, "
               "request\n"
               "or model. Those, and data/, are mounted or made in the container. A task runner in "
               "Python\n"
               "wants a base image that has it. The image of an enclave is another: "
               "docs/real-hardware.md.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static vouch_code write_context(const vch_package *p, const char *dir, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    vouch_code rc = vch_path_join(dir, "workspace", path, err);
    if (rc == VOUCH_OK)
        rc = vch_workspace_unpack(p, path, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(dir, "Dockerfile", path, err);
    return rc == VOUCH_OK ? vch_file_write(path, vch_span_str(dockerfile), 0644, err) : rc;
}

static vouch_code save(const vch_engine *engine, const vch_image *image, const char *archive,
                       vouch_error *err)
{
    char made[VCH_PATH_SIZE];
    vouch_code rc = vch_engine_save(engine, image, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(image->directory, "image.tar", made, err);
    return rc == VOUCH_OK ? vch_path_put_in_place(made, archive, err) : rc;
}

static vouch_code check_words(const values *v, vouch_error *err)
{
    if (v->save && v->no_save)
        return vouch_fail(err, VOUCH_E_CONFIG, "--save and --no-save contradict each other");
    if (v->enclave_key != NULL)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED,
                          "--enclave-key: an enclave's image is that of the program, which mounts "
                          "the workspace; docs/real-hardware.md section 2");
    return VOUCH_OK;
}

static vouch_code build_in(const vch_runtime *rt, const values *v, const vch_engine *engine,
                           const vch_image *image, const char *archive, vouch_error *err)
{
    VCH_SCOPED(vch_package_done) vch_package p = { 0 };
    vouch_code rc = vch_cli_workspace_pack(rt, v->release, &p, err);
    if (rc == VOUCH_OK)
        rc = write_context(&p, image->directory, err);
    if (rc == VOUCH_OK)
        rc = vch_engine_build(engine, image, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "%s: image of %zu files on %s\n", image->tag, p.count,
                      image->base_image);
    if (rc == VOUCH_OK && !v->no_save)
        rc = save(engine, image, archive, err);
    if (rc == VOUCH_OK && !v->no_save)
        (void)fprintf(rt->out, "%s: the image saved\n", archive);
    return rc;
}

static vouch_code dockerize(const vch_runtime *rt, const void *words, vouch_error *err)
{
    const values *v = words;
    const vch_engine *engine = NULL;
    char name[VCH_PATH_SIZE];
    char archive[VCH_PATH_SIZE + sizeof ".tar"];
    VCH_SCOPED(vch_scratch_drop) vch_scratch s = { 0 };
    vouch_code rc = check_words(v, err);
    if (rc == VOUCH_OK)
        rc = vch_cli_workspace_name(name, err);
    if (rc == VOUCH_OK)
        rc = vch_engine_find(v->engine, &engine, err);
    vch_interrupt_hold();
    if (rc == VOUCH_OK)
        rc = vch_scratch_make("Dockerfile", ".image-", &s, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)snprintf(archive, sizeof archive, "%s.tar", name);
    const vch_image image = { .directory = s.dir,
                              .base_image = v->base_image,
                              .tag = v->tag == NULL ? name : v->tag,
                              .anew = v->rebuild };
    return build_in(rt, v, engine, &image, archive, err);
}

int vch_cmd_workspace_dockerize(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    return vch_command_run(rt, &usage, argc, argv, &v, dockerize);
}
