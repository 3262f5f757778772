/* Steps by themselves, over collateral and a platform made by hand: what no genuine document holds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "verify/appraisal.h"

#define IDS 100

typedef struct scene {
    vouch_verifier verifier;
    vouch_collateral collateral;
    vouch_request request;
    vouch_appraisal appraisal;
    vch_platform platform;
    vch_work work;
    vch_tcb_level level;
    vch_svn_level qe_level;
    char text[IDS][32];
    vouch_span ids[IDS];
} scene;

/* A platform at its only level, with `count` advisories; ids in falling order. */
static void make(scene *s, size_t count)
{
    *s = (scene) { 0 };
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(s->text[i], sizeof s->text[i], "INTEL-SA-%05zu", count - i);
        s->ids[i] = (vouch_span) { (const uint8_t *)s->text[i], strlen(s->text[i]) };
    }
    s->level.facts = (vch_level_facts) { .date_unix_s = 200,
                                         .status = VOUCH_TCB_UP_TO_DATE,
                                         .advisory_count = count };
    s->qe_level.facts = (vch_level_facts) { .date_unix_s = 100, .status = VOUCH_TCB_UP_TO_DATE };
    s->collateral.tcb_info.levels = &s->level;
    s->collateral.tcb_info.level_count = 1;
    s->collateral.tcb_info.tee = VOUCH_TEE_SGX;
    s->collateral.tcb_info.advisories = (vch_advisories) { s->ids, count, count };
    s->collateral.qe_identity.levels = (vch_svn_levels) { &s->qe_level, 1, 1 };
    s->collateral.qe_identity.id = VCH_ENCLAVE_QE;
    s->request.collateral = &s->collateral;
    s->work = (vch_work) { .verifier = &s->verifier,
                           .request = &s->request,
                           .appraisal = &s->appraisal,
                           .platform = &s->platform };
    s->work.quote.header.tee = VOUCH_TEE_SGX;
    s->work.quote.body_type = VCH_BODY_SGX;
}

static void drop(scene *s)
{
    free(s->appraisal.advisories);
    vch_reasons_drop(&s->appraisal.reasons);
}

static void expect_codes(scene *s, const char *want)
{
    char got[512] = "";
    for (size_t i = 0; i < s->appraisal.reasons.count; i++) {
        size_t used = strlen(got);
        (void)snprintf(got + used, sizeof got - used, "%s ", s->appraisal.reasons.list[i].code);
    }
    assert_string_equal(got, want);
}

void *__real_calloc(size_t count, size_t size); /* NOLINT: the linker's names */
void *__wrap_calloc(size_t count, size_t size); /* NOLINT */

static size_t no_room_for; /* so many items of a list; 0: room for all */

void *__wrap_calloc(size_t count, size_t size) /* NOLINT */
{
    return no_room_for > 0 && count >= no_room_for ? NULL : __real_calloc(count, size);
}

static void more_advisories_than_there_is_memory_for_are_no_verdict(void **state)
{
    (void)state;
    static scene s;
    vouch_error err = { 0 };
    make(&s, IDS);
    no_room_for = IDS;
    CHECK(vch_step_tcb(&s.work, &err) == VOUCH_E_MEMORY);
    CHECK(s.appraisal.claims.tcb_status == VOUCH_TCB_NONE);
    no_room_for = 0;
    CHECK_OK(vch_step_tcb(&s.work, &err), &err);
    vouch_appraisal *copy = NULL;
    no_room_for = IDS;
    CHECK(vch_appraisal_copy(&s.appraisal, &copy, &err) == VOUCH_E_MEMORY && copy == NULL);
    no_room_for = 0;
    drop(&s);
}

static void many_advisories_are_all_shown(void **state)
{
    (void)state;
    static const size_t counts[] = { 0, 1, 64, 65, IDS };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        static scene s;
        vouch_error err = { 0 };
        make(&s, counts[i]);
        CHECK_OK(vch_step_tcb(&s.work, &err), &err);
        const vouch_claims *c = &s.appraisal.claims;
        CHECK(c->tcb_status == VOUCH_TCB_UP_TO_DATE && c->tcb_date_unix_s == 100);
        CHECK(c->advisory_count == counts[i] && c->current_advisory_count == counts[i]);
        for (size_t j = 1; j < c->advisory_count; j++)
            CHECK(strcmp(c->advisory_ids[j - 1], c->advisory_ids[j]) < 0);
        vouch_appraisal *copy = NULL;
        CHECK_OK(vch_appraisal_copy(&s.appraisal, &copy, &err), &err);
        CHECK(copy->claims.advisory_count == counts[i]);
        for (size_t j = 0; j < counts[i]; j++) {
            CHECK(copy->claims.advisory_ids[j] != c->advisory_ids[j]); /* its own */
            assert_string_equal(copy->claims.advisory_ids[j], c->advisory_ids[j]);
            assert_string_equal(copy->claims.current_advisory_ids[j], c->advisory_ids[j]);
        }
        vouch_appraisal_free(copy);
        drop(&s);
    }
}

