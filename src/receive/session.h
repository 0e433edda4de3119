/* SPDX-License-Identifier: ISC */
/* session.h: one SMTP conversation in which we are the server (RFC 5321).
 *
 * A state machine over bytes. It opens no socket and reads no clock: its host (the
 * receiver role, a test, a fuzzer) feeds bytes and answers and carries out what
 * the session asks for through struct receive_host.
 *
 * Rules for the host
 *   - Calls into the session never nest: a host function must not call back.
 *   - Answers (receive_recipient_answer …) may come in any order and any later turn.
 *   - receive_feed() takes all bytes while the session wants input; when it says no
 *     (receive_wants_input() false) the host stops reading the socket: that is the
 *     back-pressure towards a peer who pipelines without end or sends faster than
 *     the store takes.
 *     What is fed while it says so is kept, so feed at most 64 KiB at a time. The
 *     host also stops reading while the peer does not take what was sent.
 *   - The host is ready to send before it calls receive_new().
 *   - After close() the host frees the session at the end of its turn. It may free it
 *     at any time (connection lost): open content is aborted then, what has been
 *     committed is not.
 *   - A content that was committed and not answered in time is in doubt: the session
 *     goes on with the next one, and a late answer to it is ignored.
 */
#pragma once

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/random.h"
#include "mail/envelope.h"
#include "mail/verdict.h"

struct receive_session;

struct receive_settings { /* shared by all sessions, outlives them */
    struct str hostname;
    struct str postmaster;     /* whom RCPT TO:<postmaster>, and that at our hostname, means; empty:
                                * as it came, the host decides */
    uint64_t message_size_max; /* ours, or less, if no primary takes so much */
    size_t header_size_max;
    uint32_t recipients_max;
    uint32_t errors_max;
    int64_t command_timeout_ms;
    int64_t data_timeout_ms;
    int64_t session_timeout_ms;
    uint64_t data_rate_min; /* octets/s */
    bool bare_newline_reject;
    bool chunking;
    bool has_logins;   /* there is somebody who could log in: AUTH is offered, over TLS */
    bool has_cram;     /* … and whose secret is kept so that it need not be shown: CRAM-MD5 */
    bool has_external; /* a domain knows its holder by his certificate: EXTERNAL, for who shows one
                        */
    bool is_for_turns; /* clients bring no mail here, they get it (ATRN) */
    bool binarymime;   /* with chunking: content may be other than lines */
    bool has_tls;      /* there is a certificate: STARTTLS is offered */
    int64_t greet_delay_ms; /* before the banner; who speaks meanwhile is let go */
    int64_t tarpit_ms;      /* by which replies wait for who was refused several times */
};

struct receive_terms { /* on which a recipient is served */
    uint64_t size_max; /* the largest message his primary takes, in octets; 0: as large as we do */
    bool needs_proof;  /* as in the envelope */
    uint8_t lacks;     /* what his primary is known not to do, of enum envelope_flag */
};

struct receive_host {
    /* Bytes for the peer. Replies of one turn may come in several calls. */
    void (*send)(void *context, struct str bytes);
    /* May this recipient be served? Answer with receive_recipient_answer(). The strings live
     * during the call. */
    void (*ask_recipient)(void *context, uint64_t ticket, struct str helo, struct str sender,
                          const struct recipient *recipient);
    /* Is that his secret, or, with a challenge, its HMAC-MD5 of that in hexadecimal (RFC 2195)?
     * Answer with receive_question_answer(): accepted, he is logged in. */
    void (*ask_login)(void *context, uint64_t ticket, struct str user, struct str secret,
                      struct str challenge);
    /* Is he, by the certificate that he has shown, the holder of this domain, or if it is empty, of
     * whichever it is? Answered in the same way. */
    void (*ask_certificate)(void *context, uint64_t ticket, struct str domain);
    /* He wants the mail that waits for this node (RFC 1985), "@" in front of it meaning all below
     * it, too; `user`: as he has logged in, or empty. Answer with receive_question_answer(). */
    void (*ask_turn)(void *context, uint64_t ticket, struct str user, struct str node);
    /* He wants to be handed the mail of these domains on this very connection (RFC 2645), ","
     * between them; none: all that are his. `instance` empty: now; else who calls under that name
     * waits for as long as it takes until there is something for him. Answer with
     * receive_question_answer(): accepted, the connection is turned round. */
    void (*offer_line)(void *context, uint64_t ticket, struct str user, struct str domains,
                       struct str instance);
    /* What was sent goes out, and nothing of the client's comes here any more: from now on he is
     * the server of whom the host puts in his place. */
    void (*turn_round)(void *context);
    /* Content begins; its header is there (whole, without the empty line; our Received field, which
     * belongs above it, apart; the envelope is as it will be committed, but for the time); the body
     * goes on, beginning with the empty line; … */
    void (*content_open)(void *context, struct message_id id);
    void (*content_header)(void *context, const struct envelope *envelope, struct str received,
                           struct str header);
    void (*content_write)(void *context, struct str bytes);
    /* … and ends: store it durably, then answer with receive_content_answer(). */
    void (*content_commit)(void *context, const struct envelope *envelope);
    void (*content_abort)(void *context); /* or is given up */
    /* What was sent goes out as it is, then the client's handshake is due; receive_secured() when
     * it is done. If it fails, the connection is over. */
    void (*start_tls)(void *context);
    /* Flush what was sent and close the connection. Nothing follows. */
    void (*close)(void *context);
};

