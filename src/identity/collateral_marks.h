/*
 * How new the four signed documents of a set are: which document under which root, its number and
 * its date. Documents of one kind under one root never go back. Pure.
 */
#ifndef VCH_IDENTITY_COLLATERAL_MARKS_H
#define VCH_IDENTITY_COLLATERAL_MARKS_H

#include "store/collateral_store.h"
#include "vouch/collateral.h"
#include "vouch/error.h"

#define VCH_COLLATERAL_MARKS 4

/* `c` has no faults. */
VOUCH_MUST_CHECK vouch_code vch_collateral_marks(const vouch_collateral *c,
                                                 vch_stored_mark out[static VCH_COLLATERAL_MARKS],
                                                 vouch_error *err);

#endif