/* Each component and the PCESVN by itself, one below and one at what the level asks. */
static void every_component_counts_by_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i <= 16; i++) {
        static scene s;
        vouch_error err = { 0 };
        make(&s, 0);
        memset(s.level.sgx, 5, sizeof s.level.sgx);
        memset(s.platform.pck.svn, 5, sizeof s.platform.pck.svn);
        s.level.pce_svn = s.platform.pck.pce_svn = 11;
        CHECK_OK(vch_step_tcb(&s.work, &err), &err);
        CHECK(s.appraisal.claims.tcb_status == VOUCH_TCB_UP_TO_DATE);
        s.appraisal.claims.tcb_status = VOUCH_TCB_NONE;
        if (i < 16)
            s.platform.pck.svn[i] = 4;
        else
            s.platform.pck.pce_svn = 10;
        CHECK_OK(vch_step_tcb(&s.work, &err), &err);
        CHECK(s.appraisal.claims.tcb_status == VOUCH_TCB_NONE);
        expect_codes(&s, "tcb_not_supported ");
        drop(&s);
    }
}

/* What the quoting enclave must be, field by field and bit by bit under the mask. */
static void each_field_of_the_quoting_enclave_is_compared(void **state)
{
    (void)state;
    static scene s;
    make(&s, 0);
    vch_qe_identity *id = &s.collateral.qe_identity;
    vouch_sgx_claims *qe = &s.work.quote.sig.qe;
    id->misc_select_mask = 0xffffffff;
    memset(id->attributes_mask, 0xff, sizeof id->attributes_mask);
    vch_step_qe(&s.work);
    expect_codes(&s, "");
    for (unsigned bit = 0; bit < 32 + 64 + 64 + 256 + 16; bit++) {
        vouch_sgx_claims was = *qe;
        if (bit < 32)
            qe->misc_select ^= 1U << bit;
        else if (bit < 96)
            qe->attribute_flags ^= UINT64_C(1) << (bit - 32);
        else if (bit < 160)
            qe->xfrm ^= UINT64_C(1) << (bit - 96);
        else if (bit < 416)
            qe->mrsigner[(bit - 160) / 8] ^= (uint8_t)(1U << (bit % 8));
        else
            qe->isv_prod_id ^= (uint16_t)(1U << (bit - 416));
        vch_step_qe(&s.work);
        expect_codes(&s, "qe_identity_mismatch ");
        vch_reasons_drop(&s.appraisal.reasons);
        *qe = was;
    }
    id->misc_select_mask = 0; /* outside of the masks nothing is asked */
    memset(id->attributes_mask, 0, sizeof id->attributes_mask);
    qe->misc_select = 1;
    qe->attribute_flags = qe->xfrm = UINT64_MAX;
    vch_step_qe(&s.work);
    expect_codes(&s, "");
}

static void the_collateral_must_be_of_the_tee_and_the_platform(void **state)
{
    (void)state;
    static scene s;
    make(&s, 0);
    s.collateral.tcb_info.tee = VOUCH_TEE_TDX;
    vch_step_qe(&s.work);
    expect_codes(&s, "tcb_info_tee_mismatch ");
    drop(&s);
    for (int id = VCH_ENCLAVE_TD_QE; id <= VCH_ENCLAVE_QAE; id++) {
        make(&s, 0);
        s.collateral.qe_identity.id = (vch_enclave_id)id;
        vch_step_qe(&s.work);
        expect_codes(&s, "qe_identity_tee_mismatch ");
        drop(&s);
    }
    make(&s, 0);
    s.platform.pck.fmspc[5] = 1;
    vch_step_qe(&s.work);
    expect_codes(&s, "fmspc_mismatch ");
    drop(&s);
    make(&s, 0);
    s.platform.pck.pceid[1] = 1;
    vch_step_qe(&s.work);
    expect_codes(&s, "pceid_mismatch ");
    drop(&s);
}

