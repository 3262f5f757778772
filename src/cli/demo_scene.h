/*
 * The stage of `vouch demo`: one directory, the programs beside this one, and actors: processes that
 * run for a while and whose JSON log lines are read as events. One thread.
 */
#ifndef VCH_CLI_DEMO_SCENE_H
#define VCH_CLI_DEMO_SCENE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "codec/json.h"
#include "host/child.h"
#include "host/file.h"
#include "prompt/command.h"

typedef struct vch_demo_scene {
    const vch_runtime *rt;
    char dir[VCH_PATH_SIZE];      /* absolute */
    char programs[VCH_PATH_SIZE]; /* where vouch, vouch-sim and vouch-verifyd stand */
    bool keep;                    /* leave the directory */
} vch_demo_scene;

/*
 * keep_dir  Made if it is missing, refused if it is not empty; NULL: a temporary directory, removed
 *           on close.
 */
VOUCH_MUST_CHECK vouch_code vch_demo_scene_open(const vch_runtime *rt, const char *keep_dir,
                                                vch_demo_scene *out, vouch_error *err);
void vch_demo_scene_close(vch_demo_scene *scene);

/*
 * Wait a moment (20 ms). VOUCH_E_REFUSED if the user pressed Ctrl-C: SIGINT and SIGTERM are held back
 * from open on and taken here, so that every process is stopped and the directory removed.
 */
VOUCH_MUST_CHECK vouch_code vch_demo_pause(vouch_error *err);

/* `dir`/ a path inside it made with a format; into `out`. */
VOUCH_MUST_CHECK VOUCH_PRINTF(3, 5) vouch_code
    vch_demo_path(const vch_demo_scene *scene, char out[static VCH_PATH_SIZE], const char *fmt,
                  vouch_error *err, ...);

/* Write a text file inside the stage, its directories too. */
VOUCH_MUST_CHECK vouch_code vch_demo_write(const vch_demo_scene *scene, const char *inside,
                                           const vch_buffer *text, vouch_error *err);

/*
 * Run one of our programs to its end, in a directory inside the stage.
 *
 * argv    argv[0] is "vouch", "vouch-sim" or "vouch-verifyd"; NULL-terminated.
 * output  What it printed; may be NULL.
 * Fails with VOUCH_E_REFUSED if the exit status is not 0; the text quotes its complaint.
 */
VOUCH_MUST_CHECK vouch_code vch_demo_run(const vch_demo_scene *scene, const char *inside,
                                         const char *const *argv, vch_buffer *output,
                                         vouch_error *err);

/* A TCP port of 127.0.0.1 that nobody listens on at this moment. */
VOUCH_MUST_CHECK vouch_code vch_demo_free_port(uint16_t *out, vouch_error *err);

/* A process that goes on, with its log. */
typedef struct vch_demo_actor {
    char name[64];
    char log[VCH_PATH_SIZE]; /* its stderr, JSON lines */
    vch_child child;
    size_t read; /* bytes of the log that were handed out */
} vch_demo_actor;

/*
 * Start it.
 *
 * environment  "NAME=value" beside what is inherited; NULL-terminated; may be NULL.
 */
VOUCH_MUST_CHECK vouch_code vch_demo_start(const vch_demo_scene *scene, const char *name,
                                           const char *inside, const char *const *argv,
                                           const char *const *environment, vch_demo_actor *out,
                                           vouch_error *err);
void vch_demo_actor_drop(vch_demo_actor *actor); /* SIGTERM, then SIGKILL; safe twice */

/*
 * The next event of its log. `out` is NULL if none came within `timeout_ms`, or the process ended and
 * everything was read; lines that are no JSON are passed over. Free with vch_json_free().
 */
VOUCH_MUST_CHECK vouch_code vch_demo_event_next(vch_demo_actor *actor, int64_t timeout_ms,
                                                vch_json **out, vouch_error *err);

/* Is the event's name `name`? */
bool vch_demo_event_is(const vch_json *event, const char *name);

/* A text member of an event, or "" if it has none. */
const char *vch_demo_event_text(const vch_json *event, const char *member);

/*
 * Wait for the event `name`; others are dropped. Fails with VOUCH_E_TIMEOUT, or VOUCH_E_REFUSED with
 * the last lines of its log if the process ended first.
 */
VOUCH_MUST_CHECK vouch_code vch_demo_event_wait(vch_demo_actor *actor, const char *name,
                                                int64_t timeout_ms, vch_json **out,
                                                vouch_error *err);

#endif
