/* SPDX-License-Identifier: ISC */
/* receiver.h: the receiver's own structures; for this folder alone.
 *
 * A connection is one client: its stream, its session, its place in the lists. It
 * speaks with the keeper through tickets: one for each recipient asked about, one
 * for the content on its way. What the session asks for is carried out at once;
 * what comes back to the session, but was known inside a call of the session, waits
 * in the connection until the turn's end, because calls into a session never nest.
 *
 * When the keeper goes away
 *   - questions about recipients are asked again of the next one;
 *   - content on its way is lost: the client gets 451 at its end;
 *   - content that was committed is in doubt: the next keeper is asked for it by
 *     message id, and only "stored" becomes a 250.
 */
#pragma once

#include "authenticate/policy.h"
#include "authenticate/report_row.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/network.h"
#include "filter/policy.h"
#include "receive/session.h"
#include "roles/board.h"
#include "roles/own_key.h"
#include "roles/role.h"
#include "verify/door.h"
#include "wire/dns.h"

struct receiver;
struct filtering;

/* A question to the DNS that is under way (dns.c). */
struct lookup {
    struct receiver *receiver;
    uint64_t ticket; /* 0: none */
    struct dns_question question;
    struct buf name; /* where the question's name lives */
    void (*answered)(struct lookup *lookup, const struct dns_answer *answer);
};

/* What a domain wants, asked of the keeper (policies.c). */
struct policy_question {
    uint64_t ticket; /* 0: none is under way */
    struct buf domain;
};

struct domain_policy {
    struct policy sender;
    struct door_policy door;
    struct filter_policy filters;
};

/* What is found out about a client who wants in (door.c). */
struct door {
    struct lookup lookup;
    struct dns_answers known;
    struct policy_question question;
    struct heap_node deadline; /* what the DNS has not said by then counts as a failure */
    bool is_late;
};

/* What is found out about a message before it may be stored (checks.c). */
struct checks {
    struct authentication *authentication; /* from the header on */
    bool has_separator;                    /* the empty line has passed by */
    struct buf received;
    struct buf envelope_bytes; /* where the envelope's texts live, once the content is complete */
    struct arena arena;
    struct envelope envelope;
    const struct domain_policy **policy; /* of each recipient's domain */
    const struct domain_policy *of_sender;
    enum judgement *judgement;   /* of each recipient; NULL: the sender is not judged yet */
    struct verdict reason;       /* FATE_ACCEPT: there is none */
    struct filtering *filtering; /* NULL: not begun, or nobody wants it */
    uint64_t body_octets;        /* with the keeper, or on their way there */
    struct heap_node deadline;   /* what the DNS has not said by then counts as a failure */
    bool is_late;
    bool is_due; /* the content is complete, or an answer is there */
    struct policy_question question;
    struct lookup lookup;
};

enum content_state {
    CONTENT_NONE,
    CONTENT_NAMED,     /* nothing of it has come: the keeper need not be woken for its name */
    CONTENT_OPEN,      /* on its way to the keeper */
    CONTENT_LOST,      /* the keeper that had it is gone */
    CONTENT_JUDGED,    /* complete; whether it is taken is being found out */
    CONTENT_COMMITTED, /* asked for a verdict, or in doubt */
};

enum { RECEIVER_LISTENERS_MAX = 4 * CONFIG_LIST_MAX };

struct listener {
    int fd;
    bool is_secure;      /* TLS from the first octet */
    bool is_for_turns;   /* its clients bring no mail, they get it */
    struct watch *watch; /* NULL: it is looked at now and then */
};

