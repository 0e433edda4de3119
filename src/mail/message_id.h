/* SPDX-License-Identifier: ISC */
/* message_id.h: the name of a message from the first reply to the last log line.
 *
 * 128 bits, made by the receiver that takes the message in, so that any node can
 * name one without asking: 48 bits of Unix milliseconds, 80 bits of chance. Text
 * is 26 letters of Crockford's base 32 (the ULID form), which sorts by time.
 */
#pragma once

#include "base/buf.h"
#include "base/random.h"

enum { MESSAGE_ID_SIZE = 16, MESSAGE_ID_TEXT_SIZE = 26 };

struct message_id {
    uint8_t bytes[MESSAGE_ID_SIZE]; /* big-endian, so that memcmp orders by time */
};

struct message_id message_id_new(int64_t wall_ms, struct random *random);
bool message_id_equals(struct message_id a, struct message_id b);
int message_id_compare(struct message_id a, struct message_id b);

struct message_id_text {
    char text[MESSAGE_ID_TEXT_SIZE + 1]; /* zero-ended */
};
struct message_id_text message_id_to_text(struct message_id id);
bool message_id_from_text(struct str text, struct message_id *out_id); /* either case */

/* A log field that names the message. The text lives until the end of the full expression. */
#define LOG_ID(id) LOG_TEXT("id", message_id_to_text(id).text)
