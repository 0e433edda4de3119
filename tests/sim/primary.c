/* SPDX-License-Identifier: ISC */
/* primary.c: SMTP servers of several tempers.
 *
 *   up           takes mail
 *   dead         refuses connections
 *   silent       answers no connection
 *   greeter      421 instead of a greeting, always
 *   few          421 above two sessions
 *   greylisting  450 4.7.1 for whom it has not seen some minutes ago
 *   tarpit       takes its time for every reply
 *   lying        550 to every recipient
 *   putting off  451 to every recipient, or after the content
 *   vague        hangs up after the content, having taken it or not
 *   picky        550 to some recipients, 452 to others
 *   hanging      says nothing any more after RCPT
 *
 * A temper holds for connections that are there, too; one that becomes dead cuts
 * them. Policy is watched here: how often a primary that does not answer is
 * tried, and how many sessions it is given at once.
 */
#include "sim/primary.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/list.h"
#include "base/memory.h"
#include "sim/edge.h"
#include "sim/ledger.h"
#include "sim/outside.h"
#include "sim/world.h"

enum temper {
    UP,
    DEAD,
    SILENT,
    GREETER,
    FEW,
    GREYLISTING,
    TARPIT,
    LYING,
    BEREFT, /* of its users */
    UNWELCOMING,
    RUDE,
    PUTTING_OFF,
    VAGUE,
    PICKY,
    HANGING,
    TEMPERS
};

static const char *const temper_name[] = {
    "up",     "dead",        "silent", "greeter",     "few",   "greylisting", "tarpit",  "lying",
    "bereft", "unwelcoming", "rude",   "putting off", "vague", "picky",       "hanging",
};

/* Sessions with questions about recipients: two, or four while one is used up; and they doubt a
 * primary that does not let them ask. */
enum { CALLOUT_SESSIONS = 4, CALLOUT_TRIES = 3 };
enum { FEW_SESSIONS = 2, RECIPIENTS_MAX = 128, SEEN_MAX = 64 };

struct seen { /* greylisting */
    char recipient[64];
    int64_t at_ms;
};

struct primary {
    struct happening change;
    unsigned number;
    enum temper temper;
    int64_t until_ms;
    struct link sessions;
    unsigned session_count;
    struct seen seen[SEEN_MAX];
    unsigned seen_count;
    /* Policy. */
    int64_t probe_interval_ms;
    unsigned sessions_max;
    int64_t silent_since_ms; /* it has greeted nobody since then */
    unsigned tries;          /* since then */
    unsigned tries_allowed;  /* beside those that the interval allows */
};

struct session {
    struct link link;
    struct wire wire;
    struct happening go_on; /* a pause is over */
    struct primary *primary;
    struct ledger_stamp stamp;
    bool is_waiting;
    bool is_closed;
    bool has_greeted;
    bool is_hanging;
    bool is_in_data;
    uint64_t chunk_left; /* of BDAT, and its line end is none */
    bool chunk_is_last;
    bool is_in_chunk;
    struct buf content;
    char recipient[RECIPIENTS_MAX][64];
    unsigned recipient_count;
    bool has_sender;
};

static struct {
    struct primary primary[PRIMARIES_MAX];
    unsigned count;
    bool (*knows)(const char *recipient); /* NULL: everybody */
} primaries;

/* ---- replies ---- */

static void session_close(struct session *session)
{
    if (session->is_closed)
        return;
    session->is_closed = true;
    world_cancel(&session->go_on);
    wire_close(&session->wire);
    list_remove(&session->link);
    session->primary->session_count--;
    buf_fini(&session->content);
}

static void say(struct session *session, const char *reply)
{
    wire_send(&session->wire, str_from(reply));
    wire_send(&session->wire, STR("\r\n"));
}

static void forget_transaction(struct session *session)
{
    session->has_sender = false;
    session->recipient_count = 0;
    buf_reset(&session->content);
}

/* ---- what is taken ---- */

static void take_content(struct session *session)
{
    for (unsigned i = 0; i < session->recipient_count; i++)
        ledger_taken(buf_str(&session->content), str_from(session->recipient[i]), &session->stamp);
}

