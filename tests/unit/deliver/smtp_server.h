/* SPDX-License-Identifier: ISC */
/* smtp_server.h: a server to deliver to, with the habits of Postfix and worse.
 *
 * It keeps the mail transaction as Postfix does: MAIL within a transaction is 503,
 * RCPT goes to whatever transaction is open, BDAT without recipients is swallowed,
 * answered 554, and leaves the transaction as it is. So a client that pipelines
 * carelessly gets its mail out under the wrong sender here, and that is recorded.
 *
 * Mail n is <s…n…@s> to <r…n…-…i…@d>. The server decides by chance what it refuses, and
 * keeps book of what it took.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/random.h"

enum { MAIL_MAX = 24, MAIL_RECIPIENTS_MAX = 6 };

struct mail {
    uint32_t recipients;
    struct buf content;
    unsigned taken[MAIL_RECIPIENTS_MAX]; /* how often */
    uint64_t answered_at; /* octets of replies up to the end of the last final one; 0: none */
};

struct server_habits {
    bool pipelining, chunking, ehlo;
    bool grants_data_to_nobody;  /* 354 without recipients */
    unsigned refusals;           /* percent of commands */
    uint32_t falls_silent_after; /* commands; then it closes; 0: never */
    uint32_t says_421_after;     /* commands; then it closes; 0: never */
};

struct server {
    struct server_habits habits;
    struct random *random;
    struct mail *mail;
    const struct buf *wire; /* what the client has sent and has not arrived */
    struct buf in, out;
    uint64_t said; /* octets of replies */
    uint32_t commands;
    bool is_closed;

    bool has_mail;
    uint32_t sender;
    uint32_t rcpt_mail[MAIL_RECIPIENTS_MAX * 2], rcpt_index[MAIL_RECIPIENTS_MAX * 2];
    uint32_t rcpt_count;
    uint32_t attempt; /* the mail of the last MAIL command */
    bool is_broken;   /* a chunk was refused: nothing but RSET helps */
    struct buf content;
    bool in_data;
    size_t chunk_left;
    bool in_chunk, is_last;

    bool saw_impatience;     /* a command before the reply to the one before was due */
    bool saw_wrong_envelope; /* took a mail with another one's sender or recipient */
    bool saw_wrong_content;
};

static void server_say(struct server *server, const char *reply)
{
    buf_add(&server->out, str_from(reply));
    buf_add(&server->out, STR("\r\n"));
    server->said += strlen(reply) + 2;
}

static bool server_refuses(struct server *server)
{
    return random_below(server->random, 100) < server->habits.refusals;
}

static void server_reset(struct server *server)
{
    server->has_mail = server->is_broken = false;
    server->rcpt_count = 0;
    buf_reset(&server->content);
}

static void server_take_mail(struct server *server)
{
    struct mail *mail = &server->mail[server->sender];
    for (uint32_t i = 0; i < server->rcpt_count; i++) {
        server->saw_wrong_envelope |= server->rcpt_mail[i] != server->sender;
        server->mail[server->rcpt_mail[i]].taken[server->rcpt_index[i]]++;
    }
    server->saw_wrong_envelope |= server->attempt != server->sender;
    server->saw_wrong_content |= !str_equals(buf_str(&mail->content), buf_str(&server->content));
}

static void server_end_content(struct server *server)
{
    if (server->rcpt_count == 0) {
        server_say(server, "554 5.5.1 no valid recipients");
    } else if (server_refuses(server)) {
        server_say(server, "451 4.3.0 not now");
    } else {
        server_take_mail(server);
        server_say(server, "250 2.0.0 taken");
    }
    server->mail[server->attempt].answered_at = server->said;
    server_reset(server);
}

/* A line of DATA, with its dots taken off again. */
static void server_take_data_line(struct server *server, struct str line)
{
    if (str_equals(line, STR("."))) {
        server->in_data = false;
        server_end_content(server);
        return;
    }
    buf_add(&server->content, str_skip(line, line.len > 0 && line.ptr[0] == '.' ? 1 : 0));
    buf_add(&server->content, STR("\r\n"));
}

static void server_end_chunk(struct server *server)
{
    server->in_chunk = false;
    if (!server->has_mail || server->is_broken) {
        server_say(server, "503 5.5.1 out of place");
    } else if (server->rcpt_count == 0) {
        server_say(server, "554 5.5.1 no valid recipients"); /* MAIL stays, as in Postfix */
    } else if (server->is_last) {
        server_end_content(server);
        return;
    } else if (server_refuses(server)) {
        server->is_broken = true;
        server_say(server, "552 5.3.4 too much");
    } else {
        server_say(server, "250 2.0.0 more");
    }
    if (server->is_last)
        server->mail[server->attempt].answered_at = server->said;
}

static void server_mail(struct server *server, struct str line)
{
    uint32_t index = (uint32_t)strtoul(line.ptr + strlen("MAIL FROM:<s"), NULL, 10);
    check(index < MAIL_MAX);
    server->attempt = index;
    if (server->has_mail) {
        server_say(server, "503 5.5.1 nested MAIL");
    } else if (server_refuses(server)) {
        server_say(server, "450 4.7.1 not you");
    } else {
        server_reset(server);
        server->has_mail = true;
        server->sender = index;
        server_say(server, "250 2.1.0 sender");
    }
}

