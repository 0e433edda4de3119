/* SPDX-License-Identifier: ISC */
/* fuzz_channel.c: a role that has been taken over speaks. The first two bytes choose listener and
 * speaker, the third the size of the pieces; the rest is fed. What is let through is in the table,
 * and a payload that decodes is written back byte by byte. Pieces make no difference. */
#include "base/check.h"
#include "roles/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t messages;
    uint64_t decoded;
    uint64_t octets;
    uint64_t broken;
};

static bool goes_round(enum message_type type, struct cursor payload)
{
    struct buf again = { 0 };
    bool good = false;

    switch (type) {
#define MESSAGE(name, senders, takers, size_max, fields)                                           \
    case MESSAGE_##name: {                                                                         \
        struct message_##name message;                                                             \
        good = message_get_##name(payload, &message);                                              \
        if (good)                                                                                  \
            message_put_##name(&again, &message);                                                  \
        break;                                                                                     \
    }
#include "roles/messages.def"
#undef MESSAGE
    case MESSAGE_NONE:
    case MESSAGE_COUNT:
        check(false);
    }
    check(!good || str_equals(buf_str(&again), payload.left));
    buf_fini(&again);
    return good;
}

static bool on_message(void *context, struct channel *channel, enum message_type type,
                       struct cursor payload)
{
    struct seen *seen = context;

    check(!channel_is_broken(channel));
    check(payload.left.len <= message_size_max(type));
    bool good = goes_round(type, payload);
    seen->messages++;
    seen->decoded += good;
    seen->octets += payload.left.len;
    return good;
}

static void on_broken(void *context, struct channel *channel, const char *why)
{
    struct seen *seen = context;
    check(channel_is_broken(channel) && why != NULL);
    seen->broken++;
}

static struct seen listen_to(enum role self, enum role peer, struct str bytes, size_t piece)
{
    static const struct channel_host host = { .message = on_message, .broken = on_broken };
    struct seen seen = { 0 };
    struct channel *channel = channel_new(self, peer, 0, &host, &seen);

    while (bytes.len > 0) {
        channel_feed(channel, str_first(bytes, piece));
        bytes = str_skip(bytes, piece < bytes.len ? piece : bytes.len);
    }
    check(seen.broken == channel_is_broken(channel)); /* told once */
    channel_free(channel);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    enum role self = (enum role)(data[0] % ROLE_COUNT);
    enum role peer = (enum role)(data[1] % ROLE_COUNT);
    struct str bytes = str_of(data + 3, size - 3);
    struct seen whole = listen_to(self, peer, bytes, bytes.len + 1);
    struct seen pieces = listen_to(self, peer, bytes, (size_t)data[2] + 1);
    check(whole.messages == pieces.messages && whole.decoded == pieces.decoded);
    check(whole.octets == pieces.octets && whole.broken == pieces.broken);
    return 0;
}
