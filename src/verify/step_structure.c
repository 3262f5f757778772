/* Step 1: what the bytes say. */
#include "verify/appraisal.h"

static const char *code_of(vouch_code rc)
{
    if (rc == VOUCH_E_TRUNCATED)
        return "quote_truncated";
    if (rc == VOUCH_E_UNSUPPORTED)
        return "quote_unsupported";
    if (rc == VOUCH_E_LIMIT)
        return "quote_too_large";
    return "quote_malformed";
}

void vch_step_structure(vch_work *w)
{
    vouch_error why = { 0 };
    vouch_code rc = vch_quote_parse(w->request->quote, &w->quote, &w->appraisal->claims, &why);
    if (rc == VOUCH_OK)
        return;
    char text[VCH_REASON_MESSAGE_SIZE];
    vch_reasons_add_values(vch_work_reasons(w), "structure", code_of(rc),
                           "a quote of version 3, 4 or 5", vouch_code_name(rc), "%s",
                           vouch_error_text(&why, text, sizeof text));
}
