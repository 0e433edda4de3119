/* SPDX-License-Identifier: ISC */
/* load.c: many clients that keep a record of what was promised to them.
 *
 *     load --to IP:PORT --log FILE [options]
 *
 * Sends messages, each with a name of its own, until enough were answered with 250. A connection
 * that is lost or refused is opened again; the message that was under way counts as lost (nobody
 * promised anything) and the next one has a new name. Each fate is a line of the log:
 *     ok ID HASH SIZE        250 after the content; hash and size are the body's
 *     refused ID CODE        4yz or 5yz
 *     lost ID                the connection went before an answer
 * At the end one JSON object goes to the standard output: counts, the seconds until the last 250,
 * and how long the answers after the final dot took.
 *
 *     --count N          250s to collect (100)
 *     --size BYTES       of the body (4096); --size-max BYTES: evenly between both
 *     --sessions N       at once (10)
 *     --per-session N    messages in a connection (1)
 *     --prefix WORD      names begin with it ("load")
 *     --sender ADDRESS   (sender@client.example)
 *     --recipient FORMAT one %lu in it becomes the message's number (user%lu@example.org); given
 *                        again: a further recipient of each message. Only what all of them are
 *                        accepted for is sent
 *     --same-body        one body for all, whose hash is its CRC-32C: costs less than the server
 *     --body FILE        this one body for all (lines end with CRLF)
 *     --head FILE        header fields above ours, the same for all: signatures
 *     --tls              STARTTLS first, with whomever; a session goes on with the one before it,
 * if the server lets it ("resumed" in the report)
 *     --lockstep         each command waits for the answer to the one before
 *     --pause MS         between two messages of a session (0)
 *     --from IP          own address
 *     --give-up SECONDS  without any 250 (30): then the exit status is 1
 *     --refusals N       ends, well, after so many refusals too (0: does not count them)
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/endpoint.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/random.h"
#include "sha256.h"

enum { AGAIN_MS = 100, PIECE_SIZE = 64 * 1024, RECIPIENTS_MAX = 4 };

struct plan {
    struct endpoint to;
    struct endpoint from;
    const char *prefix;
    const char *sender;
    const char *recipient[RECIPIENTS_MAX];
    int recipient_count;
    long count, sessions, per_session, refusals, give_up_s, pause_ms;
    long size, size_max;
    bool same_body, lockstep, tls;
    const char *body_file, *head_file; /* NULL: none */
};

struct body {
    struct buf dotted; /* with dots doubled and the final one */
    char hash[SHA256_TEXT_SIZE + 1];
    size_t size; /* without */
};

struct load {
    struct plan plan;
    struct random random;
    int epoll;
    FILE *log;
    struct body body;    /* --same-body, --body */
    struct buf head;     /* --head */
    uint32_t *answer_us; /* of each 250, how long it took */
    long answer_cap;
    struct heap idle; /* sessions that connect again, or go on, at their time */
    unsigned long next_number;
    long running; /* messages under way */
    long ok, refused, lost, connections, resumed;
    SSL_CTX *tls;
    int64_t began_us, last_ok_us;
};

enum phase {
    PHASE_IDLE,
    PHASE_BANNER,
    PHASE_EHLO,
    PHASE_STARTTLS,
    PHASE_PAUSE,
    PHASE_ENVELOPE,
    PHASE_CONTENT,
    PHASE_END
};

struct session {
    struct load *load;
    struct heap_node again;
    int fd;
    enum phase phase;
    SSL *tls;             /* NULL: in the clear */
    SSL_SESSION *resumes; /* of the connection before; NULL: none */
    bool awaits_peer;     /* the handshake does, before more can be sent */
    struct buf in;
    struct buf out;
    size_t sent;
    uint32_t events;
    long messages;
    /* the message under way */
    bool has_message;
    int replies; /* to MAIL, each RCPT and DATA, so far */
    int refused_code;
    char id[100];
    unsigned long number;
    struct body body;
    int64_t ended_us; /* the final dot was sent; 0: not yet */
};

