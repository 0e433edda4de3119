/* SPDX-License-Identifier: ISC */
/* dns.h: questions to the DNS and their answers, as values.
 *
 * A check that needs the DNS is a pure function of the answers known so far
 * (DESIGN idea 4): it looks into a struct dns_answers, and where one is missing it
 * returns the question. The role has it resolved and calls again.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/cursor.h"
#include "base/endpoint.h"
#include "base/list.h"

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5, /* only to know whether it is secure: whoever asks for others is led along */
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_TLSA = 52,
};

enum { DNS_NAME_MAX = 255, DNS_RECORDS_MAX = 100 };

struct dns_question {
    struct str name; /* normal form, without final dot */
    enum dns_type type;
};

enum dns_status {
    DNS_FOUND,   /* at least one record */
    DNS_NODATA,  /* the name is there, the type is not */
    DNS_NO_NAME, /* NXDOMAIN */
    DNS_FAILED,  /* SERVFAIL, timeout, bogus: nobody knows */
};

struct dns_record {
    uint16_t preference;     /* MX */
    struct str name;         /* MX target, PTR target: normal form; "." is the root (null MX) */
    struct endpoint address; /* A, AAAA; port 0 */
    struct str data;         /* TXT: strings joined; others: raw */
};

struct dns_answer {
    enum dns_status status;
    bool secure; /* validated by DNSSEC */
    bool bogus;  /* with DNS_FAILED: validation failed */
    uint32_t ttl_s;
    struct str canonical; /* what was found has this name, which CNAMEs led to; empty: none did */
    struct dns_record *record;
    uint32_t record_count; /* at most DNS_RECORDS_MAX; more are cut off */
};

/* The answers known so far; {0} knows none. Everything lives in the arena. */
struct dns_answers {
    struct arena arena;
    struct dns_known *first;
};
void dns_answers_fini(struct dns_answers *answers);
const struct dns_answer *dns_answers_find(const struct dns_answers *answers,
                                          struct dns_question question);
struct dns_answer dns_answer_copy(struct arena *arena, const struct dns_answer *answer);
void dns_answers_add(struct dns_answers *answers, struct dns_question question,
                     const struct dns_answer *answer); /* copies */

/* May it be asked for? Labels of 1 to 63 octets, 253 in all, printable and without a backslash
 * (which means something to the resolver); underscores and the like are welcome. */
bool dns_name_is_valid(struct str name);

/* For the channel between resolver and others. Decoded strings point into the cursor's bytes, the
 * array comes from the arena. */
void dns_answer_encode(struct buf *out, const struct dns_answer *answer);
bool dns_answer_decode(struct cursor *cursor, struct arena *arena, struct dns_answer *out_answer);
/* "7.2.0.192.in-addr.arpa" (RFC 1035 3.5, RFC 3596 2.5). */
void dns_add_reverse_name(struct buf *out, struct endpoint endpoint);
