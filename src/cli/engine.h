/*
 * Container engines, as programs in PATH: docker, podman, buildah. What they print goes to standard
 * error. Ctrl-C must be held back (cli/interrupt.h): it stops the engine. One thread at a time.
 */
#ifndef VCH_CLI_ENGINE_H
#define VCH_CLI_ENGINE_H

#include <stdbool.h>

#include "vouch/error.h"

/* Their names, in the order in which they are looked for. */
#define VCH_ENGINES "docker|podman|buildah"

typedef struct vch_engine vch_engine;

/*
 * The engine of that name, or the first that there is (`name` NULL). Constant.
 * Fails with VOUCH_E_NOT_FOUND, naming what was looked for.
 */
VOUCH_MUST_CHECK vouch_code vch_engine_find(const char *name, const vch_engine **out,
                                            vouch_error *err);

typedef struct vch_image {
    const char *directory;  /* with `Dockerfile` and what it copies: where the engine is started */
    const char *base_image; /* its build argument BASE_IMAGE */
    const char *tag;
    bool anew; /* no layer of an earlier build is used */
} vch_image;

/* Fails with VOUCH_E_IO: the engine failed (it has said why); VOUCH_E_REFUSED: interrupted. */
VOUCH_MUST_CHECK vouch_code vch_engine_build(const vch_engine *e, const vch_image *image,
                                             vouch_error *err);

/* Write the image to `image.tar` in its directory, as `docker load` reads it. Fails as above. */
VOUCH_MUST_CHECK vouch_code vch_engine_save(const vch_engine *e, const vch_image *image,
                                            vouch_error *err);

#endif
