/* SPDX-License-Identifier: ISC */
/* message_id.c: see message_id.h. */
#include "mail/message_id.h"

#include <string.h>

__extension__ typedef unsigned __int128 wide;

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

struct message_id message_id_new(int64_t wall_ms, struct random *random)
{
    struct message_id id;
    uint64_t chance[2] = { random_u64(random), random_u64(random) };

    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)((uint64_t)wall_ms >> (8 * (5 - i)));
    memcpy(id.bytes + 6, &chance[0], 8);
    memcpy(id.bytes + 14, &chance[1], 2);
    return id;
}

int message_id_compare(struct message_id a, struct message_id b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes);
}

bool message_id_equals(struct message_id a, struct message_id b)
{
    return message_id_compare(a, b) == 0;
}

/* 128 bits in 26 letters of five: the first letter carries only three. */
struct message_id_text message_id_to_text(struct message_id id)
{
    struct message_id_text out = { 0 };
    wide number = 0;

    for (int i = 0; i < MESSAGE_ID_SIZE; i++)
        number = (number << 8) | id.bytes[i];
    for (int i = MESSAGE_ID_TEXT_SIZE - 1; i >= 0; i--) {
        out.text[i] = alphabet[number & 31];
        number >>= 5;
    }
    return out;
}

bool message_id_from_text(struct str text, struct message_id *out_id)
{
    wide number = 0;

    if (text.len != MESSAGE_ID_TEXT_SIZE || text.ptr[0] < '0' || text.ptr[0] > '7')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char letter =
            text.ptr[i] >= 'a' && text.ptr[i] <= 'z' ? (char)(text.ptr[i] - 32) : text.ptr[i];
        const char *at = letter != '\0' ? strchr(alphabet, letter) : NULL;
        if (at == NULL)
            return false;
        number = (number << 5) | (unsigned)(at - alphabet);
    }
    for (int i = MESSAGE_ID_SIZE - 1; i >= 0; i--) {
        out_id->bytes[i] = (uint8_t)number;
        number >>= 8;
    }
    return true;
}
