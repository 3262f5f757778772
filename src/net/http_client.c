#include "net/http_client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "base/secret.h"

#define DEFAULT_CAP ((size_t)1 << 20)
#define DEFAULT_DEADLINE_MS 30000

VCH_DEFINE_DROP(drop_curl, CURL, curl_easy_cleanup)
VCH_DEFINE_DROP(drop_list, struct curl_slist, curl_slist_free_all)

static void start_curl(void)
{
    /* libcurl would write TLS secrets to the file that this names; the host sets our environment */
    (void)unsetenv("SSLKEYLOGFILE");
    (void)curl_global_init(CURL_GLOBAL_DEFAULT); /* curl_easy_init fails if this did */
}

static size_t put(const char *data, size_t size, size_t count, void *to)
{
    vch_buffer *buffer = to;
    vch_buffer_append(buffer, (vouch_span) { (const uint8_t *)data, size * count });
    return buffer->failed == VOUCH_OK ? size * count : 0; /* fewer: libcurl ends the transfer */
}

static size_t put_header(const char *data, size_t size, size_t count, void *to)
{
    vch_buffer *buffer = to;
    if (size * count >= 5 && memcmp(data, "HTTP/", 5) == 0) /* a new response: 100, then 200 */
        buffer->size = 0;
    return put(data, size, count, to);
}

/* A header name or value with a line end in it would be two headers. */
static bool is_one_line(const char *text)
{
    return strpbrk(text, "\r\n") == NULL;
}

static vouch_code make_headers(const vch_http_call *call, struct curl_slist **out, vouch_error *err)
{
    VCH_SCOPED(drop_list) struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; list != NULL && i < call->header_count; i++) {
        const vch_http_header *h = &call->headers[i];
        if (!is_one_line(h->name) || !is_one_line(h->value))
            return vouch_fail(err, VOUCH_E_FORMAT, "header %zu holds a line end", i);
        VCH_SCOPED(vch_buffer_drop)
        vch_buffer line = vch_buffer_with_cap(VCH_HTTP_HEADERS_MAX_SIZE);
        /* libcurl spells a header without a value with ';' */
        vch_buffer_append_fmt(&line, "%s%s%s", h->name, *h->value == '\0' ? ";" : ": ", h->value);
        const char *text = vch_buffer_text(&line);
        struct curl_slist *longer = text == NULL ? NULL : curl_slist_append(list, text);
        if (line.data != NULL)
            vch_wipe(line.data, line.size);
        if (longer == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "out of memory");
        list = longer;
    }
    if (list == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "out of memory");
    *out = VCH_MOVE(list);
    return VOUCH_OK;
}

static bool set_trust(CURL *curl, const vch_http_call *call)
{
    bool fine =
        curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
    if (call->ca_pem.size == 0 && call->ca_file == NULL)
        return fine;
    /* CApath stays trusted beside a given file or blob unless it is taken away */
    fine = fine && curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK;
    if (call->ca_pem.size == 0)
        return fine && curl_easy_setopt(curl, CURLOPT_CAINFO, call->ca_file) == CURLE_OK;
    union { /* libcurl's struct is not const-correct; with NOCOPY it only reads */
        const uint8_t *in;
        void *out;
    } data = { .in = call->ca_pem.data };
    struct curl_blob blob = { data.out, call->ca_pem.size, CURL_BLOB_COPY };
    return fine && curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob) == CURLE_OK;
}

static bool set_request(CURL *curl, const vch_http_call *call, struct curl_slist *headers)
{
    bool fine = curl_easy_setopt(curl, CURLOPT_URL, call->url) == CURLE_OK
                && curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
    if (call->body.size > 0)
        fine = fine
               && curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.size)
                      == CURLE_OK
               && curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body.data) == CURLE_OK;
    if (call->method != NULL)
        fine = fine && curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method) == CURLE_OK;
    return fine;
}

static bool set_limits(CURL *curl, const vch_http_call *call)
{
    const char *schemes = call->plain_http ? "http,https" : "https";
    int64_t deadline_ms = call->deadline_ms > 0 ? call->deadline_ms : DEFAULT_DEADLINE_MS;
    return curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, schemes) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)deadline_ms) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)deadline_ms) == CURLE_OK;
}

static int is_cancelled(void *context, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                        curl_off_t up)
{
    (void)down_all;
    (void)down;
    (void)up_all;
    (void)up;
    const atomic_bool *const *cancel = context;
    return atomic_load(*cancel) ? 1 : 0; /* libcurl: anything but 0 ends the transfer */
}

/* `where` is the caller's pointer, since libcurl's is not const-correct. */
static bool set_cancel(CURL *curl, const atomic_bool **where)
{
    return *where == NULL
           || (curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK
               && curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, is_cancelled) == CURLE_OK
               && curl_easy_setopt(curl, CURLOPT_XFERINFODATA, where) == CURLE_OK);
}

static bool set_outputs(CURL *curl, vch_http_answer *answer, char *reason)
{
    return curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, put) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer->body) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, put_header) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer->headers) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason) == CURLE_OK;
}

