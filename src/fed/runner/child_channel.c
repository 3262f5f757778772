#include "fed/runner/child_channel.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "host/child.h"
#include "host/clock.h"
#include "host/process.h"
#include "host/stream.h"

#define IN_SIZE ((size_t)64 << 10)
#define WORDS_SIZE ((size_t)1024) /* of a line of standard error; more is cut */
#define TURN_MS 50                /* at most between two turns of the program */
#define EXIT_MS 2000              /* for a child that closed its output to end */

struct vch_child_channel {
    vch_child child;
    vch_runner_turn turn;
    const vch_log *log;
    vch_buffer line;
    uint8_t in[IN_SIZE]; /* read from the child, not yet taken */
    size_t in_from, in_size;
    char words[WORDS_SIZE]; /* the line of standard error that is arriving */
    size_t words_size;
    char last_words[WORDS_SIZE]; /* the newest whole one */
};

vouch_code vch_child_channel_new(const vch_child_channel_options *options, vch_child_channel **out,
                                 vouch_error *err)
{
    VCH_SCOPED(vch_child_channel_drop) vch_child_channel *c = calloc(1, sizeof *c);
    if (c == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the task runner's channel");
    c->turn = options->turn;
    c->log = options->log;
    c->line = vch_buffer_with_cap(VCH_CHILD_LINE_MAX + 1);
    const vch_child_options how = { .argv = options->argv,
                                    .environment = options->environment,
                                    .environment_cleared = true,
                                    .input = VCH_CHILD_PIPE,
                                    .output = VCH_CHILD_PIPE,
                                    .errors = VCH_CHILD_PIPE,
                                    .memory_limit = options->memory_limit };
    vch_process_ignore_broken_pipes();
    vouch_code rc = vch_child_start(&how, &c->child, err);
    if (rc == VOUCH_OK)
        rc = vch_stream_unblock(c->child.input, err);
    if (rc == VOUCH_OK)
        rc = vch_stream_unblock(c->child.output, err);
    if (rc == VOUCH_OK)
        rc = vch_stream_unblock(c->child.errors, err);
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(c);
    return rc;
}

void vch_child_channel_free(vch_child_channel *c)
{
    if (c == NULL)
        return;
    vch_child_drop(&c->child);
    vch_buffer_drop(&c->line);
    free(c);
}

/* A line of standard error is whole. */
static void end_words(vch_child_channel *c)
{
    c->words[c->words_size] = '\0';
    c->words_size = 0;
    if (c->words[0] == '\0')
        return;
    memcpy(c->last_words, c->words, sizeof c->last_words);
    vch_log(c->log, VCH_LOG_INFO, "runner.output", VCH_STR("line", c->words));
}

static void take_words(vch_child_channel *c, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n')
            end_words(c);
        else if (c->words_size < WORDS_SIZE - 1 && text[i] != '\0')
            c->words[c->words_size++] = text[i];
    }
}

/* What stands in standard error now. Its end is noted by closing ours. */
static vouch_code drain_errors(vch_child_channel *c, vouch_error *err)
{
    char some[4096];
    size_t count = 0;
    bool ended = false;
    vouch_code rc = vch_stream_read(c->child.errors, some, sizeof some, &count, &ended, err);
    if (rc != VOUCH_OK)
        return rc;
    take_words(c, some, count);
    if (ended) {
        end_words(c);
        (void)close(c->child.errors);
        c->child.errors = -1;
    }
    return VOUCH_OK;
}

/* It said or took no more: why? */
static vouch_code ended(vch_child_channel *c, vouch_error *err)
{
    int status = 0;
    vouch_error ignored = { 0 };
    bool gone = vch_child_wait(&c->child, EXIT_MS, &status, &ignored) == VOUCH_OK;
    for (int i = 0; c->child.errors >= 0 && i < 64; i++) { /* its last words, not for ever */
        vch_stream one = { .fd = c->child.errors };
        if (vch_stream_wait(&one, 1, 0, &ignored) != VOUCH_OK || !one.ready
            || drain_errors(c, &ignored) != VOUCH_OK)
            break;
    }
    const char *words = c->last_words[0] == '\0' ? "it said nothing" : c->last_words;
    if (!gone)
        return vouch_fail(err, VOUCH_E_IO, "the task runner closed its channel: %.200s", words);
    if (status > 128)
        return vouch_fail(err, VOUCH_E_IO, "the task runner was ended by signal %d: %.200s",
                          status - 128, words);
    return vouch_fail(err, VOUCH_E_IO, "the task runner ended with status %d: %.200s", status,
                      words);
}

