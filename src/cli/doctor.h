/*
 * `vouch doctor`: what this host has and lacks for attestation, each with its remedy. Looks, and
 * changes nothing but for an entry of configfs-tsm that it makes and removes. One thread at a time.
 */
#ifndef VCH_CLI_DOCTOR_H
#define VCH_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VCH_DOCTOR_FINDINGS_MAX 24

typedef enum vch_doctor_state {
    VCH_DOCTOR_OK = 1,
    VCH_DOCTOR_MISSING = 2,     /* needed here, and not there */
    VCH_DOCTOR_ABSENT = 3,      /* not there, and perhaps not needed */
    VCH_DOCTOR_UNSUPPORTED = 4, /* there, and not handled by Vouch */
    VCH_DOCTOR_UNKNOWN = 5      /* could not find out */
} vch_doctor_state;

typedef struct vch_doctor_finding {
    const char *check; /* "sgx.driver" */
    vch_doctor_state state;
    char message[320];
    const char *remedy; /* NULL: none is needed, or there is none */
} vch_doctor_finding;

typedef struct vch_doctor_question {
    const char *root;            /* the tree to look in: "" for this host */
    const char *attestation_dir; /* as given; NULL: the usual places */
    const char *collateral_dir;  /* NULL: not asked about */
    const char *url;             /* NULL: not asked about */
    const char *ca_file;         /* for `url`; NULL: the system's */
    int64_t now_unix_s;
} vch_doctor_question;

typedef struct vch_doctor_report {
    vch_doctor_finding finding[VCH_DOCTOR_FINDINGS_MAX];
    size_t count;
    const char *tee;    /* "sgx", "tdx" or NULL: where this process runs */
    const char *device; /* where its quotes come from, or NULL */
    char device_path[512];
} vch_doctor_report;

void vch_doctor_examine(const vch_doctor_question *question, vch_doctor_report *out);

/* Nothing that is needed is missing, and there is a device. */
bool vch_doctor_can_attest(const vch_doctor_report *report);

const char *vch_doctor_state_name(vch_doctor_state state);

#endif
