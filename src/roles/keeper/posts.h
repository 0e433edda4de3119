/* SPDX-License-Identifier: ISC */
/* posts.h: what is to be posted to web servers, and waits until they have taken it; private
 * to the keeper.
 *
 * Events for webhooks and reports about TLS are the same in this: each is a fact of the directory,
 * so that it outlives us, and goes when a server has taken it or it is a day old. What they differ
 * in says their kind.
 */
#pragma once

#include "net/web.h"
#include "net/web_reach.h"
#include "roles/keeper/keeper.h"

enum keeper_post_state { POST_WAITING, POST_ASKING, POST_POSTING };

struct keeper_post {
    struct link link;
    struct keeper_posts *owner;
    enum keeper_post_state state;
    struct buf
        id; /* a message id: it stays the same from one attempt to the next, and sorts by age */
    struct buf domain;
    struct buf octets; /* the kind's */
    int64_t made_ms;   /* these two: Unix time */
    int64_t next_ms;
    uint32_t tries;

    struct keeper_question four, six; /* ASKING */
    unsigned asked;
    struct buf host;
    struct endpoint address[WEB_ADDRESSES_MAX];
    uint32_t address_count;
    bool was_forbidden; /* an address was found, but nothing may be posted there */

    uint64_t ticket; /* POSTING */
    uint32_t source; /* of the deliverer */
};

struct keeper_posts_kind {
    const char *fact;                    /* what they are kept as */
    const char *posted, *failed, *ended; /* log events */
    unsigned waiting_max;                /* of one domain: the oldest makes room for a new one */
    size_t octets_max;                   /* of all; what is above that is not taken */
    unsigned under_way_max;              /* of all */
    /* Asked anew for each attempt; it lives until something changes. Empty: there is none any more.
     */
    struct str (*url)(const struct keeper *keeper, const struct keeper_post *post);
    struct str (*body)(const struct keeper_post *post);
    /* Of the header, "Name: value" and a newline each. */
    void (*add_fields)(struct keeper *keeper, const struct keeper_post *post, struct buf *out);
    /* Whose word the host is. `is_literal`: it is an address. */
    enum web_reach (*reach)(const struct keeper *keeper, bool is_literal);
};

/* With those that are kept. The kind outlives it. Everywhere but in add(), NULL is none. */
struct keeper_posts *keeper_posts_new(struct keeper *keeper, const struct keeper_posts_kind *kind);
void keeper_posts_free(struct keeper_posts *posts); /* they stay facts */
void keeper_posts_add(struct keeper_posts *posts, struct str domain, struct message_id id,
                      struct str octets);
/* The facts of the domain are gone. */
void keeper_posts_forget(struct keeper_posts *posts, struct str domain);
void keeper_posts_turn(struct keeper_posts *posts, struct now now);
int64_t keeper_posts_deadline(const struct keeper_posts *posts);
/* False: that was none of these. */
bool keeper_posts_answer(struct keeper_posts *posts, uint32_t source,
                         const struct message_web_answer *message);
void keeper_posts_deliverer_gone(struct keeper_posts *posts, uint32_t source);
