/* Sealing roots for tests, and files to spoil. */
#ifndef VCH_TESTS_STORE_ROOTS_H
#define VCH_TESTS_STORE_ROOTS_H

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "host/file.h"
#include "store/seal.h"

#include "check.h"

static inline vch_seal_root *test_root_under(uint8_t key_byte, const char *name,
                                             uint8_t policy_byte)
{
    vouch_error err = { 0 };
    uint8_t key[32];
    uint8_t plan[32] = { 1 };
    uint8_t policy[32] = { policy_byte };
    vch_seal_root *root = NULL;
    memset(key, key_byte, sizeof key);
    const vch_seal_context context = {
        .plan_digest = plan, .policy_digest = policy, .role = "aggregator", .name = name
    };
    CHECK_OK(vch_seal_root_new((vouch_span) { key, sizeof key }, &context, &root, &err), &err);
    return root;
}

static inline vch_seal_root *test_root(uint8_t key_byte, const char *name)
{
    return test_root_under(key_byte, name, 2);
}

static inline vch_buffer test_read(const char *path)
{
    vouch_error err = { 0 };
    vch_buffer bytes = { 0 };
    CHECK_OK(vch_file_read(path, (size_t)1 << 28, &bytes, &err), &err);
    return bytes;
}

static inline void test_write(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *f = fopen(path, "wbe");
    CHECK(f != NULL);
    CHECK(fwrite(bytes, 1, size, f) == size);
    CHECK(fclose(f) == 0);
}

#endif
