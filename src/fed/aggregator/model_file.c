#include "fed/aggregator/model_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/scope.h"
#include "crypto/hash.h"
#include "fed/wire/model_proto.h"
#include "fed/wire/protobuf.h"

#define TENSOR_KEY 10U /* field 1, a message */
#define HEAD_MAX ((size_t)11)
#define TENSOR_MESSAGE_MAX (VCH_TENSOR_DATA_MAX + ((size_t)1 << 24)) /* with its metadata */

static vouch_code check_digest(const uint8_t digest[static VCH_SHA256_SIZE],
                               const uint8_t sha256[static VCH_SHA256_SIZE], vouch_error *err)
{
    if (memcmp(digest, sha256, VCH_SHA256_SIZE) != 0)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "it is not the initial_model that attestation.yaml names");
    return VOUCH_OK;
}

vouch_code vch_model_file_read(const char *directory, const char *path,
                               const vch_pipeline *pipeline, vch_model *out, vouch_error *err)
{
    return vch_model_file_read_agreed(directory, path, NULL, pipeline, out, err);
}

/* A model file that is read tensor by tensor, so that it is never held beside the model. */
typedef struct stream {
    int fd;
    uint64_t at, size;
    vch_hash *hash;     /* of the very bytes that were parsed; NULL: nobody asks for it */
    vch_buffer message; /* of the present tensor: its memory is used again */
    const vch_pipeline *pipeline;
} stream;

static void drop_stream(stream *s)
{
    vch_hash_free(s->hash);
    vch_buffer_drop(&s->message);
    if (s->fd >= 0)
        (void)close(s->fd);
}

static vouch_code note(stream *s, vouch_span bytes, vouch_error *err)
{
    return s->hash == NULL ? VOUCH_OK : vch_hash_update(s->hash, bytes, err);
}

static vouch_code take(stream *s, uint8_t *out, size_t size, vouch_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(s->fd, out + done, size - done, (off_t)(s->at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return vouch_fail(err, VOUCH_E_IO, "reading: %s",
                              n < 0 ? strerror(errno) : "it became shorter");
        done += (size_t)n;
    }
    return VOUCH_OK;
}

/* Key and length of the next field. VOUCH_E_UNSUPPORTED: it is no tensor. */
static vouch_code take_head(stream *s, uint64_t *out_size, vouch_error *err)
{
    uint8_t bytes[HEAD_MAX];
    uint64_t key = 0;
    size_t most = s->size - s->at < sizeof bytes ? (size_t)(s->size - s->at) : sizeof bytes;
    vouch_code rc = take(s, bytes, most, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_cursor c = vch_cursor_over((vouch_span) { bytes, most });
    if (!vch_pb_varint(&c, &key) || key != TENSOR_KEY || !vch_pb_varint(&c, out_size))
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "a field that is no tensor");
    size_t head = most - c.rest.size;
    s->at += head;
    if (*out_size > s->size - s->at || *out_size > TENSOR_MESSAGE_MAX)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "a tensor exceeds the file");
    return note(s, (vouch_span) { bytes, head }, err);
}

static vouch_code take_tensor(stream *s, vch_model *m, vouch_error *err)
{
    uint64_t size = 0;
    vouch_code rc = take_head(s, &size, err);
    if (rc != VOUCH_OK)
        return rc;
    s->message.size = 0;
    uint8_t *room = vch_buffer_extend(&s->message, (size_t)size);
    if (room == NULL)
        return vch_buffer_finish(&s->message, "a tensor", err);
    rc = take(s, room, (size_t)size, err);
    s->at += size;
    if (rc == VOUCH_OK)
        rc = note(s, vch_buffer_span(&s->message), err);
    if (rc == VOUCH_OK)
        rc = vch_model_parse_tensor(vch_buffer_span(&s->message), s->pipeline, m, err);
    return rc;
}

