/* SPDX-License-Identifier: ISC */
/* stream.h: a connected socket as a stream of bytes both ways.
 *
 * Input is handed over as it comes, from a buffer that all streams of a loop
 * share: whoever wants to keep it copies it. Output is gathered during the turn
 * and written at stream_flush(), which the role calls at the turn's end for every
 * stream that asked (stream_output() tells the role through `dirty`). No function of
 * the host is called from inside a call of the host into the stream.
 *
 * With TLS (stream_secure()) the host goes on in plain text: what it puts out waits
 * for the handshake, and what comes in comes after it.
 */
#pragma once

#include "base/list.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/tls.h"

struct stream;

/* Which streams have something to flush; belongs to the role's loop. */
struct stream_set {
    struct link dirty;
};
void stream_set_init(struct stream_set *set);
/* At the end of each turn. True if a host was called that may have more to do at once. */
bool stream_set_flush(struct stream_set *set);

struct stream_host {
    void (*input)(void *context, struct str bytes);
    /* The peer closed its side (error 0), or the connection broke (negative errno): then nothing
     * can be sent. Each is told once, and the second may follow the first: who has closed its side
     * may be gone altogether. */
    void (*end)(void *context, int error);
    /* The handshake is done; before any input. Where it fails, end() is called with -EPROTO, and
     * stream_tls() knows why. May be NULL. */
    void (*secured)(void *context);
    /* All output has been handed to the kernel; called after a stream_flush() that emptied it.
     * True: there is something to do at once. May be NULL. */
    bool (*drained)(void *context);
    /* The stream was closed by stream_close_after_flush() and is gone now. May be NULL. */
    void (*closed)(void *context);
};

/* Takes over the descriptor. Reading begins at once. */
struct stream *stream_new(struct loop *loop, struct stream_set *set, int fd,
                          const struct stream_host *host, void *context);
void stream_free(struct stream *stream); /* closes at once; NULL is fine; not inside host calls */
void stream_output(struct stream *stream, struct str bytes);
/* From now on with TLS; takes it over. What was put out before goes out as it is, and what comes in
 * from now on is the peer's handshake. Once. */
void stream_secure(struct stream *stream, struct tls *tls);
const struct tls *stream_tls(const struct stream *stream); /* NULL: without */
size_t stream_pending(const struct stream *stream);        /* octets not yet taken by the kernel */
/* Of a peer that has gone without a word, the kernel tells within a minute. */
void stream_keep_alive(struct stream *stream);
void stream_want_input(struct stream *stream, bool want);
/* With TLS: each line leaves in a record of its own, of RECORD_MAX octets at most. There are
 * programs (fetchmail as ODMR's client) that read one line and then wait for the socket, though the
 * rest of the record lies in their library already. */
void stream_send_by_line(struct stream *stream);
/* Sends what is pending, closes, calls closed(). No input() or end() comes any more. A peer that
 * does not read can hold this up for ever: the host frees the stream when it has waited enough. */
void stream_close_after_flush(struct stream *stream);
