/* Steps that the parts of `vouch demo` share. One thread. */
#ifndef VCH_CLI_DEMO_STEPS_H
#define VCH_CLI_DEMO_STEPS_H

#include "cli/demo_scene.h"

/* The words of a command line, NULL-terminated. */
#define ARGV(...) ((const char *const[]) { __VA_ARGS__, NULL })

/* Run a command that prints one JSON object. Free it with vch_json_free(). */
VOUCH_MUST_CHECK vouch_code vch_demo_ask(const vch_demo_scene *scene, const char *inside,
                                         const char *const *argv, vch_json **out, vouch_error *err);

/* Copy a text member into `out` of `size` bytes. */
VOUCH_MUST_CHECK vouch_code vch_demo_copy_member(const vch_json *object, const char *name,
                                                 char *out, size_t size, vouch_error *err);

#endif
