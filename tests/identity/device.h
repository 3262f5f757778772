/* A simulated device for tests: its pseudo-files, served by a thread of its own. */
#ifndef VCH_TESTS_IDENTITY_DEVICE_H
#define VCH_TESTS_IDENTITY_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>

#include "sim/pseudo_files.h"
#include "world.h"

typedef struct device {
    const world *w;
    uint8_t measurement;        /* every byte of MRENCLAVE */
    bool no_sealing_key;        /* set before the start: as a platform without one */
    const uint8_t *sealing_key; /* the same: 16 bytes; NULL: the platform's for the measurement */
    vch_pseudo_files *files;
    pthread_t thread;
    atomic_bool stop;
    atomic_uint served;
} device;

void device_start(device *d, const world *w, uint8_t measurement);
void device_stop(device *d);

#endif
