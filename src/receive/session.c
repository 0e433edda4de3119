/* SPDX-License-Identifier: ISC */
/* session.c: the states of an SMTP session, and who may enter what.
 *
 *     START --EHLO--> READY --MAIL--> MAIL --DATA--> DATA ---------.--> COMMIT --> READY
 *                                      |                           |
 *                                      '--BDAT--> CHUNK --LAST-----'
 *                                                 |  ^
 *                                        CHUNKED <'--'
 *
 * START     the banner is sent, or will be            receive_new()
 * READY     EHLO or HELO is answered, no transaction  greet(), transaction's end
 * MAIL      the sender is accepted, recipients come   command_mail()
 * DATA      354 is said, content comes                command_data()
 * CHUNK     the octets of one BDAT come               command_bdat()
 * CHUNKED   between two of them                       content.c
 * FAILED    a chunk was refused; RSET or the last chunk ends the transaction (RFC 3030 2)
 * COMMIT    the content is with the host, who will answer
 * SECURING  220 is said to STARTTLS, the handshake is due        command_starttls()
 * LOGIN     334 is said to AUTH, the client's line comes        login.c
 * ASKING    the host is finding out what to say to AUTH, ETRN, ATRN   question.c
 * TURNED    250 is said to ATRN, and the connection is somebody else's   turning.c
 * CLOSED    nothing follows                           session_close()
 *
 * A refused chunk returns to where it came from or goes to FAILED; content that is
 * refused goes from DATA to READY; anything may become CLOSED.
 *
 * Pipelining (RFC 2920) needs no queue of commands: the bytes wait in the input
 * until input_must_wait() lets the next command pass. Only RCPT passes while
 * others wait for their answers, so that a group of recipients is asked about
 * together; its replies leave in order (recipient.c).
 */
#include "receive/session_private.h"

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"

static const char *const state_name[] = {
    [SESSION_START] = "start",       [SESSION_READY] = "ready",   [SESSION_MAIL] = "mail",
    [SESSION_DATA] = "data",         [SESSION_CHUNK] = "chunk",   [SESSION_CHUNKED] = "chunked",
    [SESSION_FAILED] = "failed",     [SESSION_COMMIT] = "commit", [SESSION_CLOSED] = "closed",
    [SESSION_SECURING] = "securing", [SESSION_LOGIN] = "login",   [SESSION_ASKING] = "asking",
    [SESSION_TURNED] = "turned",
};

static const unsigned session_next[] = {
    [SESSION_START] =
        IN(SESSION_READY) | IN(SESSION_CHUNK) | IN(SESSION_SECURING) | IN(SESSION_CLOSED),
    [SESSION_READY] = IN(SESSION_READY) | IN(SESSION_MAIL) | IN(SESSION_CHUNK) |
                      IN(SESSION_SECURING) | IN(SESSION_LOGIN) | IN(SESSION_ASKING) |
                      IN(SESSION_CLOSED),
    [SESSION_MAIL] = IN(SESSION_READY) | IN(SESSION_DATA) | IN(SESSION_CHUNK) | IN(SESSION_CLOSED),
    [SESSION_DATA] = IN(SESSION_READY) | IN(SESSION_COMMIT) | IN(SESSION_CLOSED),
    [SESSION_CHUNK] = IN(SESSION_START) | IN(SESSION_READY) | IN(SESSION_CHUNKED) |
                      IN(SESSION_FAILED) | IN(SESSION_COMMIT) | IN(SESSION_CLOSED),
    [SESSION_CHUNKED] = IN(SESSION_READY) | IN(SESSION_CHUNK) | IN(SESSION_CLOSED),
    [SESSION_FAILED] = IN(SESSION_READY) | IN(SESSION_CHUNK) | IN(SESSION_CLOSED),
    [SESSION_COMMIT] = IN(SESSION_READY) | IN(SESSION_CLOSED),
    [SESSION_SECURING] = IN(SESSION_START) | IN(SESSION_CLOSED),
    [SESSION_LOGIN] = IN(SESSION_READY) | IN(SESSION_ASKING) | IN(SESSION_CLOSED),
    [SESSION_ASKING] = IN(SESSION_READY) | IN(SESSION_TURNED) | IN(SESSION_CLOSED),
    [SESSION_TURNED] = IN(SESSION_CLOSED),
    [SESSION_CLOSED] = 0,
};

