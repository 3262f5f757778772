/* Verify a quote: verify_quote QUOTE COLLATERAL_DIR [UNIX_TIME]. Build with `pkg-config --cflags --libs libvouch`. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <vouch/vouch.h>

static vouch_span read_file(const char *dir, const char *name)
{
    static uint8_t room[8][262144];
    static size_t used;
    char path[4096];
    (void)snprintf(path, sizeof path, "%s%s%s", dir, *dir != '\0' ? "/" : "", name);
    FILE *f = fopen(path, "rb");
    uint8_t *data = room[used++];
    size_t size = f == NULL ? 0 : fread(data, 1, sizeof room[0], f);
    if (f != NULL)
        (void)fclose(f);
    return (vouch_span) { data, size }; /* what is missing is empty, and refused below */
}

int main(int argc, char *argv[])
{
    if (argc != 3 && argc != 4)
        return 2;
    const char *dir = argv[2];
    vouch_error err = { 0 };
    vouch_verifier *verifier = NULL;
    vouch_collateral *collateral = NULL;
    vouch_appraisal *appraisal = NULL;
    vouch_collateral_parts parts = {
        .tcb_info = read_file(dir, "tcb_info.json"),
        .tcb_info_issuer_chain = read_file(dir, "tcb_info_issuer_chain.pem"),
        .qe_identity = read_file(dir, "qe_identity.json"),
        .qe_identity_issuer_chain = read_file(dir, "qe_identity_issuer_chain.pem"),
        .pck_crl = read_file(dir, "pck_crl.der"),
        .root_ca_crl = read_file(dir, "root_ca_crl.der"),
        .pck_chain = read_file(dir, "pck_chain.pem"),
    };
    vouch_request request = { .quote = read_file("", argv[1]),
                              .now_unix_s =
                                  argc == 4 ? strtoll(argv[3], NULL, 10) : (int64_t)time(NULL) };
    if (vouch_verifier_new(NULL, &verifier, &err) == VOUCH_OK
        && vouch_collateral_parse(&parts, &collateral, &err) == VOUCH_OK) {
        request.collateral = collateral;
        if (vouch_verifier_appraise(verifier, &request, &appraisal, &err) == VOUCH_OK)
            (void)printf("%s %s\n", vouch_appraisal_is_genuine(appraisal) ? "genuine" : "refused",
                         vouch_tcb_status_name(vouch_appraisal_claims(appraisal)->tcb_status));
    }
    for (size_t i = 0; i < vouch_appraisal_reason_count(appraisal); i++)
        (void)printf("  %s\n", vouch_appraisal_reason(appraisal, i).message);
    bool genuine = vouch_appraisal_is_genuine(appraisal);
    vouch_appraisal_free(appraisal);
    vouch_collateral_free(collateral);
    vouch_verifier_free(verifier);
    return genuine ? EXIT_SUCCESS : EXIT_FAILURE;
}