static void end_content(struct session *session)
{
    enum temper temper = session->primary->temper;

    session->is_in_data = session->is_in_chunk = false;
    if (session->recipient_count == 0) {
        say(session, "554 5.5.1 No valid recipients");
    } else if (temper == VAGUE && chance_percent(60)) {
        if (chance_percent(50))
            take_content(session);
        session_close(session);
        return;
    } else if (temper == PUTTING_OFF) {
        say(session, "452 4.3.1 No room for it at the moment");
    } else if (temper == LYING) {
        for (unsigned i = 0; i < session->recipient_count; i++)
            ledger_refused(str_from(session->recipient[i]));
        say(session, "554 5.6.0 We do not like it");
    } else {
        take_content(session);
        say(session, "250 2.0.0 Taken");
    }
    forget_transaction(session);
}

/* Unstuffs lines into the content; true when the lonely dot came. */
static bool take_data(struct session *session)
{
    struct buf line = { 0 };
    bool is_over = false;

    while (!is_over && wire_take_line(&session->wire, &line)) {
        struct str text = buf_str(&line);
        is_over = str_equals(text, STR("."));
        if (is_over)
            break;
        buf_add(&session->content, str_starts(text, STR(".")) ? str_skip(text, 1) : text);
        buf_add(&session->content, STR("\r\n"));
    }
    buf_fini(&line);
    return is_over;
}

static bool take_chunk(struct session *session)
{
    struct str bytes = str_first(buf_str(&session->wire.in), (size_t)session->chunk_left);

    buf_add(&session->content, bytes);
    session->chunk_left -= bytes.len;
    buf_consume(&session->wire.in, bytes.len);
    return session->chunk_left == 0;
}

/* ---- commands ---- */

static bool has_been_seen(struct primary *primary, const char *recipient)
{
    for (unsigned i = 0; i < primary->seen_count; i++)
        if (strcmp(primary->seen[i].recipient, recipient) == 0)
            return world.true_ms - primary->seen[i].at_ms > 3 * MINUTE_MS;
    if (primary->seen_count < SEEN_MAX) {
        struct seen *seen = &primary->seen[primary->seen_count++];
        (void)snprintf(seen->recipient, sizeof seen->recipient, "%s", recipient);
        seen->at_ms = world.true_ms;
    }
    return false;
}

static const char *judge_recipient(struct session *session, const char *recipient)
{
    struct primary *primary = session->primary;
    unsigned dice = (unsigned)recipient[4] % 6; /* userN@… */

    if (primaries.knows != NULL && !primaries.knows(recipient))
        return "550 5.1.1 No such user here";
    if (primary->temper == LYING && recipient[4] % 2 == 0)
        return "550 5.1.1 No such user here";
    if (primary->temper == BEREFT)
        return "550 5.1.1 No such user here";
    if (primary->temper == PUTTING_OFF && recipient[4] % 2 == 0)
        return "451 4.3.0 Ask again later";
    if (primary->temper == GREYLISTING && !has_been_seen(primary, recipient))
        return "450 4.7.1 Greylisted, please come back in 4 minutes";
    if (primary->temper == PICKY && dice == 0)
        return "550 5.2.1 This mailbox is closed";
    if (primary->temper == PICKY && dice == 1)
        return "452 4.2.2 This mailbox is full";
    return "250 2.1.5 OK";
}

static void take_recipient(struct session *session, struct str line)
{
    char recipient[64] = { 0 };
    struct str rest = str_skip(line, 9);
    struct str address;

    if (!session->has_sender || !str_cut(&rest, '>', &address) ||
        session->recipient_count == RECIPIENTS_MAX) {
        say(session, "503 5.5.1 MAIL first");
        return;
    }
    check(address.len < sizeof recipient);
    memcpy(recipient, address.ptr, address.len);
    const char *reply = judge_recipient(session, recipient);
    if (reply[0] == '2')
        memcpy(session->recipient[session->recipient_count++], recipient, sizeof recipient);
    if (reply[0] == '5')
        ledger_refused(str_from(recipient));
    say(session, reply);
}

static void take_bdat(struct session *session, struct str line)
{
    struct str number;
    struct str rest = str_skip(line, 5);

    session->chunk_is_last = str_ends_nocase(rest, STR(" LAST"));
    if (!str_cut(&rest, ' ', &number))
        number = rest;
    check(str_to_u64(number, UINT32_MAX, &session->chunk_left));
    session->is_in_chunk = true;
}