enum {
    ANY = IN(SESSION_START) | IN(SESSION_READY) | IN(SESSION_MAIL) | IN(SESSION_CHUNKED) |
          IN(SESSION_FAILED),
};

/* Verbs without a line here are known and not offered. BDAT looks at the state itself: its octets
 * must be swallowed wherever it comes. */
static const struct {
    unsigned legal; /* states */
    void (*run)(struct receive_session *session, struct str argument);
} commands[] = {
    [SMTP_EHLO] = { ANY, command_ehlo },               /* RFC 5321 4.1.1.1 */
    [SMTP_HELO] = { ANY, command_helo },               /* RFC 5321 4.1.1.1 */
    [SMTP_MAIL] = { IN(SESSION_READY), command_mail }, /* RFC 5321 4.1.1.2 */
    [SMTP_RCPT] = { IN(SESSION_MAIL), command_rcpt },  /* RFC 5321 4.1.1.3 */
    [SMTP_DATA] = { IN(SESSION_MAIL), command_data },  /* RFC 5321 4.1.1.4 */
    [SMTP_BDAT] = { ANY, command_bdat },               /* RFC 3030 2 */
    [SMTP_RSET] = { ANY, command_rset },               /* RFC 5321 4.1.1.5 */
    [SMTP_VRFY] = { ANY, command_vrfy },               /* RFC 5321 4.1.1.6 */
    [SMTP_HELP] = { ANY, command_help },               /* RFC 5321 4.1.1.8 */
    [SMTP_NOOP] = { ANY, command_noop },               /* RFC 5321 4.1.1.9 */
    [SMTP_QUIT] = { ANY, command_quit },               /* RFC 5321 4.1.1.10 */
    [SMTP_STARTTLS] = { IN(SESSION_START) | IN(SESSION_READY), command_starttls }, /* RFC 3207 4 */
    [SMTP_AUTH] = { IN(SESSION_READY), command_auth },                             /* RFC 4954 4 */
    [SMTP_ETRN] = { IN(SESSION_READY), command_etrn },                             /* RFC 1985 5 */
    [SMTP_ATRN] = { IN(SESSION_READY), command_atrn }, /* RFC 2645 5.2 */
    [SMTP_SAML] = { 0, NULL },                         /* the last verb */
};

/* Where mail is taken nobody is handed any, and the other way round (RFC 2645 5.1). */
static bool is_offered(const struct receive_session *session, enum smtp_verb verb)
{
    if (session->settings->is_for_turns)
        return verb != SMTP_MAIL && verb != SMTP_RCPT && verb != SMTP_DATA && verb != SMTP_ETRN &&
               verb != SMTP_VRFY;
    return verb != SMTP_ATRN;
}

static const struct str line_fault_reply[] = {
    [LINE_LONG] = { "500 5.5.2 Line too long", 23 },
    [LINE_NUL] = { "500 5.5.2 NUL byte in a command", 31 },
    [LINE_NEWLINE] = { "500 5.5.2 Bare CR or LF in a command; end lines with CRLF", 57 },
};

void session_enter(struct receive_session *session, enum session_state next)
{
    check((session_next[session->state] & IN(next)) != 0);
    log_debug("session", LOG_INT("port", session->client.port),
              LOG_TEXT("from", state_name[session->state]), LOG_TEXT("to", state_name[next]));
    session->state = next;
}

/* What a command out of place should have come after (RFC 5321 4.1.4). */
static struct str sequence_reply(const struct receive_session *session, enum smtp_verb verb)
{

