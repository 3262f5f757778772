#include "net/tls_conn.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "net/tls_internal.h"

#define LENGTH_SIZE 4

/*
 *                 server                         client
 * vouch-h2/1      HANDSHAKE READ GATE WRITE      HANDSHAKE GATE(make) WRITE READ GATE(admit)
 * h2              HANDSHAKE GATE                 HANDSHAKE GATE
 * then OPEN; a server that refuses on vouch-h2/1: REFUSE, then the owner is told.
 */
typedef enum conn_state {
    STATE_HANDSHAKE,
    STATE_READ,
    STATE_GATE,
    STATE_WRITE,
    STATE_REFUSE,
    STATE_OPEN
} conn_state;

/* What one step did. */
typedef enum step { STEP_ON, STEP_WAIT, STEP_DEAD } step;

/* The gate's work: a value that goes to a worker and comes back. */
typedef struct gate_job {
    vch_tls_conn *conn;
    vch_tls_peer peer;
    bool admit, make;
    vouch_span message;
    vch_buffer out;
    void *session;
    vouch_code rc;
    vouch_error why;
} gate_job;

struct vch_tls_conn {
    vch_tls_handshake hs;
    vch_tls_conn_owner owner;
    vch_workers *workers;
    int fd;
    struct event *readable, *writable;
    vch_timer *deadline;
    int64_t message_timeout_ms;
    conn_state state;
    bool late;      /* the deadline passed */
    bool gate_runs; /* a worker holds it */
    bool orphan;    /* free it when the worker is done */
    bool made;      /* client: the own message was made and sent */
    bool broken;    /* no good-bye any more */
    bool want_write;
    vch_buffer in, out; /* channel messages with their lengths */
    size_t in_wanted;   /* bytes to read into `in` in all */
    size_t out_sent;
    void *session;
    vouch_error refusal; /* why the gate said no */
    char address[VCH_TLS_ADDRESS_SIZE];
    char *host;
};

static void turn(vch_tls_conn *c);

static void arm(struct event *event, bool on)
{
    if (on)
        (void)event_add(event, NULL); /* no timeout, no allocation: nothing to fail */
    else
        (void)event_del(event);
}

static void wait_for(vch_tls_conn *c, bool read, bool write)
{
    arm(c->readable, read);
    arm(c->writable, write);
}

static void fail_owner(vch_tls_conn *c, const vouch_error *why)
{
    wait_for(c, false, false);
    vch_timer_stop(c->deadline);
    c->owner.failed(c->owner.context, why); /* frees c */
}

/* The other side is gone without a word, as when its process is killed: no verdict of anybody's. */
static bool is_break(void)
{
    return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

/* After an SSL call that gave no bytes. */
static step after_ssl(vch_tls_conn *c, int result, const char *doing)
{
    int kind = SSL_get_error(c->hs.ssl, result);
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
        wait_for(c, kind == SSL_ERROR_WANT_READ, kind == SSL_ERROR_WANT_WRITE);
        return STEP_WAIT;
    }
    vouch_error why = { 0 };
    vouch_code code = kind == SSL_ERROR_SSL && !is_break() ? VOUCH_E_REFUSED : VOUCH_E_NETWORK;
    (void)!vch_tls_handshake_fail(&c->hs, code, doing, &why);
    c->broken = true;
    fail_owner(c, &why);
    return STEP_DEAD;
}

static step refuse(vch_tls_conn *c, const vouch_error *why)
{
    fail_owner(c, why);
    return STEP_DEAD;
}

/* --- the gate --- */

static void gate_work(void *context)
{
    gate_job *job = context;
    const vch_tls_gate *gate = vch_tls_handshake_gate(&job->conn->hs);
    job->rc = VOUCH_OK;
    if (job->admit)
        job->rc = gate->admit(gate->context, &job->peer, job->message, &job->session, &job->why);
    if (job->rc == VOUCH_OK && job->make)
        job->rc = gate->make_message(gate->context, &job->peer, &job->out, &job->why);
    if (job->rc == VOUCH_OK && job->make)
        job->rc = vch_buffer_finish(&job->out, "channel message", &job->why);
    if (job->rc == VOUCH_OK && job->make && job->out.size == 0)
        job->rc = vouch_fail(&job->why, VOUCH_E_INTERNAL, "channel message: empty");
}

