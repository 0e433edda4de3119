/* SPDX-License-Identifier: ISC */
/* keeper.h: the keeper's own structures; for this folder alone.
 *
 * The keeper alone writes. It joins the stations: intake and handover (spool/), the
 * scheduler, route decisions, relay checks and the operations of the control
 * socket, over one store and one directory. What a station asks of another one
 * inside a call (the scheduler must not be called from its own host functions) waits
 * in a list until the turn's end.
 */
#pragma once

#include "base/map.h"
#include "base/worker.h"
#include "notify/alert.h"
#include "notify/notice.h"
#include "notify/tls_row.h"
#include "roles/own_key.h"
#include "roles/role.h"
#include "roles/keeper/under_way.h"
#include "route/addresses.h"
#include "route/policies.h"
#include "route/route.h"
#include "schedule/schedule.h"
#include "spool/handover.h"
#include "spool/intake.h"
#include "store/directory/directory.h"
#include "store/log/log_store.h"
#include "store/sealed/sealed_store.h"
#include "verify/greylist.h"
#include "verify/quota.h"

enum {
    KEEPER_LISTENERS_MAX = 4 * CONFIG_LIST_MAX * CONFIG_LIST_MAX,
};

struct keeper_peer {         /* one life of one channel */
    struct channel *channel; /* NULL: nobody */
    uint32_t source;         /* names this life; never 0 */
    bool has_greeted;        /* a deliverer's hello has come */
    uint64_t unfinished;     /* messages it still has to name */
};

struct keeper_helper { /* a thread for slow calls, and what wakes the loop when one has returned */
    struct worker *worker;
    struct watch *watch;
};

struct keeper_question { /* to the DNS */
    uint64_t ticket;     /* 0: it is not under way */
    struct dns_question question;
    struct buf name; /* where the question's name lives */
    void (*answered)(struct keeper_question *question, const struct dns_answer *answer);
};

struct budget;
struct lines;
struct verifier;
struct verifier_answer;
enum notice_end { NOTICE_SENT, NOTICE_WITHHELD, NOTICE_CANCELLED }; /* the last: we are closing */

struct keeper {
    struct role_process *process;
    int spool_directory;
    struct disk *disk;
    struct keeper_helper commits; /* of the store; and cold reads */
    struct keeper_helper upkeep;  /* of the store: what nobody waits for */
    struct keeper_helper records; /* of the directory */
    struct store *store;
    struct sealed_host sealed_host;
    struct seal_keys seal_keys;
    bool lacks_keys; /* they are configured, and cannot be used */
    struct directory *directory;
    struct schedule *schedule;
    struct intake *intake;
    struct handover *handover;
    struct under_way *under_way;
    struct greylist *greylist;

    struct keeper_peer peer[ROLE_PROCESSES_MAX];
    struct channel *dead[ROLE_PROCESSES_MAX];
    unsigned dead_count;
    uint32_t last_source;
    enum store_condition condition; /* as told to the receivers */

    /* session.h */
    bool may_deliver; /* every deliverer has said what it has on its hands */
    int64_t started_ms;
    struct map sessions;   /* by number: struct keeper_session */
    struct link openings;  /* struct keeper_session.link: to be opened at the turn's end */
    struct map unfinished; /* by message id and domain: struct unfinished */
    struct link errands;   /* struct errand.link: calls into the scheduler, at the turn's end */

    struct map questions; /* by ticket: struct keeper_question; dns.c */

    /* own.c */
    struct map own_routes; /* by domain: struct own_route */
    int64_t own_sweep_ms;  /* when those that are not needed any more are looked for */
    unsigned own_looks;    /* under way */

    struct keeper_notices *notices; /* notice_jobs.c; NULL: nobody is told anything */

    /* recipients.c, callouts.c */
    struct verifier *verifier;
    struct keeper_callouts *callouts;
    struct link recipient_news; /* struct news.link */
    bool answers_are_void;      /* receivers are told at the turn's end */

