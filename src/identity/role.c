#include "identity/attestation_file.h"

#include <string.h>

const char *vch_role_name(vch_role role)
{
    switch (role) {
    case VCH_ROLE_AGGREGATOR:
        return "aggregator";
    case VCH_ROLE_COLLABORATOR:
        return "collaborator";
    }
    return "";
}

vouch_code vch_role_parse(const char *text, vch_role *out, vouch_error *err)
{
    if (strcmp(text, "aggregator") == 0)
        *out = VCH_ROLE_AGGREGATOR;
    else if (strcmp(text, "collaborator") == 0)
        *out = VCH_ROLE_COLLABORATOR;
    else
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "'%.40s' is no role; it must be aggregator or collaborator", text);
    return VOUCH_OK;
}

const vch_member *vch_federation_member(const vch_federation *f, const char *name)
{
    for (size_t i = 0; i < f->member_count; i++) {
        if (strcmp(f->members[i].name, name) == 0)
            return &f->members[i];
    }
    return NULL;
}
