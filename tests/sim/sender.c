/* SPDX-License-Identifier: ISC */
/* sender.c: SMTP clients of several tempers.
 *
 * A sender brings one letter, in as many connections as it takes. What it says is a
 * list of lines; with PIPELINING those up to DATA leave together. The temper is
 * chosen anew for each connection:
 *
 *   plain        one command at a time
 *   pipelining   MAIL, RCPT… and DATA at once
 *   chunking     MAIL, RCPT… and BDAT with the content at once
 *   slow         the content comes in small pieces with pauses
 *   breaking     hangs up somewhere within the content
 *   hasty        hangs up just after the content, and does not hear the answer
 *
 * Whoever did not hear 250 or 5yz for the letter comes again, with the same content.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/endpoint.h"
#include "base/list.h"
#include "base/memory.h"
#include "sim/edge.h"
#include "sim/ledger.h"
#include "sim/machine.h"
#include "sim/outside.h"
#include "sim/sender.h"
#include "sim/world.h"

enum temper { PLAIN, PIPELINING, CHUNKING, SLOW, BREAKING, HASTY, TEMPERS };

enum step { GREETING, HELLO, MAIL, RECIPIENTS, DATA, CONTENT };

enum { TRIES_MAX = 40, PIECE_MAX = 2000 };

struct sender {
    struct happening next; /* the next try, or the next piece */
    struct letter *letter;
    struct wire wire;
    bool is_connected;
    enum temper temper;
    enum step step;
    unsigned asked; /* recipients whose RCPT has left */
    unsigned answered;
    bool accepted[LETTER_RECIPIENTS_MAX];
    struct buf content; /* as it goes out, dots stuffed */
    size_t sent;
    size_t break_at; /* BREAKING: hangs up there */
    unsigned tries;
    bool is_done;
};

static bool is_over;

static void try_again(struct sender *sender)
{
    wire_close(&sender->wire);
    sender->is_connected = false;
    if (!is_over && !sender->is_done && sender->tries < TRIES_MAX)
        world_in(&sender->next, chance_between(MINUTE_MS, 4 * HOUR_MS));
}

static void say(struct sender *sender, const char *words, const char *address)
{
    struct buf line = { 0 };

    buf_add_format(&line, "%s%s%s\r\n", words, address, address[0] != '\0' ? ">" : "");
    wire_send(&sender->wire, buf_str(&line));
    buf_fini(&line);
}

/* ---- content ---- */

static void send_piece(struct sender *sender)
{
    size_t left = sender->content.len - sender->sent;
    size_t size = left;

    if (sender->temper == SLOW && size > PIECE_MAX)
        size = 1 + (size_t)chance_below(PIECE_MAX);
    if (sender->temper == BREAKING && sender->sent + size > sender->break_at)
        size = sender->break_at - sender->sent;
    wire_send(&sender->wire, str_of(sender->content.ptr + sender->sent, size));
    sender->sent += size;
    if (sender->sent == sender->content.len)
        sender->letter->sent_whole++;
    else if (sender->temper == BREAKING)
        try_again(sender);
    else
        world_in(&sender->next, chance_between(100, 3 * SECOND_MS));
    if (sender->temper == HASTY)
        try_again(sender);
}

static void begin_content(struct sender *sender)
{
    sender->step = CONTENT;
    sender->sent = 0;
    buf_reset(&sender->content);
    letter_stuff(sender->letter, &sender->content);
    if (sender->temper == BREAKING)
        sender->break_at = (size_t)chance_below(sender->content.len);
    send_piece(sender);
}

static void send_chunk(struct sender *sender)
{
    char number[32];

    sender->letter->sent_whole++;
    (void)snprintf(number, sizeof number, "BDAT %zu LAST", sender->letter->content.len);
    say(sender, number, "");
    wire_send(&sender->wire, buf_str(&sender->letter->content));
}

/* ---- the dialogue ---- */

static void ask_recipient(struct sender *sender)
{
    say(sender, "RCPT TO:<", sender->letter->recipient[sender->asked++]);
}

static void send_mail(struct sender *sender)
{
    bool is_at_once = sender->temper == PIPELINING || sender->temper == CHUNKING;

    sender->step = MAIL;
    sender->asked = sender->answered = 0;
    if (sender->letter->sender[0] == '\0')
        say(sender, "MAIL FROM:<>", "");
    else
        say(sender, "MAIL FROM:<", sender->letter->sender);
    while (is_at_once && sender->asked < sender->letter->recipient_count)
        ask_recipient(sender);
    if (sender->temper == PIPELINING)
        say(sender, "DATA", "");
    if (sender->temper == CHUNKING)
        send_chunk(sender);
}