    struct map verifications; /* by asker: struct pending; askers.c */
    uint64_t last_asker;
    struct map greetings; /* by domain: struct greeting; greetings.c */
    struct unsure { /* messages for somebody whom nobody knew when they came, by id; unsure.c */
        struct map young, old;
        size_t octets; /* of the young ones' recipients */
    } unsure;

    /* quota.c */
    struct map usages;          /* by domain: struct usage; of those that have a quota */
    struct budget *taken_in;    /* messages in this hour, by domain */
    struct greylist *insisting; /* who would like to come though the primary is up */

    struct own_key sign; /* what reports are signed with */

    /* reports.c */
    struct keeper_reports *reports;        /* NULL: not started, or ended */
    struct keeper_reports *ending_reports; /* until the helpers have ended too */

    /* tls_reports.c */
    struct keeper_tls_reports *tls_reports; /* these three as with the reports above */
    struct keeper_tls_reports *ending_tls_reports;
    struct keeper_posts *tls_posts;

    struct keeper_alerts *alerts;       /* alerts.c; NULL: not started, or ended */
    struct keeper_posts *webhooks;      /* webhooks.c; the same */
    struct keeper_policies *policies;   /* policies.c; the same */
    struct keeper_addresses *addresses; /* addresses.c; the same */

    /* routes.c */
    struct map lookups;        /* by domain: struct lookup */
    struct link lookups_due;   /* struct lookup.due */
    struct map route_problems; /* by domain: struct problem; of the last decision */
    uint64_t last_ticket;
    struct route_self self;
    struct str self_name[1 + CONFIG_LIST_MAX];
    struct endpoint self_listener[KEEPER_LISTENERS_MAX];

    /* turns.c */
    bool has_logins;        /* a domain has a secret, … */
    bool has_cram;          /* … for CRAM-MD5, too */
    struct map awaited;     /* by domain: struct awaited; of primaries that are not up */
    struct map awaited_due; /* domains to be looked at, at the turn's end */
    struct map client_pins; /* client_pins.c; by domain: those it has registered */
    bool awaited_changed;   /* since the receivers were told, … */
    int64_t awaited_told_ms;

    /* logins.c */
    struct map logins;  /* by source and user: struct login */
    struct map holders; /* by domain: struct holder */

    /* lines.c */
    struct lines *lines;        /* NULL: not yet, or no more */
    struct map lines_by_number; /* struct keeper_line */
    uint64_t last_line;
    bool lines_due; /* one waits for a deliverer */

    /* certificates.c */
    struct buf certificate_ends; /* as the supervisor has said */
    int64_t certificates_look_ms;

    struct budget *bad_logins; /* at the portal, by network; portal.c; NULL: none yet */

    struct keeper_control *control; /* control.c */
    struct buf roster;              /* JSON, from the supervisor */
};

/* keeper.c */
struct now keeper_now(const struct keeper *keeper);
/* For all that is stamped in the store: the wall clock that the scheduler counts by. */
struct now keeper_mail_now(const struct keeper *keeper);
/* What is set for the domain, by itself or by default; also where it is none of ours. */
int64_t keeper_value(const struct keeper *keeper, struct str domain, enum setting setting);
struct str keeper_text(const struct keeper *keeper, struct str domain, enum setting setting);
struct keeper_peer *keeper_peer_of(struct keeper *keeper, const struct channel *channel);
/* The next living deliverer, in turn; NULL if there is none. */
struct keeper_peer *keeper_some_deliverer(struct keeper *keeper);
struct channel *keeper_resolver(struct keeper *keeper);
/* Puts a domain of the directory on the scheduler's list, or takes it off. */
void keeper_domain_changed(struct keeper *keeper, struct str domain);

/* receivers.c */
extern const struct intake_host keeper_intake_host;
bool keeper_receiver_message(struct keeper *keeper, struct keeper_peer *peer,
                             enum message_type type, struct cursor payload);
void keeper_tell_health(struct keeper *keeper, struct keeper_peer *peer);
/* All of them, after a change of what they were told, or of what answers were made from. */
void keeper_tell_receivers(struct keeper *keeper);
/* The receiver that `source` names; NULL: it is gone. */
const struct keeper_peer *keeper_peer_of_source(const struct keeper *keeper, uint32_t source);