static void put_message(vch_tls_conn *c, vouch_span message)
{
    vch_buffer_drop(&c->out);
    c->out = vch_buffer_with_cap(VCH_TLS_MESSAGE_MAX_SIZE + LENGTH_SIZE);
    c->out_sent = 0;
    vch_buffer_u32be(&c->out, (uint32_t)message.size);
    vch_buffer_append(&c->out, message);
}

/* What a refused client reads instead of our message: one short CBOR text. */
static void put_refusal(vch_tls_conn *c)
{
    const char *reason = c->hs.reason != NULL ? c->hs.reason : "refused";
    size_t size = strnlen(reason, VCH_TLS_REASON_MAX_SIZE);
    uint8_t text[1 + VCH_TLS_REASON_MAX_SIZE] = { (uint8_t)(0x60 + size) };
    memcpy(text + 1, reason, size);
    put_message(c, (vouch_span) { text, size + 1 });
}

static void open_up(vch_tls_conn *c)
{
    c->state = STATE_OPEN;
    vch_timer_stop(c->deadline);
    vch_buffer_drop(&c->in);
    vch_buffer_drop(&c->out);
    wait_for(c, true, false);
}

/* Where the connection goes with a verdict or a message. */
static void after_gate(vch_tls_conn *c, gate_job *job)
{
    bool serves = vch_tls_handshake_serves(&c->hs);
    c->session = job->session;
    if (job->rc != VOUCH_OK) {
        c->refusal = job->why;
        if (job->why.depth == 0)
            (void)!vouch_fail(&c->refusal, job->rc, "the gate refused");
        c->state = STATE_REFUSE;
        if (serves && c->hs.face == VCH_TLS_FACE_VOUCH)
            put_refusal(c);
        vch_timer_start(c->deadline, c->message_timeout_ms);
        return;
    }
    if (job->make) {
        put_message(c, vch_buffer_span(&job->out));
        c->state = STATE_WRITE;
        c->made = true;
        vch_timer_start(c->deadline, c->message_timeout_ms);
        return;
    }
    open_up(c);
}

static void tell_open(vch_tls_conn *c)
{
    c->owner.admitted(c->owner.context);
}

static void drop_job(gate_job *job)
{
    vch_buffer_drop(&job->out);
    free(job);
}

/* Back from a worker. */
static void gate_done(void *context, bool worked)
{
    gate_job *job = context;
    vch_tls_conn *c = job->conn;
    c->gate_runs = false;
    if (!worked)
        job->rc = vouch_fail(&job->why, VOUCH_E_INTERNAL, "stopping");
    if (c->orphan) {
        c->session = job->session;
        drop_job(job);
        vch_tls_conn_free(c);
        return;
    }
    after_gate(c, job);
    drop_job(job);
    if (c->state == STATE_OPEN)
        tell_open(c);
    else
        turn(c);
}

static gate_job *job_make(vch_tls_conn *c, bool admit, bool make)
{
    gate_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->conn = c;
    job->peer = vch_tls_handshake_peer(&c->hs);
    job->admit = admit;
    job->make = make;
    job->out = vch_buffer_with_cap(VCH_TLS_MESSAGE_MAX_SIZE);
    if (admit && c->in.size > LENGTH_SIZE)
        job->message = (vouch_span) { c->in.data + LENGTH_SIZE, c->in.size - LENGTH_SIZE };
    return job;
}

static step gate_here(vch_tls_conn *c, gate_job *job)
{
    gate_work(job);
    after_gate(c, job);
    drop_job(job);
    if (c->state != STATE_OPEN)
        return STEP_ON;
    tell_open(c);
    return STEP_DEAD;
}

