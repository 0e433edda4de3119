/* SPDX-License-Identifier: ISC */
/* speak.h: frames of roles/messages.def made out of a fuzzer's input.
 *
 * A role that has been taken over knows the protocol: it speaks in frames that decode. So each
 * field is made from a few octets, mostly of what has been seen in the conversation (numbers the
 * other side has named, ids, domains), now and then of what nobody would say (no number, a text of
 * a hundred thousand octets). What never decodes at all is fuzz_channel's.
 */
#pragma once

#include "base/buf.h"
#include "base/cursor.h"
#include "roles/channel.h"

enum { SPEAK_NUMBERS = 16, SPEAK_IDS = 8 };

struct speak { /* what has been seen */
    uint64_t session[SPEAK_NUMBERS];
    unsigned sessions;
    uint64_t ticket[SPEAK_NUMBERS]; /* 0 … 7 where none was seen */
    unsigned tickets;
    int64_t wall_ms;
};

struct message_id speak_id(uint8_t number);
/* Which of the eight; SPEAK_IDS: another. */
unsigned speak_id_number(struct message_id id);
void speak_saw_session(struct speak *speak, uint64_t session);
void speak_saw_ticket(struct speak *speak, uint64_t ticket);
/* The n-th message (from 0, going round) that `self` may say to `peer`. */
enum message_type speak_type(enum role self, enum role peer, uint8_t n);
/* Adds one frame, header and payload, whose payload is of the size that is allowed. */
void speak_frame(struct buf *out, const struct speak *speak, enum message_type type,
                 struct cursor *input);

/* What no peer may say: it cuts the channel. Also said by one whose successor has just come, for
 * its last words may lie in the socket still. NULL is fine. */
void speak_nonsense(struct channel *channel);

/* One frame off the front of *bytes, which must be a good one from `self` to `peer`. */
enum message_type hear_frame(struct str *bytes, enum role self, enum role peer,
                             struct cursor *out_payload);