/* admission.c */
bool keeper_admission_asked(struct keeper *keeper, struct keeper_peer *peer, struct cursor payload);
struct admission_answer {
    uint32_t source; /* the receiver that asked */
    uint64_t ticket; /* its own */
    struct verdict verdict;
    struct str holds_for; /* as in messages.def */
    struct str client, sender, recipient;
    bool needs_proof;
    struct str company; /* as in messages.def */
};
/* To the receiver, if it is still there. */
void keeper_admission_answer(struct keeper *keeper, const struct admission_answer *answer);

/* encryption.c */
void keeper_encryption_start(struct keeper *keeper); /* around the store */
bool keeper_take_spool_keys(void *state, struct cursor payload);

/* security.c */
/* Is a key that the DNS names (DANE) demanded of the domain's hosts, and by whose name, if not by
 * theirs? The name lives as long as the settings. */
/* Which of the domain's primaries it is; their number: none of them. */
uint32_t keeper_find_primary(const struct domain_record *record, struct str host,
                             struct endpoint endpoint);
/* Is it where another one than the first is? What is told is told of the first. */
bool keeper_is_at_other(const struct keeper *keeper, struct str domain, struct endpoint endpoint);
bool keeper_demands_tlsa(const struct keeper *keeper, struct str domain, struct str *out_name);
/* Fills in what each of its hosts has to show; those of which that is not known are left out. */
void keeper_secure_plan(const struct keeper *keeper, struct str domain, struct route_plan *plan);
/* What who answers at an address has to show to be the primary, encoded: what settings say, and
 * where they demand it, a key of the hosts in the plan. False: the DNS has not said which keys … */
bool keeper_secure_address(const struct keeper *keeper, struct str domain, struct endpoint endpoint,
                           struct buf *out);
/* … and true if the settings name anything that nobody else can show. */
bool keeper_can_prove(const struct keeper *keeper, struct str domain);
/* What a primary has shown: it becomes its pin, or its domain's if it is the only one, where they
 * want one and have none. */
void keeper_learn_key(struct keeper *keeper, struct str domain, struct str host,
                      struct endpoint endpoint, struct str key);
/* Is the primary told whose mail it is (XCLIENT)? */
bool keeper_tells_origins(const struct keeper *keeper, struct str domain);

/* turns.c: who asks for his mail, and signs that a primary lives. */
#define DOMAIN_SECRET_FACT "domain-secret" /* its digest */
#define DOMAIN_CRAM_FACT   "domain-cram"   /* itself: CRAM-MD5 cannot be checked otherwise */
/* Makes one, in place of the one before. */
void keeper_new_secret(struct keeper *keeper, struct str domain, bool for_cram,
                       struct buf *out_secret, directory_done *done, void *context);
void keeper_turns_look_for_secrets(struct keeper *keeper); /* one has come or gone */
/* Is it the domain's (normal form)? Takes as long whoever asks. */
bool keeper_is_secret(const struct keeper *keeper, struct str domain, struct str secret);
bool keeper_login_asked(struct keeper *keeper, const struct keeper_peer *peer,
                        struct cursor payload);
bool keeper_turn_asked(struct keeper *keeper, const struct keeper_peer *peer,
                       struct cursor payload);
bool keeper_life_seen(struct keeper *keeper, struct cursor payload);
/* The domain, its state or its plan: whose signs are awaited may be others. */
void keeper_awaited_changed(struct keeper *keeper, struct str domain);
void keeper_tell_awaited(const struct keeper *keeper, const struct keeper_peer *peer);
void keeper_turns_turn(struct keeper *keeper, struct now now);
int64_t keeper_turns_deadline(const struct keeper *keeper);
void keeper_turns_fini(struct keeper *keeper);

/* Has he logged in as the holder of that domain, or of one whose holder may have its mail? */
bool keeper_is_holder(const struct keeper *keeper, struct str user,
                      const struct domain_record *record);
/* The setting login: another domain, whose holder may have its mail; or empty. */
struct str keeper_login_of(const struct keeper *keeper, const struct domain_record *record);
/* `user`: who has logged in by it, in normal form; else empty. */
void keeper_answer_question(const struct keeper_peer *peer, uint64_t ticket,
                            const struct verdict *verdict, struct str user);
