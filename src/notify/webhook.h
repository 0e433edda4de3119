/* SPDX-License-Identifier: ISC */
/* webhook.h: an event as JSON to a web server, signed (SPEC N6).
 *
 *     {"id":"01K…","event":"down","domain":"example.org","node":"mx2.example.net",
 *      "at":"2026-11-29T04:00:00.000Z","times":1,"since":"…","held":12,…}
 *
 * The id stays the same when it is posted again, so that the receiver can tell a second copy from a
 * second event. Each attempt is signed anew: HMAC-SHA256 (RFC 2104) over the time, a dot and the
 * body. Whoever has the secret can check both, and refuse what is old.
 */
#pragma once

#include "notify/alert.h"

#define WEBHOOK_SECRET_FACT "webhook-secret" /* under which it is kept; struct domain_fact */

enum {
    WEBHOOK_SECRET_SIZE = 64, /* characters: 256 bits of chance in hexadecimal */
    WEBHOOK_BODY_MAX = 4096,
};

struct webhook_event {
    enum alert alert;
    const struct alert_facts *facts;
    struct str id;
    struct str domain;
    struct str node;
    int64_t now_ms;
};
/* At most WEBHOOK_BODY_MAX octets. A fact without meaning for the event is left out; what is not
 * known is null. */
void webhook_add_body(struct buf *out, const struct webhook_event *event);

/* "sha256=" and 64 hexadecimal digits. */
void webhook_add_signature(struct buf *out, struct str secret, int64_t timestamp_s,
                           struct str body);
