/* SPDX-License-Identifier: ISC */
/* session_private.h: what the files of this station share.
 *
 * session.c    the states, the table of commands, what the host may call
 * input.c      command lines out of the bytes, and what the bytes must wait for
 * greeting.c   EHLO, HELO and the commands that change nothing
 * sender.c     MAIL; the life of a transaction
 * recipient.c  RCPT, and the queue of replies that wait for the host
 * data.c       DATA, BDAT, and how a message ends
 * content.c    the octets of a message on their way to the host
 * deadline.c   what happens when nothing happens
 * reply.c      what we say
 * secure.c     STARTTLS
 * login.c      AUTH
 * question.c   what a client asks for himself: AUTH's end, ETRN
 * turning.c    ATRN: client and server change places
 */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "mail/domain.h"
#include "receive/session.h"
#include "receive/trace.h"
#include "wire/content.h"
#include "wire/smtp_command.h"

enum {
    COMMAND_LINE_MAX =
        2048,              /* with its end; RFC 5321 4.5.3.1.4 asks for 512, extensions for more */
    INPUT_MAX = 16 * 1024, /* held back before the host is asked to stop reading */
    OWN_FIELDS_ROOM = 4 * 1024, /* Received, Authentication-Results, a seal */
    PIPELINE_MAX = 64,          /* recipients asked about at a time */
    PIECE_MAX = 64 * 1024,      /* content decoded in one go */
    ROOM_MIN = 4096,            /* smaller windows are not worth a write */
    IDLE_BUFFER_MAX = 4096,     /* an empty buffer above this gives its memory back */

    CLIENT_NAME_WAIT_MS = 5 * SECOND_MS,
    RECIPIENT_WAIT_MS = 60 * SECOND_MS,
    STORE_WAIT_MS = 5 * MINUTE_MS,
    RATE_GRACE_MS = MINUTE_MS,
    QUESTION_WAIT_MS = MINUTE_MS,
    USER_SIZE_MAX = 255,
    SECRET_SIZE_MAX = 255,
    NODE_SIZE_MAX = 256,
    DOMAINS_SIZE_MAX = 1024, /* of ATRN */
    INSTANCE_SIZE_MAX = 64,
    TARPIT_AFTER = 3, /* mistakes and refusals that cost nothing */
};

enum session_state {
    SESSION_START,
    SESSION_READY,
    SESSION_MAIL,
    SESSION_DATA,
    SESSION_CHUNK,
    SESSION_CHUNKED,
    SESSION_FAILED,
    SESSION_COMMIT,
    SESSION_SECURING,
    SESSION_LOGIN,
    SESSION_ASKING,
    SESSION_TURNED,
    SESSION_CLOSED,
};
#define IN(state) (1U << (state))

struct transaction {
    struct arena arena; /* its strings; emptied with it */
    struct str sender;
    enum body_type body_type;
    uint8_t flags; /* what it needs: of enum envelope_flag */
    uint8_t ret;   /* RFC 3461, as in the envelope */
    struct str envelope_id;
    uint64_t size;     /* as declared; 0: it was not */
    uint64_t size_max; /* the most that a recipient's primary takes; 0: there is none yet */
    struct recipient *recipient; /* those we said 250 to, each once */
    uint32_t recipient_count;
    uint32_t recipient_cap;
};

struct content {
    bool open;          /* between content_open and content_commit or _abort */
    struct str refused; /* the rest is swallowed, then this is said; a constant */
    struct message_id id;
    struct content_decoder decoder;
    struct trace_scanner trace;
    struct buf header;   /* as far as it has come; empty again once the host has it */
    bool in_body;        /* the host has the header */
    struct buf decoded;  /* not yet looked at or written */
    uint64_t octets;     /* of content, header and body */
    uint64_t written;    /* of body, to the host */
    uint64_t taken;      /* of these, by the store */
    uint64_t chunk_left; /* octets of the chunk still to come */
    bool chunk_last;
    enum session_state before_chunk;

    bool timed; /* the client's pace is being watched */
    int64_t started_ms;
    uint64_t received;  /* octets as they came, since then */
    bool stalled;       /* we wait for the store, not for the client */
    int64_t stalled_ms; /* since when; in COMMIT too */
};

struct pending_recipient { /* on the heap, in session->pending */
    struct link link;
    uint64_t ticket;
    int64_t deadline_ms;
    bool answered;
    bool is_error; /* the client's mistake, not the host's word */
    struct verdict verdict;
    struct receive_terms terms;
    struct recipient recipient; /* its strings stand behind the struct */
    char bytes[];
};

enum login_step { LOGIN_NONE, LOGIN_PLAIN, LOGIN_USER, LOGIN_SECRET, LOGIN_CRAM, LOGIN_EXTERNAL };
enum question_kind { QUESTION_LOGIN, QUESTION_TURN, QUESTION_LINE };

struct receive_session {
    const struct receive_settings *settings;
    const struct receive_host *host;
    void *context;
    struct random *random;
    struct endpoint client;
    struct now now; /* of the call under way */
    enum session_state state;

    struct str input;     /* not taken yet; valid during a call */
    struct buf held;      /* what of it waits for the next call */
    struct buf output;    /* replies of this call */
    bool discarding_line; /* within a line that is too long */
    bool ended;           /* the peer will send no more */
    bool shutting_down;
    bool login_has_ended;
    bool extended;        /* EHLO, not HELO */
    bool client_named;    /* the reverse name is known, or was waited for long enough */
    bool must_start_tls;  /* once our reply has left */
    bool must_turn;       /* the same */
    struct buf tls;       /* how the connection is secured, for people; empty: it is not */
    bool has_certificate; /* he has shown one */
    struct buf helo;
    struct buf client_name;
    struct {
        enum login_step step; /* what the next line is */
        struct buf user;
        struct buf challenge;
    } login;
    struct {
        enum question_kind kind;
        uint64_t ticket;     /* of the last one */
        int64_t deadline_ms; /* NEVER_MS: it may take any time */
    } question;
    struct buf user;        /* who has logged in; empty: nobody */
    struct verdict refusal; /* of new mail; FATE_ACCEPT: none */
    uint32_t errors;
    uint32_t refusals;       /* of recipients, by the host */
    int64_t greet_at_ms;     /* 0: the banner is out */
    int64_t tarpit_until_ms; /* 0: replies leave at once */

