/* SPDX-License-Identifier: ISC */
/* messages.c: see messages.h. */
#include "roles/messages.h"

#include <string.h>

#include "base/check.h"

static const char *const role_names[ROLE_COUNT] = { "supervisor", "receiver", "deliverer",
                                                    "resolver",   "keeper",   "portal" };

const char *role_name(enum role role)
{
    return role_names[role];
}

bool role_from_name(struct str name, enum role *out_role)
{
    for (int i = 0; i < ROLE_COUNT; i++) {
        if (str_equals(name, str_from(role_names[i]))) {
            *out_role = (enum role)i;
            return true;
        }
    }
    return false;
}

struct message_rule {
    const char *name;
    unsigned senders; /* bits 1 << enum role */
    unsigned takers;
    size_t size_max;
};

#define KIB        1024
#define FROM(role) (1u << ROLE_##role)
#define TO(role)   (1u << ROLE_##role)
#define ANYBODY    ((1u << ROLE_COUNT) - 1)
static const struct message_rule rules[MESSAGE_COUNT] = {
#define MESSAGE(name, senders, takers, size_max, fields)                                           \
    [MESSAGE_##name] = { #name, senders, takers, size_max },
#include "roles/messages.def"
#undef MESSAGE
};

const char *message_name(enum message_type type)
{
    return type > MESSAGE_NONE && type < MESSAGE_COUNT ? rules[type].name : "unknown";
}

bool message_is_allowed(enum message_type type, enum role sender, enum role taker)
{
    return type > MESSAGE_NONE && type < MESSAGE_COUNT && (rules[type].senders & (1u << sender)) &&
           (rules[type].takers & (1u << taker));
}

size_t message_size_max(enum message_type type)
{
    check(type > MESSAGE_NONE && type < MESSAGE_COUNT);
    return rules[type].size_max;
}

#define NUMBER(name)   buf_add_u64(out, message->name);
#define IDENTITY(name) buf_add_bytes(out, message->name.bytes, MESSAGE_ID_SIZE);
#define TEXT(name)     buf_add_counted(out, message->name);
#define MESSAGE(name, senders, takers, size_max, fields)                                           \
    void message_put_##name(struct buf *out, const struct message_##name *message)                 \
    {                                                                                              \
        fields                                                                                     \
    }
#include "roles/messages.def"
#undef MESSAGE
#undef NUMBER
#undef IDENTITY
#undef TEXT

static struct message_id get_id(struct cursor *cursor)
{
    struct message_id id = { 0 };
    struct str bytes = cursor_bytes(cursor, MESSAGE_ID_SIZE);
    if (bytes.len == MESSAGE_ID_SIZE)
        memcpy(id.bytes, bytes.ptr, MESSAGE_ID_SIZE);
    return id;
}

#define NUMBER(name)   out_message->name = cursor_u64(&payload);
#define IDENTITY(name) out_message->name = get_id(&payload);
#define TEXT(name)     out_message->name = cursor_counted(&payload);
#define MESSAGE(name, senders, takers, size_max, fields)                                           \
    bool message_get_##name(struct cursor payload, struct message_##name *out_message)             \
    {                                                                                              \
        fields return cursor_done(&payload);                                                       \
    }
#include "roles/messages.def"
#undef MESSAGE
