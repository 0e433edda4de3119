/* SPDX-License-Identifier: ISC */
/* login.c: AUTH (RFC 4954), by which the holder of a domain shows who he is.
 *
 * Only over TLS: by a secret, or by a certificate that he has shown and his domain has registered
 * (EXTERNAL, RFC 4422 appendix A). Of secrets with PLAIN (RFC 4616) and LOGIN, for of a secret
 * nothing is kept but its digest. Who comes for mail may be a program that knows CRAM-MD5 alone
 * (RFC 2195, which RFC 2645 asks for): it can log in if his operator has a secret kept for that.
 * The secret goes to the host and is forgotten here at once.
 *
 *     AUTH PLAIN AHVzZXIAc2VjcmV0          or in the next line, after 334
 *     AUTH LOGIN [dXNlcg==]                user and secret, a line each
 *     AUTH CRAM-MD5                        user and digest, in answer to a challenge
 *     AUTH EXTERNAL =                      as whom the certificate stands for
 *     AUTH EXTERNAL ZXhhbXBsZS5vcmc=       … as this domain, which is one of several
 *     *                                    takes it back
 */
#include <string.h>

#include "base/base64.h"
#include "receive/session_private.h"

static void wipe(struct buf *buf)
{
    if (buf->ptr != NULL)
        explicit_bzero(buf->ptr, buf->cap);
    buf_fini(buf);
}

void login_forget(struct receive_session *session)
{
    wipe(&session->login.user);
    buf_fini(&session->login.challenge);
    session->login.step = LOGIN_NONE;
}

static void fail(struct receive_session *session, struct str line)
{
    login_forget(session);
    if (session->state == SESSION_LOGIN)
        session_enter(session, SESSION_READY);
    reply_error(session, line);
}

static void go_on(struct receive_session *session, enum login_step next, struct str challenge)
{
    session->login.step = next;
    if (session->state != SESSION_LOGIN)
        session_enter(session, SESSION_LOGIN);
    reply_say(session, challenge);
}

static void ask_host(struct receive_session *session, struct str user, struct str secret)
{
    if (user.len == 0 || secret.len == 0 || user.len > USER_SIZE_MAX ||
        secret.len > SECRET_SIZE_MAX || str_find(user, '\0') >= 0 || str_find(secret, '\0') >= 0) {
        fail(session, STR("535 5.7.8 That is no user and secret"));
        return;
    }
    uint64_t ticket = question_ask(session, QUESTION_LOGIN);
    session->host->ask_login(session->context, ticket, user, secret,
                             buf_str(&session->login.challenge));
    login_forget(session);
}

/* Whom to act for, user, secret, with a zero between them. We let act for none but oneself. */
static void take_plain(struct receive_session *session, struct str text)
{
    ptrdiff_t first = str_find(text, '\0');

    if (first < 0) {
        fail(session, STR("501 5.5.2 PLAIN has two zero octets in it"));
        return;
    }
    struct str act_for = str_first(text, (size_t)first);
    text = str_skip(text, (size_t)first + 1);
    ptrdiff_t second = str_find(text, '\0');
    if (second < 0) {
        fail(session, STR("501 5.5.2 PLAIN has two zero octets in it"));
        return;
    }
    struct str user = str_first(text, (size_t)second);
    if (act_for.len > 0 && !str_equals(act_for, user))
        fail(session, STR("535 5.7.8 Nobody acts for another one here"));
    else
        ask_host(session, user, str_skip(text, (size_t)second + 1));
}

static void take_cram(struct receive_session *session, struct str text)
{
    ptrdiff_t blank = str_find_last(text, ' ');

    if (blank < 0)
        fail(session, STR("501 5.5.2 CRAM-MD5 has a user and a digest"));
    else
        ask_host(session, str_first(text, (size_t)blank), str_skip(text, (size_t)blank + 1));
}

static void take_external(struct receive_session *session, struct str domain)
{
    if (domain.len > USER_SIZE_MAX || str_find(domain, '\0') >= 0) {
        fail(session, STR("535 5.7.8 That is no domain"));
        return;
    }
    uint64_t ticket = question_ask(session, QUESTION_LOGIN);
    session->host->ask_certificate(session->context, ticket, domain);
    login_forget(session);
}

static void take_text(struct receive_session *session, struct str text)
{
    switch (session->login.step) {
    case LOGIN_PLAIN:
        take_plain(session, text);
        return;
    case LOGIN_USER:
        buf_reset(&session->login.user);
        buf_add(&session->login.user, text);
        go_on(session, LOGIN_SECRET, STR("334 UGFzc3dvcmQ6"));
        return;
    case LOGIN_SECRET:
        ask_host(session, buf_str(&session->login.user), text);
        return;
    case LOGIN_CRAM:
        take_cram(session, text);
        return;
    case LOGIN_EXTERNAL:
        take_external(session, text);
        return;
    case LOGIN_NONE:
        return;
    }
}

