/* Serial numbers of the certificates that identity makes: 127 random bits, positive. */
#ifndef VCH_IDENTITY_SERIAL_H
#define VCH_IDENTITY_SERIAL_H

#include <stdint.h>

#include "crypto/rand.h"
#include "vouch/error.h"

#define VCH_SERIAL_SIZE 16

VOUCH_MUST_CHECK static inline vouch_code vch_serial_draw(uint8_t out[static VCH_SERIAL_SIZE],
                                                          vouch_error *err)
{
    vouch_code rc = vch_random_bytes(out, VCH_SERIAL_SIZE, err);
    out[0] = (uint8_t)((out[0] & 0x7fU) | 0x40U); /* positive, and never a shorter number */
    return rc;
}

#endif
