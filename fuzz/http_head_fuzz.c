/* The head of an HTTP/1.1 request. */
#include <stdint.h>
#include <stdlib.h>

#include "net/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_http_head head = { .size = 77 };
    vouch_error err = { 0 };
    int status = -1;
    vouch_code rc = vch_http_head_parse((vouch_span) { data, size }, 4096, &head, &status, &err);
    if (rc != VOUCH_OK && (head.size != 77 || err.depth == 0))
        __builtin_trap(); /* failed, yet wrote its output or gave no reason */
    if ((rc == VOUCH_OK || rc == VOUCH_E_TRUNCATED) != (status == 0))
        __builtin_trap(); /* nothing to answer, or an answer to a head that is fine */
    if (rc != VOUCH_OK)
        return 0;
    if (head.size > size || head.size > 4096 || head.path.size == 0)
        __builtin_trap();
    char *path = malloc(head.path.size + 1);
    if (path != NULL && vch_http_decode_path(head.path, path) && path[0] == '\0')
        __builtin_trap();
    free(path);
    return 0;
}