/* libcurl's codes by the class of what went wrong. */
static vouch_code code_of(CURLcode code)
{
    static const struct {
        CURLcode from;
        vouch_code to;
    } table[] = {
        { CURLE_UNSUPPORTED_PROTOCOL, VOUCH_E_CONFIG },
        { CURLE_URL_MALFORMAT, VOUCH_E_CONFIG },
        { CURLE_OPERATION_TIMEDOUT, VOUCH_E_TIMEOUT },
        { CURLE_ABORTED_BY_CALLBACK, VOUCH_E_TIMEOUT },
        { CURLE_OUT_OF_MEMORY, VOUCH_E_MEMORY },
        { CURLE_PEER_FAILED_VERIFICATION, VOUCH_E_CRYPTO },
        { CURLE_SSL_CACERT_BADFILE, VOUCH_E_CRYPTO },
        { CURLE_SSL_CERTPROBLEM, VOUCH_E_CRYPTO },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].from == code)
            return table[i].to;
    }
    return VOUCH_E_NETWORK;
}

/* The URL without user information and query, which may hold secrets. */
static int shown_size(const char *url)
{
    return (int)strcspn(url, "?#");
}

static const char *shown(const char *url)
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme == NULL ? url : scheme + 3;
    const char *at = memchr(host, '@', strcspn(host, "/?#"));
    return at == NULL ? url : at + 1;
}

static vouch_code explain(const vch_http_call *call, const vch_http_answer *answer, CURLcode code,
                          const char *reason, vouch_error *err)
{
    const char *url = shown(call->url);
    vouch_code rc = vch_buffer_finish(&answer->body, "the answer", err);
    if (rc == VOUCH_OK)
        rc = vch_buffer_finish(&answer->headers, "the answer's headers", err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "fetching '%.*s'", shown_size(url), url);
    return vouch_fail(err, code_of(code), "fetching '%.*s': %s", shown_size(url), url,
                      *reason != '\0' ? reason : curl_easy_strerror(code));
}

vouch_code vch_http_fetch(const vch_http_call *call, vch_http_answer *out, vouch_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* guards the library's own initialisation */
    (void)pthread_once(&once, start_curl);
    VCH_SCOPED(drop_curl) CURL *curl = curl_easy_init();
    VCH_SCOPED(drop_list) struct curl_slist *headers = NULL;
    if (curl == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "HTTP client: cannot be made");
    vouch_code rc = make_headers(call, &headers, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_http_answer_drop)
    vch_http_answer answer = {
        .headers = vch_buffer_with_cap(VCH_HTTP_HEADERS_MAX_SIZE),
        .body = vch_buffer_with_cap(call->response_cap > 0 ? call->response_cap : DEFAULT_CAP),
    };
    char reason[CURL_ERROR_SIZE] = { 0 };
    const atomic_bool *cancel = call->cancel;
    if (!set_cancel(curl, &cancel) || !set_limits(curl, call) || !set_trust(curl, call)
        || !set_request(curl, call, headers) || !set_outputs(curl, &answer, reason))
        return vouch_fail(err, VOUCH_E_INTERNAL, "HTTP client: an option is not supported");
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        return explain(call, &answer, code, reason, err);
    long status = 0;
    if (curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
        return vouch_fail(err, VOUCH_E_INTERNAL, "HTTP client: no status");
    answer.status = (int)status;
    *out = answer;
    answer = (vch_http_answer) { 0 };
    return VOUCH_OK;
}

void vch_http_answer_drop(vch_http_answer *answer)
{
    vch_buffer_drop(&answer->headers);
    vch_buffer_drop(&answer->body);
    answer->status = 0;
}

static vouch_span trimmed(const uint8_t *at, size_t size)
{
    while (size > 0 && (*at == ' ' || *at == '\t')) {
        at++;
        size--;
    }
    while (size > 0 && isspace(at[size - 1]))
        size--;
    return (vouch_span) { at, size };
}

vouch_span vch_http_answer_header(const vch_http_answer *answer, const char *name)
{
    size_t name_size = strlen(name);
    const uint8_t *at = answer->headers.data;
    size_t left = answer->headers.size;
    while (left > 0) {
        const uint8_t *end = memchr(at, '\n', left);
        size_t size = end == NULL ? left : (size_t)(end - at) + 1;
        if (size > name_size && at[name_size] == ':'
            && strncasecmp((const char *)at, name, name_size) == 0)
            return trimmed(at + name_size + 1, size - name_size - 1);
        at += size;
        left -= size;
    }
    return (vouch_span) { 0 };
}

void vch_http_url_encode(vouch_span text, vch_buffer *url)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t ch = text.data[i];
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
                     || (ch >= '0' && ch <= '9') || (ch != 0 && strchr("-._~", ch) != NULL);
        if (plain)
            vch_buffer_u8(url, ch);
        else
            vch_buffer_append_fmt(url, "%%%02X", ch);
    }
}