void keeper_log_asked(const char *event, struct endpoint client, struct str user,
                      const struct verdict *verdict);

/* certificates.c: the postmaster is told when one of ours ends. */
bool keeper_take_certificate_ends(void *state, struct cursor payload);
void keeper_certificates_turn(struct keeper *keeper, struct now now);
int64_t keeper_certificates_deadline(const struct keeper *keeper);

/* client_pins.c: holders who are known by a certificate. */
void keeper_client_pins_changed(struct keeper *keeper, const struct domain_record *record,
                                struct str domain);
/* Whose holder has shown it: `user`, if that is given, else the only one that has registered it.
 * The verdict is for AUTH; `out_domain` is filled if it accepts. */
struct verdict keeper_holder_of_certificate(const struct keeper *keeper, struct str user,
                                            struct str shown, struct buf *out_domain);
void keeper_client_pins_fini(struct keeper *keeper);

/* logins.c: who has logged in, and until when that holds; users are domains in normal form.
 */
void keeper_login_add(struct keeper *keeper, uint32_t source, struct str user);
bool keeper_login_holds(const struct keeper *keeper, uint32_t source, struct str user);
void keeper_logins_drop_source(struct keeper *keeper, uint32_t source); /* a receiver is gone */
/* What shows the domain's holder is another: logins have ended, and so has what they asked for. */
void keeper_logins_end(struct keeper *keeper, struct str domain);
/* `record`: NULL if it is gone. Nothing is ended where its holder is the same as before. */
void keeper_logins_domain_changed(struct keeper *keeper, const struct domain_record *record,
                                  struct str domain);
void keeper_logins_init(struct keeper *keeper);
void keeper_logins_fini(struct keeper *keeper);

/* lines.c: primaries that call for their mail. */
#define PRIMARY_AGENT "agent"                              /* in the place of a primary's address */
bool keeper_is_called(const struct domain_record *record); /* there is no other way to it */
/* False: it has another plan, or none. */
bool keeper_line_plan(const struct keeper *keeper, const struct domain_record *record,
                      struct route_plan *out_plan);
bool keeper_line_offered(struct keeper *keeper, const struct keeper_peer *peer,
                         struct cursor payload);
bool keeper_line_is_up(struct keeper *keeper, const struct keeper_peer *peer,
                       struct cursor payload);
bool keeper_line_is_down(struct keeper *keeper, const struct keeper_peer *peer,
                         struct cursor payload);
/* Its holder, or what he may have, may be another one: who has called is to call again. */
void keeper_lines_dismiss(struct keeper *keeper, struct str domain);
void keeper_lines_drop_source(struct keeper *keeper, uint32_t source); /* a receiver is gone */
/* A session needs a line of the domain: keeper_session_has_line() or …_without_line() follows,
 * perhaps from within. */
void keeper_line_ask(struct keeper *keeper, uint64_t session, struct str domain);
/* Its caller has come for what there is. His connection may be cut at any moment (a modem, a cron
 * job with a time limit), and then no more than one message should be in doubt. */
bool keeper_line_is_brief(const struct keeper *keeper, uint64_t line);
/* `is_clean`: the next one may go over its line. */
void keeper_line_session_over(struct keeper *keeper, uint64_t session, bool is_clean);
void keeper_lines_turn(struct keeper *keeper, struct now now);
int64_t keeper_lines_deadline(const struct keeper *keeper);
uint32_t keeper_line_count(const struct keeper *keeper, struct str domain);
void keeper_lines_init(struct keeper *keeper);
void keeper_lines_fini(struct keeper *keeper);

/* policies.c: MTA-STS (RFC 8461) */
/* POLICY_SOUGHT: keeper_route_policy_settled() comes in a later turn. */
enum policy_state keeper_policy(struct keeper *keeper, struct str domain,
                                struct sts_policy *out_policy);
bool keeper_policy_status(const struct keeper *keeper, struct str domain,
                          struct policy_status *out_status);
