/* YAML: a dump reads back, and dumps to the same text again. */
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "config/yaml.h"
#include "config/yaml_dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_yaml *doc = NULL;
    vch_yaml *again = NULL;
    vouch_error err = { 0 };
    vch_buffer first = vch_buffer_with_cap((size_t)1 << 26);
    vch_buffer second = vch_buffer_with_cap((size_t)1 << 26);
    if (vch_yaml_parse("f", (vouch_span) { data, size }, NULL, &doc, &err) != VOUCH_OK) {
        if (doc != NULL || err.depth == 0)
            __builtin_trap(); /* failed, yet wrote its output or gave no reason */
        return 0;
    }
    if (vch_yaml_dump(vch_yaml_root(doc), &first, &err) != VOUCH_OK)
        __builtin_trap();
    if (first.size <= VCH_YAML_MAX_SIZE) {
        if (vch_yaml_parse("f", vch_buffer_span(&first), NULL, &again, &err) != VOUCH_OK
            || vch_yaml_dump(vch_yaml_root(again), &second, &err) != VOUCH_OK
            || !vch_span_equal(vch_buffer_span(&first), vch_buffer_span(&second)))
            __builtin_trap();
    }
    vch_yaml_free(doc);
    vch_yaml_free(again);
    vch_buffer_drop(&first);
    vch_buffer_drop(&second);
    return 0;
}