static void quit(struct sender *sender)
{
    if (chance_percent(70))
        say(sender, "QUIT", "");
    try_again(sender);
}

static void take_recipient_reply(struct sender *sender, char kind)
{
    unsigned accepted = 0;

    sender->accepted[sender->answered++] = kind == '2';
    if (sender->asked < sender->letter->recipient_count) {
        ask_recipient(sender);
        return;
    }
    if (sender->answered < sender->letter->recipient_count)
        return;
    for (unsigned i = 0; i < sender->letter->recipient_count; i++)
        accepted += sender->accepted[i];
    sender->step = sender->temper == CHUNKING ? CONTENT : DATA;
    if (sender->temper == PIPELINING || sender->temper == CHUNKING)
        return;
    if (accepted == 0)
        quit(sender);
    else
        say(sender, "DATA", "");
}

/* 250 2.0.0 Stored as ID */
static void take_fate(struct sender *sender, struct str line)
{
    ptrdiff_t id = str_find_last(line, ' ');

    if (line.ptr[0] == '2') {
        ledger_promised(sender->letter, str_skip(line, (size_t)id + 1), sender->accepted);
        sender->is_done = true;
    }
    quit(sender);
}

static void take_reply(struct sender *sender, struct str line)
{
    char kind = line.ptr[0];

    switch (sender->step) {
    case GREETING:
        if (kind == '2') {
            sender->step = HELLO;
            say(sender, "EHLO client.elsewhere.example", "");
        } else {
            quit(sender);
        }
        break;
    case HELLO:
        if (kind == '2')
            send_mail(sender);
        else
            quit(sender);
        break;
    case MAIL:
        sender->step = RECIPIENTS;
        if (kind != '2')
            quit(sender);
        else if (sender->asked == 0)
            ask_recipient(sender);
        break;
    case RECIPIENTS:
        take_recipient_reply(sender, kind);
        break;
    case DATA:
        if (kind == '3')
            begin_content(sender);
        else
            quit(sender);
        break;
    case CONTENT:
        take_fate(sender, line);
        break;
    }
}

static void on_input(struct wire *wire)
{
    struct sender *sender = container_of(wire, struct sender, wire);
    struct buf line = { 0 };

    while (sender->is_connected && wire_take_line(wire, &line)) {
        if (line.len < 4 || line.ptr[3] == '-')
            continue;
        world_trace("   sender %u hears %.*s", sender->letter->number, STR_FMT(buf_str(&line)));
        take_reply(sender, buf_str(&line));
    }
    buf_fini(&line);
}

static void on_end(struct wire *wire)
{
    try_again(container_of(wire, struct sender, wire));
}

static const struct wire_host wire_hooks = { .input = on_input, .end = on_end };

static void connect_sender(struct sender *sender)
{
    int listener = machine_smtp_listener();
    int fd[2];
    struct endpoint client = { .family = ENDPOINT_IP4,
                               .port = 40000,
                               .address = { 203, 0, (uint8_t)sender->letter->number, 7 } };

    sender->tries++;
    if (listener == -1) {
        try_again(sender);
        return;
    }
    edge_pair(fd);
    edge_listener_connect(listener, fd[1], client);
    wire_open(&sender->wire, fd[0], &wire_hooks);
    sender->is_connected = true;
    sender->step = GREETING;
    sender->temper =
        chance_percent(60) ? (enum temper)chance_below(SLOW) : (enum temper)chance_below(TEMPERS);
    memset(sender->accepted, 0, sizeof sender->accepted);
}

static void on_next(struct happening *happening)
{
    struct sender *sender = container_of(happening, struct sender, next);

    if (!sender->is_connected && !is_over)
        connect_sender(sender);
    else if (sender->is_connected && sender->step == CONTENT && sender->sent < sender->content.len)
        send_piece(sender);
}

void senders_start(unsigned domains, unsigned count, int64_t until_ms)
{
    for (unsigned i = 0; i < count; i++) {
        struct sender *sender = memory_new(sizeof *sender);
        sender->letter = letter_new(domains);
        sender->next.happen = on_next;
        sender->wire.fd = -1;
        world_at(&sender->next, chance_between(world.true_ms, until_ms));
    }
}

void senders_stop(void)
{
    is_over = true;
}