static step step_gate(vch_tls_conn *c, bool admit, bool make)
{
    vouch_error why = { 0 };
    gate_job *job = job_make(c, admit, make);
    if (job == NULL) {
        (void)!vouch_fail(&why, VOUCH_E_MEMORY, "out of memory");
        return refuse(c, &why);
    }
    c->state = STATE_GATE;
    wait_for(c, false, false);
    vch_timer_stop(c->deadline); /* the gate has its own limits, and must not be cut short */
    if (c->workers == NULL)
        return gate_here(c, job);
    c->gate_runs = true;
    if (vch_workers_submit(c->workers, (vch_job) { job, gate_work, gate_done }, &why) == VOUCH_OK)
        return STEP_WAIT;
    c->gate_runs = false;
    drop_job(job);
    return refuse(c, &why);
}

/* --- steps --- */

static void expect_message(vch_tls_conn *c)
{
    vch_buffer_drop(&c->in);
    c->in = vch_buffer_with_cap(VCH_TLS_MESSAGE_MAX_SIZE + LENGTH_SIZE);
    c->in_wanted = LENGTH_SIZE;
    c->state = STATE_READ;
    vch_timer_start(c->deadline, c->message_timeout_ms);
}

static step step_handshake(vch_tls_conn *c)
{
    ERR_clear_error();
    int result = SSL_do_handshake(c->hs.ssl);
    if (result != 1)
        return after_ssl(c, result, "TLS handshake");
    vouch_error why = { 0 };
    if (vch_tls_handshake_check(&c->hs, &why) != VOUCH_OK)
        return refuse(c, &why);
    if (c->hs.face == VCH_TLS_FACE_STOCK)
        return step_gate(c, true, false);
    if (!vch_tls_handshake_serves(&c->hs))
        return step_gate(c, false, true);
    expect_message(c);
    return STEP_ON;
}

#define REFUSED_FOR "the server refuses us: "

/* Is what came in the server's place of a message a refusal? Then the error says its class. */
static bool is_refusal(vouch_span message, vouch_error *why)
{
    vch_cursor cursor = vch_cursor_over(message);
    uint8_t head = vch_cursor_u8(&cursor);
    if (head < 0x60 || head > 0x60 + VCH_TLS_REASON_MAX_SIZE || cursor.rest.size != head - 0x60U)
        return false;
    char text[VCH_TLS_REASON_MAX_SIZE + 1] = { 0 };
    for (size_t i = 0; i < cursor.rest.size; i++) {
        uint8_t ch = cursor.rest.data[i];
        text[i] = (char)(ch >= 0x20 && ch < 0x7f ? ch : '?');
    }
    (void)!vouch_fail(why, VOUCH_E_REFUSED, REFUSED_FOR "%s", text);
    return true;
}

bool vch_tls_refused_for(const vouch_error *err, const char *reason)
{
    const char *root = err->frame[0];
    size_t size = sizeof REFUSED_FOR - 1;
    return err->depth > 0 && strncmp(root, REFUSED_FOR, size) == 0
           && strcmp(root + size, reason) == 0;
}

static step take_message(vch_tls_conn *c)
{
    vouch_error why = { 0 };
    vouch_span whole = vch_buffer_span(&c->in);
    vch_cursor cursor = vch_cursor_over(whole);
    uint32_t size = vch_cursor_u32be(&cursor);
    if (size == 0 || size > VCH_TLS_MESSAGE_MAX_SIZE) {
        (void)!vouch_fail(&why, VOUCH_E_LIMIT, "channel message of %u bytes", size);
        return refuse(c, &why);
    }
    if (c->in_wanted == LENGTH_SIZE) {
        c->in_wanted += size;
        return STEP_ON;
    }
    if (!vch_tls_handshake_serves(&c->hs) && is_refusal(cursor.rest, &why))
        return refuse(c, &why);
    return step_gate(c, true, vch_tls_handshake_serves(&c->hs));
}