static int64_t now_us(void)
{
    struct timespec now;
    check(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- messages ---- */

static void add_line(struct buf *body, struct random *random)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyz .,ABCDEFGHIJKLMNOPQRSTUVWXYZ012345678";
    uint64_t bits = 0;
    size_t len = random_below(random, 70);
    if (random_below(random, 8) == 0)
        buf_add_byte(body, '.'); /* a line that SMTP must double the dot of */
    for (size_t i = 0; i < len; i++) {
        if (i % 10 == 0)
            bits = random_u64(random);
        buf_add_byte(body, letters[bits & 63]);
        bits >>= 6;
    }
    buf_add(body, STR("\r\n"));
}

static void add_doubled(struct buf *out, struct str body)
{
    struct str line;
    while (str_cut(&body, '\n', &line) && line.len > 0) {
        if (line.ptr[0] == '.')
            buf_add_byte(out, '.');
        buf_add(out, line);
        buf_add_byte(out, '\n');
    }
}

static void make_hash(const struct plan *plan, struct str bytes, struct body *body)
{
    struct sha256 sha;

    if (plan->same_body) {
        (void)snprintf(body->hash, sizeof body->hash, "%08x", crc32c(0, bytes));
        return;
    }
    sha256_init(&sha);
    sha256_add(&sha, bytes);
    sha256_end(&sha, body->hash);
}

static void read_file(const char *name, struct buf *out)
{
    FILE *file = fopen(name, "re");
    char piece[4096];
    size_t len;

    if (file == NULL) {
        perror(name);
        exit(2);
    }
    while ((len = fread(piece, 1, sizeof piece, file)) > 0)
        buf_add_bytes(out, piece, len);
    (void)fclose(file);
}

static void make_body(struct load *load, struct body *body)
{
    const struct plan *plan = &load->plan;
    struct buf plain = { 0 };
    size_t size = (size_t)plan->size;

    if (plan->size_max > plan->size)
        size += random_below(&load->random, (uint64_t)(plan->size_max - plan->size));
    buf_reserve(&plain, size + 100);
    if (plan->body_file != NULL)
        read_file(plan->body_file, &plain);
    while (plan->body_file == NULL && plain.len < size)
        add_line(&plain, &load->random);
    body->size = plain.len;
    make_hash(plan, buf_str(&plain), body);
    buf_reset(&body->dotted);
    add_doubled(&body->dotted, buf_str(&plain));
    buf_add(&body->dotted, STR(".\r\n"));
    buf_fini(&plain);
}

static const struct body *body_of(const struct session *session)
{
    return session->load->plan.same_body ? &session->load->body : &session->body;
}

static void compose(struct session *session)
{
    struct load *load = session->load;

    session->number = load->next_number++;
    (void)snprintf(session->id, sizeof session->id, "%s-%lu", load->plan.prefix, session->number);
    if (!load->plan.same_body)
        make_body(load, &session->body);
}

static void add_content(struct session *session)
{
    buf_add(&session->out, buf_str(&session->load->head));
    buf_add_format(&session->out,
                   "From: <%s>\r\nSubject: %s\r\nX-Load-Id: %s\r\n"
                   "Message-Id: <%s@client.example>\r\n\r\n",
                   session->load->plan.sender, session->id, session->id, session->id);
    buf_add(&session->out, buf_str(&body_of(session)->dotted));
}

static void add_recipient(struct buf *out, const char *format, unsigned long number)
{
    const char *at = strstr(format, "%lu");
    if (at == NULL)
        buf_add(out, str_from(format));
    else
        buf_add_format(out, "%.*s%lu%s", (int)(at - format), format, number, at + 3);
}

/* MAIL, each RCPT, DATA. */
static void add_command(struct session *session, int which)
{
    const struct plan *plan = &session->load->plan;

    if (which == 0) {
        buf_add_format(&session->out, "MAIL FROM:<%s>\r\n", plan->sender);
    } else if (which > plan->recipient_count) {
        buf_add(&session->out, STR("DATA\r\n"));
    } else {
        buf_add(&session->out, STR("RCPT TO:<"));
        add_recipient(&session->out, plan->recipient[which - 1], session->number);
        buf_add(&session->out, STR(">\r\n"));
    }
}

static void begin_message(struct session *session)
{
    struct load *load = session->load;
    int commands = load->plan.lockstep ? 1 : load->plan.recipient_count + 2;

    compose(session);
    for (int i = 0; i < commands; i++)
        add_command(session, i);
    load->running++;
    session->has_message = true;
    session->replies = 0;
    session->refused_code = 0;
    session->ended_us = 0;
    session->phase = PHASE_ENVELOPE;
}

static void note_ok(struct load *load, const struct session *session)
{
    const struct body *body = body_of(session);

    load->last_ok_us = now_us();
    if (load->ok == load->answer_cap) {
        load->answer_cap = load->answer_cap > 0 ? load->answer_cap * 2 : 1024;
        load->answer_us =
            memory_resize(load->answer_us, (size_t)load->answer_cap * sizeof *load->answer_us);
    }
    load->answer_us[load->ok++] = (uint32_t)(load->last_ok_us - session->ended_us);
    (void)fprintf(load->log, "ok %s %s %zu\n", session->id, body->hash, body->size);
}

static void end_message(struct session *session, const char *fate)
{
    struct load *load = session->load;
    if (!session->has_message)
        return;
    session->has_message = false;
    load->running--;
    if (strcmp(fate, "ok") == 0) {
        note_ok(load, session);
    } else if (strcmp(fate, "lost") == 0) {
        load->lost++;
        (void)fprintf(load->log, "lost %s\n", session->id);
    } else {
        load->refused++;
        (void)fprintf(load->log, "refused %s %d\n", session->id, session->refused_code);
    }
}

/* ---- connections ---- */

static bool wants_more(const struct load *load)
{
    return load->ok + load->running < load->plan.count;
}

/* What just broke off is not resumed. */
static void end_tls(struct session *session)
{
    if (session->tls != NULL && session->phase == PHASE_END) {
        SSL_SESSION_free(session->resumes);
        session->resumes = SSL_get1_session(session->tls);
        (void)SSL_shutdown(session->tls);
    }
    SSL_free(session->tls);
    session->tls = NULL;
}

static void hang_up(struct session *session, int64_t pause_ms)
{
    end_message(session, "lost");
    end_tls(session);
    session->awaits_peer = false;
    if (session->fd >= 0)
        (void)close(session->fd);
    session->fd = -1;
    session->phase = PHASE_IDLE;
    buf_reset(&session->in);
    buf_reset(&session->out);
    session->sent = 0;
    heap_put(&session->load->idle, &session->again, clock_now().mono_ms + pause_ms);
}

static struct sockaddr_in socket_address(struct endpoint endpoint)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(endpoint.port) };
    memcpy(&address.sin_addr, endpoint.address, 4);
    return address;
}

