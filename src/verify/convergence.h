/* How the statuses of the parts make that of the whole (spec section 4, steps 16 and 17). Pure. */
#ifndef VCH_VERIFY_CONVERGENCE_H
#define VCH_VERIFY_CONVERGENCE_H

#include "vouch/evidence.h"

/* The platform's status with those of its quoting enclave and its TDX module (UpToDate if there is
 * none). Not "the worst of". */
vouch_tcb_status vch_converge(vouch_tcb_status platform, vouch_tcb_status qe,
                              vouch_tcb_status module);

/* TD report 1.5: the status at launch with the status of now. */
vouch_tcb_status vch_relaunch(vouch_tcb_status launch, vouch_tcb_status current);

#endif
