/* Whatever the pull reader lets pass as a whole value it has read to its end, and reads again alike. */
#include "codec/json_pull.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_json_pull p;
    vouch_error err = { 0 };
    vch_json_pull_start(&p, (vouch_span) { data, size });
    vch_json_pull_skip(&p);
    vouch_code rc = vch_json_pull_finish(&p, "value", &err);
    if ((rc == VOUCH_OK) != (err.depth == 0) || (rc == VOUCH_OK && p.at != size))
        __builtin_trap();
    if (rc != VOUCH_OK)
        return 0;
    size_t members = 0;
    vouch_span name;
    vch_json_pull_start(&p, (vouch_span) { data, size });
    if (vch_json_pull_position(&p) < size && data[p.at] == '{') {
        vch_json_pull_object(&p);
        for (; vch_json_pull_member(&p, &name); members++)
            vch_json_pull_skip(&p);
        if (vch_json_pull_finish(&p, "value", NULL) != VOUCH_OK)
            __builtin_trap();
    }
    return 0;
}
