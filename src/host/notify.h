/* Telling systemd how a service is: sd_notify(3) without its library. */
#ifndef VCH_HOST_NOTIFY_H
#define VCH_HOST_NOTIFY_H

#include "vouch/error.h"

/* "READY=1", "STOPPING=1" … Without NOTIFY_SOCKET there is nobody to tell, which is fine. */
VOUCH_MUST_CHECK vouch_code vch_notify(const char *state, vouch_error *err);

#endif
