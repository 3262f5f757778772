#include "cli/demo_scene.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/interrupt.h"
#include "host/clock.h"
#include "net/http_server.h"
#include "net/loop.h"

#define TOOL_TIMEOUT_MS INT64_C(120000)
#define TOOL_OUTPUT_CAP ((size_t)1 << 20)
#define LOG_CAP ((size_t)64 << 20)
#define POLL_MS 20

static const vch_json_limits event_limits = { .size = 16384, .depth = 4 };

static vouch_code find_programs(vch_demo_scene *scene, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    if (size <= 0)
        return vouch_fail(err, VOUCH_E_IO, "cannot tell where this program stands");
    path[size] = '\0';
    return vch_path_directory(path, scene->programs, err);
}

static vouch_code not_empty(void *context, const char *name, vouch_error *err)
{
    return vouch_fail(err, VOUCH_E_CONFIG,
                      "'%s' is not empty ('%s' is in it); name a new directory",
                      (const char *)context, name);
}

static vouch_code keep_in(const char *dir, vch_demo_scene *scene, vouch_error *err)
{
    char real[PATH_MAX];
    vouch_code rc = vch_dir_make(dir, 0755, err);
    if (rc != VOUCH_OK)
        return rc;
    if (realpath(dir, real) == NULL || strlen(real) >= sizeof scene->dir)
        return vouch_fail(err, VOUCH_E_IO, "'%s': its path cannot be told", dir);
    memcpy(scene->dir, real, strlen(real) + 1);
    scene->keep = true;
    return vch_dir_list(scene->dir, not_empty, scene->dir, err);
}

vouch_code vch_demo_pause(vouch_error *err)
{
    return vch_interrupt_ask(POLL_MS, err);
}

