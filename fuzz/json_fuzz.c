/* JSON: limits hold, a member's bytes parse to the member, and what is written reads back. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/json.h"
#include "codec/json_writer.h"

static const vch_json_limits limits = { .size = (size_t)1 << 20, .depth = 16 };

static void check_member(vouch_span text, const vch_json *tree)
{
    vouch_span found = { NULL, 0 };
    bool plain = memchr(text.data, '\\', text.size) == NULL;
    vouch_code rc = vch_json_member_span(text, "a", &found, NULL);
    if (rc == VOUCH_OK && vch_json_member(tree, "a") == NULL)
        __builtin_trap();
    if (rc != VOUCH_OK && plain && vch_json_member(tree, "a") != NULL)
        __builtin_trap();
    if (rc == VOUCH_OK
        && (found.data < text.data || found.size == 0
            || found.data + found.size > text.data + text.size))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vouch_span text = { data, size };
    vouch_error err = { 0 };
    vch_json *tree = NULL;
    if (vch_json_parse(text, &limits, &tree, &err) != VOUCH_OK) {
        vouch_span found;
        if (tree != NULL || err.depth == 0)
            __builtin_trap(); /* failed, yet wrote its output or gave no reason */
        (void)vch_json_member_span(text, "a", &found, NULL);
        return 0;
    }
    check_member(text, tree);
    vch_buffer out = vch_buffer_with_cap((size_t)1 << 24);
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_json_begin_array(&w);
    vch_json_value(&w, tree);
    vch_json_string_span(&w, text);
    vch_json_end(&w);
    const vch_json_limits wider = { .size = (size_t)1 << 24, .depth = 17 };
    vch_json *again = NULL;
    if (vch_json_parse(vch_buffer_span(&out), &wider, &again, NULL) != VOUCH_OK)
        __builtin_trap();
    vch_json_free(again);
    vch_json_free(tree);
    vch_buffer_drop(&out);
    return 0;
}
