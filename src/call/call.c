/* SPDX-License-Identifier: ISC */
/* call.c: see call.h. */
#include "call/call.h"

#include <string.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/memory.h"
#include "wire/smtp_reply.h"

enum { PATIENCE_MS = MINUTE_MS };

enum call_state {
    CALL_BANNER,
    CALL_EHLO,
    CALL_STARTTLS,
    CALL_SECURING,
    CALL_AUTH,
    CALL_ATRN,
    CALL_TURNED,
    CALL_OVER,
};

struct call {
    const struct call_settings *settings;
    const struct call_host *host;
    void *context;
    enum call_state state;
    bool is_secure;
    struct smtp_reply_reader reader;
    int64_t deadline_ms;
};

struct call *call_new(const struct call_settings *settings, const struct call_host *host,
                      void *context, bool is_secure, struct now now)
{
    struct call *call = memory_new(sizeof *call);

    call->settings = settings;
    call->host = host;
    call->context = context;
    call->is_secure = is_secure;
    call->deadline_ms = now.mono_ms + PATIENCE_MS;
    return call;
}

void call_free(struct call *call)
{
    if (call == NULL)
        return;
    smtp_reply_fini(&call->reader);
    memory_free(call);
}

static void over(struct call *call, enum call_end end, struct str why)
{
    if (call->state == CALL_OVER)
        return;
    call->state = CALL_OVER;
    call->deadline_ms = NEVER_MS;
    call->host->over(call->context, end, why);
}

static void say(struct call *call, enum call_state next, struct str line)
{
    call->state = next;
    call->host->send(call->context, line);
    call->host->send(call->context, STR("\r\n"));
}

static void say_with(struct call *call, enum call_state next, struct str verb, struct str argument)
{
    struct buf line = { 0 };

    buf_add(&line, verb);
    buf_add(&line, argument);
    say(call, next, buf_str(&line));
    explicit_bzero(line.ptr, line.len);
    buf_fini(&line);
}

static void log_in_by_certificate(struct call *call)
{
    struct buf coded = { 0 };

    base64_add(&coded, call->settings->user);
    say_with(call, CALL_AUTH, STR("AUTH EXTERNAL "), buf_str(&coded));
    buf_fini(&coded);
}

static void log_in(struct call *call)
{
    struct buf text = { 0 };
    struct buf coded = { 0 };

    buf_add_byte(&text, '\0');
    buf_add(&text, call->settings->user);
    buf_add_byte(&text, '\0');
    buf_add(&text, call->settings->secret);
    base64_add(&coded, buf_str(&text));
    say_with(call, CALL_AUTH, STR("AUTH PLAIN "), buf_str(&coded));
    explicit_bzero(text.ptr, text.len);
    explicit_bzero(coded.ptr, coded.len);
    buf_fini(&text);
    buf_fini(&coded);
}

/* A line of the reply to EHLO: the keyword, and perhaps the word among its parameters. */
static bool offers(const struct smtp_reply *reply, struct str keyword, struct str word)
{
    struct str text = reply->text;
    struct str line = STR_NONE;

    (void)str_cut(&text, '\n', &line); /* its name */
    while (str_cut(&text, '\n', &line)) {
        struct str one = STR_NONE;
        bool is_it = str_cut(&line, ' ', &one) && str_equals_nocase(one, keyword);
        bool has_word = word.len == 0;
        while (is_it && str_cut(&line, ' ', &one))
            has_word = has_word || str_equals_nocase(one, word);
        if (is_it && has_word)
            return true;
    }
    return false;
}

static void take_greeting(struct call *call, const struct smtp_reply *reply)
{
    if (!call->is_secure && !offers(reply, STR("STARTTLS"), STR_NONE))
        over(call, CALL_STRANGER, STR("It offers no STARTTLS"));
    else if (!call->is_secure)
        say(call, CALL_STARTTLS, STR("STARTTLS"));
    else if (!offers(reply, STR("ATRN"), STR("WAIT")))
        over(call, CALL_STRANGER, STR("It offers no ATRN WAIT; is this where primaries call?"));
    else if (call->settings->secret.len == 0 && offers(reply, STR("AUTH"), STR("EXTERNAL")))
        log_in_by_certificate(call);
    else if (call->settings->secret.len == 0)
        over(call, CALL_REFUSED, STR("Nobody is known there by a certificate (client-pin)"));
    else if (!offers(reply, STR("AUTH"), STR("PLAIN")))
        over(call, CALL_REFUSED, STR("Nobody can log in there: no domain has a secret"));
    else
        log_in(call);
}