bool keeper_policies_fetched(struct keeper *keeper, const struct keeper_peer *peer,
                             struct cursor payload);
void keeper_policies_deliverer_gone(struct keeper *keeper, uint32_t source);
void keeper_policies_start(struct keeper *keeper);
void keeper_policies_turn(struct keeper *keeper, struct now now);
int64_t keeper_policies_deadline(const struct keeper *keeper);
void keeper_policies_end(struct keeper *keeper);

/* addresses.c: where primaries are said to be now (route/addresses.h) */
struct address_telling {
    struct str domain;
    const struct endpoint *endpoint; /* port 0: the one that the domain's mail goes to anyway */
    uint32_t count;                  /* 1 … ADDRESSES_TOLD_MAX */
    enum address_teller teller;
    struct endpoint client; /* of the owner, for the log */
};
/* TAKEN or SAME: done() comes when it is durable. Anything else: *out_why says why, for people, and
 * done() does not come. */
enum address_fate keeper_address_tell(struct keeper *keeper, const struct address_telling *telling,
                                      struct buf *out_why, directory_done *done, void *context);
/* NULL: none was told. Lives until the next turn. */
const struct addresses *keeper_addresses_of(const struct keeper *keeper, struct str domain);
/* As if none had ever been told. False: none was, and done() does not come. */
bool keeper_addresses_forget(struct keeper *keeper, struct str domain, directory_done *done,
                             void *context);
/* Puts those that are used in front. True: there are some. */
bool keeper_addresses_lead(const struct keeper *keeper, struct str domain, struct route_plan *plan);
/* Its settings may be others, or it is not paused any more, or is gone. */
void keeper_addresses_domain_changed(struct keeper *keeper, struct str domain);
bool keeper_address_is(uint64_t session); /* by its number */
void keeper_address_ready(struct keeper *keeper, const struct keeper_peer *peer, uint64_t number);
void keeper_address_ended(struct keeper *keeper, const struct keeper_peer *peer, uint64_t number,
                          enum session_end how, const struct verdict *verdict);
void keeper_addresses_deliverer_gone(struct keeper *keeper, const struct keeper_peer *peer);
void keeper_addresses_start(struct keeper *keeper); /* once its domains have routes */
void keeper_addresses_turn(struct keeper *keeper, struct now now);
int64_t keeper_addresses_deadline(const struct keeper *keeper);
void keeper_addresses_end(struct keeper *keeper);

/* portal.c */
bool keeper_portal_asked(struct keeper *keeper, const struct keeper_peer *peer,
                         struct cursor payload);
void keeper_portal_end(struct keeper *keeper);

/* schedule.c */
extern const struct schedule_host keeper_schedule_host;
void keeper_schedule_turn(struct keeper *keeper, struct now now);
int64_t keeper_schedule_deadline(const struct keeper *keeper);
void keeper_schedule_fini(struct keeper *keeper);

/* handover.c */
extern const struct handover_host keeper_handover_host;

/* deliverers.c */
bool keeper_deliverer_message(struct keeper *keeper, struct keeper_peer *peer,
                              enum message_type type, struct cursor payload);

/* sessions.c */
/* Every deliverer has said what it has: what nobody has may arrive twice, and is logged. */
void keeper_log_left(struct keeper *keeper);
void keeper_deliverer_gone(struct keeper *keeper, const struct keeper_peer *peer);

/* dns.c */
/* One at a time for each question; answered() comes in a later turn. */
void keeper_dns_ask(struct keeper *keeper, struct keeper_question *question,
                    struct dns_question asked);
void keeper_dns_forget(struct keeper *keeper, struct keeper_question *question);
bool keeper_resolver_message(struct keeper *keeper, enum message_type type, struct cursor payload);
void keeper_resolver_came(struct keeper *keeper);

/* own.c: mail that we write ourselves. */
enum own_fate {
    OWN_STORED,
    OWN_STORED_BEFORE, /* under this id */
    OWN_NO_WAY,        /* no address, or mail of others waits for its domain, which is not listed */
    OWN_BUSY,      /* too many domains already, the store takes none, or it is not known yet whose
                      mail waits there: later perhaps */
    OWN_CANCELLED, /* we are closing */
};
typedef void own_done(void *context, enum own_fate fate);

