/* SPDX-License-Identifier: ISC */
/* lines.h: lines, the connections of primaries that call us for their mail (RFC 2645; SPEC D2, D3),
 * and which session goes over which.
 *
 *     WAITING ── a session needs it ──▶ WANTED ── turned round ──▶ FREE ◀──▶ BUSY
 *                                                                   └─▶ ENDING
 *
 * A line carries one session after another, of any of its domains; a session that finds none free
 * waits for one, in turn, as long as its domain has lines at all, and others of its domain do not
 * use or wait for as many as there are. While others wait, a session has a turn of a few seconds. A
 * line that nobody needs for a while is ended, so that the caller's server need not keep an idle
 * connection: soon where the caller came for what there was, later where he calls again at once.
 * One that is not turned round in time is let go, too.
 *
 * A domain is served to one caller at a time: two servers with the same secret would each get a
 * part of its mail.
 *
 * Pure; the host's functions may be called from within any call, and must not call back.
 */
#pragma once

#include "base/clock.h"
#include "base/str.h"

struct lines;

enum { LINE_DOMAINS_MAX = 512, LINES_OF_CALLER_MAX = 8, LINES_MAX = 1024 };

struct lines_host {
    void (*want)(void *context, uint64_t line);                   /* turn it round */
    void (*open)(void *context, uint64_t session, uint64_t line); /* the session goes over it */
    /* Its domain has no line left, or (has_others) enough sessions for those that it has. */
    void (*fail)(void *context, uint64_t session, bool has_others);
    void (*end)(void *context, uint64_t line); /* nobody needs it any more */
    void (*dismiss)(void *context,
                    uint64_t line); /* who waits is to call again; lines_down() follows */
    /* The domain has a line, having had none for so long (NEVER_MS: none yet, or its caller does
     * not wait); or none any more. */
    void (*came)(void *context, struct str domain, int64_t away_ms);
    void (*gone)(void *context, struct str domain);
};

struct line_offer {
    uint64_t line;       /* a number of its own, never 0 */
    struct str caller;   /* as whom he has logged in */
    struct str instance; /* which one of his, if he waits; empty: he has come for what there is */
    const struct str *domain; /* in normal form; copied */
    uint32_t domain_count;
};

struct lines *lines_new(const struct lines_host *host, void *context);
void lines_free(struct lines *lines); /* NULL is fine; nothing is told */

enum line_welcome {
    LINE_WELCOME,
    LINE_SERVED, /* one of its domains is being served to another caller */
    LINE_TOO_MANY,
};
enum line_welcome lines_offer(struct lines *lines, const struct line_offer *offer, struct now now);
void lines_up(struct lines *lines, uint64_t number, struct now now);   /* it was turned round */
void lines_down(struct lines *lines, uint64_t number, struct now now); /* it is gone */

/* The session needs a line: open() or fail() follows, perhaps from within. `is_patient`: it waits
 * however many others do. */
void lines_ask(struct lines *lines, uint64_t session, struct str domain, bool is_patient,
               struct now now);
/* The session is over, or needs none any more. `is_clean`: the next one may use its line. */
void lines_session_over(struct lines *lines, uint64_t session, bool is_clean, struct now now);

/* Who has called for this domain, or as its holder, may not be who may any more: he is to call
 * again. */
void lines_dismiss(struct lines *lines, struct str domain, struct now now);

bool lines_serve(const struct lines *lines, struct str domain);
uint32_t lines_count(const struct lines *lines, struct str domain);

/* A session whose turn is over, for others wait for its line: it is to end as soon as what it has
 * been given is answered. Each is named once; false: there is none (more). */
bool lines_overdue(struct lines *lines, struct now now, uint64_t *out_session);
int64_t lines_deadline(const struct lines *lines);
void lines_tick(struct lines *lines, struct now now);
