/* SPDX-License-Identifier: ISC */
/* channel.h: framed, typed messages between two roles.
 *
 * A frame is u32 payload length, u16 type, u16 zero (little-endian), payload. The
 * framing works over memory (channel_feed, channel_pending), so that the
 * simulator can join roles without sockets; channel_attach() joins it to one end
 * of a socket pair. Messages sent during a turn leave together at its end.
 *
 * A frame that messages.def does not allow from this peer, that is too large or
 * does not decode means that the peer has been taken over or is broken: the
 * channel is closed and the host is told.
 */
#pragma once

#include "net/loop.h"
#include "roles/messages.h"

struct channel;

struct channel_host {
    /* One message. False: it did not decode or makes no sense; the channel is closed. */
    bool (*message)(void *context, struct channel *channel, enum message_type type,
                    struct cursor payload);
    /* The peer is gone or was cut off; channel_free() may be called at the end of the turn. */
    void (*broken)(void *context, struct channel *channel, const char *why);
};

struct channel *channel_new(enum role self, enum role peer, unsigned peer_index,
                            const struct channel_host *host, void *context);
void channel_free(struct channel *channel); /* NULL is fine */
enum role channel_peer(const struct channel *channel);
unsigned channel_peer_index(const struct channel *channel);
bool channel_is_broken(const struct channel *channel);
/* Nothing comes from the peer any more, not even what is in the socket already; the host is told,
 * once. For a peer whose successor is here before its own end was noticed. */
void channel_cut(struct channel *channel, const char *why);

/* channel_send(channel, content_taken, .ticket = 7, .octets = 4096); a broken channel drops it. */
#define channel_send(channel, name, ...)                                                           \
    do {                                                                                           \
        const struct message_##name message_to_send = { __VA_ARGS__ };                             \
        struct buf *frame = channel_frame_begin((channel), MESSAGE_##name);                        \
        if (frame != NULL) {                                                                       \
            message_put_##name(frame, &message_to_send);                                           \
            channel_frame_end((channel));                                                          \
        }                                                                                          \
    } while (0)
struct buf *channel_frame_begin(struct channel *channel, enum message_type type);
void channel_frame_end(struct channel *channel);

/* Over memory. */
void channel_feed(struct channel *channel, struct str bytes);
struct str channel_pending(const struct channel *channel); /* output not yet taken */
void channel_taken(struct channel *channel, size_t octets);
size_t channel_memory(const struct channel *channel); /* of both buffers */

/* Over a socket: takes over the descriptor. Call channel_flush() at the end of each turn. */
void channel_attach(struct channel *channel, struct loop *loop, int fd);
void channel_flush(struct channel *channel);