/* Exactly the message's bytes are taken: what follows belongs to HTTP/2. */
static step step_read(vch_tls_conn *c)
{
    uint8_t some[4096];
    size_t missing = c->in_wanted - c->in.size;
    size_t got = 0;
    ERR_clear_error();
    int result = SSL_read_ex(c->hs.ssl, some, missing < sizeof some ? missing : sizeof some, &got);
    if (result != 1)
        return after_ssl(c, result, "reading the channel message");
    vch_buffer_append(&c->in, (vouch_span) { some, got });
    vouch_error why = { 0 };
    if (vch_buffer_finish(&c->in, "channel message", &why) != VOUCH_OK)
        return refuse(c, &why);
    return c->in.size == c->in_wanted ? take_message(c) : STEP_ON;
}

/* STEP_ON once all of `out` is sent. */
static step send_out(vch_tls_conn *c)
{
    while (c->out_sent < c->out.size) {
        size_t put = 0;
        ERR_clear_error();
        int result =
            SSL_write_ex(c->hs.ssl, c->out.data + c->out_sent, c->out.size - c->out_sent, &put);
        if (result != 1)
            return after_ssl(c, result, "sending the channel message");
        c->out_sent += put;
    }
    return STEP_ON;
}

static step step_write(vch_tls_conn *c)
{
    step s = send_out(c);
    if (s != STEP_ON)
        return s;
    if (vch_tls_handshake_serves(&c->hs)) {
        open_up(c);
        tell_open(c);
        return STEP_DEAD; /* the owner has it now */
    }
    expect_message(c);
    return STEP_ON;
}

static step step_refuse(vch_tls_conn *c)
{
    step s = send_out(c);
    if (s != STEP_ON)
        return s;
    return refuse(c, &c->refusal);
}

static step take_step(vch_tls_conn *c)
{
    switch (c->state) {
    case STATE_HANDSHAKE:
        return step_handshake(c);
    case STATE_READ:
        return step_read(c);
    case STATE_WRITE:
        return step_write(c);
    case STATE_REFUSE:
        return step_refuse(c);
    case STATE_GATE:
        return STEP_WAIT;
    case STATE_OPEN:
        c->owner.ready(c->owner.context);
        return STEP_DEAD;
    }
    return STEP_WAIT;
}

static vouch_error lateness(const vch_tls_conn *c)
{
    vouch_error why = { 0 };
    if (c->state == STATE_REFUSE)
        return c->refusal;
    (void)!vouch_fail(&why, VOUCH_E_TIMEOUT, "%s took too long",
                      c->state == STATE_HANDSHAKE ? "TLS handshake" : "channel message");
    return why;
}

static void turn(vch_tls_conn *c)
{
    if (c->late && c->state != STATE_OPEN && c->state != STATE_GATE) {
        vouch_error why = lateness(c);
        fail_owner(c, &why);
        return;
    }
    while (take_step(c) == STEP_ON) {
    }
}

static void on_event(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    turn(context);
}

static void on_deadline(void *context)
{
    vch_tls_conn *c = context;
    c->late = true;
    turn(c);
}

/* --- life --- */

static vouch_code prepare(vch_tls_conn *c, const vch_tls_conn_options *o, vouch_error *err)
{
    struct event_base *base = vch_loop_native(o->loop);
    (void)snprintf(c->address, sizeof c->address, "%s", o->address);
    c->host = o->host == NULL ? NULL : strdup(o->host);
    c->readable = event_new(base, o->fd, EV_READ | EV_PERSIST, on_event, c);
    c->writable = event_new(base, o->fd, EV_WRITE | EV_PERSIST, on_event, c);
    if (c->readable == NULL || c->writable == NULL || (o->host != NULL && c->host == NULL))
        return vouch_fail(err, VOUCH_E_MEMORY, "TLS connection: out of memory");
    vouch_code rc = vch_timer_new(o->loop, on_deadline, c, &c->deadline, err);
    if (rc != VOUCH_OK)
        return rc;
    c->hs.settings = o->settings;
    c->hs.address = c->address;
    c->hs.host = c->host;
    return vch_tls_handshake_start(&c->hs, o->fd, err);
}

