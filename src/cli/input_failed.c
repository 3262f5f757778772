#include "cli/input_failed.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "codec/json_writer.h"

#define OUTPUT_CAP ((size_t)1 << 16)

static bool is_malformed(vouch_code rc)
{
    return rc == VOUCH_E_FORMAT || rc == VOUCH_E_TRUNCATED || rc == VOUCH_E_LIMIT
           || rc == VOUCH_E_UNSUPPORTED;
}

int vch_input_failed(const vch_runtime *rt, const char *command, bool json, vouch_code rc,
                     const vouch_error *err)
{
    char text[1024];
    int status = vch_command_fail(rt, command, rc, err);
    if (is_malformed(rc))
        status = VCH_EXIT_NO;
    if (!json)
        return status;
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "result", "reject");
    vch_json_key(&w, "reasons");
    vch_json_begin_array(&w);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "step", "input");
    vch_json_put_string(&w, "code", vouch_code_name(rc));
    vch_json_put_string(&w, "message", vouch_error_text(err, text, sizeof text));
    vch_json_end(&w);
    vch_json_end(&w);
    vch_json_end(&w);
    return vch_command_answer(rt, command, &out, status);
}