/* Sends the banner, after greet_delay_ms. `refusal` (FATE_ACCEPT for none): the banner's place is
 * taken by this reply, and the connection closed after it (too many sessions, 421; a peer who
 * talked before the banner, 554 5.5.0). close() comes from within then. */
struct receive_session *receive_new(const struct receive_settings *settings,
                                    const struct receive_host *host, void *context,
                                    struct endpoint client, struct random *random, struct now now,
                                    const struct verdict *refusal);
void receive_free(struct receive_session *session);

void receive_feed(struct receive_session *session, struct str bytes, struct now now);
/* The peer has closed its sending side. */
void receive_end(struct receive_session *session, struct now now);
/* The handshake is done; also of a connection that began with it. `how` is copied, for the Received
 * field: "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256 bits)". */
void receive_secured(struct receive_session *session, struct str how, bool has_certificate,
                     struct now now);
bool receive_wants_input(const struct receive_session *session);

void receive_recipient_answer(struct receive_session *session, uint64_t ticket,
                              const struct verdict *verdict, struct receive_terms terms,
                              struct now now);
/* The reply is the verdict, whatever it says. `user`, who has logged in by it, is copied. */
void receive_question_answer(struct receive_session *session, uint64_t ticket,
                             const struct verdict *verdict, struct str user, struct now now);
/* Nobody can answer it now. */
void receive_question_unanswered(struct receive_session *session, uint64_t ticket, struct now now);
/* `id` as content_open() was given it; answers about any other content are ignored. */
void receive_content_answer(struct receive_session *session, struct message_id id,
                            const struct verdict *verdict, struct now now);
/* The store has taken (or dropped) so many more octets of the body: more may come. The session
 * sends at most RECEIVE_WINDOW octets ahead of this. */
void receive_content_taken(struct receive_session *session, struct message_id id, uint64_t octets,
                           struct now now);
enum { RECEIVE_WINDOW = 128 * 1024 };
/* The client's confirmed reverse name, once known; empty if there is none. Until it is known (or
 * 5 s after the start) content does not begin. */
void receive_client_name(struct receive_session *session, struct str name, struct now now);
/* New mail is refused with this at MAIL FROM from now on (disk full …); FATE_ACCEPT ends it. */
void receive_set_refusal(struct receive_session *session, const struct verdict *refusal,
                         struct now now);
/* As whose holder he has logged in, in normal form; empty: he has not. Lives with the session. */
struct str receive_user(const struct receive_session *session);
/* That login is void: 421 at the next command boundary, and at once if he waits for his mail. */
void receive_log_out(struct receive_session *session, struct now now);
/* turn_round() has been called: the session has nothing to say any more. */
bool receive_is_turned(const struct receive_session *session);
/* The server goes down: 421 4.3.2 at the next command boundary; a commit that is under way is
 * still answered. */
void receive_shutdown(struct receive_session *session, struct now now);

/* When receive_tick() is due, on the monotonic clock. */
int64_t receive_deadline(const struct receive_session *session);
void receive_tick(struct receive_session *session, struct now now);
