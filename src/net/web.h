/* SPDX-License-Identifier: ISC */
/* web.h: requests to web servers (HTTP/1.1, TLS), by libcurl on our loop.
 *
 * libcurl resolves nothing, follows nothing, and knows no proxy, cookie or password: a request goes
 * to the addresses that came with it, and to no other. Certificates are checked against anchors
 * that were read at the start. Of the answer to a post the status counts; the rest is thrown away,
 * and cut off where it gets long. What is fetched comes whole or not at all.
 */
#pragma once

#include "base/buf.h"
#include "base/endpoint.h"
#include "net/loop.h"

enum {
    WEB_ADDRESSES_MAX = 8,
    WEB_FIELDS_MAX = 8,
    WEB_AT_ONCE_MAX = 64,
    WEB_TIME_MAX_MS = 30 * 1000,
    WEB_FETCH_TIME_MAX_MS = 60 * 1000,
    WEB_ANSWER_MAX = 64 * 1024, /* octets of an answer, and of its header */
};

struct web;

struct web_post {
    struct str url;                             /* url_parse() takes it */
    struct endpoint address[WEB_ADDRESSES_MAX]; /* with the URL's port */
    uint32_t address_count;
    struct str field[WEB_FIELDS_MAX]; /* "Name: value" */
    uint32_t field_count;
    struct str body; /* JSON, unless a field (Content-Type) says what else */
};

/* Over TLS only; nothing of what was fetched is interpreted. */
struct web_fetch {
    struct str url;
    struct endpoint address[WEB_ADDRESSES_MAX];
    uint32_t address_count;
};

struct web_answer {    /* its strings live during the call */
    unsigned status;   /* 200, 404 …; 0: the server did not answer, for the reason given */
    bool is_untrusted; /* with 0: its certificate proves nothing */
    struct str why;
    struct str type; /* of a fetch: the media type, with its parameters */
    struct str body; /* of a fetch */
};
/* Not from inside of web_post() or web_fetch(). */
typedef void web_done(void *context, const struct web_answer *answer);

/* `anchors`: certificates as PEM; empty: no server is trusted. Before confinement: the libraries
 * look at files when they are used for the first time. */
struct web *web_new(struct loop *loop, struct str anchors);
void web_free(struct web *web); /* NULL is fine; what is under way ends without done() */

/* Copies what it is given. False: there are too many, or it is not well-formed. */
bool web_post(struct web *web, const struct web_post *post, web_done *done, void *context);
bool web_fetch(struct web *web, const struct web_fetch *fetch, web_done *done, void *context);

/* Once a turn. */
void web_turn(struct web *web, struct now now);
int64_t web_deadline(const struct web *web);