vouch_code vch_tls_conn_new(const vch_tls_conn_options *o, vch_tls_conn **out, vouch_error *err)
{
    vch_tls_conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        (void)close(o->fd);
        return vouch_fail(err, VOUCH_E_MEMORY, "TLS connection: out of memory");
    }
    c->fd = o->fd;
    c->owner = o->owner;
    c->workers = o->workers;
    c->message_timeout_ms = o->message_timeout_ms;
    vouch_code rc = prepare(c, o, err);
    if (rc != VOUCH_OK) {
        c->broken = true;
        vch_tls_conn_free(c);
        return rc;
    }
    vch_timer_start(c->deadline, o->handshake_timeout_ms);
    wait_for(c, true, false);
    vch_tls_conn_kick(c);
    *out = c;
    return VOUCH_OK;
}

static void free_event(struct event **event)
{
    if (*event != NULL)
        event_free(*event);
    *event = NULL;
}

void vch_tls_conn_free(vch_tls_conn *c)
{
    if (c == NULL)
        return;
    free_event(&c->readable);
    free_event(&c->writable);
    vch_timer_free(c->deadline);
    c->deadline = NULL;
    if (c->gate_runs) { /* the worker's last act frees the rest */
        c->orphan = true;
        return;
    }
    if (!c->broken && c->hs.ssl != NULL && SSL_is_init_finished(c->hs.ssl))
        (void)SSL_shutdown(c->hs.ssl); /* a courtesy: the socket closes either way */
    ERR_clear_error();
    if (c->session != NULL)
        vch_tls_handshake_gate(&c->hs)->session_free(c->session);
    vch_tls_handshake_drop(&c->hs);
    (void)close(c->fd);
    vch_buffer_drop(&c->in);
    vch_buffer_drop(&c->out);
    free(c->host);
    free(c);
}

/* --- bytes --- */

static vch_tls_io io_after(vch_tls_conn *c, int result)
{
    int kind = SSL_get_error(c->hs.ssl, result);
    if (kind == SSL_ERROR_WANT_READ)
        return VCH_TLS_IO_WAIT;
    if (kind == SSL_ERROR_WANT_WRITE) {
        arm(c->writable, true);
        return VCH_TLS_IO_WAIT;
    }
    c->broken = c->broken || kind != SSL_ERROR_ZERO_RETURN;
    ERR_clear_error();
    return VCH_TLS_IO_CLOSED;
}

vch_tls_io vch_tls_conn_read(vch_tls_conn *c, void *to, size_t room, size_t *out_size)
{
    if (c->state != STATE_OPEN)
        return VCH_TLS_IO_CLOSED;
    ERR_clear_error();
    int result = SSL_read_ex(c->hs.ssl, to, room, out_size);
    return result == 1 ? VCH_TLS_IO_DONE : io_after(c, result);
}

vch_tls_io vch_tls_conn_write(vch_tls_conn *c, const void *from, size_t size, size_t *out_size)
{
    if (c->state != STATE_OPEN)
        return VCH_TLS_IO_CLOSED;
    ERR_clear_error();
    int result = SSL_write_ex(c->hs.ssl, from, size, out_size);
    return result == 1 ? VCH_TLS_IO_DONE : io_after(c, result);
}

void vch_tls_conn_want_write(vch_tls_conn *c, bool want)
{
    arm(c->writable, want);
}

void vch_tls_conn_kick(vch_tls_conn *c)
{
    event_active(c->readable, EV_READ, 0);
}

void *vch_tls_conn_session(const vch_tls_conn *c)
{
    return c->session;
}

vch_tls_face vch_tls_conn_face(const vch_tls_conn *c)
{
    return c->hs.face;
}

const char *vch_tls_conn_address(const vch_tls_conn *c)
{
    return c->address;
}

bool vch_tls_conn_is_admitted(const vch_tls_conn *c)
{
    return c->state == STATE_OPEN;
}