static void dial(struct session *session)
{
    struct load *load = session->load;
    struct sockaddr_in to = socket_address(load->plan.to);
    struct sockaddr_in from = socket_address(load->plan.from);
    int one = 1;

    session->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    check(session->fd >= 0);
    (void)setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (load->plan.from.family != ENDPOINT_NONE) {
        from.sin_port = 0;
        check(bind(session->fd, (struct sockaddr *)&from, sizeof from) == 0);
    }
    if (connect(session->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
        hang_up(session, AGAIN_MS);
        return;
    }
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = session };
    check(epoll_ctl(load->epoll, EPOLL_CTL_ADD, session->fd, &event) == 0);
    session->events = EPOLLIN;
    session->phase = PHASE_BANNER;
    session->messages = 0;
    load->connections++;
}

static void send_next(struct session *session)
{
    if (wants_more(session->load) && session->messages < session->load->plan.per_session) {
        session->messages++;
        begin_message(session);
    } else {
        buf_add(&session->out, STR("QUIT\r\n"));
        session->phase = PHASE_END;
    }
}

static void go_on(struct session *session)
{
    struct load *load = session->load;
    if (load->plan.pause_ms == 0 || session->messages == 0) {
        send_next(session);
        return;
    }
    session->phase = PHASE_PAUSE;
    heap_put(&load->idle, &session->again, clock_now().mono_ms + load->plan.pause_ms);
}

