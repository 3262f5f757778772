/* Names of the values in vouch_claims, both ways. The struct itself is public: vouch/evidence.h. */
#ifndef VCH_EVIDENCE_CLAIMS_H
#define VCH_EVIDENCE_CLAIMS_H

#include "vouch/evidence.h"

/* VOUCH_TCB_NONE if the name is not one of Intel's, spelled exactly. */
vouch_tcb_status vch_tcb_status_from_name(vouch_span name);

#endif