/* VOUCH_E_UNSUPPORTED: the file holds something else too, or is none: it is to be read whole. */
static vouch_code read_stream(const char *path, const uint8_t *sha256, const vch_pipeline *pipeline,
                              vch_model *out, vouch_error *err)
{
    struct stat about = { 0 };
    uint8_t digest[VCH_SHA256_SIZE];
    VCH_SCOPED(vch_model_done) vch_model m = { 0 };
    VCH_SCOPED(drop_stream)
    stream s = { .fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), .pipeline = pipeline };
    if (s.fd < 0 || fstat(s.fd, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size <= 0
        || (uint64_t)about.st_size > VCH_MODEL_FILE_MAX)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "no file to read in parts");
    s.size = (uint64_t)about.st_size;
    s.message = vch_buffer_with_cap(TENSOR_MESSAGE_MAX);
    vouch_code rc = sha256 == NULL ? VOUCH_OK : vch_hash_new(VCH_HASH_SHA256, &s.hash, err);
    while (rc == VOUCH_OK && s.at < s.size)
        rc = take_tensor(&s, &m, err);
    if (rc == VOUCH_OK && sha256 != NULL)
        rc = vch_hash_finish(s.hash, digest, sizeof digest, err);
    if (rc == VOUCH_OK && sha256 != NULL)
        rc = check_digest(digest, sha256, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = m;
    m = (vch_model) { 0 };
    return VOUCH_OK;
}

static vouch_code read_whole(const char *path, const uint8_t *sha256, const vch_pipeline *pipeline,
                             vch_model *out, vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = { 0 };
    vouch_code rc = vch_file_read(path, VCH_MODEL_FILE_MAX, &bytes, err);
    if (rc == VOUCH_OK)
        rc = vch_sha256(vch_buffer_span(&bytes), digest, err);
    if (rc == VOUCH_OK && sha256 != NULL)
        rc = check_digest(digest, sha256, err);
    return rc == VOUCH_OK ? vch_model_parse(vch_buffer_span(&bytes), pipeline, out, err) : rc;
}

/* One read: a host that swaps the file between two would be believed. */
vouch_code vch_model_file_read_agreed(const char *directory, const char *path,
                                      const uint8_t *sha256, const vch_pipeline *pipeline,
                                      vch_model *out, vouch_error *err)
{
    char full[VCH_PATH_SIZE];
    vouch_error why = { 0 };
    vouch_code rc = vch_path_join(directory, path, full, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "model file");
    rc = read_stream(full, sha256, pipeline, out, &why);
    if (rc == VOUCH_E_UNSUPPORTED)
        rc = read_whole(full, sha256, pipeline, out, err);
    else if (rc != VOUCH_OK && err != NULL)
        *err = why;
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "model file '%s'", full);
}

typedef struct writing {
    const vch_model *model;
    const vch_pipeline *pipeline;
    vch_file_part *to;
} writing;

static vouch_code put_part(void *context, vouch_span bytes, vouch_error *err)
{
    const writing *w = context;
    return vch_file_put(w->to, bytes, err);
}

static vouch_code put_model(void *context, vch_file_part *to, vouch_error *err)
{
    writing *w = context;
    w->to = to;
    if (vch_pipeline_streams(w->pipeline)) /* the values as they are, and more */
        vch_file_expect(to, w->model->data_size);
    return vch_model_write_parts(w->model, w->pipeline, put_part, w, err);
}

vouch_code vch_model_file_write(const char *directory, const char *path,
                                const vch_pipeline *pipeline, const vch_model *model,
                                vouch_error *err)
{
    char full[VCH_PATH_SIZE];
    char parent[VCH_PATH_SIZE];
    writing how = { .model = model, .pipeline = pipeline };
    vouch_code rc = vch_path_join(directory, path, full, err);
    if (rc == VOUCH_OK)
        rc = vch_path_directory(full, parent, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(parent, 0755, err);
    if (rc == VOUCH_OK)
        rc = vch_file_write_parts(full, 0644, put_model, &how, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "saving the model to '%s'", path);
}

vouch_code vch_model_file_final_path(const vch_plan *plan, char out[static VCH_PATH_SIZE],
                                     vouch_error *err)
{
    char parent[VCH_PATH_SIZE];
    vouch_code rc = vch_path_directory(vch_plan_look(plan)->last_state_path, parent, err);
    return rc == VOUCH_OK ? vch_path_join(parent, "final.pbuf", out, err) : rc;
}
