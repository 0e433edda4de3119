/* SPDX-License-Identifier: ISC */
/* seal.h: content that only who has the node's key can read, or change unnoticed.
 *
 * A content has two parts, its front and its body (store.h). Each is cut into pieces of
 * SEAL_PIECE octets; each piece is sealed by itself (ChaCha20-Poly1305, RFC 8439) and is
 * SEAL_TAG octets longer then, so that reading may begin anywhere and takes little memory. The
 * last piece of a part says that it is the last; an empty part is one empty piece.
 *
 * Each message has a key of its own: BLAKE2b of its id and its salt, under the node's key. The salt
 * is drawn for each content anew, so a key seals one content only, and the nonce can be the
 * piece's place: part, number, last or not. What is moved, swapped, cut off or brought from another
 * message does not open.
 */
#pragma once

#include "base/buf.h"
#include "mail/envelope.h"

enum { SEAL_PIECE = 16 * 1024, SEAL_TAG = 16, SEAL_KEY_SIZE = 32, SEAL_KEYS_MAX = 16 };

struct seal_node_key {
    uint8_t id[SEAL_KEY_ID_SIZE]; /* made of the key, so that a slip of the hand is no other key */
    uint8_t bytes[SEAL_KEY_SIZE];
};

struct seal_keys { /* the first one seals, each one opens */
    struct seal_node_key key[SEAL_KEYS_MAX];
    uint32_t count;
};

/* A line is a key, 64 hexadecimal digits; empty lines and those that begin with # are passed over.
 * False: *out_why says what is wrong, and *out_keys has no key. */
bool seal_keys_parse(struct str text, struct seal_keys *out_keys, const char **out_why);
void seal_keys_wipe(struct seal_keys *keys);
void seal_key_make(struct buf *out); /* for the file: a comment with its id, and the key */
const struct seal_node_key *seal_find_key(const struct seal_keys *keys, const uint8_t *id);

struct seal { /* of one message */
    uint8_t key[SEAL_KEY_SIZE];
};

/* Draws a salt, for the first key. */
void seal_mark_draw(struct seal_mark *mark, const struct seal_keys *keys);
/* False: the key that the mark names is not there. */
bool seal_begin(struct seal *out_seal, const struct seal_keys *keys, struct message_id id,
                const struct seal_mark *mark);
void seal_wipe(struct seal *seal);

enum seal_part { SEAL_FRONT, SEAL_BODY };
struct seal_place {
    enum seal_part part;
    uint64_t piece; /* its number */
    bool is_last;
};

/* At most SEAL_PIECE octets. */
void seal_piece(const struct seal *seal, struct seal_place place, struct str plain,
                struct buf *out);
/* False: it is not what was sealed, there, for this message; nothing was added. */
bool seal_open_piece(const struct seal *seal, struct seal_place place, struct str sealed,
                     struct buf *out);
void seal_part(const struct seal *seal, enum seal_part part, struct str plain, struct buf *out);

uint64_t seal_pieces(uint64_t plain_size);
uint64_t seal_size(uint64_t plain_size);
/* False: nothing that was sealed has this size. */
bool seal_plain_size(uint64_t sealed_size, uint64_t *out_size);