static void refuse(struct session *session, int code)
{
    session->refused_code = code;
    end_message(session, "refused");
    if (code == 421) {
        hang_up(session, AGAIN_MS);
        return;
    }
    go_on(session);
}

static void on_envelope_reply(struct session *session, int code)
{
    if (code >= 400 && session->refused_code == 0)
        session->refused_code = code;
    if (code == 421) {
        refuse(session, code);
        return;
    }
    session->replies++;
    if (session->load->plan.lockstep && code < 400 && code != 354) {
        add_command(session, session->replies);
        return;
    }
    bool is_last = session->replies == session->load->plan.recipient_count + 2;
    if (!is_last && !session->load->plan.lockstep)
        return;
    if (code == 354 && session->refused_code != 0) { /* for some of them: nobody is bound to it */
        hang_up(session, AGAIN_MS);
        return;
    }
    if (code != 354) {
        buf_add(&session->out, STR("RSET\r\n"));
        session->replies = -1; /* one answer more: RSET's */
        return;
    }
    add_content(session);
    session->phase = PHASE_CONTENT;
}

static void begin_tls(struct session *session)
{
    session->tls = SSL_new(session->load->tls);
    check(session->tls != NULL && SSL_set_fd(session->tls, session->fd) == 1);
    if (session->resumes != NULL)
        check(SSL_set_session(session->tls, session->resumes) == 1);
    SSL_set_connect_state(session->tls);
    buf_add(&session->out, STR("EHLO client.example\r\n"));
    session->phase = PHASE_EHLO;
}

static void on_hello(struct session *session)
{
    struct load *load = session->load;

    if (load->plan.tls && session->tls == NULL) {
        buf_add(&session->out, STR("STARTTLS\r\n"));
        session->phase = PHASE_STARTTLS;
        return;
    }
    load->resumed += session->tls != NULL && SSL_session_reused(session->tls);
    go_on(session);
}

static void on_reply(struct session *session, int code)
{
    switch (session->phase) {
    case PHASE_BANNER:
        if (code != 220) {
            hang_up(session, AGAIN_MS);
            return;
        }
        buf_add(&session->out, STR("EHLO client.example\r\n"));
        session->phase = PHASE_EHLO;
        return;
    case PHASE_EHLO:
        if (code != 250)
            hang_up(session, AGAIN_MS);
        else
            on_hello(session);
        return;
    case PHASE_STARTTLS:
        if (code != 220)
            hang_up(session, AGAIN_MS);
        else
            begin_tls(session);
        return;
    case PHASE_ENVELOPE:
        if (session->replies < 0)
            refuse(session, session->refused_code);
        else
            on_envelope_reply(session, code);
        return;
    case PHASE_CONTENT:
        if (code == 250) {
            end_message(session, "ok");
            go_on(session);
        } else {
            refuse(session, code);
        }
        return;
    case PHASE_END:
        hang_up(session, 0);
        return;
    case PHASE_IDLE:
    case PHASE_PAUSE:
        return;
    }
}

/* As send() and recv(), over TLS where there is some. */
static ssize_t tls_outcome(struct session *session, int done)
{
    int why = done > 0 ? SSL_ERROR_NONE : SSL_get_error(session->tls, done);

    session->awaits_peer = why == SSL_ERROR_WANT_READ;
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return done > 0 ? done : -1;
}

static ssize_t send_some(struct session *session, struct str bytes)
{
    if (session->tls == NULL)
        return send(session->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    return tls_outcome(session, SSL_write(session->tls, bytes.ptr, (int)bytes.len));
}

static ssize_t receive_some(struct session *session, char *room, size_t size)
{
    if (session->tls == NULL)
        return recv(session->fd, room, size, 0);
    return tls_outcome(session, SSL_read(session->tls, room, (int)size));
}

static void flush_output(struct session *session)
{
    while (session->fd >= 0 && session->sent < session->out.len) {
        ssize_t sent = send_some(session, str_skip(buf_str(&session->out), session->sent));
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0) {
            hang_up(session, AGAIN_MS);
            return;
        }
        session->sent += (size_t)sent;
    }
    if (session->fd < 0)
        return;
    if (session->sent == session->out.len) {
        buf_reset(&session->out);
        session->sent = 0;
        if (session->phase == PHASE_CONTENT && session->ended_us == 0)
            session->ended_us = now_us();
    }
    uint32_t events = EPOLLIN | (session->out.len > 0 && !session->awaits_peer ? EPOLLOUT : 0u);
    if (events != session->events) {
        struct epoll_event event = { .events = events, .data.ptr = session };
        check(epoll_ctl(session->load->epoll, EPOLL_CTL_MOD, session->fd, &event) == 0);
        session->events = events;
    }
}