static void ask_for_mail(struct call *call)
{
    struct buf argument = { 0 };

    if (call->settings->domains.len > 0) {
        buf_add(&argument, call->settings->domains);
        buf_add_byte(&argument, ' ');
    }
    buf_add(&argument, STR("WAIT="));
    buf_add(&argument, call->settings->instance);
    say_with(call, CALL_ATRN, STR("ATRN "), buf_str(&argument));
    buf_fini(&argument);
    call->deadline_ms = NEVER_MS; /* the kernel looks after the connection */
    call->host->waits(call->context);
}

/* 4yz: later. 450 is RFC 2645's word for domains that are another one's. */
static void refuse(struct call *call, const struct smtp_reply *reply)
{
    bool is_final = reply->code >= 500 || reply->code == 450;
    struct buf why = { 0 };

    buf_add_format(&why, "%u %.*s", (unsigned)reply->code, STR_FMT(reply->text));
    over(call, is_final ? CALL_REFUSED : CALL_LATER, buf_str(&why));
    buf_fini(&why);
}

static void take_reply(struct call *call, const struct smtp_reply *reply)
{
    if (reply->code >= 400) {
        refuse(call, reply);
        return;
    }
    switch (call->state) {
    case CALL_BANNER:
        say_with(call, CALL_EHLO, STR("EHLO "), call->settings->hostname);
        return;
    case CALL_EHLO:
        take_greeting(call, reply);
        return;
    case CALL_STARTTLS:
        call->state = CALL_SECURING;
        call->host->start_tls(call->context);
        return;
    case CALL_AUTH:
        if (reply->code == 235)
            ask_for_mail(call);
        else
            over(call, CALL_LOST, STR("Its answer to AUTH makes no sense"));
        return;
    case CALL_ATRN:
        call->state = CALL_TURNED;
        return;
    case CALL_SECURING:
    case CALL_TURNED:
    case CALL_OVER:
        return;
    }
}

void call_feed(struct call *call, struct str bytes, struct now now)
{
    while (bytes.len > 0 && call->state != CALL_TURNED && call->state != CALL_OVER) {
        struct smtp_reply reply;
        enum smtp_reply_step step = smtp_reply_read(&call->reader, &bytes, &reply);
        if (step == SMTP_REPLY_MALFORMED)
            over(call, CALL_LOST, STR("It does not speak SMTP"));
        if (step != SMTP_REPLY_DONE)
            return;
        call->deadline_ms = now.mono_ms + PATIENCE_MS;
        take_reply(call, &reply);
        if (call->state == CALL_SECURING && bytes.len > 0)
            over(call, CALL_LOST, STR("It speaks on behind STARTTLS")); /* RFC 3207 6 */
    }
    if (call->state == CALL_TURNED) {
        call->deadline_ms = NEVER_MS;
        call->host->turned(call->context, bytes);
    }
}

void call_secured(struct call *call, struct now now)
{
    call->is_secure = true;
    call->deadline_ms = now.mono_ms + PATIENCE_MS;
    if (call->state == CALL_SECURING)
        say_with(call, CALL_EHLO, STR("EHLO "), call->settings->hostname);
}

void call_lost(struct call *call)
{
    over(call, CALL_LOST, STR("The connection is gone"));
}

int64_t call_deadline(const struct call *call)
{
    return call->deadline_ms;
}

void call_tick(struct call *call, struct now now)
{
    bool may_wait_for_tls = call->state == CALL_BANNER && !call->is_secure;

    if (now.mono_ms >= call->deadline_ms)
        over(call, CALL_LOST,
             may_wait_for_tls ? STR("It says nothing; does its port begin with TLS "
                                    "(tls-from-start)?")
                              : STR("It does not answer"));
}
