/* SPDX-License-Identifier: ISC */
/* milter.h: one message shown to one filter, in the protocol of Sendmail's libmilter, version 6; we
 * are the MTA.
 *
 *     negotiate > connect > helo > mail > rcpt … > data > header … > end of header > body … > end
 *
 * A filter sees the message when it is complete, whatever the filters before it have made of it.
 * It may let it pass, with or without changes to header and body; refuse it, or single
 * recipients; put it off; want it held (quarantine; what it wants thrown away silently is held too,
 * for mail that we took is never lost by a program's word). It may not change the envelope.
 *
 * A state machine over bytes, as stations are: no socket, no clock. Whoever has them ends a
 * conversation that takes too long. What a filter says is not trusted to make sense: each packet,
 * the changes and the new body have their limits; nonsense ends the conversation as MILTER_BROKEN.
 */
#pragma once

#include "filter/changes.h"
#include "mail/envelope.h"

struct milter;

enum {
    MILTER_CHUNK_MAX = 65535,       /* of a body, in one packet */
    MILTER_PACKET_MAX = 256 * 1024, /* of what a filter says */
    MILTER_VALUE_MAX = 60000,       /* of a header field: libmilter takes packets of 64 KiB */
};

struct milter_mail {     /* lives longer than the conversation */
    struct str hostname; /* ours */
    const struct envelope *envelope;
    const bool *is_shown;        /* for each recipient: the filter is for him */
    const struct header *header; /* as the filter is to see it */
    struct str body_start;       /* what a filter sees in front of the body */
    uint64_t body_size;          /* of the rest, without the empty line */
    uint64_t body_max;           /* of one that a filter puts in its place */
};

struct milter_host {
    void (*send)(void *context, struct str bytes);
    /* The body's octets from `offset` on; answer, in a later call, with milter_body(). */
    void (*want_body)(void *context, uint64_t offset, size_t size);
    /* A piece of the body that takes the old one's place (line ends are CRLF). The first one may be
     * empty: then the body is. */
    void (*replace_body)(void *context, struct str bytes);
};

enum milter_outcome {
    MILTER_OPEN, /* it goes on */
    MILTER_PASSED,
    MILTER_REFUSED,
    MILTER_DEFERRED,
    MILTER_TO_HOLD,
    MILTER_BROKEN,
};

struct milter_result { /* lives as long as the conversation */
    enum milter_outcome outcome;
    struct verdict verdict;         /* unless PASSED or BROKEN of all: what was said, the latest */
    const char *why;                /* BROKEN */
    enum milter_outcome *recipient; /* PASSED, REFUSED or TO_HOLD; NULL before the negotiation */
    uint32_t recipient_count;
    struct changes changes; /* for who lets it pass */
    bool replaces_body;
    unsigned overstepped; /* changes that a filter may not make here, passed over */
};

/* Says its first words at once. */
struct milter *milter_new(const struct milter_mail *mail, const struct milter_host *host,
                          void *context);
void milter_free(struct milter *milter);
void milter_feed(struct milter *milter, struct str bytes);
/* What was wanted; fewer octets: the body cannot be read. */
void milter_body(struct milter *milter, struct str bytes);
/* It is gone, or takes too long. Nothing is sent any more. */
void milter_break(struct milter *milter, const char *why);
const struct milter_result *milter_result(const struct milter *milter);