static void server_rcpt(struct server *server, struct str line)
{
    char *end;
    uint32_t mail = (uint32_t)strtoul(line.ptr + strlen("RCPT TO:<r"), &end, 10);
    uint32_t index = (uint32_t)strtoul(end + 1, NULL, 10);
    check(mail < MAIL_MAX && index < MAIL_RECIPIENTS_MAX);
    if (!server->has_mail) {
        server_say(server, "503 5.5.1 need MAIL");
    } else if (server_refuses(server)) {
        server_say(server, random_below(server->random, 2) ? "550-5.1.1 nobody\r\n550 5.1.1 here"
                                                           : "450 4.2.1 later");
    } else {
        check(server->rcpt_count < MAIL_RECIPIENTS_MAX * 2);
        server->rcpt_mail[server->rcpt_count] = mail;
        server->rcpt_index[server->rcpt_count++] = index;
        server_say(server, "250 2.1.5 recipient");
    }
}

static void server_data(struct server *server, struct str line)
{
    (void)line;
    /* RFC 2920 3.1: DATA is the last command of a group. */
    server->saw_impatience |= server->in.len > line.len + 2 || server->wire->len > 0;
    bool is_empty = !server->has_mail || server->rcpt_count == 0;
    if (is_empty && !server->habits.grants_data_to_nobody) {
        server_say(server, "554 5.5.1 no valid recipients");
    } else if (server_refuses(server)) {
        server_say(server, "451 4.3.0 no content now");
    } else {
        server->in_data = true;
        server_say(server, "354 go on");
    }
}

static void server_bdat(struct server *server, struct str line)
{
    char *end;
    server->chunk_left = strtoul(line.ptr + strlen("BDAT "), &end, 10);
    server->is_last = strncmp(end, " LAST", 5) == 0;
    server->in_chunk = true;
}

static void server_rset(struct server *server, struct str line)
{
    (void)line;
    server_reset(server);
    server_say(server, "250 2.0.0 reset");
}

static void server_ehlo(struct server *server, struct str line)
{
    (void)line;
    if (!server->habits.ehlo) {
        server_say(server, "502 5.5.1 what?");
        return;
    }
    server_say(server, "250-mx.example");
    if (server->habits.pipelining)
        server_say(server, "250-PIPELINING");
    if (server->habits.chunking)
        server_say(server, "250-CHUNKING");
    server_say(server, "250-8BITMIME");
    server_say(server, "250 SIZE");
}

static void server_helo(struct server *server, struct str line)
{
    (void)line;
    server_say(server, "250 mx.example");
}

static void server_quit(struct server *server, struct str line)
{
    (void)line;
    server_say(server, "221 bye");
    server->is_closed = true;
}

static void server_command(struct server *server, struct str line)
{
    static const struct {
        const char *verb;
        void (*run)(struct server *server, struct str line);
    } commands[] = { { "MAIL", server_mail }, { "RCPT", server_rcpt }, { "DATA", server_data },
                     { "BDAT", server_bdat }, { "RSET", server_rset }, { "EHLO", server_ehlo },
                     { "HELO", server_helo }, { "QUIT", server_quit } };

    server->commands++;
    if (server->commands == server->habits.falls_silent_after) {
        server->is_closed = true;
        return;
    }
    if (server->commands == server->habits.says_421_after) {
        server_say(server, "421 4.3.2 going down");
        server->is_closed = true;
        return;
    }
    if (!server->habits.pipelining && !str_starts(line, STR("BDAT")))
        server->saw_impatience |= server->in.len > line.len + 2 || server->wire->len > 0;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (str_starts(line, str_from(commands[i].verb))) {
            commands[i].run(server, line);
            return;
        }
    check(false); /* the client talks nonsense */
}

/* One command, line or chunk; false if more must arrive first. */
static bool server_work(struct server *server)
{
    if (server->is_closed)
        return false;
    if (server->in_chunk) {
        size_t len = server->in.len < server->chunk_left ? server->in.len : server->chunk_left;
        buf_add_bytes(&server->content, server->in.ptr, len);
        buf_consume(&server->in, len);
        server->chunk_left -= len;
        if (server->chunk_left == 0)
            server_end_chunk(server);
        return len > 0 || !server->in_chunk;
    }
    ptrdiff_t lf = str_find(buf_str(&server->in), '\n');
    if (lf < 0)
        return false;
    check(lf > 0 && server->in.ptr[lf - 1] == '\r');
    struct str line = str_first(buf_str(&server->in), (size_t)lf - 1);
    if (server->in_data)
        server_take_data_line(server, line);
    else
        server_command(server, line);
    buf_consume(&server->in, (size_t)lf + 1);
    return true;
}

static void server_fini(struct server *server)
{
    buf_fini(&server->in);
    buf_fini(&server->out);
    buf_fini(&server->content);
}
