/* SPDX-License-Identifier: ISC */
/* kept.h: the ledger's pages; private to ledger*.c.
 *
 * A page is one message as the store was asked to keep it, a share is one of its
 * recipients. What the store has not answered yet, or answered with an error, may
 * be so or not. For a keeper that is gone the next one's account decides.
 */
#pragma once

#include "mail/message_id.h"
#include "sim/ledger.h"
#include "sim/machine.h"
#include "store/store.h"

enum share_state { SHARE_WAITING, SHARE_DELIVERED, SHARE_RESCUED, SHARE_DISCARDED };

struct share {
    char address[64];
    unsigned domain; /* d0.example is 0 */
    enum share_state state;
    unsigned open;         /* settlements that the store was asked for and has not answered */
    unsigned maybe;        /* outcomes (bits 1 << enum outcome) that are open, or failed, or … */
    unsigned maybe_before; /* … whose answer died with an earlier keeper */
    bool is_promised;
    int64_t waits_since_ms; /* true time */
    unsigned taken;
    struct ledger_stamp taken_in; /* the last time */
    bool is_told;                 /* its sender was, that it failed; … */
    struct ledger_stamp told_in;  /* … the last time */
};

struct page {
    struct message_id id;
    bool is_durable;
    bool may_be_durable; /* the keeper died before it answered */
    int64_t doubted_ms;  /* the last delivery_in_doubt in the log; -1: none; true time */
    bool discard_asked;
    bool is_proved; /* its sender may be told, and is to be */
    bool is_untold; /* "notice_lost" in the log */
    struct share share[LETTER_RECIPIENTS_MAX];
    unsigned share_count;
};

enum { PAGES_MAX = 4096, BOOK_DOMAINS_MAX = 8 };

struct book {
    struct page *page[PAGES_MAX];
    unsigned page_count;
    unsigned domains;
    const int64_t *hold_ms; /* per domain */
    bool clock_is_wrong;
    int64_t clock_since_ms; /* it is wrong or right since then */
    bool wrong_is_believed; /* it was wrong for so long that the keeper came to believe it */
    bool began_wrong;       /* the keeper started under a wrong clock, which it believes */
    int64_t began_ms;       /* … at this time */
    bool start_is_unsure;   /* it could not make stable what it found: … */
    bool is_unsure;         /* … until the power goes, nobody knows what the medium has */
    unsigned unsure_power_cuts;
    int64_t hold_excused_ms; /* what began to wait before may expire at any time; true time */
    uint64_t memory_max;
    int64_t refused_ms[BOOK_DOMAINS_MAX]; /* a primary last said 5yz; -1: never; true time */
    struct ledger_counts counts;
};
extern struct book book;

struct page *page_find(struct message_id id);
struct page *page_new(struct message_id id);
unsigned domain_number(struct str text); /* of an address or a domain */
