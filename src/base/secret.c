#include "base/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * ENOSYS is Gramine's answer, whose memory no dump of the host's can show in clear. Linux never
 * gives it for this advice: the answer comes from inside the enclave, not from who would like a dump.
 */
static bool keep_out_of_dumps(void *at, size_t mapped)
{
    return madvise(at, mapped, MADV_DONTDUMP) == 0 || errno == ENOSYS;
}

bool vch_secret_dumps_need_no_advice(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return false;
    bool good = mlock(at, size) == 0 && madvise(at, size, MADV_DONTDUMP) != 0 && errno == ENOSYS;
    (void)munmap(at, size);
    return good;
}

vouch_code vch_secret_alloc(vch_secret *out, size_t size, vouch_error *err)
{
    if (size == 0 || size > VCH_SECRET_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "a secret of %zu bytes; 1 to %zu are possible", size,
                          VCH_SECRET_MAX_SIZE);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped = (size + page - 1) / page * page;
    void *at = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a secret of %zu bytes", size);
    if (mlock(at, mapped) != 0 || !keep_out_of_dumps(at, mapped)) {
        (void)munmap(at, mapped);
        return vouch_fail(err, VOUCH_E_MEMORY,
                          "cannot lock %zu bytes in memory for a secret (see ulimit -l)", mapped);
    }
    *out = (vch_secret) { at, size, mapped };
    return VOUCH_OK;
}

void vch_wipe(void *data, size_t size)
{
    if (size > 0)
        explicit_bzero(data, size);
}

void vch_secret_drop(vch_secret *s)
{
    if (s->data != NULL) {
        vch_wipe(s->data, s->mapped);
        (void)munlock(s->data, s->mapped);
        (void)munmap(s->data, s->mapped);
    }
    *s = (vch_secret) { 0 };
}

bool vch_secret_equal(vouch_span a, vouch_span b)
{
    if (a.size != b.size)
        return false;
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < a.size; i++)
        difference = (uint8_t)(difference | (a.data[i] ^ b.data[i]));
    return difference == 0;
}
