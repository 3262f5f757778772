/*
 * The model files that people and OpenFL's tools ask for: best, last, final. They are written, and
 * never read. The last one, since OpenFL 1.7 the model that a round starts from, is written while
 * collaborators work, so that the round's end need not wait for it.
 */
#include "fed/aggregator/model_file.h"
#include "fed/aggregator/state.h"

vouch_code vch_aggregator_save(const vch_aggregator *a, const char *path, const vch_model *model,
                               vouch_error *err)
{
    if (!a->options.keep_models)
        return VOUCH_OK;
    return vch_model_file_write(a->options.directory, path, &a->pipeline, model, err);
}

/* Nobody changes the model before the round's end, which waits for this. */
static void work(void *context)
{
    vch_aggregator *a = context;
    a->saving.rc = vch_aggregator_save(a, a->view->last_state_path, &a->model, NULL);
}

static void worked(void *context, bool was_run)
{
    vch_aggregator *a = context;
    bool is_saved = was_run && a->saving.rc == VOUCH_OK;
    a->saving.stage = is_saved ? VCH_SAVING_DONE : VCH_SAVING_NOT; /* then the round's end tries */
    vch_aggregator_poke(a);
}

void vch_aggregator_save_ahead(vch_aggregator *a)
{
    const vch_job job = { .context = a, .work = work, .done = worked };
    if (!a->options.keep_models || a->view->release->last_is_result || a->options.workers == NULL
        || a->saving.stage != VCH_SAVING_NOT)
        return;
    a->saving.stage = VCH_SAVING_RUNS;
    if (vch_workers_submit(a->options.workers, job, NULL) != VOUCH_OK)
        a->saving.stage = VCH_SAVING_NOT;
}

vouch_code vch_aggregator_save_last(const vch_aggregator *a, vouch_error *err)
{
    if (a->saving.stage == VCH_SAVING_DONE)
        return VOUCH_OK;
    return vch_aggregator_save(a, a->view->last_state_path, &a->model, err);
}
