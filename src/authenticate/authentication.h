/* SPDX-License-Identifier: ISC */
/* authentication.h: everything that we find out about who sent a message, in one go.
 *
 *     authentication_new() --header--> --body streams--> --end--> authentication_decide() …
 *
 * A pure function of bytes and answers, as its parts are: whoever has a socket asks for what
 * authentication_decide() names and calls it again. What a message can cost is bounded by the
 * limits of the parts: some 150 questions, 61 signatures.
 */
#pragma once

#include "authenticate/author.h"
#include "authenticate/results.h"
#include "authenticate/signing.h"

struct authentication_request {
    struct str authserv_id; /* ours */
    struct endpoint client;
    struct str helo;
    struct str sender; /* of MAIL FROM, without brackets; empty: <> */
    int64_t now_s;
    bool may_be_sealed; /* authentication_add_seal() may be called */
};

struct authentication {
    struct authentication_request request; /* its texts live in the arena */
    struct arena arena;
    struct dns_answers known;
    struct header header;
    struct body_hashes hashes;
    struct body_hashes new_hashes; /* of a body that has taken the old one's place */
    bool has_new_body;
    struct buf spf_room; /* where its verdict's texts live */
    bool has_spf;
    bool knows_policy; /* what the author's domain wants has been asked for, first of all */
    int sealed_hash;   /* of the body, for a seal; negative: none */
    struct str author;
    enum author_state author_state;
    struct str spf_domain;  /* that SPF is about, in normal form, once decided; empty: none */
    struct results results; /* once decided */
    struct dkim dkim;
    struct arc arc;
};

struct authentication *authentication_new(const struct authentication_request *request);
void authentication_free(struct authentication *authentication);
/* The header without the empty line, once; it is copied. */
void authentication_header(struct authentication *authentication, struct str header);
void authentication_body(struct authentication *authentication, struct str bytes);
void authentication_end(struct authentication *authentication); /* of the body */
/* After the decision: another body takes its place, and follows as the first did; it is what a seal
 * is about. */
void authentication_body_anew(struct authentication *authentication);
/* True: `results` are there. False: the next question, whose name lives in `room`. */
bool authentication_decide(struct authentication *authentication, struct buf *room,
                           struct dns_question *out_question);
void authentication_answer(struct authentication *authentication, struct dns_question question,
                           const struct dns_answer *answer);
/* Adds the ARC set that belongs above `header`, which is what leaves us. False: the key does not
 * sign; nothing is added. */
bool authentication_add_seal(const struct authentication *authentication,
                             const struct signing_key *key, const struct header *header,
                             struct buf *out);
/* Is whoever stands in MAIL FROM proved to have sent this (SPEC N5)? By SPF for its domain, or by a
 * signature that aligns with it. */
bool authentication_proves_sender(const struct authentication *authentication);
