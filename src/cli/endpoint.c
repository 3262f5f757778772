#include "cli/endpoint.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool parse_port(const char *text, uint16_t *out)
{
    unsigned value = 0;
    size_t digits = 0;
    for (; *text >= '0' && *text <= '9' && digits < 6; text++, digits++)
        value = value * 10 + (unsigned)(*text - '0');
    if (digits == 0 || *text != '\0' || value > UINT16_MAX)
        return false;
    *out = (uint16_t)value;
    return true;
}

/* The host's part of the text: between brackets, or before the only colon. */
static bool find_host(const char *text, const char **host, size_t *size, const char **port)
{
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL || end[1] != ':')
            return false;
        *host = text + 1;
        *size = (size_t)(end - *host);
        *port = end + 2;
        return true;
    }
    const char *colon = strchr(text, ':');
    if (colon == NULL || strchr(colon + 1, ':') != NULL)
        return false;
    *host = text;
    *size = (size_t)(colon - text);
    *port = colon + 1;
    return true;
}

vouch_code vch_endpoint_parse(const char *text, vch_endpoint *out, vouch_error *err)
{
    const char *host = NULL;
    const char *port = NULL;
    size_t size = 0;
    vch_endpoint e = { 0 };
    if (!find_host(text, &host, &size, &port) || size == 0 || size >= sizeof e.host
        || !parse_port(port, &e.port))
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "'%.80s' is not ADDR:PORT (an IPv6 address stands in brackets)", text);
    memcpy(e.host, host, size);
    *out = e;
    return VOUCH_OK;
}

vouch_code vch_endpoint_choose(const char *text, const char *agg_addr, uint16_t agg_port,
                               vch_endpoint *out, vouch_error *err)
{
    if (text != NULL)
        return vch_endpoint_parse(text, out, err);
    vch_endpoint e = { .port = agg_port };
    int size = snprintf(e.host, sizeof e.host, "%s", agg_addr);
    if (size < 0 || (size_t)size >= sizeof e.host)
        return vouch_fail(err, VOUCH_E_CONFIG, "network.settings.agg_addr is too long");
    *out = e;
    return VOUCH_OK;
}

const char *vch_endpoint_text(const vch_endpoint *e, char out[static VCH_ENDPOINT_TEXT_SIZE])
{
    bool v6 = strchr(e->host, ':') != NULL;
    (void)snprintf(out, VCH_ENDPOINT_TEXT_SIZE, "%s%s%s:%u", v6 ? "[" : "", e->host, v6 ? "]" : "",
                   e->port);
    return out;
}
