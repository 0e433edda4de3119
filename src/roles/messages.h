/* SPDX-License-Identifier: ISC */
/* messages.h: structs, encoders and decoders for messages.def.
 *
 * For each message NAME there is MESSAGE_NAME, struct message_NAME,
 * message_put_NAME() and message_get_NAME(). Decoded texts borrow the payload.
 */
#pragma once

#include "base/buf.h"
#include "base/cursor.h"
#include "mail/message_id.h"

enum role {
    ROLE_SUPERVISOR,
    ROLE_RECEIVER,
    ROLE_DELIVERER,
    ROLE_RESOLVER,
    ROLE_KEEPER,
    ROLE_PORTAL,
    ROLE_COUNT
};
/* Room for all that the configuration may ask for: keeper, resolver, portal, 16 deliverers, 64
 * receivers.
 */
enum { ROLE_PROCESSES_MAX = 96 };
const char *role_name(enum role role);
bool role_from_name(struct str name, enum role *out_role);

enum listener_kind { /* with these flags: */
                     LISTENER_SMTP = 1,
                     LISTENER_CONTROL = 2,
                     LISTENER_ATRN =
                         3, /* SMTP in which clients get mail, and bring none (RFC 2645) */
                     LISTENER_PORTAL = 4, /* HTTP */
};
enum {
    LISTENER_SECURE = 0x100,    /* with TLS from the first octet */
    LISTENER_NEIGHBOUR = 0x200, /* that of another receiver, who may be in trouble */
    LISTENER_KIND = 0xff,
};

enum message_type {
    MESSAGE_NONE = 0,
#define MESSAGE(name, senders, takers, size_max, fields) MESSAGE_##name,
#include "roles/messages.def"
#undef MESSAGE
    MESSAGE_COUNT
};

#define NUMBER(name)   uint64_t name;
#define IDENTITY(name) struct message_id name;
#define TEXT(name)     struct str name;
#define MESSAGE(name, senders, takers, size_max, fields)                                           \
    struct message_##name {                                                                        \
        fields                                                                                     \
    };                                                                                             \
    void message_put_##name(struct buf *out, const struct message_##name *message);                \
    /* False if the payload does not hold exactly these fields. */                                 \
    bool message_get_##name(struct cursor payload, struct message_##name *out_message);
#include "roles/messages.def"
#undef MESSAGE
#undef NUMBER
#undef IDENTITY
#undef TEXT

const char *message_name(enum message_type type);
/* May `sender` say this to `taker`? */
bool message_is_allowed(enum message_type type, enum role sender, enum role taker);
size_t message_size_max(enum message_type type);
