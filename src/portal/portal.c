/* SPDX-License-Identifier: ISC */
/* portal.c: which path means what; answers as octets. */
#include "portal/portal.h"

#include <string.h>

#include "portal/faces.h"

void portal_wish_fini(struct portal_wish *wish)
{
    if (wish->login.ptr != NULL)
        explicit_bzero(wish->login.ptr, wish->login.cap);
    buf_fini(&wish->login);
    arena_fini(&wish->arena);
}

void portal_answer_fini(struct portal_answer *answer)
{
    buf_fini(&answer->body);
}

/* ---- requests ---- */

static bool read_login(const struct http_request *request, struct portal_wish *wish)
{
    return http_basic(http_find(request, STR("Authorization")), &wish->login, &wish->user,
                      &wish->secret);
}

bool portal_read(const struct http_request *request, struct endpoint client,
                 struct portal_wish *out_wish, struct portal_answer *out_answer)
{
    struct portal_wish wish = { .is_dyndns = dyndns_is_for(request) };

    client.port = 0;
    if (!wish.is_dyndns && !rest_is_for(request)) {
        portal_refuse(out_answer, 404, "no-such-page", STR("there is nothing under this path"));
        return false;
    }
    bool is_known = read_login(request, &wish);
    bool is_fine = wish.is_dyndns ? dyndns_read(request, client, is_known, &wish, out_answer)
                                  : rest_read(request, is_known, &wish, out_answer);
    if (is_fine)
        *out_wish = wish;
    else
        portal_wish_fini(&wish);
    return is_fine;
}

bool portal_told(const struct portal_wish *wish, struct str domain,
                 const struct portal_outcome *outcome, struct portal_answer *answer)
{
    return wish->is_dyndns ? dyndns_told(wish, outcome, answer)
                           : rest_told(wish, domain, outcome, answer);
}

void portal_refuse(struct portal_answer *answer, unsigned status, const char *code, struct str text)
{
    rest_refuse(answer, status, code, text);
}

/* ---- answers ---- */

void portal_answer_add(struct buf *out, const struct portal_answer *answer, bool keeps_alive,
                       bool has_body)
{
    buf_add_format(out, "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
                   answer->status, http_reason(answer->status),
                   answer->is_json ? "application/json" : "text/plain; charset=utf-8",
                   answer->body.len);
    buf_add(out, STR("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"));
    if (answer->wants_login)
        buf_add(out, STR("WWW-Authenticate: Basic realm=\"holdfast\", charset=\"UTF-8\"\r\n"));
    if (answer->allow != NULL)
        buf_add_format(out, "Allow: %s\r\n", answer->allow);
    if (answer->retry_after_s > 0)
        buf_add_format(out, "Retry-After: %u\r\n", answer->retry_after_s);
    buf_add_format(out, "Connection: %s\r\n\r\n", keeps_alive ? "keep-alive" : "close");
    if (has_body)
        buf_add(out, buf_str(&answer->body));
}