static void take_replies(struct session *session)
{
    for (;;) {
        ptrdiff_t end = str_find(buf_str(&session->in), '\n');
        if (end < 0)
            return;
        struct str line = str_first(buf_str(&session->in), (size_t)end);
        uint64_t code = 0;
        bool is_last = line.len < 4 || line.ptr[3] != '-';
        (void)str_to_u64(str_first(line, 3), 599, &code);
        buf_consume(&session->in, (size_t)end + 1);
        if (is_last)
            on_reply(session, (int)code);
    }
}

static void on_readable(struct session *session)
{
    buf_reserve(&session->in, PIECE_SIZE);
    ssize_t got = receive_some(session, session->in.ptr + session->in.len, PIECE_SIZE);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        hang_up(session, AGAIN_MS);
        return;
    }
    session->in.len += (size_t)got;
    take_replies(session);
}

static bool is_over(const struct load *load, int64_t now)
{
    const struct plan *plan = &load->plan;
    return load->ok >= plan->count || (plan->refusals > 0 && load->refused >= plan->refusals) ||
           now - load->last_ok_us / 1000 > plan->give_up_s * SECOND_MS;
}

/* Its time has come: to connect, or to go on after a pause. */
static void wake(struct session *session)
{
    if (session->fd < 0) {
        dial(session);
        return;
    }
    send_next(session);
    flush_output(session);
}

/* Until somebody must be woken; soon in any case, to see whether it is over. */
static int time_left(const struct load *load, int64_t now)
{
    const struct heap_node *first = heap_first(&load->idle);
    int64_t left = first != NULL && wants_more(load) ? first->key - now : AGAIN_MS / 2;
    if (left < 0)
        return 0;
    return left < AGAIN_MS / 2 ? (int)left : AGAIN_MS / 2;
}

static int run(struct load *load)
{
    struct epoll_event event[64];
    int64_t now = clock_now().mono_ms;
    load->began_us = load->last_ok_us = now_us();
    while (!is_over(load, now)) {
        struct heap_node *node;
        while (wants_more(load) && (node = heap_take_due(&load->idle, now)) != NULL)
            wake(container_of(node, struct session, again));
        int count = epoll_wait(load->epoll, event, 64, time_left(load, clock_now().mono_ms));
        for (int i = 0; i < count; i++) {
            struct session *session = event[i].data.ptr;
            if (session->fd >= 0 && (event[i].events & ~(uint32_t)EPOLLOUT) != 0)
                on_readable(session);
            flush_output(session);
        }
        (void)fflush(load->log);
        now = clock_now().mono_ms;
    }
    return load->ok >= load->plan.count || load->plan.refusals > 0 ? 0 : 1;
}

/* ---- the report ---- */

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static double answer_ms(const struct load *load, double part)
{
    return load->ok > 0 ? load->answer_us[(long)((double)(load->ok - 1) * part)] / 1000.0 : 0;
}

static void report(struct load *load)
{
    qsort(load->answer_us, (size_t)load->ok, sizeof *load->answer_us, compare);
    (void)printf(
        "{\"ok\": %ld, \"refused\": %ld, \"lost\": %ld, \"connections\": %ld, \"resumed\": %ld, "
        "\"seconds\": %.6f, \"answer_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}}\n",
        load->ok, load->refused, load->lost, load->connections, load->resumed,
        (double)(load->last_ok_us - load->began_us) / 1e6, answer_ms(load, 0.5),
        answer_ms(load, 0.99), answer_ms(load, 1));
}

/* ---- start ---- */

