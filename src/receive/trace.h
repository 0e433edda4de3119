/* SPDX-License-Identifier: ISC */
/* trace.h: the Received fields of a message: those it has, and ours (RFC 5321 4.4).
 *
 * The scanner reads the header of the content as it comes, in any split and with
 * a few octets of memory, and counts: how many hops there were, and how often the
 * word after "by" was our own name. A message that was here twice or has seen
 * too many hops runs in a circle (RFC 5321 6.3).
 */
#pragma once

#include "base/buf.h"
#include "base/endpoint.h"
#include "mail/message_id.h"

enum { TRACE_HOPS_MAX = 50, TRACE_OWN_MAX = 1 };

enum trace_place {
    TRACE_LINE_START,
    TRACE_NAME,  /* within the name of a field that may become "Received" */
    TRACE_SKIP,  /* rest of a line that does not matter */
    TRACE_FIELD, /* within the value of a Received field */
    TRACE_BODY,  /* the header is over */
};

struct trace_scanner {
    struct str own_name; /* borrowed; may be set anew between two calls */
    uint32_t hops;
    uint32_t own; /* of these, by us */
    enum trace_place place;
    bool in_received; /* the field a folded line belongs to */
    bool after_by;    /* the last word was "by" */
    size_t name_len;  /* octets of "received" seen */
    size_t word_len;  /* octets of the word at hand */
    bool word_is_by;  /* … equals the beginning of "by" so far */
    bool word_is_own; /* … of our name */
    uint32_t comment_depth;
};

struct trace_scanner trace_scanner_for(struct str own_name);
/* `content` has only CRLF line ends (content.h). */
void trace_scan(struct trace_scanner *scanner, struct str content);
bool trace_is_loop(const struct trace_scanner *scanner);

struct trace_stamp {
    struct str helo;        /* as the client said it */
    struct str client_name; /* confirmed reverse name, or empty */
    struct endpoint client;
    struct str node;     /* our name */
    struct str protocol; /* SMTP, ESMTP … */
    struct str tls;      /* how the connection is secured, in our words, or empty */
    struct message_id id;
    struct str recipient; /* the only one, or empty */
    int64_t wall_ms;
};

/* Our Received field, folded, with its line ends. What came from outside is cut down to characters
 * that cannot break the field; a recipient that would need more is left out. */
void trace_add_received(struct buf *out, const struct trace_stamp *stamp);
