/* SPDX-License-Identifier: ISC */
/* mime_walk.h: the parts of a message, as its octets go by (RFC 2045, 2046).
 *
 * Takes the content in pieces of any size and says what each octet is: the header of an entity (the
 * message, a part, a message within it), its text, or what stands between entities. A text's last
 * line end belongs to the boundary behind it (RFC 2046 5.1.1), so the walk says it with that.
 * Every octet is said once and in order, in whatever way the content is cut into pieces.
 *
 * Multiparts and messages are gone into, as deep as MIME_DEPTH_MAX; signed ones are not, for
 * nothing in them may change: they are a text of their own kind. What is kept is a header, half a
 * line, and the boundaries of the multiparts that are open.
 */
#pragma once

#include "base/buf.h"

enum {
    MIME_DEPTH_MAX = 32,
    MIME_BOUNDARY_MAX = 200, /* RFC 2046 5.1.1 has 70 */
    MIME_HEADER_MAX = 1 << 20,
};

enum mime_kind {
    MIME_TEXT,      /* text of some kind */
    MIME_OCTETS,    /* any other single part */
    MIME_MULTIPART, /* holds parts */
    MIME_MESSAGE,   /* holds an entity with a header of its own */
    MIME_SEALED,    /* may not be changed: signed, or a message that takes no encoding */
};

enum mime_transfer { /* how its text is encoded: Content-Transfer-Encoding */
                     MIME_IDENTITY_7BIT,
                     MIME_IDENTITY_8BIT, /* or binary */
                     MIME_ENCODED,       /* quoted-printable, base64, or in a way we do not know */
};

struct mime_entity {
    enum mime_kind kind;
    enum mime_transfer transfer;
    bool is_message;  /* not a part: has fields of RFC 5322 */
    bool is_mime;     /* says which version of MIME it is */
    bool has_type;    /* says what it is */
    bool is_doubtful; /* a field that matters is there twice, or makes no sense */
};

struct mime_walk_host {
    /* An entity begins. Its header is whole, with the empty line if there is one. */
    void (*header)(void *context, const struct mime_entity *entity, struct str header);
    void (*text)(void *context, struct str octets); /* of a line of its text, no line end */
    void (*line_end)(void *context);                /* CRLF, in its text */
    void (*between)(void *context, struct str octets);
};

struct mime_walk;

struct mime_walk *mime_walk_new(const struct mime_walk_host *host, void *context);
void mime_walk_free(struct mime_walk *walk); /* NULL is fine */
void mime_walk_feed(struct mime_walk *walk, struct str octets);
void mime_walk_end(struct mime_walk *walk); /* that was all */
/* It is nested too deeply, or a header is too large; then nothing more is said. */
bool mime_walk_has_failed(const struct mime_walk *walk);