vouch_code vch_demo_scene_open(const vch_runtime *rt, const char *keep_dir, vch_demo_scene *out,
                               vouch_error *err)
{
    char logs[VCH_PATH_SIZE];
    vch_demo_scene scene = { .rt = rt };
    vch_interrupt_hold(); /* taken in vch_demo_pause, so that all is cleaned up */
    vouch_code rc = find_programs(&scene, err);
    if (rc == VOUCH_OK && keep_dir != NULL)
        rc = keep_in(keep_dir, &scene, err);
    else if (rc == VOUCH_OK)
        rc = vch_dir_make_temporary(NULL, "vouch-demo-", scene.dir, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(scene.dir, "logs", logs, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(logs, 0755, err);
    if (rc == VOUCH_OK)
        *out = scene;
    return rc;
}

void vch_demo_scene_close(vch_demo_scene *scene)
{
    vouch_error err = { 0 };
    if (scene->dir[0] != '\0' && !scene->keep && vch_dir_remove_tree(scene->dir, &err) != VOUCH_OK)
        (void)fprintf(scene->rt->err, "vouch demo: %s is left behind\n", scene->dir);
    scene->dir[0] = '\0';
}

vouch_code vch_demo_path(const vch_demo_scene *scene, char out[static VCH_PATH_SIZE],
                         const char *fmt, vouch_error *err, ...)
{
    char inside[VCH_PATH_SIZE];
    va_list args;
    va_start(args, err);
    int size = vsnprintf(inside, sizeof inside, fmt, args);
    va_end(args);
    if (size < 0 || (size_t)size >= sizeof inside)
        return vouch_fail(err, VOUCH_E_LIMIT, "a path of more than %d bytes", VCH_PATH_SIZE);
    return vch_path_join(scene->dir, inside, out, err);
}

vouch_code vch_demo_write(const vch_demo_scene *scene, const char *inside, const vch_buffer *text,
                          vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    char directory[VCH_PATH_SIZE];
    vouch_code rc = vch_buffer_finish(text, inside, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(scene->dir, inside, path, err);
    if (rc == VOUCH_OK)
        rc = vch_path_directory(path, directory, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(directory, 0755, err);
    if (rc == VOUCH_OK)
        rc = vch_file_write(path, vch_buffer_span(text), 0644, err);
    return rc;
}

/* argv with argv[0] turned into the program beside ours; at most 64 words. */
typedef struct words {
    char program[VCH_PATH_SIZE];
    const char *item[66];
} words;

static vouch_code resolve(const vch_demo_scene *scene, const char *const *argv, words *out,
                          vouch_error *err)
{
    size_t count = 0;
    while (argv[count] != NULL)
        count++;
    if (count == 0 || count > 64)
        return vouch_fail(err, VOUCH_E_INTERNAL, "a command of %zu words", count);
    vouch_code rc = vch_path_join(scene->programs, argv[0], out->program, err);
    if (rc != VOUCH_OK)
        return rc;
    for (size_t i = 0; i <= count; i++)
        out->item[i] = argv[i];
    out->item[0] = out->program;
    return VOUCH_OK;
}

/* The last line of what a program complained. */
static const char *last_line(vch_buffer *errors)
{
    while (errors->size > 0 && errors->data[errors->size - 1] == '\n')
        errors->size--;
    const char *text = vch_buffer_text(errors);
    if (text == NULL || errors->size == 0)
        return "it gave no reason";
    const char *newline = strrchr(text, '\n');
    return newline == NULL ? text : newline + 1;
}

vouch_code vch_demo_run(const vch_demo_scene *scene, const char *inside, const char *const *argv,
                        vch_buffer *output, vouch_error *err)
{
    words w = { 0 };
    char directory[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer ignored = vch_buffer_with_cap(TOOL_OUTPUT_CAP);
    VCH_SCOPED(vch_buffer_drop) vch_buffer errors = vch_buffer_with_cap(TOOL_OUTPUT_CAP);
    vouch_code rc = resolve(scene, argv, &w, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(scene->dir, inside, directory, err);
    if (rc != VOUCH_OK)
        return rc;
    int status = 0;
    const vch_child_options options = { .argv = w.item, .directory = directory };
    rc = vch_child_run(&options, (vouch_span) { NULL, 0 }, TOOL_TIMEOUT_MS,
                       output == NULL ? &ignored : output, &errors, &status, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "running %s %s", argv[0], argv[1]);
    if (status != 0)
        return vouch_fail(err, VOUCH_E_REFUSED, "%s %s in %s: exit status %d: %s", argv[0], argv[1],
                          inside, status, last_line(&errors));
    return VOUCH_OK;
}

vouch_code vch_demo_free_port(uint16_t *out, vouch_error *err)
{
    VCH_SCOPED(vch_loop_drop) vch_loop *loop = NULL;
    vch_http_server *server = NULL;
    vouch_code rc = vch_loop_new(&loop, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_http_server_options options = { .loop = loop, .address = "127.0.0.1" };
    rc = vch_http_server_new(&options, &server, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = vch_http_server_port(server);
    vch_http_server_free(server);
    return VOUCH_OK;
}

vouch_code vch_demo_start(const vch_demo_scene *scene, const char *name, const char *inside,
                          const char *const *argv, const char *const *environment,
                          vch_demo_actor *out, vouch_error *err)
{
    words w = { 0 };
    char directory[VCH_PATH_SIZE];
    vch_demo_actor actor = { 0 };
    (void)snprintf(actor.name, sizeof actor.name, "%s", name);
    vouch_code rc = resolve(scene, argv, &w, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(scene->dir, inside, directory, err);
    if (rc == VOUCH_OK)
        rc = vch_demo_path(scene, actor.log, "logs/%s.jsonl", err, name);
    if (rc != VOUCH_OK)
        return rc;
    int fd = open(actor.log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return vouch_fail(err, VOUCH_E_IO, "'%s' cannot be written", actor.log);
    const vch_child_options options = { .argv = w.item,
                                        .environment = environment,
                                        .directory = directory,
                                        .input = VCH_CHILD_NULL,
                                        .output = VCH_CHILD_FD,
                                        .errors = VCH_CHILD_FD,
                                        .output_fd = fd,
                                        .errors_fd = fd };
    rc = vch_child_start(&options, &actor.child, err);
    (void)close(fd);
    if (rc == VOUCH_OK)
        *out = actor;
    return rc;
}

void vch_demo_actor_drop(vch_demo_actor *actor)
{
    if (actor->child.pid != 0 && !actor->child.ended)
        vch_child_stop(&actor->child, 3000);
    vch_child_drop(&actor->child);
}

/* The next whole line after `read`, or false. */
static bool next_line(vch_demo_actor *actor, const vch_buffer *log, vouch_span *out)
{
    if (actor->read >= log->size)
        return false;
    const uint8_t *begin = log->data + actor->read;
    const uint8_t *end = memchr(begin, '\n', log->size - actor->read);
    if (end == NULL)
        return false;
    *out = (vouch_span) { begin, (size_t)(end - begin) };
    actor->read += out->size + 1;
    return true;
}

static vouch_code event_in_log(vch_demo_actor *actor, vch_json **out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer log = vch_buffer_with_cap(LOG_CAP);
    vouch_code rc = vch_file_read(actor->log, LOG_CAP, &log, err);
    vouch_span line = { NULL, 0 };
    while (rc == VOUCH_OK && next_line(actor, &log, &line)) {
        if (line.size > 0 && line.data[0] == '{'
            && vch_json_parse(line, &event_limits, out, NULL) == VOUCH_OK)
            return VOUCH_OK;
    }
    return rc;
}

static bool has_ended(vch_demo_actor *actor)
{
    int status = 0;
    return actor->child.ended || vch_child_wait(&actor->child, 0, &status, NULL) == VOUCH_OK;
}

vouch_code vch_demo_event_next(vch_demo_actor *actor, int64_t timeout_ms, vch_json **out,
                               vouch_error *err)
{
    int64_t until = vch_clock_monotonic_ms() + timeout_ms;
    *out = NULL;
    for (;;) {
        bool ended = has_ended(actor); /* asked first, so that its last lines are still read */
        vouch_code rc = event_in_log(actor, out, err);
        if (rc != VOUCH_OK || *out != NULL || ended || vch_clock_monotonic_ms() >= until)
            return rc;
        rc = vch_demo_pause(err);
        if (rc != VOUCH_OK)
            return rc;
    }
}

bool vch_demo_event_is(const vch_json *event, const char *name)
{
    return strcmp(vch_demo_event_text(event, "event"), name) == 0;
}

const char *vch_demo_event_text(const vch_json *event, const char *member)
{
    const vch_json *value = vch_json_member(event, member);
    const char *text = value == NULL ? NULL : vch_json_text(value);
    return text == NULL ? "" : text;
}

/* Why an actor ended: the last line of its log. */
static vouch_code ended_early(vch_demo_actor *actor, const char *name, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer log = vch_buffer_with_cap(LOG_CAP);
    if (vch_file_read(actor->log, LOG_CAP, &log, NULL) != VOUCH_OK)
        log.size = 0;
    return vouch_fail(err, VOUCH_E_REFUSED, "%s ended with status %d before '%s': %s", actor->name,
                      actor->child.exit_status, name, last_line(&log));
}

vouch_code vch_demo_event_wait(vch_demo_actor *actor, const char *name, int64_t timeout_ms,
                               vch_json **out, vouch_error *err)
{
    int64_t until = vch_clock_monotonic_ms() + timeout_ms;
    for (;;) {
        VCH_SCOPED(vch_json_drop) vch_json *event = NULL;
        int64_t left = until - vch_clock_monotonic_ms();
        vouch_code rc = vch_demo_event_next(actor, left > 0 ? left : 0, &event, err);
        if (rc != VOUCH_OK)
            return rc;
        if (event != NULL && vch_demo_event_is(event, name)) {
            *out = VCH_MOVE(event);
            return VOUCH_OK;
        }
        if (event == NULL && actor->child.ended)
            return ended_early(actor, name, err);
        if (event == NULL)
            return vouch_fail(err, VOUCH_E_TIMEOUT, "%s did not say '%s' within %lld s (see %s)",
                              actor->name, name, (long long)(timeout_ms / 1000), actor->log);
    }
}
