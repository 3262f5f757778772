#include "codec/json.h"

#include <string.h>

#include <jansson.h>

#include "base/bytes.h"
#include "base/moment.h"
#include "codec/hex.h"
#include "codec/json_scan.h"

vouch_code vch_json_parse(vouch_span text, const vch_json_limits *limits, vch_json **out,
                          vouch_error *err)
{
    vouch_code rc = vch_json_scan_limits(text, limits, err);
    if (rc != VOUCH_OK)
        return rc;
    json_error_t reason;
    vch_json *value = json_loadb(text.size == 0 ? "" : (const char *)text.data, text.size,
                                 JSON_REJECT_DUPLICATES, &reason);
    if (value == NULL && json_error_code(&reason) == json_error_out_of_memory)
        return vouch_fail(err, VOUCH_E_MEMORY, "JSON: out of memory");
    if (value == NULL) /* jansson's sentence may quote the text, so it is left out */
        return vouch_fail(err, VOUCH_E_FORMAT, "JSON: not valid at line %d, column %d", reason.line,
                          reason.column);
    *out = value;
    return VOUCH_OK;
}

void vch_json_free(vch_json *value)
{
    json_decref(value);
}

vch_json_kind vch_json_kind_of(const vch_json *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return VCH_JSON_OBJECT;
    case JSON_ARRAY:
        return VCH_JSON_ARRAY;
    case JSON_STRING:
        return VCH_JSON_STRING;
    case JSON_INTEGER:
        return VCH_JSON_INTEGER;
    case JSON_REAL:
        return VCH_JSON_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return VCH_JSON_BOOL;
    case JSON_NULL:
        break;
    }
    return VCH_JSON_NULL;
}

const vch_json *vch_json_member(const vch_json *object, const char *name)
{
    return json_object_get(object, name);
}

size_t vch_json_count(const vch_json *array_or_object)
{
    return json_is_object(array_or_object) ? json_object_size(array_or_object)
                                           : json_array_size(array_or_object);
}

const vch_json *vch_json_at(const vch_json *array, size_t i)
{
    return json_array_get(array, i);
}

const char *vch_json_text(const vch_json *string)
{
    return json_string_value(string);
}

bool vch_json_to_int(const vch_json *integer, int64_t *out)
{
    if (!json_is_integer(integer))
        return false;
    *out = json_integer_value(integer);
    return true;
}

bool vch_json_to_bool(const vch_json *boolean, bool *out)
{
    if (!json_is_boolean(boolean))
        return false;
    *out = json_is_true(boolean);
    return true;
}

bool vch_json_to_real(const vch_json *number, double *out)
{
    if (!json_is_number(number))
        return false;
    *out = json_number_value(number);
    return true;
}

/* jansson's iteration takes the object without const, and does not write to it. */
static json_t *writable(const vch_json *object)
{
    json_t *same = NULL;
    memcpy(&same, &object, sizeof same);
    return same;
}

vouch_code vch_json_each(const vch_json *object,
                         vouch_code (*each)(void *context, const char *name, const vch_json *value,
                                            vouch_error *err),
                         void *context, vouch_error *err)
{
    json_t *o = writable(object);
    for (void *at = json_object_iter(o); at != NULL; at = json_object_iter_next(o, at)) {
        vouch_code rc = each(context, json_object_iter_key(at), json_object_iter_value(at), err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

static vouch_code require(const vch_json *object, const char *name, vch_json_kind kind,
                          const vch_json **out, vouch_error *err)
{
    static const char *const names[] = {
        [VCH_JSON_OBJECT] = "an object",   [VCH_JSON_ARRAY] = "an array",
        [VCH_JSON_STRING] = "a string",    [VCH_JSON_INTEGER] = "an integer",
        [VCH_JSON_REAL] = "a real number", [VCH_JSON_BOOL] = "true or false",
        [VCH_JSON_NULL] = "null",
    };
    const vch_json *value = vch_json_member(object, name);
    if (value == NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s' is missing", name);
    if (vch_json_kind_of(value) != kind)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s' is not %s", name, names[kind]);
    *out = value;
    return VOUCH_OK;
}

vouch_code vch_json_get_object(const vch_json *object, const char *name, const vch_json **out,
                               vouch_error *err)
{
    return require(object, name, VCH_JSON_OBJECT, out, err);
}

vouch_code vch_json_get_array(const vch_json *object, const char *name, const vch_json **out,
                              vouch_error *err)
{
    return require(object, name, VCH_JSON_ARRAY, out, err);
}

vouch_code vch_json_get_string(const vch_json *object, const char *name, const char **out,
                               vouch_error *err)
{
    const vch_json *value = NULL;
    vouch_code rc = require(object, name, VCH_JSON_STRING, &value, err);
    if (rc == VOUCH_OK)
        *out = json_string_value(value);
    return rc;
}

vouch_code vch_json_get_uint(const vch_json *object, const char *name, uint64_t max, uint64_t *out,
                             vouch_error *err)
{
    const vch_json *value = NULL;
    vouch_code rc = require(object, name, VCH_JSON_INTEGER, &value, err);
    if (rc != VOUCH_OK)
        return rc;
    json_int_t number = json_integer_value(value);
    if (number < 0 || (uint64_t)number > max)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s' is not from 0 to %llu", name,
                          (unsigned long long)max);
    *out = (uint64_t)number;
    return VOUCH_OK;
}

vouch_code vch_json_get_bool(const vch_json *object, const char *name, bool *out, vouch_error *err)
{
    const vch_json *value = NULL;
    vouch_code rc = require(object, name, VCH_JSON_BOOL, &value, err);
    if (rc == VOUCH_OK)
        *out = json_is_true(value);
    return rc;
}

vouch_code vch_json_get_hex(const vch_json *object, const char *name, uint8_t *out, size_t size,
                            vouch_error *err)
{
    const char *text = NULL;
    vouch_code rc = vch_json_get_string(object, name, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = vch_hex_decode(vch_span_str(text), out, size, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "'%s'", name);
}

vouch_code vch_json_get_moment(const vch_json *object, const char *name, int64_t *out_unix_s,
                               vouch_error *err)
{
    const char *text = NULL;
    vouch_code rc = vch_json_get_string(object, name, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = vch_moment_parse_utc(vch_span_str(text), out_unix_s, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "'%s'", name);
}

static vouch_code refuse_unlisted(void *context, const char *name, const vch_json *value,
                                  vouch_error *err)
{
    (void)value;
    for (const char *const *names = context; *names != NULL; names++) {
        if (strcmp(*names, name) == 0)
            return VOUCH_OK;
    }
    return vouch_fail(err, VOUCH_E_FORMAT, "unknown member '%.64s'", name);
}

vouch_code vch_json_only(const vch_json *object, const char *const *names, vouch_error *err)
{
    void *context = NULL;
    memcpy(&context, &names, sizeof context);
    return vch_json_each(object, refuse_unlisted, context, err);
}
