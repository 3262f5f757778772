#include "evidence/pck_ext.h"

#include <string.h>

#include "codec/der.h"

/* DER content of 1.2.840.113741.1.13.1; each element's OID is this and one or two arcs more. */
static const uint8_t base_oid[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };

enum { PPID = 1, TCB = 2, PCEID = 3, FMSPC = 4, SGX_TYPE = 5, PIID = 6, CONFIGURATION = 7 };
enum { TCB_PCE_SVN = 17, TCB_CPU_SVN = 18 };
enum { DYNAMIC_PLATFORM = 1, CACHED_KEYS = 2, SMT_ENABLED = 3 };

#define BITS(first, last) ((1U << ((last) + 1)) - (1U << (first)))

/*
 * Open the next (OID, value) pair: the OID must be the base, then `parent` if it is not 0, then one
 * arc from 1 to `last`, which is returned and marked in `seen`; 0 on failure.
 */
static unsigned next_arc(vch_der *pair, unsigned parent, unsigned last, unsigned *seen)
{
    vouch_span oid = vch_der_oid(pair);
    size_t depth = parent == 0 ? 1 : 2;
    if (pair->failed != VOUCH_OK)
        return 0;
    if (oid.size != sizeof base_oid + depth || memcmp(oid.data, base_oid, sizeof base_oid) != 0
        || (parent != 0 && oid.data[sizeof base_oid] != parent) || oid.data[oid.size - 1] < 1
        || oid.data[oid.size - 1] > last) {
        vch_der_refuse(pair, "an unknown element");
        return 0;
    }
    unsigned arc = oid.data[oid.size - 1];
    if ((*seen & (1U << arc)) != 0) {
        vch_der_refuse(pair, "an element stands twice");
        return 0;
    }
    *seen |= 1U << arc;
    return arc;
}

static void read_octets(vch_der *d, uint8_t *out, size_t size)
{
    vouch_span octets = vch_der_next(d, VCH_DER_OCTET_STRING);
    if (d->failed != VOUCH_OK)
        return;
    if (octets.size != size)
        vch_der_refuse(d, "an OCTET STRING of another size");
    else
        memcpy(out, octets.data, size);
}

static uint64_t read_number(vch_der *d, uint64_t max)
{
    uint64_t v = vch_der_uint(d);
    if (v > max)
        vch_der_refuse(d, "a security version out of range");
    return v;
}

static void read_tcb(vch_der *d, vch_pck_ext *ext)
{
    unsigned seen = 0;
    vch_der list = vch_der_enter(d, VCH_DER_SEQUENCE);
    while (vch_der_more(&list)) {
        vch_der pair = vch_der_enter(&list, VCH_DER_SEQUENCE);
        unsigned arc = next_arc(&pair, TCB, TCB_CPU_SVN, &seen);
        if (arc == TCB_CPU_SVN)
            read_octets(&pair, ext->cpu_svn, sizeof ext->cpu_svn);
        else if (arc == TCB_PCE_SVN)
            ext->pce_svn = (uint16_t)read_number(&pair, UINT16_MAX);
        else if (arc != 0)
            ext->svn[arc - 1] = (uint8_t)read_number(&pair, UINT8_MAX);
        vch_der_leave(&list, &pair);
    }
    vch_der_leave(d, &list);
    if (d->failed == VOUCH_OK && seen != BITS(1, TCB_CPU_SVN))
        vch_der_refuse(d, "a TCB element is missing");
}

static void read_configuration(vch_der *d, vch_pck_ext *ext)
{
    unsigned seen = 0;
    vch_der list = vch_der_enter(d, VCH_DER_SEQUENCE);
    while (vch_der_more(&list)) {
        vch_der pair = vch_der_enter(&list, VCH_DER_SEQUENCE);
        unsigned arc = next_arc(&pair, CONFIGURATION, SMT_ENABLED, &seen);
        vouch_flag flag = vch_der_boolean(&pair) ? VOUCH_FLAG_YES : VOUCH_FLAG_NO;
        if (arc == DYNAMIC_PLATFORM)
            ext->dynamic_platform = flag;
        else if (arc == CACHED_KEYS)
            ext->cached_keys = flag;
        else if (arc == SMT_ENABLED)
            ext->smt_enabled = flag;
        vch_der_leave(&list, &pair);
    }
    vch_der_leave(d, &list);
}

static void read_element(vch_der *pair, unsigned arc, vch_pck_ext *ext)
{
    switch (arc) {
    case PPID:
        read_octets(pair, ext->ppid, sizeof ext->ppid);
        break;
    case TCB:
        read_tcb(pair, ext);
        break;
    case PCEID:
        read_octets(pair, ext->pceid, sizeof ext->pceid);
        break;
    case FMSPC:
        read_octets(pair, ext->fmspc, sizeof ext->fmspc);
        break;
    case SGX_TYPE: /* standard, scalable, scalable with integrity: decides nothing here */
        if (vch_der_enumerated(pair) > 2)
            vch_der_refuse(pair, "an unknown SGX type");
        break;
    case PIID:
        read_octets(pair, ext->piid, sizeof ext->piid);
        ext->has_piid = true;
        break;
    case CONFIGURATION:
        read_configuration(pair, ext);
        break;
    default:
        break;
    }
}

vouch_code vch_pck_ext_parse(vouch_span value, vch_pck_ca ca, vch_pck_ext *out, vouch_error *err)
{
    vch_pck_ext ext = { 0 };
    unsigned seen = 0;
    vch_der d = vch_der_over(value);
    vch_der list = vch_der_enter(&d, VCH_DER_SEQUENCE);
    while (vch_der_more(&list)) {
        vch_der pair = vch_der_enter(&list, VCH_DER_SEQUENCE);
        read_element(&pair, next_arc(&pair, 0, CONFIGURATION, &seen), &ext);
        vch_der_leave(&list, &pair);
    }
    vch_der_leave(&d, &list);
    vouch_code rc = vch_der_finish(&d, "SGX extension", err);
    if (rc != VOUCH_OK)
        return rc;
    if (seen != (ca == VCH_PCK_CA_PLATFORM ? BITS(PPID, CONFIGURATION) : BITS(PPID, SGX_TYPE)))
        return vouch_fail(err, VOUCH_E_FORMAT,
                          "SGX extension: not the elements that its CA puts there");
    *out = ext;
    return VOUCH_OK;
}