/* Everything holds from 100 to 900, and it is 500. */
static void make_dated(scene *s)
{
    static uint8_t der[1]; /* there is a second issuer chain */
    make(s, 0);
    vouch_collateral *c = &s->collateral;
    s->verifier.root_count = 1; /* its digest is zero, like those of chain and collateral */
    s->request.now_unix_s = 500;
    c->qe_identity_chain.der = der;
    int64_t *from[] = { &c->tcb_info.issued_unix_s,
                        &c->qe_identity.issued_unix_s,
                        &c->root_crl.this_update_unix_s,
                        &c->tcb_info_chain.root.not_before_unix_s,
                        &c->tcb_info_chain.leaf.not_before_unix_s,
                        &c->qe_identity_chain.root.not_before_unix_s,
                        &c->qe_identity_chain.leaf.not_before_unix_s };
    int64_t *to[] = { &c->tcb_info.next_update_unix_s,
                      &c->qe_identity.next_update_unix_s,
                      &c->root_crl.next_update_unix_s,
                      &c->tcb_info_chain.root.not_after_unix_s,
                      &c->tcb_info_chain.leaf.not_after_unix_s,
                      &c->qe_identity_chain.root.not_after_unix_s,
                      &c->qe_identity_chain.leaf.not_after_unix_s };
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        *from[i] = 100;
        *to[i] = 900;
    }
}

static int64_t *date_of(vouch_collateral *c, size_t i, bool end)
{
    vch_cert *certs[] = { &c->tcb_info_chain.root, &c->tcb_info_chain.leaf,
                          &c->qe_identity_chain.root, &c->qe_identity_chain.leaf };
    if (i >= 3)
        return end ? &certs[i - 3]->not_after_unix_s : &certs[i - 3]->not_before_unix_s;
    if (i == 0)
        return end ? &c->tcb_info.next_update_unix_s : &c->tcb_info.issued_unix_s;
    if (i == 1)
        return end ? &c->qe_identity.next_update_unix_s : &c->qe_identity.issued_unix_s;
    return end ? &c->root_crl.next_update_unix_s : &c->root_crl.this_update_unix_s;
}

static void each_part_of_the_collateral_must_hold_by_itself(void **state)
{
    (void)state;
    static scene s;
    make_dated(&s);
    vch_step_collateral(&s.work);
    expect_codes(&s, "");
    for (size_t i = 0; i < 7; i++) {
        make_dated(&s);
        *date_of(&s.collateral, i, true) = 499;
        vch_step_collateral(&s.work);
        expect_codes(&s, i < 3 ? "collateral_expired " : "certificate_expired ");
        drop(&s);
        make_dated(&s);
        *date_of(&s.collateral, i, true) = 500; /* inclusive */
        *date_of(&s.collateral, i, false) = 500;
        vch_step_collateral(&s.work);
        expect_codes(&s, "");
        *date_of(&s.collateral, i, false) = 501;
        *date_of(&s.collateral, i, true) = 900;
        vch_step_collateral(&s.work);
        expect_codes(&s, i < 3 ? "collateral_not_yet_valid " : "certificate_not_yet_valid ");
        drop(&s);
    }
    make_dated(&s);
    s.verifier.root_count = 0;
    vch_step_collateral(&s.work);
    expect_codes(&s, "root_not_trusted ");
    drop(&s);
    make_dated(&s);
    s.platform.root_digest[31] = 1;
    vch_step_collateral(&s.work);
    expect_codes(&s, "roots_differ ");
    drop(&s);
}

/* A TD of module version 0, whose identity is tdxModule. */
static void a_modules_attributes_are_those_of_its_identity_and_zero(void **state)
{
    (void)state;
    for (unsigned identity = 0; identity < 2; identity++) {
        for (unsigned found = 0; found < 2; found++) {
            static scene s;
            vouch_error err = { 0 };
            make(&s, 0);
            s.work.quote.header.tee = VOUCH_TEE_TDX;
            s.work.quote.body_type = VCH_BODY_TD_10;
            s.collateral.tcb_info.module_0.attributes[7] = (uint8_t)identity;
            s.appraisal.claims.tdx.seam_attributes[7] = (uint8_t)found;
            CHECK_OK(vch_step_tcb(&s.work, &err), &err);
            expect_codes(&s, identity + found == 0 ? "" : "tdx_module_mismatch ");
            drop(&s);
        }
    }
    static scene s;
    vouch_error err = { 0 };
    make(&s, 0);
    s.work.quote.header.tee = VOUCH_TEE_TDX;
    s.work.quote.body_type = VCH_BODY_TD_15;
    s.appraisal.claims.tdx.tee_tcb_svn_2[1] = 7; /* no such module now */
    CHECK_OK(vch_step_tcb(&s.work, &err), &err);
    expect_codes(&s, "tdx_module_identity_missing ");
    drop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(many_advisories_are_all_shown),
        TEST(more_advisories_than_there_is_memory_for_are_no_verdict),
        TEST(every_component_counts_by_itself),
        TEST(each_field_of_the_quoting_enclave_is_compared),
        TEST(each_part_of_the_collateral_must_hold_by_itself),
        TEST(a_modules_attributes_are_those_of_its_identity_and_zero),
        TEST(the_collateral_must_be_of_the_tee_and_the_platform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
