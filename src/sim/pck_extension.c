#include "sim/pck_extension.h"

#include <stdio.h>

#include "codec/der.h"
#include "sim/svn.h"
#include "sim/vendor.h"

#define SGX "1.2.840.113741.1.13.1"
#define SCALABLE 1 /* the SGX type of Xeon platforms */

/* Begin SEQUENCE { OID, ... }. */
static size_t begin_pair(vch_buffer *out, const char *oid)
{
    size_t pair = vch_der_begin(out, VCH_DER_SEQUENCE);
    vch_der_put_oid(out, oid);
    return pair;
}

static void put_octets(vch_buffer *out, const char *oid, const uint8_t *data, size_t size)
{
    size_t pair = begin_pair(out, oid);
    vch_der_put(out, VCH_DER_OCTET_STRING, (vouch_span) { data, size });
    vch_der_end(out, pair);
}

static void put_number(vch_buffer *out, const char *oid, unsigned value)
{
    size_t pair = begin_pair(out, oid);
    vch_der_put_uint(out, value);
    vch_der_end(out, pair);
}

static void put_tcb(vch_buffer *out, const uint8_t components[static 16])
{
    size_t pair = begin_pair(out, SGX ".2");
    size_t list = vch_der_begin(out, VCH_DER_SEQUENCE);
    for (unsigned i = 0; i < 16; i++) {
        char oid[sizeof SGX + 8];
        (void)snprintf(oid, sizeof oid, SGX ".2.%u", i + 1);
        put_number(out, oid, components[i]);
    }
    put_number(out, SGX ".2.17", VCH_SIM_PCE_SVN);
    put_octets(out, SGX ".2.18", components, 16);
    vch_der_end(out, list);
    vch_der_end(out, pair);
}

/* Dynamic platform, cached keys, SMT: all off, the configuration that no policy objects to. */
static void put_configuration(vch_buffer *out)
{
    static const char *const oids[] = { SGX ".7.1", SGX ".7.2", SGX ".7.3" };
    size_t pair = begin_pair(out, SGX ".7");
    size_t list = vch_der_begin(out, VCH_DER_SEQUENCE);
    for (size_t i = 0; i < sizeof oids / sizeof oids[0]; i++) {
        size_t flag = begin_pair(out, oids[i]);
        vch_der_put_boolean(out, false);
        vch_der_end(out, flag);
    }
    vch_der_end(out, list);
    vch_der_end(out, pair);
}

vouch_code vch_sim_pck_extension(const vch_sim_platform *p, vch_buffer *out, vouch_error *err)
{
    static const uint8_t sgx_type[] = { SCALABLE };
    uint8_t components[16];
    vch_sim_cpu_svn(p->svn, components);
    size_t list = vch_der_begin(out, VCH_DER_SEQUENCE);
    put_octets(out, SGX ".1", p->ppid, sizeof p->ppid);
    put_tcb(out, components);
    put_octets(out, SGX ".3", vch_sim_pceid, sizeof vch_sim_pceid);
    put_octets(out, SGX ".4", vch_sim_fmspc, sizeof vch_sim_fmspc);
    size_t pair = begin_pair(out, SGX ".5");
    vch_der_put(out, VCH_DER_ENUMERATED, (vouch_span) { sgx_type, sizeof sgx_type });
    vch_der_end(out, pair);
    put_octets(out, SGX ".6", p->piid, sizeof p->piid);
    put_configuration(out);
    vch_der_end(out, list);
    return vch_buffer_finish(out, "PCK extension", err);
}