    if (session->state == SESSION_START)
        return STR("503 5.5.1 Say EHLO first");
    if (session->state == SESSION_READY)
        return STR("503 5.5.1 Say MAIL first");
    if (session->state == SESSION_FAILED)
        return STR("503 5.5.1 The transaction has failed; end it with RSET");
    if (verb == SMTP_MAIL || verb == SMTP_STARTTLS || verb == SMTP_AUTH || verb == SMTP_ETRN ||
        verb == SMTP_ATRN)
        return STR("503 5.5.1 There is a transaction already; end it with RSET");
    return STR("503 5.5.1 After BDAT only BDAT goes on");
}

static void run_command(struct receive_session *session, const struct smtp_command *command)
{
    if (command->verb == SMTP_UNKNOWN)
        reply_error(session, STR("500 5.5.1 Unknown command"));
    else if (commands[command->verb].run == NULL || !is_offered(session, command->verb))
        reply_error(session, STR("502 5.5.1 Command not offered here"));
    else if ((commands[command->verb].legal & IN(session->state)) == 0)
        reply_error(session, sequence_reply(session, command->verb));
    else
        commands[command->verb].run(session, command->argument);
}

static void say_logged_out(struct receive_session *session)
{
    reply_close(session, STR("421 4.7.0 Your login has ended; come again and log in"));
}

static enum step command_step(struct receive_session *session)
{
    struct command_line line;

    if (session->greet_at_ms != 0) {
        if (session->input.len == 0)
            return STEP_HUNGRY;
        reply_close(session, STR("554 5.5.0 Wait for the greeting before you speak"));
        return STEP_WAIT;
    }
    if (session->tarpit_until_ms != 0)
        return STEP_WAIT;
    if (session->shutting_down && session->pending_count == 0) {
        reply_close(session, STR("421 4.3.2 Shutting down; try again later"));
        return STEP_WAIT;
    }
    if (session->login_has_ended && session->pending_count == 0) {
        say_logged_out(session);
        return STEP_WAIT;
    }
    if (!input_find_line(session, &line))
        return STEP_HUNGRY;
    struct smtp_command command = smtp_command_parse(line.text);
    if (line.fault != LINE_FINE)
        command.verb = SMTP_UNKNOWN;
    if (input_must_wait(session, command.verb))
        return STEP_WAIT;
    input_take_line(session, &line);
    if (line.fault != LINE_FINE)
        reply_error(session, line_fault_reply[line.fault]);
    else if (input_is_out_of_turn(session, command.verb))
        reply_close(session, STR("503 5.5.0 Data sent before it was its turn; closing"));
    else
        run_command(session, &command);
    return STEP_ON;
}

static enum step session_step(struct receive_session *session)
{
    switch (session->state) {
    case SESSION_START:
    case SESSION_READY:
    case SESSION_MAIL:
    case SESSION_CHUNKED:
    case SESSION_FAILED:
        return command_step(session);
    case SESSION_DATA:
    case SESSION_CHUNK:
        return content_step(session);
    case SESSION_LOGIN:
        return login_step(session);
    case SESSION_ASKING:
    case SESSION_COMMIT:
    case SESSION_SECURING:
    case SESSION_TURNED:
    case SESSION_CLOSED:
        return STEP_WAIT;
    }
    return STEP_WAIT;
}

static void pump(struct receive_session *session)
{
    enum step step = STEP_ON;

    while (step == STEP_ON)
        step = session_step(session);
    /* The peer has said all, what was complete is answered, and the rest will not come. */
    if (step == STEP_HUNGRY && session->ended && session->pending_count == 0)
        session_close(session);
}

/* Fresh bytes are worked on where they lie; only what has to wait is copied. */
void session_run(struct receive_session *session, struct str fresh)
{
    bool direct = session->held.len == 0;

    if (!direct)
        buf_add(&session->held, fresh);
    session->input = direct ? fresh : buf_str(&session->held);
    pump(session);
    if (session->state == SESSION_CLOSED || session->state == SESSION_TURNED)
        session->input.len = 0;
    if (direct)
        buf_add(&session->held, session->input);
    else
        buf_consume(&session->held, session->held.len - session->input.len);
    session->input = STR_NONE;
    if (session->held.len == 0 && session->held.cap > IDLE_BUFFER_MAX)
        buf_fini(&session->held);
    reply_flush(session);
    secure_when_said(session);
    turn_when_said(session);
}

