#include "cli/scratch.h"

#include <stdlib.h>

vouch_code vch_scratch_make(const char *output, const char *prefix, vch_scratch *out,
                            vouch_error *err)
{
    char parent[VCH_PATH_SIZE];
    vouch_code rc = vch_path_directory(output, parent, err);
    if (rc != VOUCH_OK)
        return rc;
    char *real = realpath(parent, NULL);
    if (real == NULL)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "there is no directory '%s'", parent);
    rc = vch_dir_make_temporary(real, prefix, out->dir, err);
    free(real);
    return rc;
}

void vch_scratch_drop(vch_scratch *s)
{
    vouch_error ignored = { 0 };
    if (s->dir[0] != '\0') /* what it fails with is less than what happened */
        (void)!vch_dir_remove_tree(s->dir, &ignored);
    s->dir[0] = '\0';
}