static void take_base64(struct receive_session *session, struct str line)
{
    struct buf text = { 0 };

    if (base64_decode(&text, line))
        take_text(session, buf_str(&text));
    else
        fail(session, STR("501 5.5.2 That is not base64"));
    wipe(&text);
}

enum step login_step(struct receive_session *session)
{
    struct command_line line;

    if (session->tarpit_until_ms != 0)
        return STEP_WAIT;
    if (!input_find_line(session, &line))
        return STEP_HUNGRY;
    input_take_line(session, &line);
    if (line.fault != LINE_FINE)
        fail(session, STR("501 5.5.2 That is not base64"));
    else if (str_equals(line.text, STR("*")))
        fail(session, STR("501 5.7.0 As you like; not logged in"));
    else
        take_base64(session, line.text);
    return STEP_ON;
}

/* "=" stands for an empty text (RFC 4954 4). */
static void begin(struct receive_session *session, enum login_step step, struct str challenge,
                  struct str initial)
{
    if (initial.len == 0) {
        go_on(session, step, challenge);
        return;
    }
    session->login.step = step;
    if (str_equals(initial, STR("=")))
        take_text(session, STR_NONE);
    else
        take_base64(session, initial);
}

/* Nobody is ever given the same one twice. */
static void challenge(struct receive_session *session)
{
    struct buf *text = &session->login.challenge;
    struct buf line = { 0 };

    buf_reset(text);
    buf_add_format(text, "<%016llx%016llx@%.*s>", (unsigned long long)random_u64(session->random),
                   (unsigned long long)random_u64(session->random),
                   STR_FMT(session->settings->hostname));
    buf_add(&line, STR("334 "));
    base64_add(&line, buf_str(text));
    go_on(session, LOGIN_CRAM, buf_str(&line));
    buf_fini(&line);
}

/* ---- the command ---- */

static bool offers_cram(const struct receive_session *session)
{
    const struct receive_settings *settings = session->settings;
    return settings->has_logins && settings->has_cram && settings->is_for_turns;
}

static bool offers_external(const struct receive_session *session)
{
    return session->settings->has_external && session->has_certificate;
}

void login_add_mechanisms(const struct receive_session *session, struct buf *out)
{
    if (session->tls.len == 0)
        return;
    if (session->settings->has_logins)
        buf_add(out, STR(" PLAIN LOGIN"));
    if (offers_cram(session))
        buf_add(out, STR(" CRAM-MD5"));
    if (offers_external(session))
        buf_add(out, STR(" EXTERNAL"));
}

static void refuse_mechanism(struct receive_session *session)
{
    struct buf line = { 0 };

    buf_add(&line, STR("504 5.5.4 What there is:"));
    login_add_mechanisms(session, &line);
    reply_error(session, buf_str(&line));
    buf_fini(&line);
}

/* Nobody could log in, or not here and now: he is told so. */
static bool is_out_of_place(struct receive_session *session)
{
    bool by_secret = session->settings->has_logins;

    if (session->tls.len == 0 && (by_secret || session->settings->has_external))
        reply_error(session, STR("530 5.7.0 Say STARTTLS first"));
    else if (!by_secret && !offers_external(session))
        reply_error(session, STR("502 5.5.1 Command not offered here"));
    else if (session->user.len > 0)
        reply_error(session, STR("503 5.5.1 You are logged in already"));
    else
        return false;
    return true;
}

void command_auth(struct receive_session *session, struct str argument)
{
    ptrdiff_t blank = str_find(argument, ' ');
    struct str mechanism = blank >= 0 ? str_first(argument, (size_t)blank) : argument;
    struct str initial = blank >= 0 ? str_trim(str_skip(argument, (size_t)blank)) : STR_NONE;
    bool by_secret = session->settings->has_logins;

    if (is_out_of_place(session))
        return;
    if (by_secret && str_equals_nocase(mechanism, STR("PLAIN")))
        begin(session, LOGIN_PLAIN, STR("334 "), initial);
    else if (by_secret && str_equals_nocase(mechanism, STR("LOGIN")))
        begin(session, LOGIN_USER, STR("334 VXNlcm5hbWU6"), initial);
    else if (str_equals_nocase(mechanism, STR("CRAM-MD5")) && offers_cram(session) &&
             initial.len == 0)
        challenge(session);
    else if (offers_external(session) && str_equals_nocase(mechanism, STR("EXTERNAL")))
        begin(session, LOGIN_EXTERNAL, STR("334 "), initial);
    else
        refuse_mechanism(session);
}
