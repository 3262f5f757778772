/* What a simulated vendor remembers beside its keys: vendor.json. One thread at a time. */
#ifndef VCH_SIM_VENDOR_STATE_H
#define VCH_SIM_VENDOR_STATE_H

#include <stdbool.h>

#include "sim/vendor.h"
#include "vouch/error.h"

bool vch_sim_vendor_state_exists(const char *dir);
VOUCH_MUST_CHECK vouch_code vch_sim_vendor_state_read(vch_sim_vendor *vendor, vouch_error *err);

/* One level for each status that a platform can have, without advisories. */
void vch_sim_levels_default(vch_sim_vendor *vendor);

#endif
