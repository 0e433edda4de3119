/* SPDX-License-Identifier: ISC */
/* arc.h: has the chain of those who handled this message held? (RFC 8617 5.2)
 *
 * Used as dkim.h: first the header, then the body's hash, then the keys. Nothing here says whether
 * the links of the chain deserve trust.
 */
#pragma once

#include "authenticate/signature.h"

enum { ARC_SETS_MAX = 50 };

enum arc_result { ARC_NONE, ARC_PASS, ARC_FAIL };

struct arc_set {
    const struct header_field *seal;
    const struct header_field *message;
    const struct header_field *results;
};

struct arc {
    struct arena arena;
    struct arc_set set[ARC_SETS_MAX]; /* the first at 0 */
    unsigned count;                   /* of the highest instance there is */
    bool is_closed;                   /* the newest seal says that the chain has failed */
    struct signature message;         /* the newest */
    const struct header *header;
    bool is_decided;
    enum arc_result result;
    const char *why; /* with FAIL */
};

void arc_header(struct arc *arc, const struct header *header, struct body_hashes *hashes);
/* After the body. True: decided; false with the next question. */
bool arc_decide(struct arc *arc, const struct body_hashes *hashes, const struct dns_answers *known,
                struct buf *room, struct dns_question *out_question);
void arc_fini(struct arc *arc);
const char *arc_result_name(enum arc_result result);
/* What a seal is about (5.1.1): the sets up to its own, rising, its own signature left out. */
void arc_add_sealed(const struct arc_set *set, unsigned count, struct buf *out);
