/* SPDX-License-Identifier: ISC */
/* http.h: a request of HTTP/1.1 or 1.0 (RFC 9110, RFC 9112), and what is in its parts.
 *
 * Strict, for in front of us there may be a proxy that reads otherwise: lines end with CRLF alone,
 * no folded fields, no body whose length is not said by one Content-Length, no transfer codings,
 * and no targets but paths: the others are for proxies, which we are not.
 * Bounded: what is larger than these is refused before it is kept.
 */
#pragma once

#include "base/buf.h"
#include "base/endpoint.h"

enum {
    HTTP_HEAD_MAX = 8 * 1024,
    HTTP_FIELDS_MAX = 64,
    HTTP_BODY_MAX = 16 * 1024,
    HTTP_REQUEST_MAX = HTTP_HEAD_MAX + HTTP_BODY_MAX,
};

struct http_field {
    struct str name, value;
};

struct http_request { /* borrows the octets it was read from */
    struct str method;
    struct str path;  /* begins with a slash; as it was sent */
    struct str query; /* behind the question mark; STR_NONE: there is none */
    struct http_field field[HTTP_FIELDS_MAX];
    uint32_t field_count;
    struct str body;
    bool keeps_alive; /* another request may follow */
    size_t size;      /* octets of all of it */
};

/* From the front of `bytes`: 0 if it is not all there, 200 if it is, else the status by which it is
 * refused; then nothing that follows can be understood. */
unsigned http_request_read(struct str bytes, struct http_request *out_request);
/* The only field of that name; STR_NONE: there is none, or there are several. */
struct str http_find(const struct http_request *request, struct str name);
const char *http_reason(unsigned status); /* "Not Found" */

/* The next NAME=VALUE of a query, both decoded; false: no more, or, with *query not empty, not
 * decodable. */
bool http_next_pair(struct str *query, struct buf *out_name, struct buf *out_value);
/* %XX, and + as a space where that is meant. False: malformed, or a NUL. */
bool http_decode(struct str text, bool plus_is_space, struct buf *out);
/* Of "Authorization: Basic …" (RFC 7617). False: it is none. Nobody may find it in `out` later:
 * wipe it. */
bool http_basic(struct str value, struct buf *out, struct str *out_user, struct str *out_password);
/* The client as the proxy in front of us has seen it: the last of X-Forwarded-For or of Forwarded
 * (RFC 7239). False: it does not say, or not in a way to be understood. */
bool http_forwarded_for(const struct http_request *request, struct endpoint *out_client);
