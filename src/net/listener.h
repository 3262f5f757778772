/*
 * A listening TCP socket on a loop. When the process runs out of descriptors it rests for a moment
 * instead of spinning. Private to net/. One thread at a time.
 */
#ifndef VCH_NET_LISTENER_H
#define VCH_NET_LISTENER_H

#include <stdint.h>

#include "net/loop.h"
#include "vouch/error.h"

#define VCH_ADDRESS_SIZE 64 /* "[2001:db8::1]:50051" */

typedef struct vch_listener vch_listener;

/* A new connection: `fd` is given (non-blocking, close-on-exec, no delay); `address` with its port,
 * `host` without. */
typedef void (*vch_listener_accepted)(void *context, int fd, const char *address, const char *host);

/* address: an IP literal; "::" serves both families, also where the host has IPv4 only. */
VOUCH_MUST_CHECK vouch_code vch_listener_new(vch_loop *loop, const char *address, uint16_t port,
                                             vch_listener_accepted accepted, void *context,
                                             vch_listener **out, vouch_error *err);
uint16_t vch_listener_port(const vch_listener *listener);
void vch_listener_pause(vch_listener *listener, bool paused);
void vch_listener_free(vch_listener *listener);

/*
 * Connect to a name or IP literal, blocking, trying each of its addresses; the socket comes back
 * non-blocking. address: VCH_ADDRESS_SIZE bytes, of the one that answered.
 */
VOUCH_MUST_CHECK vouch_code vch_dial(const char *host, uint16_t port, int64_t timeout_ms,
                                     int *out_fd, char address[static VCH_ADDRESS_SIZE],
                                     vouch_error *err);

#endif
