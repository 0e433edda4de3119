/* SPDX-License-Identifier: ISC */
/* http.c: see http.h. */
#include "wire/http.h"

#include <string.h>

#include "base/base64.h"
#include "base/check.h"

enum { METHOD_MAX = 16 };

/* ---- octets ---- */

static bool is_token_byte(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_byte(text.ptr[i]))
            return false;
    return text.len > 0;
}

static bool is_visible(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

/* No controls but the tab; what is not ASCII is let pass. */
static bool is_field_value(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (((unsigned char)text.ptr[i] < ' ' && text.ptr[i] != '\t') || text.ptr[i] == 0x7f)
            return false;
    return true;
}

/* ---- the head ---- */

/* Up to the next CRLF, which is dropped; the head ends with one. */
static struct str cut_line(struct str *head)
{
    const char *end = memmem(head->ptr, head->len, "\r\n", 2);

    check(end != NULL);
    struct str line = str_of(head->ptr, (size_t)(end - head->ptr));
    *head = str_skip(*head, line.len + 2);
    return line;
}

static unsigned read_target(struct str target, struct http_request *request)
{
    ptrdiff_t mark = str_find(target, '?');

    if (!is_visible(target) || str_find(target, '#') >= 0 || target.len == 0 ||
        target.ptr[0] != '/')
        return 400;
    request->path = mark >= 0 ? str_first(target, (size_t)mark) : target;
    request->query = mark >= 0 ? str_skip(target, (size_t)mark + 1) : STR_NONE;
    return 200;
}

static unsigned read_request_line(struct str line, struct http_request *request)
{
    struct str target = STR_NONE;

    if (!str_cut(&line, ' ', &request->method) || !str_cut(&line, ' ', &target))
        return 400;
    if (!is_token(request->method) || request->method.len > METHOD_MAX)
        return 400;
    if (str_equals(line, STR("HTTP/1.1")))
        request->keeps_alive = true;
    else if (!str_equals(line, STR("HTTP/1.0")))
        return str_starts(line, STR("HTTP/")) ? 505 : 400;
    return read_target(target, request);
}

static unsigned read_field(struct str line, struct http_request *request)
{
    ptrdiff_t colon = str_find(line, ':');

    if (request->field_count == HTTP_FIELDS_MAX)
        return 431;
    if (colon <= 0)
        return 400;
    struct http_field *field = &request->field[request->field_count++];
    field->name = str_first(line, (size_t)colon); /* a space in it, or in front, is a trick */
    field->value = str_trim(str_skip(line, (size_t)colon + 1));
    return is_token(field->name) && is_field_value(field->value) ? 200 : 400;
}

static uint32_t count_fields(const struct http_request *request, struct str name,
                             const struct http_field **out_last)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < request->field_count; i++) {
        if (!str_equals_nocase(request->field[i].name, name))
            continue;
        *out_last = &request->field[i];
        count++;
    }
    return count;
}

struct str http_find(const struct http_request *request, struct str name)
{
    const struct http_field *field = NULL;
    return count_fields(request, name, &field) == 1 ? field->value : STR_NONE;
}

/* ---- the body, and what follows ---- */

static unsigned read_length(const struct http_request *request, size_t *out_length)
{
    const struct http_field *field = NULL;
    uint32_t count = count_fields(request, STR("Content-Length"), &field);
    uint64_t length = 0;

    if (count_fields(request, STR("Transfer-Encoding"), &field) > 0)
        return 501;
    if (count == 1 && !str_to_u64(field->value, UINT64_MAX, &length))
        return 400;
    if (count > 1)
        return 400;
    if (length > HTTP_BODY_MAX)
        return 413;
    *out_length = (size_t)length;
    return 200;
}

static bool has_word(struct str list, struct str word)
{
    struct str one = STR_NONE;

    while (str_cut(&list, ',', &one))
        if (str_equals_nocase(str_trim(one), word))
            return true;
    return false;
}

static unsigned look_at_fields(struct http_request *request, size_t *out_length)
{
    const struct http_field *field = NULL;
    uint32_t hosts = count_fields(request, STR("Host"), &field);

    if (hosts > 1 || (hosts == 0 && request->keeps_alive))
        return 400;
    if (count_fields(request, STR("Expect"), &field) > 0)
        return 417;
    for (uint32_t i = 0; i < request->field_count; i++)
        if (str_equals_nocase(request->field[i].name, STR("Connection")) &&
            has_word(request->field[i].value, STR("close")))
            request->keeps_alive = false;
    return read_length(request, out_length);
}

static unsigned read_head(struct str head, struct http_request *request, size_t *out_length)
{
    unsigned status = read_request_line(cut_line(&head), request);

    while (status == 200 && head.len > 0)
        status = read_field(cut_line(&head), request);
    return status == 200 ? look_at_fields(request, out_length) : status;
}