struct receiver {
    struct role_process *process;
    struct receive_settings settings;
    struct receive_settings turn_settings; /* where no mail is taken */
    struct channel *keeper;                /* NULL: none at the moment */
    struct channel *resolver;
    struct board *board;             /* NULL until it is handed over, before the start */
    struct channel *dead_channel[4]; /* freed at the turn's end */
    unsigned dead_count;
    struct link connections;
    struct link touched;         /* to be looked after at the turn's end */
    struct heap deadlines;       /* of sessions */
    struct heap check_deadlines; /* of messages that are being judged */
    struct heap door_deadlines;  /* of clients at the door */
    struct heap filter_deadlines;
    struct map filter_asks;        /* by ticket: struct filtering */
    struct link filter_queue;      /* struct filtering.queue */
    unsigned filter_turns;         /* filters that are being spoken with */
    struct map asks;               /* by ticket: struct ask */
    struct map questions;          /* by ticket: struct connection; turns.c */
    struct map lines;              /* by number: struct connection; lines.c */
    struct network_range *awaited; /* from where a connection is a sign of life */
    uint32_t awaited_count;
    bool has_logins, has_cram, has_client_pins;
    struct map contents;    /* by ticket: struct connection */
    struct map lookups;     /* by ticket: struct lookup */
    struct map answers;     /* by whom they hold for: struct known_answer */
    struct map policies;    /* by domain: struct known_policy */
    struct map policy_asks; /* by ticket: struct connection */
    struct map dns_known;   /* by question: struct known */
    size_t dns_octets;      /* in those */
    struct own_key sign;
    uint64_t last_ticket;
    uint32_t session_count;
    struct verdict refusal; /* FATE_ACCEPT: mail is welcome */
    uint64_t size_max;      /* the largest message that any primary takes; 0: one has not said */
    struct tls_server *tls; /* NULL: there is no certificate */

    /* listeners.c */
    struct listener own[RECEIVER_LISTENERS_MAX];
    unsigned own_count;
    struct listener neighbour[RECEIVER_LISTENERS_MAX]; /* another receiver's */
    unsigned neighbour_count;
    int64_t neighbour_ms;    /* when they are looked at again */
    int64_t accept_again_ms; /* 0: accepting */

    /* networks.c */
    struct map networks; /* by client network: struct network */
    int64_t sweep_ms;    /* when those without sessions are looked for again */
};

struct network { /* kept for a minute after its last session, if there are limits per minute */
    uint32_t sessions;
    struct endpoint endpoint;
    int64_t minute_ms; /* when the minute began that these are of */
    uint32_t connections;
    uint32_t recipients;
};

struct connection {
    struct link link;
    struct link touched;
    struct heap_node deadline;
    struct receiver *receiver;
    struct stream *stream; /* NULL once it has closed itself */
    struct receive_session *session;
    struct endpoint client;
    struct network *network;
    bool is_over;        /* the session is not called any more; the last replies may still go out */
    bool is_closed;      /* freed at the turn's end */
    bool has_ended;      /* the peer closed its side; told to the session at the turn's end */
    bool waits_for_room; /* nothing is read until the peer has read what was said */

    struct link asks; /* struct ask.link, not answered yet */

    enum content_state content;
    uint64_t content_ticket;
    struct message_id content_id;
    struct checks checks; /* of it */
    uint64_t owed_octets; /* written, and no credit has come for them yet */
    uint64_t lost_octets; /* of these, what nobody keeps any more; credit at the turn's end */
    bool lost_verdict;    /* the session waits for a verdict that no keeper will give */

    struct line {              /* that its client has offered; lines.c */
        uint64_t ticket;       /* by which the keeper knows it; 0: there is none */
        uint64_t number;       /* 0: it is not wanted yet */
        struct stream *stream; /* to the deliverer; NULL: not yet, or no more */
        bool is_up;            /* the session is over, and octets are passed on */
    } line;

    uint64_t question; /* to the keeper, what the client asked for himself; 0: none is open */
    uint64_t session_question;
    bool question_failed; /* told at the turn's end */

    struct door door;
    struct lookup name_lookup;
    struct dns_answers names;
};

struct recipient_answer { /* as in messages.def */
    struct verdict verdict;
    struct receive_terms terms;
};

