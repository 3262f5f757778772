/* A borrowed view of bytes. Passed by value; owns nothing. */
#ifndef VOUCH_SPAN_H
#define VOUCH_SPAN_H

#include <stddef.h>
#include <stdint.h>

#include "vouch/attributes.h"

VOUCH_BEGIN_DECLS

typedef struct vouch_span {
    const uint8_t *data; /* NULL only if size is 0 */
    size_t size;         /* bytes */
} vouch_span;

VOUCH_END_DECLS

#endif