struct own_mail {
    struct str sender; /* of the envelope; empty: <> */
    struct str recipient;
    struct str content; /* header and body, CRLF */
    enum body_type body_type;
    bool needs_utf8;
    bool
        is_lax; /* it may go though TLS fails; domains that are listed stay as strict as they are */
    own_done *done; /* or NULL */
    void *context;
};
struct message_id keeper_own_new_id(struct keeper *keeper);
/* Stores it and hands it to its domain's hosts. A failure is logged. OWN_STORED: it is on its way
 * to the disk, and done() follows; anything else: it is not. */
enum own_fate keeper_own_send(struct keeper *keeper, struct message_id id,
                              const struct own_mail *mail);
/* As it goes out: signed, if there is a key. May be called on a helper's thread. */
void keeper_own_sign(const struct keeper *keeper, struct str mail, int64_t now_s, struct buf *out);
/* Mail of a domain that is not listed: ours? Then it goes on. Answers in a later turn. */
void keeper_own_look(struct keeper *keeper, struct str domain);
bool keeper_own_has_route(const struct keeper *keeper, struct str domain);
/* Nothing but lax mail waits for it: nobody there has to show anything. */
bool keeper_own_is_lax(const struct keeper *keeper, struct str domain);
/* What its hosts have to show then: nothing, and no TLS once a handshake has failed. */
struct security keeper_own_lax_security(const struct keeper *keeper, struct str domain,
                                        struct str host);
void keeper_own_tls_failed(struct keeper *keeper,
                           struct str domain); /* in a session of such a one */
void keeper_own_turn(struct keeper *keeper, struct now now);
int64_t keeper_own_deadline(const struct keeper *keeper);
void keeper_own_fini(struct keeper *keeper);

/* recipients.c; askers.c, greetings.c and unsure.c are its parts (recipients.h). */
void keeper_recipients_init(struct keeper *keeper);
void keeper_recipients_start(struct keeper *keeper); /* once its domains are known */
void keeper_recipients_fini(struct keeper *keeper);
/* NULL: it is not listed any more. */
void keeper_recipients_domain_changed(struct keeper *keeper, const struct domain_record *record,
                                      struct str domain);
bool keeper_verifies(const struct keeper *keeper, const struct domain_record *record);
void keeper_route_changed(struct keeper *keeper, struct str domain); /* seen to at the turn's end */
void keeper_doubt_primary(struct keeper *keeper, struct str domain); /* it is asked, soon */
/* The scheduler hears, in a later turn, whether the primary takes somebody that it has. */
void keeper_control_wanted(struct keeper *keeper, struct str domain);
void keeper_delivery_teaches(struct keeper *keeper, struct str recipient,
                             const struct verdict *verdict);
void keeper_recipients_turn(struct keeper *keeper, struct now now);
int64_t keeper_recipients_deadline(const struct keeper *keeper);

/* askers.c: who asks whether there is such a recipient. */
struct keeper_recipient_ask {
    uint64_t ticket;
    struct str domain, sender, recipient;
    struct endpoint client;
    bool may_hold; /* the answer may be kept by the receiver */
};
typedef void keeper_verified(void *context, const struct verifier_answer *answer);
void keeper_verify_for_receiver(struct keeper *keeper, const struct keeper_peer *peer,
                                const struct keeper_recipient_ask *ask);
/* Asks the primary whatever is known; answered() may come from within. */
void keeper_verify(struct keeper *keeper, struct str domain, struct str address,
                   keeper_verified *answered, void *context);
void keeper_verify_drop_source(struct keeper *keeper, uint32_t source); /* a receiver is gone */

/* greetings.c: what a primary announced when it greeted us. */
void keeper_greeted(struct keeper *keeper, struct str domain, uint64_t extensions,
                    uint64_t size_max);
uint64_t keeper_size_max(const struct keeper *keeper, struct str domain); /* 0: not known */
/* What it greeted without last, of enum envelope_flag; 0 where nothing is known of it. */
uint8_t keeper_lacks(const struct keeper *keeper, struct str domain);
uint64_t keeper_size_max_of_any(const struct keeper *keeper); /* 0: of one it is not known */

