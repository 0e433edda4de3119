/* SPDX-License-Identifier: ISC */
/* stream.c: see stream.h. */
#include "net/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/memory.h"
#include "net/socket.h"

enum {
    READ_SIZE = 64 * 1024,
    /* A peer that always has more to say must not keep the others waiting. */
    READS_PER_TURN_MAX = 4,
    KEEP_BUFFER_MAX = 4096, /* a larger one goes back to the heap when it is empty */
    SENT_MAX = 1024 * 1024, /* what has left an output that is never quite empty */
    RECORD_MAX = 8191,      /* as much as fetchmail reads at once */
    /* TLS answers by itself (new keys, alerts). Of a peer that makes it, and does not read, no more
     * is read than leads to about so much. */
    OWN_WORDS_MAX = 16 * 1024,
};

struct stream {
    struct stream_set *set;
    struct link dirty;
    struct watch *watch;
    struct tls *tls;   /* NULL: without */
    struct buf plain;  /* with TLS: what is not encrypted yet */
    struct buf output; /* as it goes to the peer */
    size_t sent;       /* of `output`, already with the kernel */
    size_t own_words;  /* that TLS has put into `output` by itself since it was last empty */
    const struct stream_host *host;
    void *context;
    int fd;
    bool wants_input;
    bool wants_output; /* the kernel's buffer was full */
    bool ended;        /* end() has been called */
    bool broken;       /* … with an error */
    bool closing;
    bool announce_drained;
    bool by_line; /* stream_send_by_line() */
};

void stream_set_init(struct stream_set *set)
{
    list_init(&set->dirty);
}

static bool may_read(const struct stream *stream)
{
    return stream->wants_input && !stream->ended && stream->own_words < OWN_WORDS_MAX;
}

static void update_watch(struct stream *stream)
{
    unsigned what = 0;
    if (may_read(stream))
        what |= WATCH_READ;
    if (stream->wants_output)
        what |= WATCH_WRITE;
    watch_set(stream->watch, what);
}

static void mark_dirty(struct stream *stream)
{
    if (!link_is_listed(&stream->dirty))
        list_append(&stream->set->dirty, &stream->dirty);
}

static void end(struct stream *stream, int error)
{
    if (stream->broken || (stream->ended && error == 0))
        return;
    stream->ended = true;
    stream->broken = error != 0;
    stream->wants_output = stream->wants_output && error == 0;
    update_watch(stream);
    stream->host->end(stream->context, error);
}

/* ---- TLS ---- */

static int send_output(struct stream *stream);

static void end_securely(struct stream *stream)
{
    switch (tls_state(stream->tls)) {
    case TLS_HANDSHAKE:
    case TLS_OPEN:
        return;
    case TLS_CLOSED:
        end(stream, 0);
        return;
    case TLS_FAILED:
        (void)send_output(stream); /* why; the host may free us before the turn's end */
        end(stream, -EPROTO);
        return;
    }
}

/* All of it, whatever the host says meanwhile about wanting more: it is bounded by what was read.
 */
static void decrypt(struct stream *stream, struct str bytes)
{
    static char plain[READ_SIZE];
    bool was_open = tls_state(stream->tls) == TLS_OPEN;
    size_t before = stream->output.len;
    size_t got;

    tls_feed(stream->tls, bytes, &stream->output);
    if (!was_open && tls_state(stream->tls) == TLS_OPEN && stream->host->secured != NULL)
        stream->host->secured(stream->context);
    while ((got = tls_read(stream->tls, plain, sizeof plain, &stream->output)) > 0)
        if (!stream->closing)
            stream->host->input(stream->context, str_of(plain, got));
    stream->own_words += stream->output.len - before; /* the host's wait in `plain` */
    if (stream->output.len > before || stream->plain.len > 0)
        mark_dirty(stream);
    if (!stream->closing)
        end_securely(stream);
}

static void encrypt_by_line(struct stream *stream)
{
    struct str rest = buf_str(&stream->plain);

    while (rest.len > 0 && tls_state(stream->tls) != TLS_FAILED) {
        struct str record = str_first(rest, RECORD_MAX);
        ptrdiff_t end = str_find(record, '\n');
        record = end >= 0 ? str_first(record, (size_t)end + 1) : record;
        tls_write(stream->tls, record, &stream->output);
        rest = str_skip(rest, record.len);
    }
}

static void encrypt(struct stream *stream)
{
    if (stream->plain.len == 0 || tls_state(stream->tls) == TLS_HANDSHAKE ||
        tls_state(stream->tls) == TLS_FAILED)
        return;
    if (stream->by_line)
        encrypt_by_line(stream);
    else
        tls_write(stream->tls, buf_str(&stream->plain), &stream->output);
    if (stream->plain.cap > KEEP_BUFFER_MAX)
        buf_fini(&stream->plain);
    else
        buf_reset(&stream->plain);
}

void stream_secure(struct stream *stream, struct tls *tls)
{
    check(stream->tls == NULL);
    stream->tls = tls;
    tls_feed(tls, STR_NONE, &stream->output); /* the client speaks first */
    mark_dirty(stream);
}

const struct tls *stream_tls(const struct stream *stream)
{
    return stream->tls;
}

/* ---- reading ---- */

static void take(struct stream *stream, struct str bytes)
{
    if (stream->tls != NULL)
        decrypt(stream, bytes);
    else
        stream->host->input(stream->context, bytes);
}