void session_greet(struct receive_session *session)
{
    session->greet_at_ms = 0;
    buf_add(&session->output, STR("220 "));
    buf_add(&session->output, session->settings->hostname);
    buf_add(&session->output, STR(" ESMTP holdfast\r\n"));
    reply_flush(session);
}

static void begin(struct receive_session *session, const struct verdict *refusal)
{
    if (refusal->fate != FATE_ACCEPT) {
        reply_verdict(session, refusal, false);
        session_close(session);
    } else if (session->settings->greet_delay_ms > 0) {
        session->greet_at_ms = session->now.mono_ms + session->settings->greet_delay_ms;
    } else {
        session_greet(session);
    }
}

struct receive_session *receive_new(const struct receive_settings *settings,
                                    const struct receive_host *host, void *context,
                                    struct endpoint client, struct random *random, struct now now,
                                    const struct verdict *refusal)
{
    struct receive_session *session = memory_new(sizeof *session);

    session->settings = settings;
    session->host = host;
    session->context = context;
    session->random = random;
    session->client = client;
    session->now = now;
    session->refusal = verdict_accept();
    session->spoke_ms = session->heard_ms = session->progress_ms = now.mono_ms;
    session->name_deadline_ms = now.mono_ms + CLIENT_NAME_WAIT_MS;
    list_init(&session->pending);
    begin(session, refusal);
    return session;
}

void receive_free(struct receive_session *session)
{
    if (session == NULL)
        return;
    transaction_reset(session);
    arena_fini(&session->transaction.arena);
    recipients_free(session);
    buf_fini(&session->held);
    buf_fini(&session->output);
    buf_fini(&session->tls);
    login_forget(session);
    buf_fini(&session->user);
    buf_fini(&session->helo);
    buf_fini(&session->client_name);
    memory_free(session);
}

void receive_feed(struct receive_session *session, struct str bytes, struct now now)
{
    if (session->state == SESSION_CLOSED || session->ended || bytes.len == 0)
        return;
    session->now = now;
    session->heard_ms = now.mono_ms;
    session_run(session, bytes);
}

void receive_end(struct receive_session *session, struct now now)
{
    session->now = now;
    session->ended = true;
    if (turning_waits(session))
        session_close(session); /* nobody is there to be handed anything */
    session_run(session, STR_NONE);
}

struct str receive_user(const struct receive_session *session)
{
    return buf_str(&session->user);
}

void receive_log_out(struct receive_session *session, struct now now)
{
    if (session->state == SESSION_CLOSED || session->state == SESSION_TURNED)
        return;
    session->now = now;
    session->login_has_ended = true;
    if (session->state == SESSION_ASKING)
        say_logged_out(session);
    session_run(session, STR_NONE);
}

bool receive_is_turned(const struct receive_session *session)
{
    return session->state == SESSION_TURNED;
}

bool receive_wants_input(const struct receive_session *session)
{
    return session->state != SESSION_CLOSED && !session->ended && session->held.len < INPUT_MAX &&
           content_has_room(session);
}

void receive_client_name(struct receive_session *session, struct str name, struct now now)
{
    session->now = now;
    session->client_named = true;
    buf_reset(&session->client_name);
    buf_add(&session->client_name, str_first(name, DOMAIN_SIZE_MAX));
    session_run(session, STR_NONE);
}

void receive_set_refusal(struct receive_session *session, const struct verdict *refusal,
                         struct now now)
{
    session->now = now;
    session->refusal = *refusal;
}

void receive_shutdown(struct receive_session *session, struct now now)
{
    session->now = now;
    session->shutting_down = true;
    if (turning_waits(session))
        reply_close(session, STR("421 4.3.2 Shutting down; call again later"));
    session_run(session, STR_NONE);
}