/* unsure.c: mail for somebody whom nobody knew when it came. */
void keeper_note_unsure(struct keeper *keeper, const struct envelope *envelope); /* it comes in */
bool keeper_is_unsure(const struct keeper *keeper, struct message_id id);

/* quota.c */
void keeper_quota_init(struct keeper *keeper);
void keeper_quota_fini(struct keeper *keeper);
/* As of now; tells of a change. */
enum quota_level keeper_quota(struct keeper *keeper, const struct domain_record *record);
void keeper_quota_took(struct keeper *keeper, struct str domain); /* a message has come in */

/* callouts.c */
void keeper_callouts_init(struct keeper *keeper);
void keeper_callouts_fini(struct keeper *keeper);
void keeper_callout_ask(struct keeper *keeper, uint64_t inquiry, struct str domain,
                        struct str address, const struct route_target_status *target);
struct str keeper_callout_sender(const struct keeper *keeper);
bool keeper_callout_is(uint64_t session); /* by its number */
void keeper_callout_ready(struct keeper *keeper, const struct keeper_peer *peer, uint64_t number,
                          unsigned window);
bool keeper_callout_answer(struct keeper *keeper, const struct keeper_peer *peer,
                           struct cursor payload);
void keeper_callout_ended(struct keeper *keeper, const struct keeper_peer *peer, uint64_t number,
                          enum session_end how, const struct verdict *verdict, bool is_parked);
void keeper_callout_deliverer_gone(struct keeper *keeper, const struct keeper_peer *peer);
void keeper_callout_has_line(struct keeper *keeper, uint64_t number, const struct keeper_peer *peer,
                             uint64_t line);
void keeper_callout_without_line(struct keeper *keeper, uint64_t number, enum session_end how);
void keeper_callouts_turn(struct keeper *keeper, struct now now);
int64_t keeper_callouts_deadline(const struct keeper *keeper);

/* reports.c: what the owners of domains are told about mail in their name (RFC 9990). */
void keeper_reports_start(struct keeper *keeper);
bool keeper_reports_take(struct keeper *keeper, struct str row); /* from a receiver */
void keeper_reports_turn(struct keeper *keeper, struct now now);
int64_t keeper_reports_deadline(const struct keeper *keeper);
void keeper_reports_end(struct keeper *keeper);  /* before the store is closed */
void keeper_reports_free(struct keeper *keeper); /* behind the helpers' end */

/* tls_counts.c: sessions, as reports about TLS count them. */
/* What a deliverer says of one. */
bool keeper_tls_counts_session(struct keeper *keeper, const struct keeper_peer *peer,
                               struct cursor payload);
/* There is no route for the domain's mail. */
void keeper_tls_counts_problem(struct keeper *keeper, struct str domain,
                               enum route_problem problem);

/* tls_reports.c: what the owners of domains are told about TLS on the way to them (RFC
 * 8460). */
void keeper_tls_reports_start(struct keeper *keeper);
void keeper_tls_reports_add(struct keeper *keeper, struct str domain, const struct tls_row *row);
void keeper_tls_reports_turn(struct keeper *keeper, struct now now);
int64_t keeper_tls_reports_deadline(const struct keeper *keeper);
void keeper_tls_reports_end(struct keeper *keeper);  /* before the store is closed */
void keeper_tls_reports_free(struct keeper *keeper); /* behind the helpers' end */

/* notices.c, notice_jobs.c: what senders are told of their mail (SPEC N1, N4, N8). */
typedef void notice_done(void *context, enum notice_end end, struct str why);
void keeper_notices_start(struct keeper *keeper);
/* The last words of a primary, not settled yet: is a sender to hear of them? Then handover_told()
 * comes when he has been told as safely as the settlement will be. */
bool keeper_notices_tell(struct keeper *keeper, const struct handover_answers *answers,
                         struct handover_telling *telling);
/* It has waited too long, and is to be settled behind done(). */
void keeper_notices_expired(struct keeper *keeper, const struct entry *entry, notice_done *done,
                            void *context);