static void read_some(struct stream *stream)
{
    static char buffer[READ_SIZE]; /* one thread, one loop; see the head of stream.h */

    for (int i = 0; i < READS_PER_TURN_MAX && may_read(stream); i++) {
        ssize_t got = recv(stream->fd, buffer, sizeof buffer, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            end(stream, got < 0 ? -errno : 0);
            return;
        }
        take(stream, str_of(buffer, (size_t)got));
        if (got < READ_SIZE)
            return;
    }
}

static void on_ready(void *context, unsigned what)
{
    struct stream *stream = context;
    if (what & WATCH_WRITE)
        mark_dirty(stream);
    if (what & WATCH_READ)
        read_some(stream);
}

struct stream *stream_new(struct loop *loop, struct stream_set *set, int fd,
                          const struct stream_host *host, void *context)
{
    struct stream *stream = memory_new(sizeof *stream);
    stream->set = set;
    stream->fd = fd;
    stream->host = host;
    stream->context = context;
    stream->wants_input = true;
    stream->watch = watch_new(loop, fd, on_ready, stream);
    update_watch(stream);
    return stream;
}

void stream_free(struct stream *stream)
{
    if (stream == NULL)
        return;
    list_remove(&stream->dirty);
    watch_free(stream->watch);
    tls_free(stream->tls);
    buf_fini(&stream->plain);
    buf_fini(&stream->output);
    (void)close(stream->fd);
    memory_free(stream);
}

void stream_output(struct stream *stream, struct str bytes)
{
    if (bytes.len == 0)
        return;
    buf_add(stream->tls != NULL ? &stream->plain : &stream->output, bytes);
    stream->announce_drained = true;
    mark_dirty(stream);
}

size_t stream_pending(const struct stream *stream)
{
    return stream->plain.len + stream->output.len - stream->sent;
}

void stream_keep_alive(struct stream *stream)
{
    socket_keep_alive(stream->fd);
}

void stream_want_input(struct stream *stream, bool want)
{
    stream->wants_input = want;
    update_watch(stream);
}

void stream_send_by_line(struct stream *stream)
{
    stream->by_line = true;
}

void stream_close_after_flush(struct stream *stream)
{
    stream->closing = true;
    stream_want_input(stream, false);
    mark_dirty(stream);
}

/* Closing with unread input would make the kernel send a reset, which may take our last reply
 * back from the peer's buffer; so what is there is read and dropped, to a bound. A peer that goes
 * on talking has its reset coming. */
static void finish(struct stream *stream)
{
    char rest[4096];
    void (*closed)(void *) = stream->host->closed;
    void *context = stream->context;

    for (int i = 0; i < 16 && recv(stream->fd, rest, sizeof rest, MSG_DONTWAIT) > 0; i++)
        continue;
    stream_free(stream);
    if (closed != NULL)
        closed(context);
}

static void forget_output(struct stream *stream)
{
    stream->sent = stream->own_words = 0;
    if (stream->output.cap > KEEP_BUFFER_MAX)
        buf_fini(&stream->output);
    else
        buf_reset(&stream->output);
}

/* 0 once everything is with the kernel, or a negative errno. Last words wait there for the close
 * that follows, and leave in one packet with it. */
static int send_output(struct stream *stream)
{
    int flags = stream->closing ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL;

    while (stream->sent < stream->output.len) {
        ssize_t sent = send(stream->fd, stream->output.ptr + stream->sent,
                            stream->output.len - stream->sent, flags);
        if (sent < 0)
            return -errno;
        stream->sent += (size_t)sent;
        /* Moved is at most as much as was sent. */
        if (stream->sent >= SENT_MAX && stream->sent >= stream->output.len / 2) {
            buf_consume(&stream->output, stream->sent);
            stream->sent = 0;
        }
    }
    forget_output(stream);
    return 0;
}

/* True if it called a host that may have more to do. */
static bool flush(struct stream *stream)
{
    if (stream->tls != NULL)
        encrypt(stream);
    if (stream->tls != NULL && stream->closing)
        tls_end(stream->tls, &stream->output);
    int error = send_output(stream);
    bool broken = error != 0 && error != -EAGAIN && error != -EINTR;
    stream->wants_output = error == -EAGAIN || error == -EINTR;
    if (broken) {
        forget_output(stream);
        buf_fini(&stream->plain);
        stream->announce_drained = false;
    }
    update_watch(stream);
    if (stream->closing && !stream->wants_output) {
        finish(stream);
        return true;
    }
    if (broken) {
        end(stream, error);
        return true;
    }
    if (stream->wants_output || !stream->announce_drained || stream->host->drained == NULL ||
        stream_pending(stream) > 0) /* it waits for the handshake */
        return false;
    stream->announce_drained = false;
    return stream->host->drained(stream->context);
}

/* Flushing may make new output (drained() asks for more content): it goes round again, but not
 * for ever. */
bool stream_set_flush(struct stream_set *set)
{
    bool called = false;

    for (int round = 0; round < 16 && !list_is_empty(&set->dirty); round++) {
        struct link batch;
        list_init(&batch);
        batch.next = set->dirty.next;
        batch.prev = set->dirty.prev;
        batch.next->prev = &batch;
        batch.prev->next = &batch;
        list_init(&set->dirty);
        while (!list_is_empty(&batch)) {
            struct link *link = list_first(&batch);
            list_remove(link);
            called = flush(container_of(link, struct stream, dirty)) || called;
        }
    }
    return called || !list_is_empty(&set->dirty);
}