struct ask { /* may this recipient be served? */
    struct link link;
    struct connection *connection;
    uint64_t ticket;         /* ours, towards the keeper; 0: it was not asked */
    uint64_t session_ticket; /* the session's */
    bool is_inside;          /* the domain's door let it in */
    bool has_verdict;
    struct recipient_answer answer;
    struct buf helo;
    struct buf sender;
    struct buf recipient;
};

/* keeper.c */
void receiver_ask_keeper(struct ask *ask);
void receiver_ask_free(struct ask *ask);
extern const struct receive_host receiver_session_host;
void receiver_keeper_came(struct receiver *receiver, unsigned index, int fd);
void receiver_tell_session(struct connection *connection, struct now now); /* at the turn's end */
void receiver_forget_tickets(struct connection *connection);
/* What becomes of content that was complete: it is stored with this front, or not at all. */
void receiver_content_pass(struct connection *connection, const struct envelope *envelope,
                           struct str front);
void receiver_content_refuse(struct connection *connection, const struct verdict *verdict);

/* answers.c */
const struct recipient_answer *receiver_answer_find(const struct receiver *receiver,
                                                    struct str recipient, int64_t now_ms);
/* It is copied, and kept for `whom` and for his company, both as in messages.def. */
void receiver_answer_keep(struct receiver *receiver, struct str whom, struct str company,
                          const struct recipient_answer *answer, int64_t now_ms);
void receiver_answers_forget(struct receiver *receiver);

/* policies.c: what domains want, as the keeper says. */
/* Valid until the loop's next turn; NULL: not known. */
const struct domain_policy *receiver_policy_find(const struct receiver *receiver,
                                                 struct str domain);
/* The connection is looked after when the answer is there. */
void receiver_policy_ask(struct connection *connection, struct policy_question *question,
                         struct str domain);
void receiver_policy_drop(struct receiver *receiver, struct policy_question *question);
bool receiver_policy_take(struct receiver *receiver, struct cursor payload);
void receiver_policies_forget(struct receiver *receiver);
void receiver_policies_fini(struct receiver *receiver);

/* checks.c. The header, the body and the end of one content, in this order; then
 * receiver_content_pass() or receiver_content_refuse() once all is known. */
void receiver_checks_header(struct connection *connection, const struct envelope *envelope,
                            struct str received, struct str header);
void receiver_checks_body(struct connection *connection, struct str bytes);
void receiver_checks_end(struct connection *connection, const struct envelope *envelope);
void receiver_checks_turn(struct connection *connection); /* at the turn's end */
void receiver_checks_expire(struct receiver *receiver, struct now now);
void receiver_checks_forget(struct connection *connection);
/* What of a header does not go on: what others say in our name. */
bool receiver_checks_drops(const struct authentication *authentication,
                           const struct header_field *field);

/* filters.c. True: all have spoken, and the checks' judgements are complete. False: it
 * will be looked after again. */
bool receiver_filters_run(struct connection *connection);
void receiver_filters_forget(struct connection *connection);
/* The header as filters have left it: what stands above our fields, and the rest. */
void receiver_filters_add_top(const struct filtering *filtering, struct buf *front);
void receiver_filters_add_rest(const struct filtering *filtering, struct buf *front);

/* one_filter.c */
void receiver_filters_expire(struct receiver *receiver, struct now now);
void receiver_filter_came(struct receiver *receiver, uint64_t ticket, int error, int fd);
void receiver_filter_body(struct connection *connection, uint64_t want, struct str bytes);
void receiver_filter_credit(struct connection *connection); /* the keeper takes more */

/* door.c. Answers the session's questions about recipients, at the turn's end. */
void receiver_door_turn(struct connection *connection, struct now now);
void receiver_door_expire(struct receiver *receiver, struct now now);
void receiver_door_forget(struct connection *connection);

/* dns.c */
void receiver_resolver_came(struct receiver *receiver, unsigned index, int fd);
/* Valid until the loop's next turn; NULL: not known, ask. Without a resolver there is always an
 * answer: that there is none. */
