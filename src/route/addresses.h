/* SPDX-License-Identifier: ISC */
/* addresses.h: where a primary says that it is now (SPEC D4).
 *
 * Whoever has a domain's secret may name addresses for its primary. Nothing is believed: who
 * answers there has to show that he is the primary, in a session in which no mail is spoken of.
 * Then mail goes there first, whatever the DNS says, and to where it went before behind that.
 *
 *     told ──▶ TRYING ── he has shown it ──▶ PROVED: used
 *               │  ▲ │
 *               │  │ └── nobody answers: again, later and later ── a day ──▶ GIVEN_UP
 *               ▼  │ once in a while
 *             STRANGER  somebody else answers
 *
 * 1. What is used stays so until one of those that were told later is proved; then all before are
 *    used no more.
 * 2. Being told the same again changes nothing, but what is not proved is tried at once.
 * 3. What was proved is never asked again here: each session that mail goes through looks at who
 *    answers (mail/security.h).
 *
 * Pure: the host opens the sessions, keeps what addresses_encode() makes, and has the time.
 */
#pragma once

#include "base/clock.h"
#include "mail/security.h"
#include "mail/verdict.h"
#include "route/route.h"

enum { ADDRESSES_TOLD_MAX = 4 }; /* of one domain */

enum address_state { ADDRESS_TRYING, ADDRESS_PROVED, ADDRESS_STRANGER, ADDRESS_GIVEN_UP };
const char *address_state_name(enum address_state state); /* trying proved stranger given-up */

struct told_address {
    struct endpoint endpoint;
    enum address_state state;
    int64_t since_ms; /* of the state; Unix time */
    bool is_asked;    /* a session is under way */
    uint32_t tries;
    int64_t next_ms;     /* monotonic; not before; NEVER_MS: not at all */
    struct verdict last; /* of the last try; code 0: there was none */
};

struct addresses { /* of one domain; {0}: none was ever told */
    struct told_address told[ADDRESSES_TOLD_MAX];
    uint32_t told_count;
    int64_t told_ms;   /* Unix time */
    int64_t trying_ms; /* the day of trying began; Unix time */
    struct endpoint used[ADDRESSES_TOLD_MAX];
    uint32_t used_count;
    int64_t used_ms; /* since; Unix time */
};

/* ---- who may tell what ---- */

enum address_teller {
    TELLER_OWNER,       /* has the domain's secret */
    TELLER_OWNER_LOCAL, /* the same, where addresses of this machine and its networks are allowed */
    TELLER_OPERATOR,
};
/* Why not, for people; NULL: it may be told. */
const char *address_refusal(struct endpoint endpoint, enum address_teller teller);
/* Is there something that only the primary can show, wherever it is? If not, nobody can be proved
 * to be it. */
bool address_can_be_proved(const struct security *security);

enum address_fate { /* of what was told */
                    ADDRESS_TAKEN,
                    ADDRESS_SAME, /* as was told before; tried at once */
                    ADDRESS_NO_DOMAIN,
                    ADDRESS_UNPROVABLE,
                    ADDRESS_BAD,
                    ADDRESS_TOO_OFTEN,
                    /* Of who asked with a secret, whatever for: */
                    ADDRESS_DONE, /* it was shown, or forgotten */
                    ADDRESS_BAD_LOGIN,
                    ADDRESS_NOT_YOURS, /* the domain is another one than he has logged in as */
                    ADDRESS_FAILED,    /* it could not be kept */
                    ADDRESS_FATES
};
const char *address_fate_name(enum address_fate fate); /* taken same no-such-domain … */

/* ---- what happens ---- */

/* At most ADDRESSES_TOLD_MAX, each with its port, none twice. False: they are those that were told
 * before. */
bool addresses_tell(struct addresses *addresses, const struct endpoint *endpoint, uint32_t count,
                    struct now now);
/* What is not proved is tried at once: it is told again, or has to show something else now. */
void addresses_hurry(struct addresses *addresses, struct now now);

/* One that is to be asked now, and counts as asked; NULL: none. */
struct told_address *addresses_take_due(struct addresses *addresses, struct now now);
int64_t addresses_deadline(const struct addresses *addresses); /* NEVER_MS: nothing is due */

enum address_answer {
    ANSWER_PROVED,
    ANSWER_STRANGER, /* somebody, who cannot show what he should */
    ANSWER_ABSENT,   /* nobody, or he has not let us come so far */
    ANSWER_NONE,     /* it was not asked, for reasons of our own */
};
enum addresses_news {
    NEWS_NONE,
    NEWS_STATE, /* worth keeping */
    NEWS_USED,  /* others are used now */
};
/* What came of asking; of an address that is not told any more nothing does. */
enum addresses_news addresses_answered(struct addresses *addresses, struct endpoint endpoint,
                                       enum address_answer answer, const struct verdict *verdict,
                                       struct now now);

/* ---- what becomes of it ---- */

/* Puts those that are used in front of what is in the plan. Where one is in already, it moves, and
 * has to show what it had to. */
void addresses_lead(const struct addresses *addresses, struct route_plan *plan);

/* For the directory (versioned). After a restart, what is not proved is tried at once. */
void addresses_encode(struct buf *out, const struct addresses *addresses);
bool addresses_decode(struct str bytes, struct now now, struct addresses *out_addresses);
