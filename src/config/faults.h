/*
 * What is wrong with a file, all of it in one run, each with its place. Warnings stand in the same
 * list. One thread at a time.
 */
#ifndef VCH_CONFIG_FAULTS_H
#define VCH_CONFIG_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "vouch/attributes.h"
#include "vouch/error.h"

#define VCH_FAULT_MAX 64        /* further ones are counted, not kept */
#define VCH_FAULT_TEXT_SIZE 512 /* with its NUL */

typedef struct vch_fault {
    bool warning;                   /* the start goes on */
    char text[VCH_FAULT_TEXT_SIZE]; /* "plan.yaml:14:10: rounds_to_train is 0; ..." */
} vch_fault;

typedef struct vch_faults {
    size_t count; /* in `item` */
    size_t more;  /* beyond VCH_FAULT_MAX */
    size_t errors;
    vch_fault *item;    /* owned */
    bool out_of_memory; /* the file was not read to the end: that comes before what is wrong */
} vch_faults;

void vch_faults_done(vch_faults *f);

/* Note one at file:line:column; line 0: no place within the file. */
VOUCH_PRINTF(6, 7)
void vch_faults_add(vch_faults *f, bool warning, const char *file, size_t line, size_t column,
                    const char *fmt, ...);

/* The same for a value of a YAML document: at its place. */
struct vch_yaml_node;
VOUCH_PRINTF(3, 4)
void vch_faults_at(vch_faults *f, const struct vch_yaml_node *node, const char *fmt, ...);
VOUCH_PRINTF(3, 4)
void vch_faults_warn_at(vch_faults *f, const struct vch_yaml_node *node, const char *fmt, ...);

/* VOUCH_OK; VOUCH_E_CONFIG with the first error (and how many more there are) in `err`; or
 * VOUCH_E_MEMORY. */
VOUCH_MUST_CHECK vouch_code vch_faults_check(const vch_faults *f, vouch_error *err);

#endif
