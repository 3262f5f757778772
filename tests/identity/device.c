#include "device.h"

#include <poll.h>
#include <string.h>

#include "check.h"

static vouch_code make_quote(void *context,
                             const uint8_t report_data[static VCH_PSEUDO_REPORT_DATA_SIZE],
                             vch_buffer *out, vouch_error *err)
{
    const device *d = context;
    (void)err;
    world_quote(d->w, d->measurement, false, report_data, out);
    return VOUCH_OK;
}

static void *serve(void *context)
{
    device *d = context;
    while (!atomic_load(&d->stop)) {
        unsigned served = 0;
        unsigned refused = 0;
        struct pollfd p = { .fd = vch_pseudo_files_fd(d->files), .events = POLLIN };
        if (poll(&p, 1, 20) > 0
            && vch_pseudo_files_serve(d->files, &served, &refused, NULL) == VOUCH_OK)
            (void)atomic_fetch_add(&d->served, served);
    }
    return NULL;
}

void device_start(device *d, const world *w, uint8_t measurement)
{
    vouch_error err = { 0 };
    d->w = w;
    d->measurement = measurement;
    atomic_init(&d->stop, false);
    atomic_init(&d->served, 0U);
    uint8_t mrenclave[32], key[VCH_SIM_SEALING_KEY_SIZE];
    memset(mrenclave, measurement, sizeof mrenclave);
    CHECK_OK(vch_sim_platform_sealing_key(w->platform, mrenclave, key, &err), &err);
    vouch_span offered = { d->sealing_key != NULL ? d->sealing_key : key,
                           d->no_sealing_key ? 0 : sizeof key };
    CHECK_OK(vch_pseudo_files_new(offered, make_quote, d, &d->files, &err), &err);
    CHECK(pthread_create(&d->thread, NULL, serve, d) == 0);
}

void device_stop(device *d)
{
    atomic_store(&d->stop, true);
    CHECK(pthread_join(d->thread, NULL) == 0);
    vch_pseudo_files_free(d->files);
}