    struct link pending;
    size_t pending_count;
    uint64_t last_ticket;
    struct transaction transaction;
    struct content content;

    int64_t spoke_ms;    /* our last word */
    int64_t heard_ms;    /* the client's last octet */
    int64_t progress_ms; /* start, or the last message's end */
    int64_t name_deadline_ms;
};

/* What a step through the input came to. */
enum step {
    STEP_ON,     /* something was done, go on */
    STEP_WAIT,   /* the host has to answer first */
    STEP_HUNGRY, /* more bytes are needed */
};

/* session.c */
void session_enter(struct receive_session *session, enum session_state next);
void session_run(struct receive_session *session, struct str fresh);
void session_greet(struct receive_session *session); /* it has kept silent for long enough */

/* input.c */
enum line_fault { LINE_FINE, LINE_LONG, LINE_NUL, LINE_NEWLINE };
struct command_line {
    struct str text; /* without CRLF */
    size_t size;     /* with it */
    enum line_fault fault;
};
/* The next line of the input, which stays there; false if it is not complete. */
bool input_find_line(struct receive_session *session, struct command_line *out_line);
void input_take_line(struct receive_session *session, const struct command_line *line);
/* Must this command wait until the host has answered something? */
bool input_must_wait(const struct receive_session *session, enum smtp_verb verb);
/* Were bytes sent behind this command before our reply to it could be known (RFC 2920 3.1)? */
bool input_is_out_of_turn(const struct receive_session *session, enum smtp_verb verb);

/* reply.c. A reply line is given without its end. */
void reply_say(struct receive_session *session, struct str line);
/* The client's mistake: it counts towards errors_max. */
void reply_error(struct receive_session *session, struct str line);
void reply_verdict(struct receive_session *session, const struct verdict *verdict, bool is_error);
/* The host has refused a recipient for good: counts for the tarpit. */
void reply_refuse_recipient(struct receive_session *session);
void reply_end_tarpit(struct receive_session *session);
/* The last words: says them and closes. */
void reply_close(struct receive_session *session, struct str line);
void reply_flush(struct receive_session *session);
void session_close(struct receive_session *session);

/* greeting.c */
void command_ehlo(struct receive_session *session, struct str argument);
void command_helo(struct receive_session *session, struct str argument);
void command_rset(struct receive_session *session, struct str argument);
void command_noop(struct receive_session *session, struct str argument);
void command_quit(struct receive_session *session, struct str argument);
void command_vrfy(struct receive_session *session, struct str argument);
void command_help(struct receive_session *session, struct str argument);

/* secure.c */
void command_starttls(struct receive_session *session, struct str argument);
void secure_when_said(struct receive_session *session);

/* login.c */
void command_auth(struct receive_session *session, struct str argument);
/* What AUTH can be said with now, a blank before each; nothing: it is not offered. */
void login_add_mechanisms(const struct receive_session *session, struct buf *out);
enum step login_step(struct receive_session *session);
void login_forget(struct receive_session *session); /* what was said of an unfinished one */

/* question.c */
void command_etrn(struct receive_session *session, struct str argument);
uint64_t question_ask(struct receive_session *session, enum question_kind kind); /* its ticket */
void question_expire(struct receive_session *session);

/* turning.c */
void command_atrn(struct receive_session *session, struct str argument);
void turning_settle(struct receive_session *session, const struct verdict *verdict);
void turn_when_said(struct receive_session *session);
bool turning_waits(const struct receive_session *session); /* for as long as it takes */

/* sender.c */
void command_mail(struct receive_session *session, struct str argument);
struct recipient *transaction_recipient(const struct transaction *transaction, struct str address);
void transaction_add(struct transaction *transaction, const struct recipient *recipient);
void transaction_reset(struct receive_session *session); /* gives up open content */

/* recipient.c */
void command_rcpt(struct receive_session *session, struct str argument);
void recipients_flush(struct receive_session *session); /* says what may be said in order */
void recipients_expire(struct receive_session *session);
void recipients_free(struct receive_session *session);

/* data.c */
void command_data(struct receive_session *session, struct str argument);
void command_bdat(struct receive_session *session, struct str argument);
void data_end(struct receive_session *session);      /* CRLF.CRLF was there */
void chunk_end(struct receive_session *session);     /* all octets of the chunk were there */
void commit_expire(struct receive_session *session); /* the store did not answer */

/* content.c */
struct envelope content_envelope(const struct receive_session *session);
void content_open(struct receive_session *session, struct content_decoder decoder);
void content_watch_pace(struct receive_session *session); /* starts the clock, once */
enum step content_step(struct receive_session *session);
/* Looks at what was decoded, and gives it to the host or refuses it. */
void content_pass_on(struct receive_session *session);
/* The content is complete: gives the host what is left of it, and forgets it. */
void content_finish(struct receive_session *session);
/* How large it may be: as we take, or less where no recipient's primary takes that. */
uint64_t content_octets_max(const struct receive_session *session);
/* Gives the content up; `line`, a constant, is said when its octets have come. */
void content_refuse(struct receive_session *session, struct str line);
void content_abandon(struct receive_session *session);
bool content_has_room(const struct receive_session *session);
