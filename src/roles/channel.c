/* SPDX-License-Identifier: ISC */
/* channel.c: see channel.h. */
#include "roles/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"

enum {
    HEADER_SIZE = 8,
    READ_SIZE = 128 * 1024,
    READS_PER_TURN_MAX = 8,
    KEEP_BUFFER_MAX = 1024 * 1024, /* larger buffers go back to the heap when empty */
};

struct channel {
    enum role self;
    enum role peer;
    unsigned peer_index;
    const struct channel_host *host;
    void *context;
    struct buf in;
    struct buf out;
    size_t out_taken;   /* of `out`, already with the kernel */
    size_t frame_start; /* of the frame being written */
    bool broken;
    int fd;
    struct watch *watch;
    bool wants_output;
};

struct channel *channel_new(enum role self, enum role peer, unsigned peer_index,
                            const struct channel_host *host, void *context)
{
    struct channel *channel = memory_new(sizeof *channel);
    channel->self = self;
    channel->peer = peer;
    channel->peer_index = peer_index;
    channel->host = host;
    channel->context = context;
    channel->fd = -1;
    return channel;
}

void channel_free(struct channel *channel)
{
    if (channel == NULL)
        return;
    watch_free(channel->watch);
    if (channel->fd >= 0)
        (void)close(channel->fd);
    buf_fini(&channel->in);
    buf_fini(&channel->out);
    memory_free(channel);
}

enum role channel_peer(const struct channel *channel)
{
    return channel->peer;
}

unsigned channel_peer_index(const struct channel *channel)
{
    return channel->peer_index;
}

bool channel_is_broken(const struct channel *channel)
{
    return channel->broken;
}

void channel_cut(struct channel *channel, const char *why)
{
    if (channel->broken)
        return;
    channel->broken = true;
    if (channel->watch != NULL)
        watch_set(channel->watch, 0);
    channel->host->broken(channel->context, channel, why);
}

struct buf *channel_frame_begin(struct channel *channel, enum message_type type)
{
    if (channel->broken)
        return NULL;
    check(message_is_allowed(type, channel->self, channel->peer));
    channel->frame_start = channel->out.len;
    buf_add_u32(&channel->out, 0);
    buf_add_u16(&channel->out, (uint16_t)type);
    buf_add_u16(&channel->out, 0);
    return &channel->out;
}

void channel_frame_end(struct channel *channel)
{
    char *header = channel->out.ptr + channel->frame_start;
    size_t size = channel->out.len - channel->frame_start - HEADER_SIZE;
    enum message_type type =
        (enum message_type)((unsigned char)header[4] | (unsigned char)header[5] << 8);

    check(size <= message_size_max(type));
    for (int i = 0; i < 4; i++)
        header[i] = (char)(size >> (8 * i));
}

/* One frame off the front of *bytes; false when there is none complete (or the channel broke). */
static bool take_frame(struct channel *channel, struct str *bytes)
{
    struct cursor header = cursor_over(str_first(*bytes, HEADER_SIZE));
    uint32_t size = cursor_u32(&header);
    enum message_type type = (enum message_type)cursor_u16(&header);

    if (bytes->len < HEADER_SIZE)
        return false;
    if (!message_is_allowed(type, channel->peer, channel->self) || size > message_size_max(type)) {
        channel_cut(channel, "a message that is not its to send");
        return false;
    }
    if (bytes->len - HEADER_SIZE < size)
        return false;
    struct str payload = str_first(str_skip(*bytes, HEADER_SIZE), size);
    *bytes = str_skip(*bytes, HEADER_SIZE + size);
    if (!channel->host->message(channel->context, channel, type, cursor_over(payload)))
        channel_cut(channel, "a message that makes no sense");
    return !channel->broken;
}

static void take_frames(struct channel *channel)
{
    struct str bytes = buf_str(&channel->in);
    while (!channel->broken && take_frame(channel, &bytes))
        continue;
    buf_consume(&channel->in, channel->in.len - bytes.len);
    if (channel->in.len == 0 && channel->in.cap > KEEP_BUFFER_MAX)
        buf_fini(&channel->in);
}

void channel_feed(struct channel *channel, struct str bytes)
{
    if (channel->broken)
        return;
    buf_add(&channel->in, bytes);
    take_frames(channel);
}

struct str channel_pending(const struct channel *channel)
{
    return str_skip(buf_str(&channel->out), channel->out_taken);
}

void channel_taken(struct channel *channel, size_t octets)
{
    channel->out_taken += octets;
    check(channel->out_taken <= channel->out.len);
    if (channel->out_taken < channel->out.len) {
        /* A channel that is never quite empty must not keep what has left it. Moved is at most as
         * much as was sent. */
        if (channel->out_taken >= KEEP_BUFFER_MAX && channel->out_taken >= channel->out.len / 2) {
            buf_consume(&channel->out, channel->out_taken);
            channel->out_taken = 0;
        }
        return;
    }
    channel->out_taken = 0;
    if (channel->out.cap > KEEP_BUFFER_MAX)
        buf_fini(&channel->out);
    else
        buf_reset(&channel->out);
}

size_t channel_memory(const struct channel *channel)
{
    return channel->in.cap + channel->out.cap;
}

static void read_some(struct channel *channel)
{
    for (int i = 0; i < READS_PER_TURN_MAX && !channel->broken; i++) {
        buf_reserve(&channel->in, READ_SIZE);
        size_t room = channel->in.cap - channel->in.len;
        ssize_t got = recv(channel->fd, channel->in.ptr + channel->in.len, room, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            channel_cut(channel, got == 0 ? "it is gone" : strerror(errno));
            return;
        }
        channel->in.len += (size_t)got;
        take_frames(channel);
        if ((size_t)got < room)
            return;
    }
}

static void on_ready(void *context, unsigned what)
{
    struct channel *channel = context;
    if (what & WATCH_READ)
        read_some(channel);
    /* Writable: the turn's end flushes every channel anyway. */
}

void channel_attach(struct channel *channel, struct loop *loop, int fd)
{
    channel->fd = fd;
    channel->watch = watch_new(loop, fd, on_ready, channel);
    watch_set(channel->watch, WATCH_READ);
}

void channel_flush(struct channel *channel)
{
    if (channel->fd < 0 || channel->broken)
        return;
    struct str pending = channel_pending(channel);
    bool full = false;
    if (pending.len > 0)
        log_flush(); /* what happened is on record before anybody hears of it */
    while (pending.len > 0 && !full) {
        ssize_t sent = send(channel->fd, pending.ptr, pending.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            channel_cut(channel, strerror(errno));
            return;
        }
        full = sent < 0;
        if (!full)
            channel_taken(channel, (size_t)sent);
        pending = channel_pending(channel);
    }
    if (full != channel->wants_output) {
        channel->wants_output = full;
        watch_set(channel->watch, WATCH_READ | (full ? (unsigned)WATCH_WRITE : 0));
    }
}
