/* All of libvouch. */
#ifndef VOUCH_VOUCH_H
#define VOUCH_VOUCH_H

#include "vouch/attributes.h"
#include "vouch/collateral.h"
#include "vouch/error.h"
#include "vouch/evidence.h"
#include "vouch/span.h"
#include "vouch/token.h"
#include "vouch/verifier.h"

#endif
