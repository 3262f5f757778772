/* How a simulated platform's one SVN stands for its CPUSVN and 16 TCB components. Pure. */
#ifndef VCH_SIM_SVN_H
#define VCH_SIM_SVN_H

#include <stdint.h>
#include <string.h>

/* The same bytes are the CPUSVN of reports, of the PCK certificate, and the level's components. */
static inline void vch_sim_cpu_svn(uint8_t svn, uint8_t out[static 16])
{
    const uint8_t bytes[16] = { svn, svn, 2, 2, 4, 1, 0, 5 };
    memcpy(out, bytes, sizeof bytes);
}

#endif
