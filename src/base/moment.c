#include "base/moment.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/cursor.h"

#define DAYS_TO_1970 719162 /* from 0001-01-01 */
#define MOMENT_MIN_UNIX_S INT64_C(-62135596800)

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
    static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static int64_t days_before_year(int year)
{
    int64_t y = year - 1;
    return y * 365 + y / 4 - y / 100 + y / 400;
}

vouch_code vch_moment_from_utc(int year, int month, int day, int hour, int minute, int second,
                               int64_t *out_unix_s, vouch_error *err)
{
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1
        || day > days_in_month(year, month) || hour < 0 || hour > 23 || minute < 0 || minute > 59
        || second < 0 || second > 59)
        return vouch_fail(err, VOUCH_E_FORMAT, "no such date: %d-%d-%d %d:%d:%d", year, month, day,
                          hour, minute, second);
    int64_t days = days_before_year(year) - DAYS_TO_1970 + day - 1;
    for (int m = 1; m < month; m++)
        days += days_in_month(year, m);
    *out_unix_s = ((days * 24 + hour) * 60 + minute) * 60 + second;
    return VOUCH_OK;
}

/* `count` decimal digits; anything else fails the cursor. */
static int digits(vch_cursor *c, size_t count)
{
    vouch_span text = vch_cursor_take(c, count);
    int value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            c->failed = true;
        else
            value = value * 10 + (text.data[i] - '0');
    }
    return value;
}

static void literal(vch_cursor *c, char upper, char lower)
{
    uint8_t got = vch_cursor_u8(c);
    if (got != (uint8_t)upper && got != (uint8_t)lower)
        c->failed = true;
}

static vouch_code not_a_moment(vouch_error *err)
{
    return vouch_fail(err, VOUCH_E_FORMAT, "not a date and time like 2026-03-01T00:00:00Z");
}

/* The part before the offset: `YYYY-MM-DDThh:mm:ss`. */
static vouch_code date_and_time(vch_cursor *c, int64_t *out, vouch_error *err)
{
    int year = digits(c, 4);
    literal(c, '-', '-');
    int month = digits(c, 2);
    literal(c, '-', '-');
    int day = digits(c, 2);
    literal(c, 'T', 'T');
    int hour = digits(c, 2);
    literal(c, ':', ':');
    int minute = digits(c, 2);
    literal(c, ':', ':');
    int second = digits(c, 2);
    if (c->failed)
        return not_a_moment(err);
    return vch_moment_from_utc(year, month, day, hour, minute, second, out, err);
}

vouch_code vch_moment_parse_utc(vouch_span text, int64_t *out_unix_s, vouch_error *err)
{
    vch_cursor c = vch_cursor_over(text);
    int64_t moment = 0;
    vouch_code rc = date_and_time(&c, &moment, err);
    if (rc != VOUCH_OK)
        return rc;
    literal(&c, 'Z', 'Z');
    if (c.failed || c.rest.size != 0)
        return not_a_moment(err);
    *out_unix_s = moment;
    return VOUCH_OK;
}

static void skip_fraction(vch_cursor *c)
{
    if (c->rest.size == 0 || c->rest.data[0] != '.')
        return;
    (void)vch_cursor_take(c, 1);
    (void)digits(c, 1); /* RFC 3339 section 5.6: at least one digit */
    while (c->rest.size > 0 && c->rest.data[0] >= '0' && c->rest.data[0] <= '9')
        (void)vch_cursor_take(c, 1);
}

/* `Z` or `+hh:mm`: seconds east of UTC. */
static int64_t offset_s(vch_cursor *c)
{
    uint8_t sign = vch_cursor_u8(c);
    if (sign == 'Z')
        return 0;
    int hours = digits(c, 2);
    literal(c, ':', ':');
    int minutes = digits(c, 2);
    if ((sign != '+' && sign != '-') || hours > 23 || minutes > 59)
        c->failed = true;
    int64_t east = (int64_t)(hours * 60 + minutes) * 60;
    return sign == '-' ? -east : east;
}

static bool all_digits(vouch_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    }
    return text.size > 0;
}

static vouch_code unix_seconds(vouch_span text, int64_t *out_unix_s, vouch_error *err)
{
    if (text.size > 12)
        return not_a_moment(err);
    int64_t value = 0;
    for (size_t i = 0; i < text.size; i++)
        value = value * 10 + (text.data[i] - '0');
    if (value > VCH_MOMENT_MAX_UNIX_S)
        return not_a_moment(err);
    *out_unix_s = value;
    return VOUCH_OK;
}

vouch_code vch_moment_parse(vouch_span text, int64_t *out_unix_s, vouch_error *err)
{
    if (all_digits(text))
        return unix_seconds(text, out_unix_s, err);
    vch_cursor c = vch_cursor_over(text);
    int64_t moment = 0;
    vouch_code rc = date_and_time(&c, &moment, err);
    if (rc != VOUCH_OK)
        return rc;
    skip_fraction(&c);
    int64_t east = offset_s(&c);
    if (c.failed || c.rest.size != 0)
        return not_a_moment(err);
    *out_unix_s = moment - east;
    return VOUCH_OK;
}

const char *vch_moment_format(int64_t unix_s, char out[static VCH_MOMENT_TEXT_SIZE])
{
    if (unix_s < MOMENT_MIN_UNIX_S)
        unix_s = MOMENT_MIN_UNIX_S;
    if (unix_s > VCH_MOMENT_MAX_UNIX_S)
        unix_s = VCH_MOMENT_MAX_UNIX_S;
    int64_t since = unix_s - MOMENT_MIN_UNIX_S;
    int64_t day = since / 86400;
    int second = (int)(since % 86400);
    int year = (int)(day / 366) + 1; /* a lower bound: no year is longer */
    while (days_before_year(year + 1) <= day)
        year++;
    day -= days_before_year(year);
    int month = 1;
    while (day >= days_in_month(year, month))
        day -= days_in_month(year, month++);
    char text[48];
    (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", year, month, (int)day + 1,
                   second / 3600, second / 60 % 60, second % 60);
    for (size_t i = 0; i < VCH_MOMENT_TEXT_SIZE; i++)
        out[i] = text[i];
    return out;
}