static void take_command(struct session *session, struct str line)
{
    if (str_starts_nocase(line, STR("EHLO"))) {
        say(session, "250-primary.example");
        if (session->primary->number != 1)
            say(session, "250-PIPELINING");
        if (session->primary->number % 2 == 0)
            say(session, "250-CHUNKING");
        say(session, "250-8BITMIME");
        say(session, "250-ENHANCEDSTATUSCODES");
        say(session, "250 SIZE 50000000");
    } else if (str_starts_nocase(line, STR("MAIL"))) {
        forget_transaction(session);
        session->has_sender = session->primary->temper != RUDE;
        if (!session->has_sender)
            ledger_refused_sender();
        say(session, session->has_sender ? "250 2.1.0 OK" : "550 5.7.1 Nothing from you");
    } else if (str_starts_nocase(line, STR("RCPT"))) {
        take_recipient(session, line);
    } else if (str_starts_nocase(line, STR("DATA"))) {
        session->is_in_data = session->recipient_count > 0;
        say(session, session->is_in_data ? "354 Go on" : "554 5.5.1 No valid recipients");
    } else if (str_starts_nocase(line, STR("BDAT"))) {
        take_bdat(session, line);
    } else if (str_starts_nocase(line, STR("RSET"))) {
        forget_transaction(session);
        say(session, "250 2.0.0 OK");
    } else if (str_starts_nocase(line, STR("QUIT"))) {
        say(session, "221 2.0.0 Bye");
        session_close(session);
    } else {
        say(session, "250 2.0.0 OK");
    }
}

/* ---- the dialogue ---- */

/* True if something was done and more may be to do. */
static bool go_one_step(struct session *session)
{
    struct buf line = { 0 };
    bool goes_on = false;

    if (session->is_in_data) {
        goes_on = take_data(session);
        if (goes_on)
            end_content(session);
        return goes_on;
    }
    if (session->is_in_chunk) {
        if (!take_chunk(session))
            return false;
        session->is_in_chunk = false;
        if (session->chunk_is_last)
            end_content(session);
        else
            say(session, "250 2.0.0 OK");
        return true;
    }
    if (wire_take_line(&session->wire, &line)) {
        goes_on = true;
        take_command(session, buf_str(&line));
        session->is_hanging = session->primary->temper == HANGING && session->recipient_count > 0;
    }
    buf_fini(&line);
    return goes_on;
}

static void go_on(struct session *session)
{
    while (!session->is_closed && !session->is_waiting && !session->is_hanging &&
           go_one_step(session)) {
        if (session->is_closed || session->primary->temper != TARPIT)
            continue;
        session->is_waiting = true;
        world_in(&session->go_on, chance_between(SECOND_MS, 40 * SECOND_MS));
    }
}

static void greet(struct session *session)
{
    struct primary *primary = session->primary;
    bool is_refused = primary->temper == GREETER ||
                      (primary->temper == FEW && primary->session_count > FEW_SESSIONS);

    session->has_greeted = true;
    if (primary->temper == UNWELCOMING) {
        say(session, "554 5.7.1 Not you");
        session_close(session);
        return;
    }
    if (is_refused) {
        say(session, "421 4.3.2 Not now");
        session_close(session);
        return;
    }
    primary->silent_since_ms = world.true_ms;
    primary->tries = 0;
    primary->tries_allowed = 0;
    say(session, "220 primary.example ESMTP");
}

static void on_go_on(struct happening *happening)
{
    struct session *session = container_of(happening, struct session, go_on);

    session->is_waiting = false;
    if (!session->has_greeted)
        greet(session);
    go_on(session);
}

static void on_input(struct wire *wire)
{
    struct session *session = container_of(wire, struct session, wire);
    if (session->is_hanging)
        buf_reset(&wire->in);
    else if (session->has_greeted)
        go_on(session);
}

static void on_end(struct wire *wire)
{
    session_close(container_of(wire, struct session, wire));
}

static const struct wire_host wire_hooks = { .input = on_input, .end = on_end };

/* ---- policy ---- */

/* Counted from when it last greeted somebody: the sessions that ran into its silence, one probe
 * each interval (a fifth less at the least), one for each time that somebody asked, and a question
 * about a recipient that found out, and now and then whether we are welcome again. */
