#include "side.h"

#include <stdio.h>

#include "base/scope.h"
#include "check.h"
#include "crypto/cert_builder.h"
#include "crypto/pem.h"

static int64_t read_clock(void *clock)
{
    (void)clock;
    return WORLD_NOW;
}

static void observe(void *observer, const vch_admission *verdict)
{
    side *s = observer;
    s->last = *verdict;
    s->told++;
}

void side_write_pki(side *s, const world *w, world_site site, const char *name)
{
    static const uint8_t serial[] = { 0x45 };
    vouch_error err = { 0 };
    char file[64];
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(8192);
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(16384);
    const vch_name_part subject = { "CN", name };
    const vch_cert_options options = { .subject = &subject,
                                       .subject_count = 1,
                                       .signer = w->site[site],
                                       .serial = { serial, sizeof serial },
                                       .not_before_unix_s = WORLD_NOW - 86400,
                                       .not_after_unix_s = WORLD_NOW + 86400,
                                       .pathlen = VCH_PATHLEN_NONE };
    (void)snprintf(file, sizeof file, "%s.key", name);
    CHECK_OK(vch_path_join(w->dir, file, s->key, &err), &err);
    (void)snprintf(file, sizeof file, "%s.crt", name);
    CHECK_OK(vch_path_join(w->dir, file, s->cert, &err), &err);
    CHECK_OK(vch_key_private_pem(w->site[site], VCH_KEY_FORM_PKCS8, &key, &err), &err);
    CHECK_OK(vch_file_write(s->key, (vouch_span) { key.data, key.size }, 0600, &err), &err);
    CHECK_OK(vch_cert_build(&options, &der, &err), &err);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&der), &pem);
    CHECK_OK(vch_file_write(s->cert, vch_buffer_span(&pem), 0644, &err), &err);
}

void side_join(side *s, const world *w, world_site site, const char *name, const device *d,
               const world_policy *policy, const side *trusted)
{
    vouch_error err = { 0 };
    char local[3 * VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(65536);
    (void)snprintf(local, sizeof local,
                   "  attestation_dir: '%s'\n  enrolment: {cert: '%s', key: '%s'}\n",
                   vch_pseudo_files_directory(d->files), s->cert, s->key);
    world_policy whole = policy == NULL ? (world_policy) { .token = "off" } : *policy;
    whole.local = local;
    world_policy_text(w, &whole, &text);
    CHECK_OK(vch_attestation_file_parse(vch_buffer_span(&text), name, NULL, NULL, &s->file, &err),
             &err);
    const vch_participant_options o = { .file = s->file,
                                        .role = site == WORLD_AGG ? VCH_ROLE_AGGREGATOR
                                                                  : VCH_ROLE_COLLABORATOR,
                                        .name = name,
                                        .address = site == WORLD_AGG ? WORLD_AGGREGATOR : NULL,
                                        .plan_digest = w->plan,
                                        .pki_chain = trusted->cert,
                                        .now_unix_s = read_clock };
    CHECK_OK(vch_participant_new(&o, &s->participant, &err), &err);
    CHECK_OK(vch_roster_new(vch_attestation_file_federation(s->file), &s->roster, &err), &err);
    const vch_gate_options g = {
        .participant = s->participant, .roster = s->roster, .on_verdict = observe, .observer = s
    };
    CHECK_OK(vch_gate_new(&g, &s->gate, &err), &err);
}

void side_leave(side *s)
{
    vch_gate_free(s->gate);
    vch_roster_free(s->roster);
    vch_participant_free(s->participant);
    vch_attestation_file_free(s->file);
}
