/* Reading a file of tests/vectors into memory. */
#ifndef VCH_TESTS_VECTORS_H
#define VCH_TESTS_VECTORS_H

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "vouch/span.h"

/* The whole of tests/vectors/<name>; free() its data. Fails the test if it cannot be read. */
static inline vouch_span vector_file(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", VCH_TEST_VECTORS, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("cannot open %s", path);
    size_t capacity = (size_t)4 << 20;
    uint8_t *data = malloc(capacity);
    size_t size = fread(data, 1, capacity, f);
    (void)fclose(f);
    CHECK(size < capacity);
    return (vouch_span) { data, size };
}

#endif