/* Behind what a client may have sent too much of at the end of the request before (RFC 9112 2.2).
 */
static size_t head_start(struct str bytes)
{
    return str_starts(bytes, STR("\r\n")) ? 2 : 0;
}

unsigned http_request_read(struct str bytes, struct http_request *out_request)
{
    struct http_request request = { .field_count = 0 };
    size_t start = head_start(bytes);
    struct str rest = str_skip(bytes, start);
    const char *end =
        rest.len > 0 ? memmem(rest.ptr, str_first(rest, HTTP_HEAD_MAX).len, "\r\n\r\n", 4) : NULL;
    size_t length = 0;

    if (end == NULL)
        return rest.len >= HTTP_HEAD_MAX ? 431 : 0;
    struct str head = str_first(rest, (size_t)(end - rest.ptr) + 2);
    unsigned status = read_head(head, &request, &length);
    if (status != 200)
        return status;
    rest = str_skip(rest, head.len + 2);
    if (rest.len < length)
        return 0;
    request.body = str_first(rest, length);
    request.size = start + head.len + 2 + length;
    *out_request = request;
    return 200;
}

const char *http_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        { 200, "OK" },
        { 202, "Accepted" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" },
        { 417, "Expectation Failed" },
        { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 501, "Not Implemented" },
        { 503, "Service Unavailable" },
        { 505, "HTTP Version Not Supported" },
    };

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Other";
}

/* ---- what is in its parts ---- */

static int hex_value(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    return ascii_is_hex(c) ? ascii_lower(c) - 'a' + 10 : -1;
}

bool http_decode(struct str text, bool plus_is_space, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            if (text.len - i < 3 || hex_value(text.ptr[i + 1]) < 0 ||
                hex_value(text.ptr[i + 2]) < 0)
                return false;
            c = (char)(hex_value(text.ptr[i + 1]) * 16 + hex_value(text.ptr[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0')
            return false;
        buf_add_byte(out, c);
    }
    return true;
}

bool http_next_pair(struct str *query, struct buf *out_name, struct buf *out_value)
{
    struct str rest = *query;
    struct str pair = STR_NONE;
    struct str name = STR_NONE;

    while (rest.len > 0 && str_cut(&rest, '&', &pair)) {
        if (pair.len == 0) {
            *query = rest;
            continue;
        }
        buf_reset(out_name);
        buf_reset(out_value);
        (void)str_cut(&pair, '=', &name);
        if (!http_decode(name, true, out_name) || !http_decode(pair, true, out_value))
            return false; /* *query still has it */
        *query = rest;
        return true;
    }
    *query = STR_NONE;
    return false;
}

bool http_basic(struct str value, struct buf *out, struct str *out_user, struct str *out_password)
{
    if (!str_starts_nocase(value, STR("Basic ")))
        return false;
    buf_reset(out);
    if (!base64_decode(out, str_trim(str_skip(value, 6))))
        return false;
    ptrdiff_t colon = str_find(buf_str(out), ':');
    if (colon < 0)
        return false;
    *out_user = str_first(buf_str(out), (size_t)colon);
    *out_password = str_skip(buf_str(out), (size_t)colon + 1);
    return true;
}

/* 192.0.2.7, 192.0.2.7:4711, [2001:db8::7]:4711, [2001:db8::7], and that in quotes. */
static bool read_node(struct str text, struct endpoint *out)
{
    text = str_trim(text);
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        text = str_first(str_skip(text, 1), text.len - 2);
    if (endpoint_from_ip(text, 0, out))
        return true;
    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        return endpoint_from_ip(str_first(str_skip(text, 1), text.len - 2), 0, out);
    if (!endpoint_from_text(text, 0, out))
        return false;
    out->port = 0;
    return true;
}

static struct str last_of(struct str list, char separator)
{
    ptrdiff_t at = str_find_last(list, separator);
    return str_trim(at >= 0 ? str_skip(list, (size_t)at + 1) : list);
}

/* for= among the pairs of the last element. */
static bool read_forwarded(struct str value, struct endpoint *out)
{
    struct str element = last_of(value, ',');
    struct str pair = STR_NONE;

    while (str_cut(&element, ';', &pair))
        if (str_starts_nocase(str_trim(pair), STR("for=")))
            return read_node(str_skip(str_trim(pair), 4), out);
    return false;
}

bool http_forwarded_for(const struct http_request *request, struct endpoint *out_client)
{
    const struct http_field *field = NULL;

    /* A field that comes twice is one list (RFC 9110 5.3): the last element is in the last one. */
    if (count_fields(request, STR("X-Forwarded-For"), &field) > 0)
        return read_node(last_of(field->value, ','), out_client);
    if (count_fields(request, STR("Forwarded"), &field) > 0)
        return read_forwarded(field->value, out_client);
    return false;
}