static void check_density(struct primary *primary)
{
    int64_t silent_ms = world.true_ms - primary->silent_since_ms;
    int64_t allowed = silent_ms / (primary->probe_interval_ms * 4 / 5) + 2 +
                      (int64_t)primary->sessions_max + (int64_t)primary->tries_allowed +
                      CALLOUT_TRIES + silent_ms / (15LL * MINUTE_MS);

    primary->tries++;
    if ((int64_t)primary->tries > allowed)
        world_fail("primary %u, silent for %lld s, is tried for the %uth time; %lld are allowed",
                   primary->number, (long long)silent_ms / SECOND_MS, primary->tries,
                   (long long)allowed);
}

static void check_sessions(const struct primary *primary)
{
    if (primary->session_count > primary->sessions_max + CALLOUT_SESSIONS + 1) /* a probe is none */
        world_fail("primary %u has %u sessions at once; %u are allowed", primary->number,
                   primary->session_count, primary->sessions_max + CALLOUT_SESSIONS);
}

void primaries_set_policy(unsigned primary, int64_t probe_interval_ms, unsigned sessions)
{
    struct primary *it = &primaries.primary[primary];

    it->probe_interval_ms = probe_interval_ms;
    it->sessions_max = sessions;
}

void primaries_may_be_tried(void)
{
    for (unsigned i = 0; i < primaries.count; i++)
        primaries.primary[i].tries_allowed++;
}

/* ---- connections ---- */

static void on_called(struct endpoint to, int client_fd, uint64_t connection, int server_fd)
{
    struct primary *primary = &primaries.primary[to.address[3] - 1];

    check_density(primary);
    world_trace("   primary %u (%s) is called", primary->number, temper_name[primary->temper]);
    if (primary->temper == DEAD) {
        (void)close(server_fd);
        edge_connected(client_fd, connection, -ECONNREFUSED);
        return;
    }
    struct session *session = memory_new(sizeof *session);
    session->primary = primary;
    session->stamp = ledger_stamp();
    session->go_on.happen = on_go_on;
    wire_open(&session->wire, server_fd, &wire_hooks);
    list_append(&primary->sessions, &session->link);
    primary->session_count++;
    if (primary->temper == SILENT)
        return;
    check_sessions(primary);
    edge_connected(client_fd, connection, 0);
    session->is_waiting = true;
    world_in(&session->go_on, primary->temper == TARPIT ? chance_between(SECOND_MS, 30 * SECOND_MS)
                                                        : chance_between(0, 50));
}

/* ---- tempers ---- */

static void set_temper(struct primary *primary, enum temper temper)
{
    primary->temper = temper;
    primary->seen_count = 0;
    world_trace("-- primary %u: %s", primary->number, temper_name[temper]);
    if (temper != DEAD && temper != SILENT)
        return;
    list_each_safe (link, &primary->sessions)
        if (temper == DEAD || chance_percent(50))
            session_close(container_of(link, struct session, link));
}

static void on_change(struct happening *happening)
{
    struct primary *primary = container_of(happening, struct primary, change);
    enum temper temper = chance_percent(35) ? UP : (enum temper)chance_below(TEMPERS);
    int64_t for_ms = chance_between(MINUTE_MS, 3 * HOUR_MS);

    if ((temper == DEAD || temper == SILENT) && chance_percent(30))
        for_ms = chance_between(3 * HOUR_MS, 4 * DAY_MS);
    set_temper(primary, temper);
    if (world.true_ms + for_ms < primary->until_ms)
        world_in(&primary->change, for_ms);
}

void primaries_start(unsigned count, int64_t until_ms)
{
    check(count <= PRIMARIES_MAX);
    primaries.count = count;
    edge_on_connect(on_called);
    for (unsigned i = 0; i < count; i++) {
        struct primary *primary = &primaries.primary[i];
        primary->number = i;
        primary->until_ms = until_ms;
        primary->silent_since_ms = world.true_ms;
        primary->change.happen = on_change;
        list_init(&primary->sessions);
        on_change(&primary->change);
    }
}

void primaries_know(bool (*knows)(const char *recipient))
{
    primaries.knows = knows;
}

void primaries_die(void)
{
    for (unsigned i = 0; i < primaries.count; i++)
        set_temper(&primaries.primary[i], DEAD);
}

void primaries_heal(void)
{
    for (unsigned i = 0; i < primaries.count; i++) {
        world_cancel(&primaries.primary[i].change);
        set_temper(&primaries.primary[i], UP);
    }
}