/* Wait a little for the channel, hear standard error, let the program take its turn. */
static vouch_code attend(vch_child_channel *c, bool sending, int64_t until_ms, bool *out_ready,
                         vouch_error *err)
{
    int64_t left_ms = until_ms - vch_clock_monotonic_ms();
    if (left_ms <= 0)
        return vouch_fail(err, VOUCH_E_TIMEOUT, "the task runner took too long%s%.200s",
                          c->last_words[0] == '\0' ? "" : "; its last words: ", c->last_words);
    vch_stream streams[2] = { { .fd = sending ? c->child.input : c->child.output,
                                .writing = sending },
                              { .fd = c->child.errors } };
    vouch_code rc = vch_stream_wait(streams, 2, left_ms < TURN_MS ? left_ms : TURN_MS, err);
    if (rc == VOUCH_OK && streams[1].ready)
        rc = drain_errors(c, err);
    if (rc == VOUCH_OK && c->turn.call != NULL)
        rc = c->turn.call(c->turn.context, err);
    *out_ready = streams[0].ready;
    return rc;
}

vouch_code vch_child_channel_send(vch_child_channel *c, vouch_span bytes, int64_t until_ms,
                                  vouch_error *err)
{
    while (bytes.size > 0) {
        bool ready = false;
        size_t count = 0;
        bool closed = false;
        vouch_code rc = attend(c, true, until_ms, &ready, err);
        if (rc == VOUCH_OK && ready)
            rc = vch_stream_write(c->child.input, bytes, &count, &closed, err);
        if (rc != VOUCH_OK)
            return rc;
        if (closed)
            return ended(c, err);
        bytes = (vouch_span) { bytes.data + count, bytes.size - count };
    }
    return VOUCH_OK;
}

/* At least one byte into `out`; nothing may be waiting in `in`. */
static vouch_code read_some(vch_child_channel *c, void *out, size_t size, int64_t until_ms,
                            size_t *out_count, vouch_error *err)
{
    *out_count = 0;
    while (*out_count == 0) {
        bool ready = false;
        bool closed = false;
        vouch_code rc = attend(c, false, until_ms, &ready, err);
        if (rc == VOUCH_OK && ready)
            rc = vch_stream_read(c->child.output, out, size, out_count, &closed, err);
        if (rc != VOUCH_OK)
            return rc;
        if (closed)
            return ended(c, err);
    }
    return VOUCH_OK;
}

vouch_code vch_child_channel_line(vch_child_channel *c, int64_t until_ms, vouch_span *out,
                                  vouch_error *err)
{
    c->line.size = 0; /* its memory is used again */
    for (;;) {
        const uint8_t *from = c->in + c->in_from;
        const uint8_t *end = c->in_size == 0 ? NULL : memchr(from, '\n', c->in_size);
        size_t count = end == NULL ? c->in_size : (size_t)(end - from);
        if (c->line.size + count > VCH_CHILD_LINE_MAX)
            return vouch_fail(err, VOUCH_E_LIMIT,
                              "the task runner sent a line of more than %zu "
                              "bytes",
                              VCH_CHILD_LINE_MAX);
        vch_buffer_append(&c->line, (vouch_span) { from, count });
        vouch_code rc = vch_buffer_finish(&c->line, "a line of the task runner", err);
        if (rc != VOUCH_OK)
            return rc;
        c->in_from += count + (end == NULL ? 0 : 1);
        c->in_size -= count + (end == NULL ? 0 : 1);
        if (end != NULL) {
            *out = vch_buffer_span(&c->line);
            return VOUCH_OK;
        }
        c->in_from = 0;
        rc = read_some(c, c->in, IN_SIZE, until_ms, &c->in_size, err);
        if (rc != VOUCH_OK)
            return rc;
    }
}

vouch_code vch_child_channel_bytes(vch_child_channel *c, void *out, size_t size, int64_t until_ms,
                                   vouch_error *err)
{
    size_t have = c->in_size < size ? c->in_size : size;
    if (have > 0)
        memcpy(out, c->in + c->in_from, have);
    c->in_from += have;
    c->in_size -= have;
    while (have < size) {
        size_t count = 0;
        vouch_code rc = read_some(c, (uint8_t *)out + have, size - have, until_ms, &count, err);
        if (rc != VOUCH_OK)
            return rc;
        have += count;
    }
    return VOUCH_OK;
}

void vch_child_channel_close(vch_child_channel *c, int64_t grace_ms)
{
    int status = 0;
    if (c->child.input >= 0)
        (void)close(c->child.input);
    c->child.input = -1;
    if (vch_child_wait(&c->child, grace_ms, &status, NULL) != VOUCH_OK)
        vch_child_signal(&c->child, 9);
}
