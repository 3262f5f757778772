#include "wire.h"

#include <fcntl.h>

#include "check.h"

static bool changed;

void wire_set_up(wire_world *x)
{
    wire_set_up_under(x, &(world_policy) { .token = "off" });
}

void wire_set_up_under(wire_world *x, const world_policy *policy)
{
    vouch_error err = { 0 };
    x->handshake_ms = x->message_ms = 30000; /* far beyond what a loaded machine needs */
    world_make(&x->w);
    world_set_policy(&x->w, policy);
    device_start(&x->aggregator_device, &x->w, WORLD_AGGREGATOR_MEASUREMENT);
    device_start(&x->collaborator_device, &x->w, WORLD_COLLABORATOR_MEASUREMENT);
    side_write_pki(&x->agg, &x->w, WORLD_AGG, WORLD_AGGREGATOR);
    side_write_pki(&x->col1, &x->w, WORLD_COL1, "col1");
    side_write_pki(&x->col2, &x->w, WORLD_COL2, "col2");
    side_join(&x->agg, &x->w, WORLD_AGG, WORLD_AGGREGATOR, &x->aggregator_device, policy, &x->col2);
    side_join(&x->col1, &x->w, WORLD_COL1, "col1", &x->collaborator_device, policy, &x->col2);
    CHECK_OK(vch_loop_new(&x->loop, &err), &err);
    CHECK_OK(vch_gate_tls_settings(x->agg.gate, &x->agg_tls, &err), &err);
    CHECK_OK(vch_gate_tls_settings(x->col1.gate, &x->col1_tls, &err), &err);
}

void wire_tear_down(wire_world *x)
{
    vch_tls_settings_free(x->agg_tls);
    vch_tls_settings_free(x->col1_tls);
    vch_loop_free(x->loop);
    side_leave(&x->agg);
    side_leave(&x->col1);
    device_stop(&x->aggregator_device);
    device_stop(&x->collaborator_device);
    world_drop(&x->w);
}

static void on_open(void *context)
{
    ((wire_end *)context)->open = true;
    changed = true;
}

static void end_is_over(wire_end *e)
{
    e->dead = true;
    wire_finish(e);
    changed = true;
}

static void on_ready(void *context)
{
    wire_end *e = context;
    char byte = 0;
    size_t n = 0;
    if (vch_tls_conn_read(e->conn, &byte, 1, &n) == VCH_TLS_IO_CLOSED)
        end_is_over(e);
}

static void on_failed(void *context, const vouch_error *why)
{
    wire_end *e = context;
    e->why = *why;
    end_is_over(e);
}

void wire_begin(wire_world *x, wire_end *e, vch_tls_settings *settings, int fd, const char *host)
{
    vouch_error err = { 0 };
    *e = (wire_end) { .x = x };
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    const vch_tls_conn_options o = { .loop = x->loop,
                                     .settings = settings,
                                     .fd = fd,
                                     .address = "192.0.2.7:50051",
                                     .host = host,
                                     .handshake_timeout_ms = x->handshake_ms,
                                     .message_timeout_ms = x->message_ms,
                                     .owner = { e, on_open, on_ready, on_failed } };
    CHECK_OK(vch_tls_conn_new(&o, &e->conn, &err), &err);
}

void wire_settle(wire_world *x, const wire_end *e)
{
    vouch_error err = { 0 };
    while (!e->open && !e->dead) {
        changed = false;
        CHECK_OK(vch_loop_run_until(x->loop, &changed, 60000, &err), &err);
    }
}

void wire_finish(wire_end *e)
{
    vch_tls_conn_free(e->conn);
    e->conn = NULL;
}
