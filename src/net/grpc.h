/* What gRPC's client and server share: statuses, and the frame of a message. */
#ifndef VCH_NET_GRPC_H
#define VCH_NET_GRPC_H

#include <stddef.h>
#include <stdint.h>

#define VCH_GRPC_MESSAGE_MAX_SIZE ((uint64_t)1 << 30) /* default cap of one message, as OpenFL's */
#define VCH_GRPC_TEXT_SIZE 512                        /* bytes of a status text, with its NUL */

typedef enum vch_grpc_code {
    VCH_GRPC_OK = 0,
    VCH_GRPC_CANCELLED = 1,
    VCH_GRPC_UNKNOWN = 2,
    VCH_GRPC_INVALID_ARGUMENT = 3,
    VCH_GRPC_DEADLINE_EXCEEDED = 4,
    VCH_GRPC_NOT_FOUND = 5,
    VCH_GRPC_ALREADY_EXISTS = 6,
    VCH_GRPC_PERMISSION_DENIED = 7,
    VCH_GRPC_RESOURCE_EXHAUSTED = 8,
    VCH_GRPC_FAILED_PRECONDITION = 9,
    VCH_GRPC_ABORTED = 10,
    VCH_GRPC_OUT_OF_RANGE = 11,
    VCH_GRPC_UNIMPLEMENTED = 12,
    VCH_GRPC_INTERNAL = 13,
    VCH_GRPC_UNAVAILABLE = 14,
    VCH_GRPC_DATA_LOSS = 15,
    VCH_GRPC_UNAUTHENTICATED = 16
} vch_grpc_code;

/* How a call ended, as the other side says. */
typedef struct vch_grpc_status {
    int code;                      /* vch_grpc_code, or another number that the peer sent */
    char text[VCH_GRPC_TEXT_SIZE]; /* peer's words: untrusted */
} vch_grpc_status;

const char *vch_grpc_code_name(int code); /* "UNAVAILABLE"; never NULL */

#endif
