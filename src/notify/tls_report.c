/* SPDX-License-Identifier: ISC */
/* tls_report.c: see tls_report.h. */
#include "notify/tls_report.h"

#include <jansson.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "wire/mime.h"

enum { INDENT = 2, LINE_MAX_HERE = 1024 };

struct group { /* of rows under one policy */
    json_t *object;
    json_t *details;
    struct tls_row of;
    uint64_t good, bad;
};

static void put(json_t *object, const char *name, json_t *value)
{
    check(value != NULL && json_object_set_new(object, name, value) == 0);
}

/* What strangers wrote is cleaned, so that it always is JSON. */
static json_t *text(struct str value)
{
    struct buf clean = { 0 };

    mime_add_clean_line(&clean, value, LINE_MAX_HERE);
    json_t *json = json_stringn(clean.len > 0 ? clean.ptr : "", clean.len);
    buf_fini(&clean);
    return json;
}

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

/* RFC 3339, without fractions. */
static json_t *instant(int64_t wall_s)
{
    struct buf iso = { 0 };

    clock_add_iso(&iso, wall_s * SECOND_MS);
    ptrdiff_t dot = str_find_last(buf_str(&iso), '.');
    check(dot > 0);
    iso.len = (size_t)dot;
    buf_add_byte(&iso, 'Z');
    json_t *json = json_stringn(iso.ptr, iso.len);
    buf_fini(&iso);
    return json;
}

static json_t *address(struct endpoint endpoint)
{
    struct buf ip = { 0 };

    endpoint_add_ip(&ip, endpoint);
    json_t *json = json_stringn(ip.ptr, ip.len);
    buf_fini(&ip);
    return json;
}

/* ---- a policy ---- */

static void append(json_t *list, json_t *value)
{
    check(value != NULL && json_array_append_new(list, value) == 0);
}

static json_t *policy_strings(const struct tls_row *row)
{
    json_t *list = json_array();
    struct str rest = row->policy_text;
    struct str line = STR_NONE;

    while (rest.len > 0 && str_cut(&rest, '\n', &line))
        append(list, text(line));
    return list;
}

/* The patterns of an MTA-STS policy; of TLSA records the host that has them. */
static json_t *hosts(const struct tls_row *row)
{
    static const struct str mx = { "mx: ", 4 };
    json_t *list = json_array();
    struct str rest = row->policy_text;
    struct str line = STR_NONE;

    if (row->policy == TLS_POLICY_TLSA && row->host.len > 0)
        append(list, text(row->host));
    while (row->policy == TLS_POLICY_STS && rest.len > 0 && str_cut(&rest, '\n', &line))
        if (str_starts(line, mx))
            append(list, text(str_skip(line, mx.len)));
    return list;
}

static json_t *policy(const struct tls_row *row, struct str domain)
{
    json_t *object = json_object();
    json_t *list = hosts(row);

    put(object, "policy-type", json_string(tls_policy_name(row->policy)));
    if (row->policy_text.len > 0)
        put(object, "policy-string", policy_strings(row));
    put(object, "policy-domain", text(domain));
    if (json_array_size(list) > 0)
        put(object, "mx-host", list);
    else
        json_decref(list);
    return object;
}

/* ---- rows ---- */

static bool is_of(const struct group *group, const struct tls_row *row)
{
    return group->of.policy == row->policy && str_equals(group->of.policy_text, row->policy_text) &&
           (row->policy != TLS_POLICY_TLSA || str_equals(group->of.host, row->host));
}

static json_t *detail(const struct tls_row *row, uint64_t count)
{
    json_t *object = json_object();

    put(object, "result-type", json_string(tls_result_name(row->result)));
    if (row->from.family != ENDPOINT_NONE)
        put(object, "sending-mta-ip", address(row->from));
    if (row->host.len > 0)
        put(object, "receiving-mx-hostname", text(row->host));
    if (row->to.family != ENDPOINT_NONE)
        put(object, "receiving-ip", address(row->to));
    put(object, "failed-session-count", number(count));
    if (row->reason.len > 0)
        put(object, "failure-reason-code", text(row->reason));
    return object;
}

static void add_up(uint64_t *sum, uint64_t more)
{
    *sum = more > UINT64_MAX - *sum ? UINT64_MAX : *sum + more;
}

static void take_row(struct group *group, const struct tls_row *row, uint64_t count)
{
    if (row->result == TLS_RESULT_SUCCESS) {
        add_up(&group->good, count);
        return;
    }
    if (!tls_result_is_of_policy(row->result))
        add_up(&group->bad, count);
    append(group->details, detail(row, count));
}

static void end_group(struct group *group, json_t *policies, struct str domain)
{
    json_t *summary = json_object();
    json_t *object = json_object();

    put(summary, "total-successful-session-count", number(group->good));
    put(summary, "total-failure-session-count", number(group->bad));
    put(object, "policy", policy(&group->of, domain));
    put(object, "summary", summary);
    if (json_array_size(group->details) > 0)
        put(object, "failure-details", group->details);
    else
        json_decref(group->details);
    append(policies, object);
}

static struct tls_row row_of(const struct link *at)
{
    struct tls_row row;

    check(tls_row_decode(container_of(at, struct tally_line, link)->bytes, &row));
    return row;
}

/* Is an earlier row under the same policy? Then it has been told. */
static bool was_told(const struct tally_subject *sessions, const struct link *until,
                     const struct group *group)
{
    list_each (at, &sessions->lines) {
        if (at == until)
            return false;
        const struct tls_row row = row_of(at);
        if (is_of(group, &row))
            return true;
    }
    return false;
}

static json_t *policies_of(const struct tally_subject *sessions)
{
    json_t *policies = json_array();

    list_each (first, &sessions->lines) {
        struct group group = { .of = row_of(first) };
        if (was_told(sessions, first, &group))
            continue;
        group.details = json_array();
        for (struct link *at = first; at != &sessions->lines; at = at->next) {
            const struct tls_row row = row_of(at);
            if (is_of(&group, &row))
                take_row(&group, &row, container_of(at, struct tally_line, link)->count);
        }
        end_group(&group, policies, buf_str(&sessions->name));
    }
    return policies;
}

/* ---- the whole ---- */

static int add_piece(const char *bytes, size_t len, void *context)
{
    buf_add_bytes(context, bytes, len);
    return 0;
}

void tls_report_add(struct buf *out, const struct tls_report *report,
                    const struct tally_subject *sessions)
{
    json_t *object = json_object();
    json_t *range = json_object();

    put(range, "start-datetime", instant(report->begin_s));
    put(range, "end-datetime", instant(report->end_s - 1));
    put(object, "organization-name", text(report->organisation));
    put(object, "date-range", range);
    put(object, "contact-info", text(report->contact));
    put(object, "report-id", text(report->id));
    put(object, "policies", policies_of(sessions));
    check(json_dump_callback(object, add_piece, out, JSON_INDENT(INDENT)) == 0);
    json_decref(object);
}
