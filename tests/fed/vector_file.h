/* A file of tests/vectors/openfl. Who made them: make_vectors.py there. */
#ifndef VCH_TESTS_FED_VECTOR_FILE_H
#define VCH_TESTS_FED_VECTOR_FILE_H

#include "base/buffer.h"
#include "host/file.h"

static inline vch_buffer vector_file(const char *name)
{
    char path[VCH_PATH_SIZE];
    vouch_error err = { 0 };
    vch_buffer bytes = { 0 };
    CHECK_OK(vch_path_join(VCH_TEST_VECTORS "/openfl", name, path, &err), &err);
    CHECK_OK(vch_file_read(path, (size_t)1 << 24, &bytes, &err), &err);
    return bytes;
}

#endif