const struct dns_answer *receiver_dns_find(const struct receiver *receiver,
                                           struct dns_question question);
/* lookup->answered() comes in a later turn, once. One question at a time. */
void receiver_dns_ask(struct receiver *receiver, struct lookup *lookup,
                      struct dns_question question);
void receiver_dns_forget(struct lookup *lookup);
void receiver_dns_fini(struct receiver *receiver);

/* turns.c */
void receiver_ask_login(void *context, uint64_t session_ticket, struct str user, struct str secret,
                        struct str challenge);
void receiver_ask_turn(void *context, uint64_t session_ticket, struct str user, struct str node);
/* NULL: nobody is there to be asked. The session is told at the turn's end. */
struct channel *receiver_question_begin(struct connection *connection, uint64_t session_ticket,
                                        struct buf *out_client);
void receiver_question_forget(struct connection *connection);
void receiver_ask_certificate(void *context, uint64_t session_ticket, struct str domain);
bool receiver_take_question_answer(struct receiver *receiver, struct cursor payload);
bool receiver_take_logins_void(struct receiver *receiver, struct cursor payload);
void receiver_questions_lost(struct receiver *receiver); /* with the keeper */
void receiver_turns_turn(struct connection *connection); /* at the turn's end */
bool receiver_take_awaited(struct receiver *receiver, struct cursor payload);
void receiver_look_for_life(const struct receiver *receiver, struct endpoint client);

/* lines.c */
void receiver_offer_line(void *context, uint64_t session_ticket, struct str user,
                         struct str domains, struct str instance);
bool receiver_take_line_wanted(struct receiver *receiver, struct cursor payload);
void receiver_line_came(struct receiver *receiver, uint64_t number, int error, int fd);
void receiver_turn_round(void *context);
/* What comes from a client whose connection is turned round, and its end. */
void receiver_line_input(const struct connection *connection, struct str bytes);
void receiver_line_end(struct connection *connection, int error);
void receiver_line_balance(struct connection *connection); /* at the turn's end: who may send on */
void receiver_line_stop(const struct connection *connection); /* it is to end soon */
void receiver_line_drop(struct connection *connection);

/* names.c */
void receiver_name_ask(struct connection *connection);
void receiver_name_forget(struct connection *connection);

/* listeners.c */
void receiver_listener_take(struct receiver *receiver, unsigned kind, int fd);
void receiver_listeners_start(struct receiver *receiver);
void receiver_listeners_turn(struct receiver *receiver, struct now now);
int64_t receiver_listeners_deadline(const struct receiver *receiver);
void receiver_listeners_stop(struct receiver *receiver); /* no more clients */
void receiver_listeners_fini(struct receiver *receiver);

/* networks.c */
struct network *receiver_network_enter(struct receiver *receiver, struct endpoint client);
void receiver_network_leave(struct receiver *receiver, struct network *network);
void receiver_count_recipient(struct connection *connection); /* of its network, this minute */
void receiver_networks_turn(struct receiver *receiver, struct now now);
void receiver_networks_fini(struct receiver *receiver); /* once there are no connections */

/* connection.c */
/* Takes over the descriptor. */
void receiver_connection_open(struct receiver *receiver, const struct listener *listener, int fd,
                              struct endpoint client);
void receiver_touch(struct connection *connection); /* it is looked after at the turn's end */
/* All that were touched are looked after, and those that are closed are freed. */
void receiver_connections_turn(struct receiver *receiver, struct now now);
void receiver_connections_expire(struct receiver *receiver, struct now now);
void receiver_connections_stop(struct receiver *receiver); /* they come to their end, soon */
void receiver_connections_fini(struct receiver *receiver);

/* receiver.c */
/* From the configuration, and from what the keeper says. */
void receiver_configure_sessions(struct receiver *receiver);
void receiver_bury_channel(struct receiver *receiver, struct channel *channel);
uint64_t receiver_ticket(struct receiver *receiver);
struct str receiver_ticket_key(const uint64_t *ticket);