/* It has waited for so long; schedule_told() comes when its sender has been told, or is not to. */
/* How far senders were told of delays of this age: until 0 nobody was. */
void keeper_told_of_delay(struct keeper *keeper, struct str domain, int64_t age_ms,
                          int64_t until_ms);
int64_t keeper_told_until(const struct keeper *keeper, struct str domain, int64_t age_ms);
void keeper_notices_delayed(struct keeper *keeper, const struct entry *entry, int64_t age_ms,
                            uint64_t ticket);
/* The operator gives these up: the settlement (OUTCOME_RESCUED) follows behind done(). `why` says
 * why nobody was told. */
void keeper_notices_bounce(struct keeper *keeper, const struct settlement *settlement,
                           notice_done *done, void *context);
void keeper_notices_turn(struct keeper *keeper, struct now now);
int64_t keeper_notices_deadline(const struct keeper *keeper);
void keeper_notices_free(struct keeper *keeper); /* behind the store's end */
/* alerts.c: what the owners of domains are told. Domains that are not listed are passed
 * over; nothing is sent from inside of these. */
/* Something has happened; of the facts, the caller gives those that nobody else knows (delivered,
 * failures, lasted_ms, used, quota, reason). */
void keeper_alert(struct keeper *keeper, struct str domain, enum alert alert,
                  const struct alert_facts *facts);
/* The primary is so from now on: a trouble, or the end of all. */
void keeper_alert_condition(struct keeper *keeper, struct str domain,
                            enum alert_condition condition, const struct verdict *reason);
void keeper_alert_state(struct keeper *keeper, struct str domain, enum route_state state,
                        const struct verdict *reason);
/* A message was refused for good; drained tells how many. */
void keeper_alert_refusal(struct keeper *keeper, struct str domain);
/* The owner's own texts for senders; empty ones are ours. They live until the next change of the
 * directory. */
void keeper_templates_of(const struct keeper *keeper, struct str domain,
                         struct notice_texts *out_texts);
void keeper_alerts_forget(struct keeper *keeper, struct str domain);
void keeper_alerts_start(struct keeper *keeper);
void keeper_alerts_turn(struct keeper *keeper, struct now now);
int64_t keeper_alerts_deadline(const struct keeper *keeper);
void keeper_alerts_end(struct keeper *keeper);

/* webhooks.c */
/* An event for the domain's webhook; it is posted until it is taken, or a day old. */
void keeper_webhooks_add(struct keeper *keeper, struct str domain, struct message_id id,
                         struct str body);
/* What its events are signed with; made if there is none. Lives until the next change of it. */
struct str keeper_webhook_secret(struct keeper *keeper, struct str domain);
void keeper_webhook_new_secret(struct keeper *keeper, struct str domain, directory_done *done,
                               void *context);
void keeper_webhooks_start(struct keeper *keeper);
void keeper_webhooks_end(struct keeper *keeper);

/* routes.c */
void keeper_routes_configure(struct keeper *keeper);
void keeper_route_ask(struct keeper *keeper, struct str domain); /* decides at the turn's end */
/* Its lookup waited for that. `is_new`: decide again, whoever asked before. */
void keeper_route_policy_settled(struct keeper *keeper, struct str domain, bool is_new);
/* Its addresses are others: they lead at once, whatever the DNS says of the rest, and when. */
void keeper_route_addresses_changed(struct keeper *keeper, struct str domain);
/* The name of what keeps the domain from having a route; NULL: nothing. */
const char *keeper_route_problem(const struct keeper *keeper, struct str domain);
void keeper_routes_turn(struct keeper *keeper, struct now now);
void keeper_routes_fini(struct keeper *keeper);

/* control.c */
void keeper_control_listen(struct keeper *keeper, int fd);
void keeper_control_start(struct keeper *keeper);
void keeper_control_reload(struct keeper *keeper); /* process->config is new */
void keeper_control_turn(struct keeper *keeper);
void keeper_control_stop(struct keeper *keeper); /* no further operations */
void keeper_control_free(struct keeper *keeper);
