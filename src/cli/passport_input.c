#include "cli/passport_input.h"

#include "cli/plan_load.h"
#include "crypto/pem.h"
#include "host/clock.h"
#include "host/file.h"

vouch_code vch_passport_file_read(const char *path, vch_passport **out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    vouch_code rc = vch_file_read(path, VCH_PASSPORT_MAX_SIZE, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_passport_parse(vch_buffer_span(&text), out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "'%s'", path);
}

vouch_code vch_passport_input_read(const vch_runtime *rt, const vch_passport_question *q,
                                   vch_passport_input *out, vouch_error *err)
{
    const vch_plan_options plan = { .plan = q->plan, .release = q->release };
    vouch_code rc = vch_policy_input_read(rt, q->policy, &out->policy, err);
    if (rc == VOUCH_OK && q->plan != NULL)
        rc = vch_cli_plan_load(rt, &plan, &out->plan, err);
    return rc == VOUCH_OK ? vch_passport_file_read(q->passport, &out->passport, err) : rc;
}

vouch_code vch_passport_input_judge(const vch_passport_input *input, const vch_passport_question *q,
                                    vch_passport_verdict *out, vouch_error *err)
{
    const vch_passport_expectation expected = {
        .file = input->policy.file,
        .policy = input->policy.policy,
        .plan_digest = input->plan == NULL ? NULL : vch_plan_look(input->plan)->claim,
        .at_given = q->at_given,
        .at_unix_s = q->at_unix_s,
        .now_unix_s = vch_clock_unix_s(),
        .current = q->current,
    };
    return vch_passport_verify(input->passport, &expected, out, err);
}

void vch_passport_input_drop(vch_passport_input *input)
{
    vch_policy_input_drop(&input->policy);
    vch_plan_free(input->plan);
    vch_passport_free(input->passport);
    *input = (vch_passport_input) { 0 };
}

vouch_code vch_passport_root_write(const vch_passport *p, const char *path, vouch_error *err)
{
    const vch_passport_contents *c = vch_passport_contents_of(p);
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    if (c->ca.size == 0)
        return vouch_fail(err, VOUCH_E_REFUSED, "the passport of '%s' holds no federation root",
                          c->name);
    vch_pem_encode(VCH_PEM_CERTIFICATE, c->ca, &pem);
    vouch_code rc = vch_buffer_finish(&pem, "root", err);
    return rc == VOUCH_OK ? vch_file_write(path, vch_buffer_span(&pem), 0644, err) : rc;
}
