#include "cli/engine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "cli/interrupt.h"
#include "host/child.h"
#include "vouch/span.h"

#define WORDS_MAX 16
#define LOOK_TIMEOUT_MS 20000
#define LOOK_OUTPUT_MAX 65536 /* bytes that `--version` may print */
#define POLL_MS 100
#define GRACE_MS 10000 /* for an engine to remove what it began */

struct vch_engine {
    const char *name;
    bool pushes; /* it has no `save`: an archive is somewhere to push to */
};

static const vch_engine engines[] = { { "docker", false },
                                      { "podman", false },
                                      { "buildah", true } };

/* Is there such a program? Only then is it asked for more. */
static bool is_there(const vch_engine *e)
{
    const char *const argv[] = { e->name, "--version", NULL };
    const vch_child_options how = { .argv = argv };
    VCH_SCOPED(vch_buffer_drop) vch_buffer output = vch_buffer_with_cap(LOOK_OUTPUT_MAX);
    VCH_SCOPED(vch_buffer_drop) vch_buffer errors = vch_buffer_with_cap(LOOK_OUTPUT_MAX);
    vouch_error ignored = { 0 };
    int status = 0;
    return vch_child_run(&how, (vouch_span) { 0 }, LOOK_TIMEOUT_MS, &output, &errors, &status,
                         &ignored)
               == VOUCH_OK
           && status == 0;
}

vouch_code vch_engine_find(const char *name, const vch_engine **out, vouch_error *err)
{
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        const vch_engine *e = &engines[i];
        if ((name == NULL || strcmp(name, e->name) == 0) && is_there(e)) {
            *out = e;
            return VOUCH_OK;
        }
    }
    if (name != NULL)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "no '%s' in PATH that runs", name);
    return vouch_fail(err, VOUCH_E_NOT_FOUND,
                      "no container engine in PATH that runs; one of " VCH_ENGINES " is needed");
}

/* To its end, or ours. */
static vouch_code attend(vch_child *child, int *out_status, vouch_error *err)
{
    vouch_code rc = vch_child_wait(child, 0, out_status, err);
    while (rc == VOUCH_E_TIMEOUT) {
        rc = vch_interrupt_ask(POLL_MS, err);
        if (rc == VOUCH_OK)
            rc = vch_child_wait(child, 0, out_status, err);
    }
    if (rc != VOUCH_OK)
        vch_child_stop(child, GRACE_MS);
    return rc;
}

static vouch_code run(const char *const *argv, const char *directory, vouch_error *err)
{
    const vch_child_options how = { .argv = argv,
                                    .directory = directory,
                                    .input = VCH_CHILD_NULL,
                                    .output = VCH_CHILD_FD,
                                    .output_fd = STDERR_FILENO };
    VCH_SCOPED(vch_child_drop) vch_child child = { 0 };
    int status = 0;
    vouch_code rc = vch_child_start(&how, &child, err);
    if (rc == VOUCH_OK)
        rc = attend(&child, &status, err);
    if (rc == VOUCH_OK && status != 0)
        rc = vouch_fail(err, VOUCH_E_IO, "it ended with status %d; --engine names another", status);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "%s %s", argv[0], argv[1]);
}

vouch_code vch_engine_build(const vch_engine *e, const vch_image *image, vouch_error *err)
{
    char base[512];
    const char *argv[WORDS_MAX] = { e->name, "build", "--build-arg", base, "-t", image->tag };
    size_t count = 6;
    int size = snprintf(base, sizeof base, "BASE_IMAGE=%s", image->base_image);
    if (size < 0 || (size_t)size >= sizeof base)
        return vouch_fail(err, VOUCH_E_LIMIT, "the base image's name is too long");
    if (image->anew)
        argv[count++] = "--no-cache";
    argv[count++] = ".";
    return run(argv, image->directory, err);
}

vouch_code vch_engine_save(const vch_engine *e, const vch_image *image, vouch_error *err)
{
    char archive[512];
    const char *const save[] = { e->name, "save", "-o", "image.tar", image->tag, NULL };
    const char *const push[] = { e->name, "push", image->tag, archive, NULL };
    int size = snprintf(archive, sizeof archive, "docker-archive:image.tar:%s", image->tag);
    if (size < 0 || (size_t)size >= sizeof archive)
        return vouch_fail(err, VOUCH_E_LIMIT, "the image's name is too long");
    return run(e->pushes ? push : save, image->directory, err);
}