static _Noreturn void usage(const char *why)
{
    (void)fprintf(stderr, "load: %s; its head comment lists the options\n", why);
    exit(2);
}

static SSL_CTX *make_tls(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

    check(tls != NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return tls;
}

static struct endpoint address_of(const char *text, uint16_t port)
{
    struct endpoint endpoint;
    if (!endpoint_from_text(str_from(text), port, &endpoint) || endpoint.family != ENDPOINT_IP4)
        usage(text);
    return endpoint;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "to", 1, NULL, 't' },          { "log", 1, NULL, 'o' },
        { "count", 1, NULL, 'n' },       { "size", 1, NULL, 's' },
        { "size-max", 1, NULL, 'S' },    { "sessions", 1, NULL, 'c' },
        { "per-session", 1, NULL, 'p' }, { "prefix", 1, NULL, 'x' },
        { "sender", 1, NULL, 'm' },      { "recipient", 1, NULL, 'r' },
        { "from", 1, NULL, 'f' },        { "give-up", 1, NULL, 'g' },
        { "refusals", 1, NULL, 'R' },    { "pause", 1, NULL, 'w' },
        { "same-body", 0, NULL, 'b' },   { "lockstep", 0, NULL, 'k' },
        { "tls", 0, NULL, 'T' },         { "body", 1, NULL, 'B' },
        { "head", 1, NULL, 'H' },        { 0 },
    };
    struct load load = { .plan = { .prefix = "load",
                                   .sender = "sender@client.example",
                                   .count = 100,
                                   .sessions = 10,
                                   .per_session = 1,
                                   .give_up_s = 30,
                                   .size = 4096 } };
    struct plan *plan = &load.plan;
    const char *log = "";
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        long *const number[128] = {
            ['n'] = &plan->count,    ['s'] = &plan->size,        ['S'] = &plan->size_max,
            ['c'] = &plan->sessions, ['p'] = &plan->per_session, ['g'] = &plan->give_up_s,
            ['R'] = &plan->refusals, ['w'] = &plan->pause_ms
        };
        const char **const text[128] = { ['o'] = &log,
                                         ['x'] = &plan->prefix,
                                         ['m'] = &plan->sender,
                                         ['B'] = &plan->body_file,
                                         ['H'] = &plan->head_file };
        if (option == 't')
            plan->to = address_of(optarg, 25);
        else if (option == 'f')
            plan->from = address_of(optarg, 0);
        else if (option == 'r' && plan->recipient_count < RECIPIENTS_MAX)
            plan->recipient[plan->recipient_count++] = optarg;
        else if (option == 'b')
            plan->same_body = true;
        else if (option == 'k')
            plan->lockstep = true;
        else if (option == 'T')
            plan->tls = true;
        else if (number[option & 127] != NULL)
            *number[option & 127] = strtol(optarg, NULL, 10);
        else if (text[option & 127] != NULL)
            *text[option & 127] = optarg;
        else
            usage("no such option");
    }
    if (plan->recipient_count == 0)
        plan->recipient[plan->recipient_count++] = "user%lu@example.org";
    if (plan->to.family == ENDPOINT_NONE || *log == '\0')
        usage("--to and --log are needed");
    load.log = fopen(log, "ae");
    if (load.log == NULL) {
        perror(log);
        return 1;
    }
    random_from_kernel(&load.random);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.tls = plan->tls ? make_tls() : NULL;
    struct session *session = memory_new((size_t)plan->sessions * sizeof *session);
    for (long i = 0; i < plan->sessions; i++) {
        session[i].load = &load;
        session[i].fd = -1;
        heap_put(&load.idle, &session[i].again, 0);
    }
    plan->same_body = plan->same_body || plan->body_file != NULL;
    if (plan->same_body)
        make_body(&load, &load.body);
    if (plan->head_file != NULL)
        read_file(plan->head_file, &load.head);
    int status = run(&load);
    for (long i = 0; i < plan->sessions; i++) {
        end_message(&session[i], "lost");
        SSL_free(session[i].tls);
        SSL_SESSION_free(session[i].resumes);
    }
    SSL_CTX_free(load.tls);
    (void)fclose(load.log);
    report(&load);
    return status;
}
